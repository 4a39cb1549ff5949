package pegasustest_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/onebox"
	"github.com/pegasus-go/pegasus/pegasustest"
)

// What a caller with a second notices when the first increment is disturbed.
func TestActions(t *testing.T) {
	held := time.Second / 2
	for name, tc := range map[string]struct {
		action  func() onebox.Action
		took    time.Duration
		err     error
		counted string // afterwards
	}{
		"Delay": {func() onebox.Action { return onebox.Action{Delay: held} }, held, nil, "1"},
		"Until": {func() onebox.Action {
			until := make(chan struct{})
			time.AfterFunc(held, func() { close(until) })
			return onebox.Action{Until: until}
		}, held, nil, "1"},
		"Error":             {func() onebox.Action { return onebox.Action{Error: "ERR_ANY"} }, 0, pegasus.ErrorCode("ERR_ANY"), ""},
		"LoseAnswer":        {func() onebox.Action { return onebox.Action{LoseAnswer: true} }, time.Second, pegasus.ErrInDoubt, "1"},
		"Drop":              {func() onebox.Action { return onebox.Action{Drop: true} }, time.Second, pegasus.ErrInDoubt, ""},
		"Close":             {func() onebox.Action { return onebox.Action{Close: true} }, 0, pegasus.ErrInDoubt, ""},
		"Close, Delay":      {func() onebox.Action { return onebox.Action{Close: true, Delay: held} }, held, pegasus.ErrInDoubt, ""},
		"Close, LoseAnswer": {func() onebox.Action { return onebox.Action{Close: true, LoseAnswer: true} }, 0, pegasus.ErrInDoubt, "1"},
		"Close, LoseAnswer, Delay": {func() onebox.Action {
			return onebox.Action{Close: true, LoseAnswer: true, Delay: held}
		}, held, pegasus.ErrInDoubt, "1"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := pegasustest.Start(t, pegasustest.WithMemoryNetwork())
				c.Onebox().Intercept(func(r onebox.Request) onebox.Action {
					if r.Task == onebox.TaskIncr {
						return tc.action()
					}
					return onebox.Action{}
				})
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				begun := time.Now()
				_, err := c.Table.Incr(ctx, []byte("n"), []byte("s"), 1)
				if took := time.Since(begun); !errors.Is(err, tc.err) || took != tc.took {
					t.Errorf("after %v: %v", took, err)
				}
				wantValue(t, c.Table, "n", tc.counted)
			})
		})
	}
}

func TestMovePrimary(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := pegasustest.Start(t, pegasustest.WithMemoryNetwork(), pegasustest.WithTable("t", 1), pegasustest.WithReplicaServers(2))
		var served []int
		c.Onebox().Intercept(func(r onebox.Request) onebox.Action {
			if r.Task == onebox.TaskGet {
				served = append(served, r.Node)
			}
			return onebox.Action{}
		})
		move := func(replica int) {
			t.Helper()
			if err := c.Onebox().MovePrimary("t", 0, replica); err != nil {
				t.Fatal(err)
			}
		}
		for _, replica := range []int{1, 0, 1} {
			move(replica)
			wantValue(t, c.Table, "k", "")
			if last := served[len(served)-1]; last != replica {
				t.Errorf("served by %d, the primary is %d", last, replica)
			}
		}
		move(onebox.NoPrimary)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := c.Table.Get(ctx, []byte("k"), []byte("s")); !errors.Is(err, pegasus.ErrNoPrimary) {
			t.Errorf("Get without a primary: %v", err)
		}
	})
}

func TestThrottledTable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := pegasustest.Start(t, pegasustest.WithMemoryNetwork(), pegasustest.WithTable("temp", 1))
		env := func(name, value string) {
			t.Helper()
			if err := c.Admin().SetEnvs(t.Context(), "temp", map[string]string{name: value}); err != nil {
				t.Fatal(err)
			}
		}
		env("replica.write_throttling", "100*reject*0")
		begun := time.Now()
		for range 300 {
			set(t, c.Table, "k", "v") // the client tries again
		}
		if took := time.Since(begun); took < time.Second || took > 5*time.Second {
			t.Errorf("300 writes took %v at 100 a second", took)
		}
		env("replica.deny_client_request", "reconfig*write")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := c.Table.Set(ctx, []byte("k"), []byte("s"), []byte("w")); !errors.Is(err, pegasus.ErrInvalidState) {
			t.Errorf("a write that is denied: %v", err)
		}
		wantValue(t, c.Table, "k", "v")
	})
}
