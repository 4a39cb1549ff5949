package pegasus_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/internal/peer"
	"github.com/pegasus-go/pegasus/internal/wire"
)

const (
	kib = 1 << 10
	mib = 1 << 20
)

// overLink runs f on a fake clock with a server, and a table whose connections
// are over a link.
func overLink(t *testing.T, link *peer.Link, f func(t *testing.T, c *peer.Cluster, tb pegasus.TableConnector)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		c := peer.Start(t, 1, 1)
		answerAll(c, answer)
		f(t, c, openTemp(t, clientOf(t, c, pegasus.Config{Dial: link.Dial(c.Dial)})))
	})
}

// A slow link that makes progress is not a hung server. Requests are sent once,
// also if the progress cannot be seen, because the kernel has taken all of the
// request at once: a server is given the time that so many bytes may take.
func TestSlowLinkIsNotHung(t *testing.T) {
	value := func(n int) peer.Handler { return peer.Result(wire.ReadResponse{Value: make([]byte, n)}) }
	get := func(ctx context.Context, tb pegasus.TableConnector) error {
		_, err := tb.Get(ctx, h, s)
		return err
	}
	set := func(n int) func(ctx context.Context, tb pegasus.TableConnector) error {
		return func(ctx context.Context, tb pegasus.TableConnector) error { return tb.Set(ctx, h, s, make([]byte, n)) }
	}
	for _, tc := range []struct {
		name    string
		rate    int
		callers int
		size    int // of what each caller sends or receives
		task    string
		call    func(ctx context.Context, tb pegasus.TableConnector) error
	}{
		{"1 MiB up", 200 * kib, 1, mib, wire.TaskPut, set(mib)},
		{"1 MiB down", 200 * kib, 1, mib, wire.TaskGet, get},
		{"1 MiB up, slower", 50 * kib, 1, mib, wire.TaskPut, set(mib)},
		{"1 MiB down, slower", 50 * kib, 1, mib, wire.TaskGet, get},
		{"60 KiB down", 5 * kib, 1, 60 * kib, wire.TaskGet, get},
		{"many callers up", 200 * kib, 20, 200 * kib, wire.TaskPut, set(200 * kib)},
		{"many callers down", 200 * kib, 20, 200 * kib, wire.TaskGet, get},
		{"many small calls down", 20 * kib, 200, 2 * kib, wire.TaskGet, get},
	} {
		for _, buffer := range []int{64 * kib, 4 * mib} {
			if tc.task == wire.TaskPut && buffer > tc.size && tc.rate < 200*kib {
				continue // so much patience with a server that shows nothing is too much
			}
			t.Run(fmt.Sprintf("%s/buffer=%dKiB", tc.name, buffer/kib), func(t *testing.T) {
				link := &peer.Link{Rate: tc.rate, Buffer: buffer}
				overLink(t, link, func(t *testing.T, c *peer.Cluster, tb pegasus.TableConnector) {
					c.On(wire.TaskGet, value(tc.size))
					time.Sleep(time.Minute)
					connections, before := c.Nodes[0].Accepted(), link.Sent()
					ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
					defer cancel()
					var wg sync.WaitGroup
					took, _ := timed(func() error {
						for range tc.callers {
							wg.Go(func() {
								if err := tc.call(ctx, tb); err != nil {
									t.Error(err)
								}
							})
						}
						wg.Wait()
						return nil
					})
					if n := len(c.Requests(tc.task)); n != tc.callers {
						t.Errorf("%d requests have arrived, want %d", n, tc.callers)
					}
					if n := c.Nodes[0].Accepted() - connections; n > 2 {
						t.Errorf("%d connections", n)
					}
					bytes := int64(tc.callers * tc.size)
					limit := time.Duration(bytes)*time.Second/time.Duration(tc.rate)*12/10 + time.Second
					if took > limit {
						t.Errorf("took %v, want %v", took, limit)
					}
					if sent := link.Sent() - before; tc.task == wire.TaskPut && sent > bytes*12/10 {
						t.Errorf("%d bytes were sent, for %d bytes of values", sent, bytes)
					}
				})
			})
		}
	}
}

// The way is slow, and the server hangs: that is still found out.
func TestHungServerBehindSlowLink(t *testing.T) {
	link := &peer.Link{Rate: 200 * kib, Buffer: 4 * mib}
	overLink(t, link, func(t *testing.T, c *peer.Cluster, tb pegasus.TableConnector) {
		getAll(t, tb, 1)
		c.Hang(c.Nodes[0])
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		defer cancel()
		wantError(t, tb.Set(ctx, h, s, make([]byte, 100*kib)), []error{pegasus.ErrStalled})
	})
}
