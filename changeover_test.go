package pegasus_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/internal/peer"
	"github.com/pegasus-go/pegasus/internal/wire"
)

// became makes the name temp lead to a new table, of the id 9, and the old one
// unknown to the servers. Requests to the new one are answered.
func became(c *peer.Cluster) {
	c.Update(func(tb *peer.Table) {
		tb.AppID = 9
		for i := range tb.Partitions {
			tb.Partitions[i].Ballot = 1
		}
	})
}

// notOld refuses what is for the old table, and leaves the rest to h.
func notOld(h peer.Handler) peer.Handler {
	return func(r *peer.Request) {
		if r.AppID != 9 {
			r.Fail(wire.ErrObjectNotFound)
			return
		}
		h(r)
	}
}

// The entries that DelRange has found in one table it does not delete from
// another.
func TestDelRangeOfAnotherTable(t *testing.T) {
	scripted(t, 1, 1, func(t *testing.T, c *peer.Cluster, tb pegasus.TableConnector) {
		c.On(wire.TaskMultiRemove, func(r *peer.Request) {
			became(c)
			notOld(answer)(r)
		})
		err := tb.DelRange(t.Context(), h, nil, nil)
		wantError(t, err, []error{pegasus.ErrRepartitioned})
		for _, r := range c.Requests(wire.TaskMultiRemove) {
			if r.AppID == 9 {
				t.Error("entries of the new table are deleted")
			}
		}
	})
}

// A BatchGet has its values from one table: when the name leads to another one
// meanwhile, all of them from that.
func TestBatchGetOfTwoTables(t *testing.T) {
	for _, known := range []bool{true, false} {
		t.Run(fmt.Sprintf("server knows batch_get=%v", known), func(t *testing.T) {
			scripted(t, 1, 2, func(t *testing.T, c *peer.Cluster, tb pegasus.TableConnector) {
				value := func(r *peer.Request) []byte { return fmt.Append(nil, "of table ", r.AppID) }
				reply := func(r *peer.Request) {
					if r.Name() == wire.TaskGet {
						r.Reply(wire.ReadResponse{Value: value(r)})
						return
					}
					var resp wire.BatchGetResponse
					for _, k := range peer.Arg[wire.BatchGetRequest](r).Keys {
						resp.Data = append(resp.Data, wire.FullData{HashKey: k.HashKey, SortKey: k.SortKey, Value: value(r)})
					}
					r.Reply(resp)
				}
				// Partition 0 is quick, partition 1 answers when the table is gone.
				script := func(r *peer.Request) {
					if r.PartitionIndex == 0 || r.AppID == 9 {
						reply(r)
						return
					}
					time.AfterFunc(100*ms, func() {
						became(c)
						notOld(reply)(r)
					})
				}
				c.On(wire.TaskGet, script)
				c.On(wire.TaskBatchGet, peer.Code(wire.ErrHandlerNotFound))
				if known {
					c.On(wire.TaskBatchGet, script)
				}
				values, err := tb.BatchGet(t.Context(), manyKeys(2, 3))
				must(t, err)
				for _, v := range values {
					if string(v) != "of table 9" {
						t.Fatalf("the values are %q", values)
					}
				}
			})
		})
	}
}

// When the name leads to another table, no request goes to the old one any more,
// of no caller and in no partition, once one went to the new one. The old table
// is alive, under another name.
func TestChangeOfTableIsOneMoment(t *testing.T) {
	const partitions = 64
	scripted(t, 4, partitions, func(t *testing.T, c *peer.Cluster, tb pegasus.TableConnector) {
		getAll(t, tb, partitions)
		var mu sync.Mutex
		var first time.Time // when the new table was used
		var late []int32    // partitions of the old table, later
		c.On(wire.TaskGet, func(r *peer.Request) {
			mu.Lock()
			switch {
			case r.AppID == 9 && first.IsZero():
				first = time.Now()
			case r.AppID != 9 && !first.IsZero() && time.Now().After(first):
				late = append(late, r.PartitionIndex)
			}
			mu.Unlock()
			if r.AppID != 9 && r.PartitionIndex == 17 {
				r.Fail(wire.ErrObjectNotFound) // the only one who knows
				return
			}
			answer(r)
		})
		became(c)
		var wg sync.WaitGroup
		for p := range partitions {
			wg.Go(func() {
				for range 20 {
					ctx, cancel := context.WithTimeout(t.Context(), time.Second)
					if err := ops[0].call(ctx, tb, hashKey(partitions, p, 0)); err != nil {
						t.Error(err)
					}
					cancel()
					time.Sleep(ms)
				}
			})
		}
		wg.Wait()
		if first.IsZero() || len(late) > 0 {
			t.Errorf("new table used at %v; afterwards partitions %v of the old one", first, late)
		}
	})
}
