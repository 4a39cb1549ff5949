package pegasus

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pegasus-go/pegasus/internal/peer"
	"github.com/pegasus-go/pegasus/internal/wire"
)

// lateContext is a legal context that no caller should make: it has a deadline,
// and neither a channel to tell it nor an error afterwards.
type lateContext struct {
	context.Context
	deadline time.Time
}

func (c lateContext) Deadline() (time.Time, bool) { return c.deadline, true }

// Operations end at the deadline of a context that does not end by itself.
func TestContextWithoutEnd(t *testing.T) {
	operations := map[string]func(ctx context.Context, tb TableConnector) error{
		"BatchGet": func(ctx context.Context, tb TableConnector) error {
			_, err := tb.BatchGet(ctx, []CompositeKey{{[]byte("a"), []byte{}}, {[]byte("b"), []byte{}}})
			return err
		},
	}
	for _, op := range kinds {
		operations[op.name] = op.call
	}
	for name, fault := range map[string]func(c *peer.Cluster){
		"no answer":          func(c *peer.Cluster) { answerAll(c, peer.Silence) },
		"busy":               func(c *peer.Cluster) { answerAll(c, peer.Code(wire.ErrBusy)) },
		"moved":              func(c *peer.Cluster) { answerAll(c, peer.Code(wire.ErrInvalidState)) },
		"no primary":         func(c *peer.Cluster) { noPrimary(c); c.Nodes[0].Stop() },
		"no server":          func(c *peer.Cluster) { c.Nodes[0].Stop() },
		"no server, no meta": func(c *peer.Cluster) { c.Nodes[0].Stop(); c.On(wire.TaskQueryConfig, peer.Silence) },
	} {
		for op, call := range operations {
			t.Run(name+"/"+op, func(t *testing.T) {
				bubble(t, 1, 1, func(t *testing.T, c *peer.Cluster, tb TableConnector) {
					fault(c)
					wantEnd(t, time.Second, func(ctx context.Context) error { return call(ctx, tb) })
				})
			})
		}
	}
	for name, h := range map[string]peer.Handler{"no answer": peer.Silence, "busy": peer.Code(wire.ErrBusy)} {
		t.Run(name+"/OpenTable", func(t *testing.T) {
			bubble(t, 1, 1, func(t *testing.T, c *peer.Cluster, _ TableConnector) {
				c.On(wire.TaskQueryConfig, h)
				client := newClient(t, c)
				wantEnd(t, time.Second, func(ctx context.Context) error {
					_, err := client.OpenTable(ctx, "temp")
					return err
				})
			})
		})
	}
	// A scanner fetches for as long as Config.OperationTimeout, and looks then.
	t.Run("Next", func(t *testing.T) {
		bubble(t, 1, 1, func(t *testing.T, c *peer.Cluster, tb TableConnector) {
			c.On(wire.TaskGetScanner, peer.Code(wire.ErrBusy))
			s := hashScan(t, tb, "h", 0)
			wantEnd(t, 2*defaultOperationTimeout, func(ctx context.Context) error {
				_, _, _, _, err := s.Next(ctx)
				return err
			})
		})
	})
}

func answerAll(c *peer.Cluster, h peer.Handler) {
	for _, task := range []string{wire.TaskGet, wire.TaskPut, wire.TaskIncr, wire.TaskBatchGet} {
		c.On(task, h)
	}
}

func noPrimary(c *peer.Cluster) {
	c.Update(func(tb *peer.Table) { tb.Partitions[0] = peer.Partition{Ballot: 4} })
}

// wantEnd expects f to end at the deadline of its context.
func wantEnd(t *testing.T, d time.Duration, f func(ctx context.Context) error) {
	t.Helper()
	start := time.Now()
	err := f(lateContext{context.Background(), start.Add(d)})
	chain(t, err, context.DeadlineExceeded)
	if took := time.Since(start); took != d {
		t.Errorf("ended after %v instead of %v: %v", took, d, err)
	}
}

// againContext is a context that its owner uses again after it has ended.
type againContext struct {
	context.Context
	now atomic.Pointer[context.Context]
}

func (c *againContext) begin() context.CancelFunc {
	ctx, cancel := context.WithCancel(context.Background())
	c.now.Store(&ctx)
	return cancel
}

func (c *againContext) Done() <-chan struct{} { return (*c.now.Load()).Done() }
func (c *againContext) Err() error            { return (*c.now.Load()).Err() }

// The cancellation of a context is not remembered for the next call with it.
func TestContextUsedAgain(t *testing.T) {
	bubble(t, 1, 1, func(t *testing.T, c *peer.Cluster, tb TableConnector) {
		ctx := &againContext{Context: context.Background()}
		for range 3 {
			c.On(wire.TaskGet, peer.Silence)
			time.AfterFunc(time.Second, ctx.begin())
			_, err := tb.Get(ctx, []byte("h"), []byte{})
			chain(t, err, context.Canceled)

			c.On(wire.TaskGet, peer.Each(peer.Code(wire.ErrBusy), success))
			cancel := ctx.begin()
			_, err = tb.Get(ctx, []byte("h"), []byte{})
			must(t, "Get", err)
			cancel()
		}
	})
}
