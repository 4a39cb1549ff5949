package pegasus_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/internal/peer"
	"github.com/pegasus-go/pegasus/internal/wire"
)

// An operation whose context has ended sends nothing, asks nobody, and says why
// the context has ended.
func TestEndedContextSendsNothing(t *testing.T) {
	errWhy := errors.New("the user has gone")
	type ended struct {
		ctx  context.Context
		want []error
	}
	contexts := map[string]func() ended{
		"cancelled": func() ended {
			ctx, cancel := context.WithCancel(context.Background())
			cancel()
			return ended{ctx, []error{context.Canceled}}
		},
		"cancelled for a reason": func() ended {
			ctx, cancel := context.WithCancelCause(context.Background())
			cancel(errWhy)
			return ended{ctx, []error{context.Canceled, errWhy}}
		},
		"expired": func() ended {
			ctx, cancel := context.WithTimeout(context.Background(), -1)
			cancel()
			return ended{ctx, []error{context.DeadlineExceeded}}
		},
	}
	for name, end := range contexts {
		for _, m := range methods {
			for _, warm := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s/%s/connected=%v", name, m.name, warm), func(t *testing.T) {
					scripted(t, 2, 8, func(t *testing.T, c *peer.Cluster, tb pegasus.TableConnector) {
						if warm {
							getAll(t, tb, 8)
						}
						wantNothingSent(t, c, func() error { return m.call(end().ctx, tb) }, end().want)
					})
				})
			}
		}
		t.Run(name+"/OpenTable", func(t *testing.T) {
			scripted(t, 1, 1, func(t *testing.T, c *peer.Cluster, _ pegasus.TableConnector) {
				cl := clientOf(t, c, pegasus.Config{})
				wantNothingSent(t, c, func() error {
					_, err := cl.OpenTable(end().ctx, "temp")
					return err
				}, end().want)
			})
		})
	}
}

// wantNothingSent expects call to fail at once, and to leave no trace on the
// servers, also later.
func wantNothingSent(t *testing.T, c *peer.Cluster, call func() error, want []error) {
	t.Helper()
	trace := func() int {
		n := len(c.Requests()) + c.Meta.Accepted()
		for _, s := range c.Nodes {
			n += s.Accepted()
		}
		return n
	}
	before := trace()
	took, err := timed(call)
	wantError(t, err, want)
	if took != 0 {
		t.Errorf("took %v", took)
	}
	time.Sleep(time.Minute)
	if n := trace() - before; n > 0 {
		t.Errorf("%d requests and connections", n)
	}
}

// Once its context has ended an operation sends nothing more.
func TestNothingIsSentAfterTheEnd(t *testing.T) {
	for fault, script := range faults {
		for _, op := range ops {
			if op.task == wire.TaskGetScanner {
				continue // fetches ahead, whoever waits for it
			}
			t.Run(fault+"/"+op.name, func(t *testing.T) {
				scripted(t, 1, 1, func(t *testing.T, c *peer.Cluster, tb pegasus.TableConnector) {
					script(c)
					ctx, cancel := context.WithCancel(t.Context())
					time.AfterFunc(777*ms, cancel)
					wantError(t, op.call(ctx, tb, h), nil, context.DeadlineExceeded)
					n := len(c.Requests(op.task))
					time.Sleep(time.Minute)
					if more := len(c.Requests(op.task)) - n; more > 0 {
						t.Errorf("%d requests after the end of the context", more)
					}
				})
			})
		}
	}
}
