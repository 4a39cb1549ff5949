package pegasustest_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/onebox"
	"github.com/pegasus-go/pegasus/pegasustest"
)

func set(t *testing.T, table pegasus.TableConnector, key, value string) {
	t.Helper()
	if err := table.Set(t.Context(), []byte(key), []byte("s"), []byte(value)); err != nil {
		t.Fatal(err)
	}
}

// get returns the value, "" if there is none.
func get(t *testing.T, table pegasus.TableConnector, key string) string {
	t.Helper()
	v, err := table.Get(t.Context(), []byte(key), []byte("s"))
	if err != nil {
		t.Fatal(err)
	}
	return string(v)
}

func wantValue(t *testing.T, table pegasus.TableConnector, key, want string) {
	t.Helper()
	if got := get(t, table, key); got != want {
		t.Errorf("the value of %s is %q, want %q", key, got, want)
	}
}

func TestStart(t *testing.T) {
	t.Parallel()
	c := pegasustest.Start(t)
	set(t, c.Table, "k", "v")
	wantValue(t, c.Table, "k", "v")
	table, err := c.Admin().Table(t.Context(), pegasustest.DefaultTable)
	if err != nil || table.Partitions != pegasustest.DefaultPartitions {
		t.Errorf("the table is %+v, %v", table, err)
	}
	// Another cluster has other data.
	wantValue(t, pegasustest.Start(t).Table, "k", "")
}

func TestOptions(t *testing.T) {
	t.Parallel()
	c := pegasustest.Start(t,
		pegasustest.WithTable("first", 3),
		pegasustest.WithTable("second", 1),
		pegasustest.WithReplicaServers(3),
		pegasustest.WithMetaServers(2),
		pegasustest.WithOnebox(func(o *onebox.Options) { o.Limits.WriteSize = 1000 }),
		pegasustest.WithClient(func(c *pegasus.Config) { c.OperationTimeout = time.Minute }),
	)
	set(t, c.Table, "k", "v")
	wantValue(t, c.OpenTable("first"), "k", "v")
	wantValue(t, c.OpenTable("second"), "k", "")
	if n, m := len(c.Onebox().ReplicaServers()), len(c.MetaServers()); n != 3 || m != 2 {
		t.Errorf("%d replica servers and %d meta servers, want 3 and 2", n, m)
	}
	partitions, err := c.Admin().Partitions(t.Context(), "first")
	if err != nil || len(partitions) != 3 {
		t.Errorf("Partitions = %v, %v", partitions, err)
	}
	err = c.Table.Set(t.Context(), []byte("k"), []byte("s"), make([]byte, 1000))
	if !errors.Is(err, pegasus.ErrInvalidData) {
		t.Errorf("Set of more than the limit: %v", err)
	}
	if c.Config().OperationTimeout != time.Minute {
		t.Errorf("the configuration is %+v", c.Config())
	}
	client := pegasus.NewClient(c.Config())
	defer client.Close()
	table, err := client.OpenTable(t.Context(), "first")
	if err != nil {
		t.Fatal(err)
	}
	wantValue(t, table, "k", "v")
}

func TestAdvanceClock(t *testing.T) {
	t.Parallel()
	c := pegasustest.Start(t)
	if err := c.Table.SetTTL(t.Context(), []byte("k"), []byte("s"), []byte("v"), time.Hour); err != nil {
		t.Fatal(err)
	}
	c.AdvanceClock(30 * time.Minute)
	wantValue(t, c.Table, "k", "v")
	c.AdvanceClock(30*time.Minute + time.Second)
	wantValue(t, c.Table, "k", "")
	if ahead := time.Until(c.Now()); ahead < time.Hour {
		t.Errorf("the servers are %v ahead", ahead)
	}
}

func TestMemoryNetworkIsNotTheNetwork(t *testing.T) {
	t.Parallel()
	c := pegasustest.Start(t, pegasustest.WithMemoryNetwork())
	client := pegasus.NewClient(pegasus.Config{MetaServers: c.MetaServers()})
	defer client.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := client.OpenTable(ctx, pegasustest.DefaultTable); !errors.Is(err, pegasus.ErrNoMeta) && !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("OpenTable without Config: %v", err)
	}
}

