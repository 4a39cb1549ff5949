package pegasustest_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/onebox"
	"github.com/pegasus-go/pegasus/pegasustest"
)

// fill sets keys "0" to "99".
func fill(t *testing.T, table pegasus.TableConnector) {
	t.Helper()
	for i := range 100 {
		set(t, table, fmt.Sprint(i), "v")
	}
}

func wantFilled(t *testing.T, table pegasus.TableConnector) {
	t.Helper()
	for i := range 100 {
		wantValue(t, table, fmt.Sprint(i), "v")
	}
}

func TestKillAndRevive(t *testing.T) {
	t.Parallel()
	c := pegasustest.Start(t, pegasustest.WithReplicaServers(3))
	fill(t, c.Table)
	for replica := range 3 {
		c.Kill(replica)
		wantFilled(t, c.Table)
		c.Revive(replica)
		wantFilled(t, c.Table)
	}
}

// Partitions that a split has announced are nobody's to revive.
func TestKillAndReviveDuringSplit(t *testing.T) {
	t.Parallel()
	c := pegasustest.Start(t)
	fill(t, c.Table)
	c.Onebox().HoldSplits(true)
	if err := c.Onebox().Split(pegasustest.DefaultTable); err != nil {
		t.Fatal(err)
	}
	c.Kill(0)
	c.Revive(0)
	wantFilled(t, c.Table)
	c.Onebox().HoldSplits(false)
	wantFilled(t, c.Table)
}

// fatal is a test that notes what fails it.
type fatal struct {
	testing.TB
	text string
}

func (f *fatal) Helper() {}

func (f *fatal) Fatalf(format string, args ...any) {
	f.text = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

func TestNoSuchServer(t *testing.T) {
	t.Parallel()
	tb := &fatal{TB: t}
	c := pegasustest.Start(tb)
	for name, f := range map[string]func(){"Kill": func() { c.Kill(1) }, "Revive": func() { c.Revive(-1) }} {
		tb.text = ""
		var wg sync.WaitGroup
		wg.Go(f)
		wg.Wait()
		if !strings.Contains(tb.text, "no replica server") {
			t.Errorf("%s: %q", name, tb.text)
		}
	}
	defer func() {
		if p := recover(); p != "onebox: no meta server 1: there are 1" {
			t.Errorf("Meta(1): %v", p)
		}
	}()
	c.Onebox().Meta(1)
}

func TestSplit(t *testing.T) {
	t.Parallel()
	c := pegasustest.Start(t, pegasustest.WithTable("t", 2))
	fill(t, c.Table)
	for _, want := range []int{4, 8} {
		c.Split("t")
		partitions, err := c.Admin().Partitions(t.Context(), "t")
		if err != nil || len(partitions) != want {
			t.Fatalf("%d partitions, %v, want %d", len(partitions), err, want)
		}
		wantFilled(t, c.Table)
	}
}

func TestIntercept(t *testing.T) {
	t.Parallel()
	c := pegasustest.Start(t)
	set(t, c.Table, "k", "v")
	var gets atomic.Int32
	c.Onebox().Intercept(func(r onebox.Request) onebox.Action {
		if r.Task == onebox.TaskGet && gets.Add(1) <= 2 {
			return onebox.Action{Error: "ERR_BUSY"}
		}
		return onebox.Action{}
	})
	wantValue(t, c.Table, "k", "v") // the client tries again
	if gets.Load() != 3 {
		t.Errorf("%d requests, want 3", gets.Load())
	}
}

func TestRefuseDials(t *testing.T) {
	t.Parallel()
	c := pegasustest.Start(t)
	set(t, c.Table, "k", "v")
	link := c.Link(c.Onebox().Replica(0).Addr())
	link.RefuseDials()
	wantValue(t, c.Table, "k", "v") // over the connection that is open
	link.Break()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := c.Table.Get(ctx, []byte("k"), []byte("s")); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Get without a connection: %v", err)
	}
	link.Heal()
	wantValue(t, c.Table, "k", "v")
}

func TestBreakAfter(t *testing.T) {
	t.Parallel()
	c := pegasustest.Start(t)
	set(t, c.Table, "k", "v")
	link := c.Link(c.Onebox().Replica(0).Addr())
	link.BreakAfter(10) // in the middle of the answer
	_, err := c.Table.Incr(t.Context(), []byte("n"), []byte("s"), 1)
	if !errors.Is(err, pegasus.ErrInDoubt) {
		t.Errorf("Incr whose answer was cut: %v", err)
	}
	link.Heal()
	wantValue(t, c.Table, "n", "1") // it was carried out
}

// A write that is on its way when the client loses the connection is carried out all the same,
// after the client has looked.
func TestOrphan(t *testing.T) {
	t.Parallel()
	c := pegasustest.Start(t)
	set(t, c.Table, "k", "v")
	late := make(chan struct{})
	link := c.Link(c.Onebox().Replica(0).Addr())
	c.Onebox().Intercept(func(r onebox.Request) onebox.Action {
		if r.Task != onebox.TaskIncr {
			return onebox.Action{}
		}
		link.Orphan()
		return onebox.Action{Until: late}
	})
	if _, err := c.Table.Incr(t.Context(), []byte("n"), []byte("s"), 1); !errors.Is(err, pegasus.ErrInDoubt) {
		t.Errorf("Incr whose connection is lost: %v", err)
	}
	wantValue(t, c.Table, "k", "v")
	if v, err := c.Table.Get(t.Context(), []byte("n"), []byte("s")); v != nil || err != nil {
		t.Errorf("%q, %v while the write is held up", v, err)
	}
	close(late)
	for {
		v, err := c.Table.Get(t.Context(), []byte("n"), []byte("s"))
		if err != nil {
			t.Fatal(err)
		}
		if v != nil {
			return
		}
	}
}

func TestFillDisk(t *testing.T) {
	t.Parallel()
	c := pegasustest.Start(t)
	set(t, c.Table, "k", "v")
	node := c.Onebox().Replica(0)
	node.FillDisk(true)
	if err := c.Table.Set(t.Context(), []byte("k"), []byte("s"), []byte("w")); !errors.Is(err, pegasus.ErrDiskInsufficient) {
		t.Errorf("Set on a full disk: %v", err)
	}
	wantValue(t, c.Table, "k", "v")
	node.FillDisk(false)
	set(t, c.Table, "k", "w")
}

// A Network works for clients and servers that Start has not made.
func TestNetwork(t *testing.T) {
	t.Parallel()
	srv, err := onebox.Start(onebox.Options{Tables: []onebox.Table{{Name: "t", Partitions: 1}}})
	if err != nil {
		t.Fatal(err)
	}
	defer srv.Close()
	var network pegasustest.Network
	client := pegasus.NewClient(pegasus.Config{MetaServers: srv.MetaServers(), Dial: network.Dial})
	defer client.Close()
	meta := network.Link(srv.MetaServers()[0])
	meta.RefuseDials()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := client.OpenTable(ctx, "t"); !errors.Is(err, pegasus.ErrNoMeta) || !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("OpenTable: %v", err)
	}
	meta.Heal()
	table, err := client.OpenTable(t.Context(), "t")
	if err != nil {
		t.Fatal(err)
	}
	set(t, table, "k", "v")
	network.Link(srv.ReplicaServers()[0]).Break()
	wantValue(t, table, "k", "v")
}
