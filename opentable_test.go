package pegasus_test

import (
	"context"
	"sync"
	"testing"

	"github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/internal/peer"
	"github.com/pegasus-go/pegasus/internal/wire"
)

// openMany opens the table of a new client n times at once, and returns what
// came of it.
func openMany(t *testing.T, c *peer.Cluster, name string, contexts ...context.Context) ([]pegasus.TableConnector, []error) {
	cl := clientOf(t, c, pegasus.Config{})
	tables, errs := make([]pegasus.TableConnector, len(contexts)), make([]error, len(contexts))
	var wg sync.WaitGroup
	for i, ctx := range contexts {
		wg.Go(func() { tables[i], errs[i] = cl.OpenTable(ctx, name) })
	}
	wg.Wait()
	return tables, errs
}

func contexts(n int, ctx context.Context) []context.Context {
	all := make([]context.Context, n)
	for i := range all {
		all[i] = ctx
	}
	return all
}

// A thousand callers that open one table ask the meta server once, whatever the
// answer, and as often as one caller would while there is none.
func TestOpenTableIsShared(t *testing.T) {
	const callers = 1000
	for name, tc := range map[string]struct {
		table   string
		script  func(c *peer.Cluster) peer.Handler
		queries int // at most
		want    []error
	}{
		"opened": {table: "temp", queries: 1, script: func(c *peer.Cluster) peer.Handler { return after(100*ms, c.AnswerQuery) }},
		"not found": {
			table: "other", queries: 2, want: []error{pegasus.ErrTableNotFound},
			script: func(c *peer.Cluster) peer.Handler { return after(100*ms, c.AnswerQuery) },
		},
		"busy at first": {table: "temp", queries: 4, script: func(c *peer.Cluster) peer.Handler {
			busy := after(100*ms, peer.Code(wire.ErrBusy))
			return peer.Each(busy, busy, busy, after(100*ms, c.AnswerQuery))
		}},
		"no answer": {
			table: "temp", queries: 20, want: []error{context.DeadlineExceeded},
			script: func(*peer.Cluster) peer.Handler { return peer.Silence },
		},
	} {
		t.Run(name, func(t *testing.T) {
			scripted(t, 1, 8, func(t *testing.T, c *peer.Cluster, _ pegasus.TableConnector) {
				c.On(wire.TaskQueryConfig, tc.script(c))
				before := c.Queries()
				_, errs := openMany(t, c, tc.table, contexts(callers, t.Context())...)
				for _, err := range errs {
					switch {
					case tc.want != nil:
						wantError(t, err, tc.want)
					case err != nil:
						t.Fatal(err)
					}
				}
				if n := c.Queries() - before; n > tc.queries {
					t.Errorf("%d queries for %d callers, want %d", n, callers, tc.queries)
				}
			})
		})
	}
}

// That one of the callers goes away is nothing to the others: also if it was the
// first one.
func TestOpenTableOutlivesACaller(t *testing.T) {
	scripted(t, 1, 8, func(t *testing.T, c *peer.Cluster, _ pegasus.TableConnector) {
		c.On(wire.TaskQueryConfig, after(100*ms, c.AnswerQuery))
		before := c.Queries()
		short, cancel := context.WithTimeout(t.Context(), 50*ms)
		defer cancel()
		took, _ := timed(func() error {
			_, errs := openMany(t, c, "temp", append(contexts(10, short), contexts(10, t.Context())...)...)
			for i, err := range errs {
				if i < 10 {
					wantError(t, err, []error{context.DeadlineExceeded})
				} else if err != nil {
					t.Error(err)
				}
			}
			return nil
		})
		if n := c.Queries() - before; n != 1 || took != 100*ms {
			t.Errorf("%d queries, the last caller had to wait for %v", n, took)
		}
	})
}
