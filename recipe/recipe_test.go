package recipe_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/onebox"
	"github.com/pegasus-go/pegasus/pegasustest"
	"github.com/pegasus-go/pegasus/recipe"
)

func b(s string) []byte { return []byte(s) }

// loseSome loses the answers to a part of the writes that must not be repeated.
func loseSome(c *pegasustest.Cluster, every int64) {
	var n atomic.Int64
	c.Onebox().Intercept(func(r onebox.Request) onebox.Action {
		if r.Task == onebox.TaskCheckAndMutate && n.Add(1)%every == 0 {
			return onebox.Action{LoseAnswer: true, Close: true}
		}
		return onebox.Action{}
	})
}

// Holders of a lock exclude each other, and tokens grow, while answers get lost.
func TestLockExcludes(t *testing.T) {
	c := pegasustest.Start(t, pegasustest.WithReplicaServers(3))
	loseSome(c, 5)
	ctx := t.Context()
	var inside, last atomic.Int64
	var wg sync.WaitGroup
	const users, rounds = 4, 5
	for range users {
		wg.Go(func() {
			l := recipe.NewLock(c.Table, b("h"), "l")
			for range rounds {
				lease, err := l.Acquire(ctx, recipe.LockOptions{Poll: 2 * time.Millisecond})
				if err != nil {
					t.Error(err)
					return
				}
				if inside.Add(1) != 1 {
					t.Error("two have the lock")
				}
				if token := int64(lease.Token()); last.Swap(token) >= token {
					t.Errorf("token %d", token)
				}
				// A write that only the holder makes: read, add, write.
				v, err := c.Table.Get(ctx, b("h"), b("n"))
				if err != nil {
					t.Error(err)
				}
				n, _ := strconv.Atoi(string(v))
				next := strconv.AppendInt(nil, int64(n)+1, 10)
				for range 9 { // setting the same once more does no harm
					res, err := lease.Guard(c.Table.CheckAndMutate(b("h"))).Set(b("n"), next, pegasus.NoTTL).Do(lease.Context())
					if errors.Is(err, pegasus.ErrInDoubt) {
						continue
					}
					if err != nil || !res.Applied {
						t.Error(res, err)
					}
					break
				}
				inside.Add(-1)
				if err := lease.Release(ctx); err != nil {
					t.Error(err)
				}
				if lease.Context().Err() == nil {
					t.Error("the context of a released lease goes on")
				}
			}
		})
	}
	wg.Wait()
	if v, err := c.Table.Get(ctx, b("h"), b("n")); string(v) != strconv.Itoa(users*rounds) || err != nil {
		t.Errorf("%s, %v", v, err)
	}
}

// A lease that cannot be renewed is lost before somebody else gets it, and what its holder
// writes after that is refused.
func TestLockLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := pegasustest.Start(t, pegasustest.WithMemoryNetwork())
		ctx := t.Context()
		l := recipe.NewLock(c.Table, b("h"), "l")
		first, err := l.Acquire(ctx, recipe.LockOptions{TTL: 10 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute) // it is renewed
		if first.Context().Err() != nil {
			t.Fatal("lost while it could be renewed")
		}
		if _, err := l.TryAcquire(ctx, recipe.LockOptions{}); !errors.Is(err, recipe.ErrLocked) {
			t.Fatal(err)
		}
		c.Onebox().Intercept(func(r onebox.Request) onebox.Action {
			if r.Task == onebox.TaskCheckAndMutate {
				return onebox.Action{Error: "ERR_BUSY"}
			}
			return onebox.Action{}
		})
		before := time.Now()
		<-first.Context().Done()
		if lasted := time.Since(before); lasted > 10*time.Second {
			t.Errorf("lost after %v", lasted)
		}
		if !errors.Is(context.Cause(first.Context()), recipe.ErrLockLost) {
			t.Error(context.Cause(first.Context()))
		}
		c.Onebox().Intercept(nil)
		second, err := l.Acquire(ctx, recipe.LockOptions{TTL: 10 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		if second.Token() <= first.Token() {
			t.Errorf("token %d after %d", second.Token(), first.Token())
		}
		res, err := first.Guard(c.Table.CheckAndMutate(b("h"))).Set(b("x"), b("late"), pegasus.NoTTL).Do(ctx)
		if res.Applied || err != nil {
			t.Errorf("a late write: %+v, %v", res, err)
		}
		if err := first.Release(ctx); err != nil { // takes nothing away from the second
			t.Error(err)
		}
		if _, err := l.TryAcquire(ctx, recipe.LockOptions{}); !errors.Is(err, recipe.ErrLocked) {
			t.Error(err)
		}
		if err := second.Release(ctx); err != nil {
			t.Error(err)
		}
		ended, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		third, err := l.Acquire(ended, recipe.LockOptions{})
		if err != nil {
			t.Fatal(err)
		}
		defer third.Release(ctx)
		if _, err := l.Acquire(ended, recipe.LockOptions{}); !errors.Is(err, recipe.ErrLocked) || !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		if _, err := l.TryAcquire(ctx, recipe.LockOptions{TTL: time.Second}); !errors.Is(err, pegasus.ErrInvalidArgument) {
			t.Error(err)
		}
	})
}

