package reliability

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pegasus-go/pegasus/pegasustest"
)

// Ten thousand callers with large requests and a slow server: what waits to be
// sent is bounded, and each caller waits for as long as its context says.
func TestSlowServer(t *testing.T) {
	const callers, size = 10_000, 20_000 // 200 MB of requests
	const patience = time.Second         // of one half of the callers
	const most = 40 << 20
	bubble(t, func(t *testing.T, c *pegasustest.Cluster) {
		c.Onebox().Replica(0).Pause()
		hashKey := bytes.Repeat([]byte("k"), size)
		before := heap()
		var running sync.WaitGroup
		var gaveUp atomic.Int64
		start := time.Now()
		for i := range callers {
			running.Go(func() {
				ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
				defer cancel()
				var want error // if the answer does not come before
				switch i % 4 {
				case 0:
					want = context.DeadlineExceeded
					ctx, cancel = context.WithTimeout(ctx, patience)
					defer cancel()
				case 1:
					want = context.Canceled
					time.AfterFunc(patience, cancel)
				}
				_, err := c.Table.Get(ctx, hashKey, []byte("s"))
				switch {
				case err == nil:
				case want == nil || !errors.Is(err, want):
					t.Error(err)
				default:
					gaveUp.Add(1)
					if took := time.Since(start); took != patience {
						t.Errorf("gave up after %v", took)
					}
				}
			})
		}
		for range 5 { // samples, before and after some give up
			time.Sleep(300 * time.Millisecond)
			if now := heap(); now > before+most {
				t.Errorf("%d MiB in use after %v", (now-before)>>20, time.Since(start))
			}
		}
		c.Onebox().Replica(0).Resume()
		running.Wait()
		if n := gaveUp.Load(); n < callers/4 {
			t.Errorf("only %d callers had to give up", n)
		}
		t.Logf("%d of %d callers gave up; the others took %v", gaveUp.Load(), callers, time.Since(start))
	})
}