func TestRestart(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name    string
		options []pegasustest.Option
	}{
		{"memory", nil},
		{"memory network", []pegasustest.Option{pegasustest.WithMemoryNetwork()}},
		{"directory", []pegasustest.Option{pegasustest.WithDir(t.TempDir())}},
		{"directory, memory network", []pegasustest.Option{pegasustest.WithDir(t.TempDir()), pegasustest.WithMemoryNetwork()}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := pegasustest.Start(t, append(tc.options, pegasustest.WithMetaServers(2), pegasustest.WithReplicaServers(2))...)
			metas, replicas := c.MetaServers(), c.Onebox().ReplicaServers()
			set(t, c.Table, "k", "v")
			for _, restart := range []func(){c.Restart, c.Crash, c.Crash, c.Restart} {
				restart()
				wantValue(t, c.Table, "k", "v")
			}
			if !slices.Equal(c.MetaServers(), metas) || !slices.Equal(c.Onebox().ReplicaServers(), replicas) {
				t.Errorf("the addresses have changed from %v, %v to %v, %v", metas, replicas, c.MetaServers(), c.Onebox().ReplicaServers())
			}
		})
	}
}

// Tables that have changed since the start are as they were before a restart.
func TestRestartAfterSplit(t *testing.T) {
	t.Parallel()
	c := pegasustest.Start(t, pegasustest.WithDir(t.TempDir()), pegasustest.WithTable("split", 4))
	c.Split("split")
	c.Restart()
	if p, err := c.Admin().Partitions(t.Context(), "split"); err != nil || len(p) != 8 {
		t.Errorf("%d partitions, %v, want 8", len(p), err)
	}
}

// A crash amid writes and a split loses none that was acknowledged.
func TestCrash(t *testing.T) {
	t.Parallel()
	c := pegasustest.Start(t, pegasustest.WithDir(t.TempDir()), pegasustest.WithTable("t", 2))
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	const enough = 100
	var acknowledged []string // of the writer, then of the test
	some, written := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(written)
		for n := 0; ; n++ {
			k := fmt.Sprint(n)
			if c.Table.Set(ctx, []byte(k), []byte("s"), []byte(k)) == nil {
				acknowledged = append(acknowledged, k)
			} else if ctx.Err() != nil {
				return
			}
			if n == enough {
				close(some)
			}
		}
	}()
	<-some
	if err := c.Onebox().Split("t"); err != nil {
		t.Error(err)
	}
	c.Crash()
	stop()
	<-written
	if len(acknowledged) < enough {
		t.Errorf("%d writes", len(acknowledged))
	}
	for _, k := range acknowledged {
		wantValue(t, c.Table, k, k)
	}
}

// recorder is a test that is expected to fail.
type recorder struct {
	testing.TB
	failure string
}

func (r *recorder) Fatalf(format string, args ...any) {
	r.failure = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

// failure returns why f fails its test, "" if it does not.
func failure(t *testing.T, f func(testing.TB)) string {
	t.Helper()
	r := &recorder{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		f(r)
	}()
	<-done
	return r.failure
}

func TestFailuresFailTheTest(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		want string
		call func(testing.TB)
	}{
		{"ReplicaServers", func(t testing.TB) { pegasustest.Start(t, pegasustest.WithReplicaServers(-1)) }},
		{"OperationTimeout", func(t testing.TB) {
			pegasustest.Start(t, pegasustest.WithClient(func(c *pegasus.Config) { c.OperationTimeout = -1 }))
		}},
		{"none", func(t testing.TB) { pegasustest.Start(t).OpenTable("none") }},
		{"none", func(t testing.TB) { pegasustest.Start(t).Split("none") }},
	} {
		if got := failure(t, tc.call); !strings.Contains(got, tc.want) {
			t.Errorf("the test failed with %q, want something about %s", got, tc.want)
		}
	}
}