// What is done once is linearizable: one caller is the first, and everybody after that is told
// so, while answers get lost.
func TestOnceHistory(t *testing.T) {
	c := pegasustest.Start(t)
	loseSome(c, 3)
	const keys, users = 8, 5
	var mu sync.Mutex
	var history []porcupine.Operation
	start := time.Now()
	var wg sync.WaitGroup
	for u := range users {
		wg.Go(func() {
			for k := range keys {
				call := time.Since(start).Nanoseconds()
				first, err := recipe.Once(t.Context(), c.Table, b("h"), strconv.Itoa(k), time.Hour, func(m *pegasus.Mutation) {
					m.Set(fmt.Appendf(nil, "effect%d-%d", k, u), b("x"), pegasus.NoTTL)
				})
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				history = append(history, porcupine.Operation{ClientId: u, Input: k, Output: first, Call: call, Return: time.Since(start).Nanoseconds()})
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	model := porcupine.Model{
		Partition: func(all []porcupine.Operation) [][]porcupine.Operation {
			parts := make([][]porcupine.Operation, keys)
			for _, op := range all {
				parts[op.Input.(int)] = append(parts[op.Input.(int)], op)
			}
			return parts
		},
		Init: func() any { return false },
		Step: func(state, _, output any) (bool, any) { return output.(bool) == !state.(bool), true },
	}
	if !porcupine.CheckOperations(model, history) {
		t.Error("the history is not that of something done once")
	}
	effects, err := c.Table.Count(t.Context(), b("h"), pegasus.Select{Prefix: b("effect")})
	if effects != keys || err != nil {
		t.Errorf("%d effects, %v", effects, err)
	}
}

// The history of a lock: tokens are given out in order, one at a time.
func TestLockHistory(t *testing.T) {
	c := pegasustest.Start(t)
	loseSome(c, 4)
	var mu sync.Mutex
	var history []porcupine.Operation
	start := time.Now()
	note := func(user int, input string, output uint64, call int64) {
		mu.Lock()
		defer mu.Unlock()
		history = append(history, porcupine.Operation{ClientId: user, Input: input, Output: output, Call: call, Return: time.Since(start).Nanoseconds()})
	}
	var wg sync.WaitGroup
	for u := range 4 {
		wg.Go(func() {
			for range 6 {
				call := time.Since(start).Nanoseconds()
				lease, err := recipe.NewLock(c.Table, b("h"), "l").Acquire(t.Context(), recipe.LockOptions{Poll: time.Millisecond})
				if err != nil {
					t.Error(err)
					return
				}
				note(u, "acquire", lease.Token(), call)
				call = time.Since(start).Nanoseconds()
				if err := lease.Release(t.Context()); err != nil {
					t.Error(err)
				}
				note(u, "release", lease.Token(), call)
			}
		})
	}
	wg.Wait()
	type state struct {
		token uint64
		held  bool
	}
	model := porcupine.Model{
		Init: func() any { return state{} },
		Step: func(s, input, output any) (bool, any) {
			is, token := s.(state), output.(uint64)
			if input == "acquire" {
				return !is.held && token > is.token, state{token, true}
			}
			return is.held && token == is.token, state{token, false}
		},
	}
	if !porcupine.CheckOperations(model, history) {
		t.Error("the history is not that of a lock")
	}
}

func TestWork(t *testing.T) {
	c := pegasustest.Start(t)
	ctx, h := t.Context(), b("h")
	calls := 0
	work := func(context.Context) ([]byte, error) {
		calls++
		if calls == 1 {
			return nil, errors.New("not yet")
		}
		return b("result"), nil
	}
	o := recipe.WorkOptions{Request: b("r")}
	if _, err := recipe.Work(ctx, c.Table, h, "k", o, work); err == nil || err.Error() != "not yet" {
		t.Error(err)
	}
	for range 3 {
		if got, err := recipe.Work(ctx, c.Table, h, "k", o, work); string(got) != "result" || err != nil {
			t.Error(got, err)
		}
	}
	if calls != 2 {
		t.Errorf("done %d times", calls)
	}
	if _, err := recipe.Work(ctx, c.Table, h, "k", recipe.WorkOptions{Request: b("other")}, work); !errors.Is(err, recipe.ErrOtherRequest) {
		t.Error(err)
	}
	_, err := recipe.Work(ctx, c.Table, h, "k2", o, func(ctx context.Context) ([]byte, error) {
		if _, err := recipe.Work(ctx, c.Table, h, "k2", o, work); !errors.Is(err, recipe.ErrPending) {
			t.Error(err)
		}
		return nil, nil
	})
	if err != nil {
		t.Error(err)
	}
	// The marker of a process that has died ends.
	if err := c.Table.SetTTL(ctx, h, b("work/k3"), b("P1:rnonce"), time.Minute); err != nil {
		t.Fatal(err)
	}
	if _, err := recipe.Work(ctx, c.Table, h, "k3", o, work); !errors.Is(err, recipe.ErrPending) {
		t.Error(err)
	}
	c.AdvanceClock(2 * time.Minute)
	if got, err := recipe.Work(ctx, c.Table, h, "k3", o, work); string(got) != "result" || err != nil {
		t.Error(got, err)
	}
}

func TestLimiter(t *testing.T) {
	c := pegasustest.Start(t)
	ctx := t.Context()
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	l := &recipe.Limiter{Table: c.Table, Prefix: "limit/", Limit: 10, Window: time.Minute, Clock: func() time.Time { return now }}
	allow := func(n int) (allowed int, last recipe.Decision) {
		t.Helper()
		for range n {
			d, err := l.Allow(ctx, b("user"))
			if err != nil {
				t.Fatal(err)
			}
			if last = d; d.Allowed {
				allowed++
			}
		}
		return allowed, last
	}
	if n, d := allow(12); n != 10 || d.Used != 12 || d.RetryAfter <= 0 || d.RetryAfter > 2*time.Minute {
		t.Errorf("%d are allowed at first, then %+v", n, d)
	}
	now = now.Add(90 * time.Second) // half of the window before counts, which had 12
	if n, _ := allow(10); n != 4 {
		t.Errorf("%d are allowed after a minute and a half", n)
	}
	now = now.Add(10 * time.Minute)
	if n, _ := allow(20); n != 10 {
		t.Errorf("%d are allowed later", n)
	}
	if left, err := c.Table.TTL(ctx, b("limit/user"), nil); err == nil || left != 0 {
		t.Errorf("a row that is none: %d, %v", left, err)
	}
	c.Kill(0)
	short, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
	defer cancel()
	for _, open := range []bool{false, true} {
		l.FailOpen = open
		if d, err := l.Allow(short, b("user")); d.Allowed != open || err == nil {
			t.Errorf("open %v: %+v, %v", open, d, err)
		}
	}
	for _, bad := range []recipe.Limiter{{Table: c.Table, Window: time.Second}, {Table: c.Table, Limit: 1}} {
		if _, err := bad.Allow(ctx, b("user")); !errors.Is(err, pegasus.ErrInvalidArgument) {
			t.Error(err)
		}
	}
}

func TestUniqueIndex(t *testing.T) {
	c := pegasustest.Start(t)
	loseSome(c, 4)
	ctx := t.Context()
	x := &recipe.UniqueIndex{Table: c.Table, Prefix: "mail/"}
	write := func(owner string) func(context.Context) error {
		return func(ctx context.Context) error { return c.Table.Set(ctx, b(owner), b("mail"), b("a@b")) }
	}
	// Of many one gets it.
	var got atomic.Int64
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			owner := fmt.Sprint("user", i)
			switch err := x.Insert(ctx, b("a@b"), b(owner), write(owner)); {
			case err == nil:
				got.Add(1)
			case !errors.Is(err, recipe.ErrTaken):
				t.Error(err)
			}
		})
	}
	wg.Wait()
	owner, found, err := x.Owner(ctx, b("a@b"))
	if got.Load() != 1 || !found || err != nil {
		t.Fatalf("%d have it, %s, %v", got.Load(), owner, err)
	}
	if err := x.Insert(ctx, b("a@b"), owner, write(string(owner))); err != nil { // once more
		t.Error(err)
	}
	// What fails leaves nothing behind.
	mine := errors.New("mine")
	if err := x.Insert(ctx, b("c@d"), b("u"), func(context.Context) error { return mine }); !errors.Is(err, mine) {
		t.Error(err)
	}
	if err := x.Insert(ctx, b("c@d"), b("v"), write("v")); err != nil {
		t.Error(err)
	}
	if deleted, err := x.Delete(ctx, b("c@d"), b("u")); deleted || err != nil && !errors.Is(err, pegasus.ErrInDoubt) {
		t.Error(deleted, err)
	}
	c.Onebox().Intercept(nil)
	if deleted, err := x.Delete(ctx, b("c@d"), b("v")); !deleted || err != nil {
		t.Error(deleted, err)
	}
	// A reservation whose process has died ends.
	err = x.Insert(ctx, b("e@f"), b("u"), func(ctx context.Context) error {
		if err := x.Insert(ctx, b("e@f"), b("v"), write("v")); !errors.Is(err, recipe.ErrTaken) {
			t.Error(err)
		}
		if _, found, err := x.Owner(ctx, b("e@f")); found || err != nil {
			t.Error("a reservation counts as ownership", err)
		}
		c.AdvanceClock(time.Hour)
		return x.Insert(ctx, b("e@f"), b("v"), write("v"))
	})
	if !errors.Is(err, recipe.ErrTaken) {
		t.Error(err)
	}
}

// landLate makes the first write in doubt, and has it carried out after its client has found it
// missing, when it sends the next one. The write is there when row is.
func landLate(c *pegasustest.Cluster, hashKey, row []byte) {
	late, landed := make(chan struct{}), make(chan struct{})
	link := c.Link(c.Onebox().Replica(0).Addr())
	var writes atomic.Int64
	c.Onebox().Intercept(func(r onebox.Request) onebox.Action {
		if r.Task != onebox.TaskCheckAndMutate {
			return onebox.Action{}
		}
		switch writes.Add(1) {
		case 1:
			link.Orphan()
			return onebox.Action{Until: late}
		case 2:
			close(late)
			go func() {
				defer close(landed)
				for {
					if v, err := c.Table.Get(context.Background(), hashKey, row); v != nil || err != nil {
						return
					}
				}
			}()
			return onebox.Action{Until: landed}
		}
		return onebox.Action{}
	})
}

// What was carried out late was carried out by this call.
func TestOnceLandsLate(t *testing.T) {
	c := pegasustest.Start(t)
	landLate(c, b("h"), b("once/k"))
	first, err := recipe.Once(t.Context(), c.Table, b("h"), "k", pegasus.NoTTL, func(m *pegasus.Mutation) { m.Set(b("n"), b("v"), pegasus.NoTTL) })
	if !first || err != nil {
		t.Errorf("%v, %v", first, err)
	}
}

func TestLockLandsLate(t *testing.T) {
	c := pegasustest.Start(t)
	landLate(c, b("h"), b("lock/l/owner"))
	lease, err := recipe.NewLock(c.Table, b("h"), "l").TryAcquire(t.Context(), recipe.LockOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if lease.Token() != 1 {
		t.Errorf("token %d", lease.Token())
	}
	if err := lease.Release(t.Context()); err != nil {
		t.Error(err)
	}
}

// A lease counts from the first request for it, as the row may be that one's.
func TestLeaseCountsFromTheFirstRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := pegasustest.Start(t, pegasustest.WithMemoryNetwork())
		var writes atomic.Int64
		c.Onebox().Intercept(func(r onebox.Request) onebox.Action {
			switch {
			case r.Task != onebox.TaskCheckAndMutate:
				return onebox.Action{}
			case writes.Add(1) == 1:
				return onebox.Action{Delay: 5 * time.Second, LoseAnswer: true, Close: true}
			}
			return onebox.Action{Error: "ERR_INVALID_STATE"} // it is not renewed
		})
		began := time.Now()
		lease, err := recipe.NewLock(c.Table, b("h"), "l").TryAcquire(t.Context(), recipe.LockOptions{TTL: 10 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		<-lease.Context().Done()
		if held := time.Since(began); held > 10*time.Second {
			t.Errorf("held for %v by a row that lives 10 s", held)
		}
		c.Onebox().Intercept(nil)
		_ = lease.Release(t.Context())
	})
}

// A renewal that is carried out after the release does not bring the lock back.
func TestRenewalAfterRelease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := pegasustest.Start(t, pegasustest.WithMemoryNetwork())
		ctx := t.Context()
		l := recipe.NewLock(c.Table, b("h"), "l")
		lease, err := l.TryAcquire(ctx, recipe.LockOptions{TTL: 9 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		late, held := make(chan struct{}), make(chan struct{})
		first := true
		link := c.Link(c.Onebox().Replica(0).Addr())
		c.Onebox().Intercept(func(r onebox.Request) (a onebox.Action) {
			if r.Task == onebox.TaskCheckAndMutate && first {
				first = false
				link.Orphan()
				close(held)
				a.Until = late
			}
			return a
		})
		<-held // the renewal
		if err := lease.Release(ctx); err != nil {
			t.Error(err)
		}
		close(late)
		synctest.Wait()
		next, err := l.TryAcquire(ctx, recipe.LockOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if err := next.Release(ctx); err != nil {
			t.Error(err)
		}
	})
}
