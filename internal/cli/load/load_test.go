package load

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/onebox"
	"github.com/pegasus-go/pegasus/pegasustest"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func row(h, s, v string) *pegasus.Row {
	return &pegasus.Row{HashKey: []byte(h), SortKey: []byte(s), Value: []byte(v)}
}

// Of rows that have the same key the last one stays, whatever happens to the servers.
func TestOrder(t *testing.T) {
	c := pegasustest.Start(t, pegasustest.WithReplicaServers(3))
	var requests atomic.Int64
	c.Onebox().Intercept(func(r onebox.Request) onebox.Action {
		if !r.Meta && requests.Add(1)%20 == 0 {
			return onebox.Action{Error: "ERR_BUSY"}
		}
		return onebox.Action{}
	})
	w := New(t.Context(), c.Table, Options{}, AtOnce{})
	defer w.Close()
	random := rand.New(rand.NewPCG(3, 4))
	want := make(map[[2]string]string)
	const n = 20_000
	for i := range n {
		h, s, v := fmt.Sprint("h", random.IntN(50)), fmt.Sprint("s", random.IntN(20)), fmt.Sprint(i)
		want[[2]string{h, s}] = v
		r := row(h, s, v)
		if err := w.Put(r); err != nil {
			t.Fatal(err)
		}
		copy(r.Value, "overwritten") // it is copied
		switch i {
		case n / 4:
			c.Kill(0)
		case n / 2:
			if err := c.Onebox().Split(c.Table.Name()); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Drain(); err != nil {
		t.Fatal(err)
	}
	if got := w.Counts(); got.Stored != n || got.Rows() != n || got.Bytes == 0 {
		t.Errorf("%+v", got)
	}
	for key, v := range want {
		if got, err := c.Table.Get(t.Context(), []byte(key[0]), []byte(key[1])); err != nil || string(got) != v {
			t.Errorf("%v is %q, want %q; %v", key, got, v, err)
		}
	}
}

func TestExpiry(t *testing.T) {
	c := pegasustest.Start(t)
	w := New(t.Context(), c.Table, Options{}, AtOnce{})
	defer w.Close()
	lives, over := row("h", "lives", "1"), row("h", "over", "1")
	lives.Expires, over.Expires = time.Now().Add(time.Hour).Truncate(time.Second), time.Now().Add(-time.Hour)
	if err := errors.Join(w.Put(lives), w.Put(over), w.Put(row("h", "for ever", "1")), w.Drain()); err != nil {
		t.Fatal(err)
	}
	if got := w.Counts(); got.Stored != 2 || got.Expired != 1 {
		t.Errorf("%+v", got)
	}
	if got, found, err := c.Table.GetRow(t.Context(), lives.HashKey, lives.SortKey); !found || err != nil || !got.Expires.Equal(lives.Expires) {
		t.Errorf("%+v, %v", got, err)
	}
}

// Rows that are there stay, and those in doubt are counted once.
func TestNoOverwrite(t *testing.T) {
	c := pegasustest.Start(t)
	if err := c.Table.Set(t.Context(), []byte("h"), []byte("0"), []byte("old")); err != nil {
		t.Fatal(err)
	}
	var lost atomic.Bool
	c.Onebox().Intercept(func(r onebox.Request) onebox.Action {
		lose := r.Task == onebox.TaskCheckAndMutate && !lost.Swap(true)
		return onebox.Action{LoseAnswer: lose, Close: lose}
	})
	w := New(t.Context(), c.Table, Options{NoOverwrite: true}, AtOnce{})
	defer w.Close()
	for i := range 100 {
		if err := w.Put(row("h", fmt.Sprint(i), "new")); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Drain(); err != nil {
		t.Fatal(err)
	}
	if got := w.Counts(); got.Stored != 99 || got.Skipped != 1 {
		t.Errorf("%+v", got)
	}
	if v, err := c.Table.Get(t.Context(), []byte("h"), []byte("0")); err != nil || string(v) != "old" {
		t.Errorf("%q, %v", v, err)
	}
}

// A row that somebody else changes is noticed.
func TestVerify(t *testing.T) {
	c := pegasustest.Start(t)
	for name, change := range map[string]func(){
		"changed": func() { _ = c.Table.Set(context.Background(), []byte("h"), []byte("3"), []byte("other")) },
		"deleted": func() { _ = c.Table.Del(context.Background(), []byte("h"), []byte("3")) },
		"not":     func() {},
	} {
		var once atomic.Bool
		c.Onebox().Intercept(func(r onebox.Request) onebox.Action {
			if r.Task != onebox.TaskBatchGet && r.Task != onebox.TaskGet || once.Swap(true) {
				return onebox.Action{}
			}
			done := make(chan struct{})
			go func() { change(); close(done) }()
			return onebox.Action{Until: done}
		})
		w := New(t.Context(), c.Table, Options{Verify: true}, AtOnce{})
		for i := range 10 {
			if err := w.Put(row("h", fmt.Sprint(i), "v")); err != nil {
				t.Fatal(err)
			}
		}
		var not *NotSameError
		if err := w.Drain(); errors.As(err, &not) == (name == "not") {
			t.Errorf("%s: %v", name, err)
		}
		w.Close()
	}
}

// The first failure ends all, and comes from each method.
func TestFailure(t *testing.T) {
	c := pegasustest.Start(t)
	w := New(t.Context(), c.Table, Options{}, AtOnce{})
	defer w.Close()
	big := row("h", "s", string(bytes.Repeat([]byte("x"), 2<<20)))
	if err := w.Put(big); err != nil {
		t.Fatal(err)
	}
	if err := w.Drain(); !errors.Is(err, pegasus.ErrInvalidData) {
		t.Errorf("Drain: %v", err)
	}
	if err := w.Put(row("h", "s", "v")); !errors.Is(err, pegasus.ErrInvalidData) {
		t.Errorf("Put: %v", err)
	}
	if got := w.Counts(); got.Stored != 0 {
		t.Errorf("%+v", got)
	}
}

// Abort ends what is under way.
func TestAbort(t *testing.T) {
	c := pegasustest.Start(t)
	w := New(t.Context(), c.Table, Options{}, AtOnce{})
	defer w.Close()
	c.Onebox().Intercept(func(r onebox.Request) onebox.Action {
		if !r.Meta {
			w.Abort()
		}
		return onebox.Action{Error: "ERR_BUSY"}
	})
	if err := w.Put(row("h", "s", "v")); err != nil {
		t.Fatal(err)
	}
	if err := w.Drain(); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

// No more rows than are wanted are sent at once.
func TestAtOnce(t *testing.T) {
	for _, most := range []AtOnce{{Rows: 8}, {Bytes: 20}} {
		testAtOnce(t, most)
	}
}

func testAtOnce(t *testing.T, atOnce AtOnce) {
	c := pegasustest.Start(t)
	c.Onebox().Intercept(func(r onebox.Request) onebox.Action {
		if r.Task == onebox.TaskMultiPut {
			t.Error("several rows of a batch of one")
		}
		return onebox.Action{}
	})
	w := New(t.Context(), c.Table, Options{}, atOnce)
	defer w.Close()
	for i := range 100 {
		if err := w.Put(row("h", fmt.Sprint(i), "v")); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Drain(); err != nil || w.Counts().Stored != 100 {
		t.Errorf("%v, %+v", err, w.Counts())
	}
}
