package pegasus_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/internal/peer"
	"github.com/pegasus-go/pegasus/internal/wire"
)

// bulk are operations that move bulkSize bytes, which takes bulkTime, and the
// answers to them.
var bulk = []struct {
	name string
	task string
	h    peer.Handler
	call func(ctx context.Context, tb pegasus.TableConnector) error
}{
	{"Next", wire.TaskGetScanner, func(r *peer.Request) {
		resp := wire.ScanResponse{ContextID: wire.ScanCompleted}
		for i := range 20 {
			kv := row("h", fmt.Sprintf("s%02d", i))
			kv.Value = make([]byte, bulkSize/20)
			resp.KVs = append(resp.KVs, kv)
		}
		r.Reply(resp)
	}, func(ctx context.Context, tb pegasus.TableConnector) error {
		sc, err := tb.GetScanner(ctx, h, nil, nil, nil)
		if err != nil {
			return err
		}
		return next(ctx, sc)
	}},
	{"MultiGet", wire.TaskMultiGet, func(r *peer.Request) {
		var resp wire.MultiGetResponse
		for i := range 20 {
			resp.KVs = append(resp.KVs, wire.KeyValue{Key: fmt.Append(nil, i), Value: make([]byte, bulkSize/20)})
		}
		r.Reply(resp)
	}, func(ctx context.Context, tb pegasus.TableConnector) error {
		_, _, err := tb.MultiGetOpt(ctx, h, nil, &pegasus.MultiGetOptions{})
		return err
	}},
	{"BatchGet", wire.TaskBatchGet, func(r *peer.Request) {
		var resp wire.BatchGetResponse
		for _, k := range peer.Arg[wire.BatchGetRequest](r).Keys {
			resp.Data = append(resp.Data, wire.FullData{HashKey: k.HashKey, SortKey: k.SortKey, Value: make([]byte, bulkSize/20)})
		}
		r.Reply(resp)
	}, func(ctx context.Context, tb pegasus.TableConnector) error {
		_, err := tb.BatchGet(ctx, manyKeys(1, 20))
		return err
	}},
	{"MultiSet", wire.TaskMultiPut, answer, func(ctx context.Context, tb pegasus.TableConnector) error {
		var keys, values [][]byte
		for i := range 20 {
			keys, values = append(keys, fmt.Append(nil, i)), append(values, make([]byte, bulkSize/20))
		}
		return tb.MultiSet(ctx, h, keys, values)
	}},
	{"Set", wire.TaskPut, answer, func(ctx context.Context, tb pegasus.TableConnector) error {
		return tb.Set(ctx, h, s, make([]byte, bulkSize))
	}},
}

const (
	bulkSize = 8 * mib
	bulkTime = 2 * time.Second
)

// behindBulk starts a bulk operation over a link for which that is much, and
// calls f while it is under way.
func behindBulk(t *testing.T, f func(t *testing.T, c *peer.Cluster, tb pegasus.TableConnector, bulk func())) {
	for _, b := range bulk {
		t.Run(b.name, func(t *testing.T) {
			link := &peer.Link{Rate: bulkSize / int(bulkTime/time.Second), Buffer: 256 * kib}
			overLink(t, link, func(t *testing.T, c *peer.Cluster, tb pegasus.TableConnector) {
				getAll(t, tb, 1)
				c.On(b.task, b.h)
				f(t, c, tb, func() {
					took, err := timed(func() error { return b.call(t.Context(), tb) })
					if err != nil {
						t.Error(err)
					}
					if took < bulkTime || took > bulkTime*5/4 {
						t.Errorf("%s took %v", b.name, took)
					}
				})
			})
		})
	}
}

// A call of 20 bytes does not wait behind what is large: bulk has a connection of
// its own.
func TestSmallCallsPassBulk(t *testing.T) {
	behindBulk(t, func(t *testing.T, c *peer.Cluster, tb pegasus.TableConnector, bulk func()) {
		done := make(chan struct{})
		go func() {
			defer close(done)
			bulk()
		}()
		var worst time.Duration
		for range 20 {
			time.Sleep(bulkTime / 25)
			took, err := timed(func() error { return ops[0].call(t.Context(), tb, h) })
			if err != nil {
				t.Error(err)
			}
			worst = max(worst, took)
		}
		<-done
		if worst > 50*ms {
			t.Errorf("a Get took %v", worst)
		}
	})
}

// The other connection is made when it is needed for the first time, and then
// used by all bulk. Small calls alone have one, many at a time or not.
func TestConnectionsAreMadeWhenNeeded(t *testing.T) {
	behindBulk(t, func(t *testing.T, c *peer.Cluster, tb pegasus.TableConnector, bulk func()) {
		for range 100 {
			go ops[0].call(t.Context(), tb, h)
		}
		synctest.Wait()
		time.Sleep(time.Second)
		if n := c.Nodes[0].Accepted(); n != 1 {
			t.Errorf("%d connections for small calls", n)
		}
		for range 3 {
			bulk()
		}
		if n := c.Nodes[0].Accepted(); n != 2 {
			t.Errorf("%d connections for small calls and bulk, want 2", n)
		}
	})
}
