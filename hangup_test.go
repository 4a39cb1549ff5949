package pegasus_test

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/internal/peer"
)

// A server that accepts connections and breaks them at once, as a proxy does that
// has nobody behind it, is not dialed without a pause, however many wait for it,
// and is a failure like any other.
func TestServerThatHangsUpAtOnce(t *testing.T) {
	for _, op := range ops {
		for _, tc := range []struct {
			name    string
			policy  pegasus.RetryPolicy
			callers int
			within  time.Duration
			most    int64 // dials
		}{
			{"one caller", pegasus.RetryPolicy{}, 1, 10 * time.Second, 60},
			{"many callers", pegasus.RetryPolicy{}, 50, 10 * time.Second, 60},
			{"no retries", pegasus.RetryPolicy{MaxAttempts: 1}, 50, time.Second, 20},
			{"three attempts", pegasus.RetryPolicy{MaxAttempts: 3}, 50, time.Second, 20},
		} {
			t.Run(op.name+"/"+tc.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					c := peer.Start(t, 1, 1)
					var dials atomic.Int64
					tb := openTemp(t, clientOf(t, c, pegasus.Config{Retry: tc.policy, Dial: func(ctx context.Context, network, addr string) (net.Conn, error) {
						if addr == peer.MetaAddr {
							return c.Dial(ctx, network, addr)
						}
						if dials.Add(1) > 1000 {
							<-ctx.Done() // or the clock would stand still
							return nil, ctx.Err()
						}
						near, far := net.Pipe()
						far.Close()
						return near, nil
					}}))
					var wg sync.WaitGroup
					for range tc.callers {
						wg.Go(func() {
							if took, err := timed(func() error { return op.call(t.Context(), tb, h) }); err == nil || took > tc.within {
								t.Errorf("after %v: %v", took, err)
							}
						})
					}
					wg.Wait()
					if n := dials.Load(); n > tc.most {
						t.Errorf("%d dials, want %d at most", n, tc.most)
					}
				})
			})
		}
	}
}
