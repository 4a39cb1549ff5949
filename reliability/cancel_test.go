package reliability

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"

	"github.com/pegasus-go/pegasus/onebox"
	"github.com/pegasus-go/pegasus/pegasustest"
)

// round is a number of calls that are given up together.
type round struct {
	ctx      context.Context // of all calls
	cancel   context.CancelFunc
	requests atomic.Int64  // that have arrived at the server
	over     chan struct{} // closed when all calls have returned
}

func newRound() *round {
	r := &round{over: make(chan struct{})}
	r.ctx, r.cancel = context.WithCancel(context.Background())
	return r
}

// Calls that are given up leave nothing behind, whether their answers come late
// or never: no memory, no goroutines.
func TestCancelledCalls(t *testing.T) {
	const callers, arrived = 64, 8 // calls of a round, and the requests that end it
	rounds := scaled(1000, 16_000)
	c := pegasustest.Start(t)
	var now atomic.Pointer[round]
	now.Store(newRound())
	c.Onebox().Intercept(func(onebox.Request) onebox.Action {
		r := now.Load()
		n := r.requests.Add(1)
		if n == arrived {
			r.cancel()
		}
		return onebox.Action{Drop: n%2 == 0, Until: r.over}
	})
	cancelled := 0
	var before uint64
	var running goleak.Option
	for i := range rounds {
		if i == rounds/4 { // buffers have their size by now
			before, running = heap(), goleak.IgnoreCurrent()
		}
		r := now.Load()
		errs := make(chan error, callers)
		for range callers {
			go func() {
				_, err := c.Table.Get(r.ctx, []byte("k"), []byte("s"))
				errs <- err
			}()
		}
		for range callers {
			switch err := <-errs; {
			case errors.Is(err, context.Canceled):
				cancelled++
			case err != nil:
				t.Error(err)
			}
		}
		now.Store(newRound())
		close(r.over) // the answers come now
	}
	last := now.Load()
	last.cancel()
	close(last.over)
	c.Onebox().Intercept(nil)

	// The connection is as good as new.
	if _, err := c.Table.Get(t.Context(), []byte("k"), []byte("s")); err != nil {
		t.Error(err)
	}
	goleak.VerifyNone(t, running)
	if after := heap(); after > before+allowance {
		t.Errorf("%d calls have left %d bytes", rounds*callers, after-before)
	}
	if cancelled < rounds*callers/2 {
		t.Errorf("only %d of %d calls were given up", cancelled, rounds*callers)
	}
}

// A context that is never cancelled, and used for everything, does not remember
// the calls that it was used for.
func TestLongLivedContext(t *testing.T) {
	const callers = 16
	calls := scaled(1000, 60_000) // of each caller
	c := pegasustest.Start(t)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	run := func() {
		var wg sync.WaitGroup
		for range callers {
			wg.Go(func() {
				for range calls {
					if _, err := c.Table.Get(ctx, []byte("k"), []byte("s")); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		wg.Wait()
	}
	run()
	before := heap()
	run()
	if after := heap(); after > before+allowance {
		t.Errorf("%d calls have left %d bytes", callers*calls, after-before)
	}
}

// allowance is by how much the memory in use may differ for other reasons. It is
// some bytes for each call.
const allowance = 512 << 10

// heap returns the memory in use.
func heap() uint64 {
	runtime.GC()
	runtime.GC() // what was in a sync.Pool is gone only now
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
