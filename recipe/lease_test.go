package recipe_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/onebox"
	"github.com/pegasus-go/pegasus/pegasustest"
	"github.com/pegasus-go/pegasus/recipe"
)

// Who waits as long as RetryAfter says is allowed some time.
func TestRetryAfter(t *testing.T) {
	c := pegasustest.Start(t)
	ctx := t.Context()
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	l := &recipe.Limiter{Table: c.Table, Prefix: "limit/", Limit: 10, Window: time.Minute, Clock: func() time.Time { return now }}
	var d recipe.Decision
	var err error
	n := 0
	for ; n == 0 || d.Allowed; n++ {
		if d, err = l.Allow(ctx, b("user")); err != nil {
			t.Fatal(err)
		}
	}
	refused := 0
	for refused = 1; !d.Allowed && refused < 200; refused++ {
		now = now.Add(d.RetryAfter)
		if d, err = l.Allow(ctx, b("user")); err != nil {
			t.Fatal(err)
		}
	}
	if refused > 2 {
		t.Errorf("refused %d times in a row, each time after RetryAfter; it is %v", refused, now.Format(time.TimeOnly))
	}
}

// A lease is not given out when it has ended already.
func TestSlowAcquire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := pegasustest.Start(t, pegasustest.WithMemoryNetwork())
		ctx := t.Context()
		var n atomic.Int64
		c.Onebox().Intercept(func(r onebox.Request) onebox.Action {
			if r.Task == onebox.TaskCheckAndMutate && n.Add(1) == 1 {
				return onebox.Action{Delay: 3 * time.Second}
			}
			return onebox.Action{}
		})
		first, err := recipe.NewLock(c.Table, b("h"), "l").TryAcquire(ctx, recipe.LockOptions{TTL: 2 * time.Second})
		if err != nil {
			return // good
		}
		defer first.Release(ctx)
		second, err := recipe.NewLock(c.Table, b("h"), "l").TryAcquire(ctx, recipe.LockOptions{})
		if err == nil {
			defer second.Release(ctx)
		}
		if !errors.Is(err, recipe.ErrLocked) && first.Context().Err() == nil {
			t.Errorf("two have the lock: tokens %d and %d", first.Token(), second.Token())
		}
	})
}

// A lease that cannot be renewed is lost before somebody else can have the lock: with a TTL of
// two seconds, taken late in a second.
func TestShortLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := pegasustest.Start(t, pegasustest.WithMemoryNetwork())
		ctx := t.Context()
		l := recipe.NewLock(c.Table, b("h"), "l")
		now := time.Now()
		time.Sleep(now.Truncate(time.Second).Add(1900 * time.Millisecond).Sub(now))
		first, err := l.TryAcquire(ctx, recipe.LockOptions{TTL: 2 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		defer first.Release(ctx)
		// The first process cannot reach the servers any more; the second one can.
		var second, busy atomic.Bool
		busy.Store(true)
		c.Onebox().Intercept(func(r onebox.Request) onebox.Action {
			if r.Task == onebox.TaskCheckAndMutate && busy.Load() && !second.Load() {
				return onebox.Action{Error: "ERR_BUSY"}
			}
			return onebox.Action{}
		})
		began := time.Now()
		for first.Context().Err() == nil {
			time.Sleep(100 * time.Millisecond)
			second.Store(true)
			other, err := l.TryAcquire(ctx, recipe.LockOptions{})
			second.Store(false)
			if err == nil {
				if first.Context().Err() == nil {
					t.Errorf("two have the lock %v after it was taken for 2 s", time.Since(began))
				}
				second.Store(true)
				other.Release(ctx)
				break
			}
		}
		second.Store(true)
	})
}

// What recipes base writes on is not asked of secondaries.
func TestRecipesAreNotHedged(t *testing.T) {
	c := pegasustest.Start(t, pegasustest.WithReplicaServers(3), pegasustest.WithTable("t", 1))
	ctx := t.Context()
	tb := c.Table.With(pegasus.TableOptions{Hedge: &pegasus.Hedge{Delay: time.Millisecond}})
	x := &recipe.UniqueIndex{Table: tb, Prefix: "x/"}
	nodes := make(map[int]int)
	c.Onebox().Intercept(func(r onebox.Request) onebox.Action {
		if r.Task == onebox.TaskGet {
			nodes[r.Node]++
			if r.Node == 0 {
				return onebox.Action{Delay: 50 * time.Millisecond}
			}
		}
		return onebox.Action{}
	})
	for range 6 {
		_, _, err := x.Owner(ctx, b("v"))
		if err != nil {
			t.Fatal(err)
		}
		if err := x.Insert(ctx, b("v"), b("o"), func(context.Context) error { return nil }); err != nil {
			t.Fatal(err)
		}
	}
	if len(nodes) > 1 {
		t.Errorf("gets by node: %v", nodes)
	}
}
