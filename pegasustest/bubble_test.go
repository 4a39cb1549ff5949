package pegasustest_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/pegasustest"
)

func TestMemoryNetworkInBubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := pegasustest.Start(t, pegasustest.WithMemoryNetwork(), pegasustest.WithReplicaServers(2))
		for i := range 20 {
			if err := c.Table.SetTTL(t.Context(), fmt.Append(nil, i), []byte("s"), []byte("v"), 24*time.Hour); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(24*time.Hour - time.Second)
		for i := range 20 {
			wantValue(t, c.Table, fmt.Sprint(i), "v")
		}
		time.Sleep(2 * time.Second)
		for i := range 20 {
			wantValue(t, c.Table, fmt.Sprint(i), "")
		}
	})
}

func TestKillTheLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := pegasustest.Start(t, pegasustest.WithMemoryNetwork())
		set(t, c.Table, "k", "v")
		c.Kill(0)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := c.Table.Get(ctx, []byte("k"), []byte("s")); !errors.Is(err, pegasus.ErrNoPrimary) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Get without a primary: %v", err)
		}
		c.Revive(0)
		wantValue(t, c.Table, "k", "v")
	})
}

func TestStallAndHeal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := pegasustest.Start(t, pegasustest.WithMemoryNetwork())
		set(t, c.Table, "k", "v")
		link := c.Link(c.Onebox().Replica(0).Addr())
		link.StallAfter(0)
		var wg sync.WaitGroup
		start := time.Now()
		wg.Go(func() { wantValue(t, c.Table, "k", "v") })
		time.Sleep(time.Second)
		link.Heal()
		wg.Wait()
		if took := time.Since(start); took < time.Second {
			t.Errorf("Get took %v although the answers were held for a second", took)
		}
	})
}

// A connection that stays stalled is given up; ending it is possible.
func TestStallForGood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := pegasustest.Start(t, pegasustest.WithMemoryNetwork())
		set(t, c.Table, "k", "v")
		c.Link(c.Onebox().Replica(0).Addr()).StallAfter(20)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := c.Table.Get(ctx, []byte("k"), []byte("s")); !errors.Is(err, pegasus.ErrStalled) {
			t.Errorf("Get over a stalled connection: %v", err)
		}
	})
}

func TestPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := pegasustest.Start(t, pegasustest.WithMemoryNetwork())
		set(t, c.Table, "k", "v")
		node := c.Onebox().Replica(0)
		node.Pause()
		var wg sync.WaitGroup
		start := time.Now()
		wg.Go(func() { wantValue(t, c.Table, "k", "v") })
		time.Sleep(time.Second)
		node.Resume()
		wg.Wait()
		if took := time.Since(start); took < time.Second {
			t.Errorf("Get took %v although the server hung for a second", took)
		}
	})
}
