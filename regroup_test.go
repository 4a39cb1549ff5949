package pegasus_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/internal/peer"
	"github.com/pegasus-go/pegasus/internal/schema"
	"github.com/pegasus-go/pegasus/internal/wire"
)

// batchGet answers with all keys, each its own value.
func batchGet(r *peer.Request) {
	var resp wire.BatchGetResponse
	for _, k := range peer.Arg[wire.BatchGetRequest](r).Keys {
		resp.Data = append(resp.Data, wire.FullData{HashKey: k.HashKey, SortKey: k.SortKey, Value: k.HashKey})
	}
	r.Reply(resp)
}

// getAllOf expects a value for each key.
func getAllOf(t *testing.T, tb pegasus.TableConnector, keys []pegasus.CompositeKey) time.Duration {
	t.Helper()
	var values [][]byte
	took, err := timed(func() (err error) {
		values, err = tb.BatchGet(t.Context(), keys)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range values {
		if v == nil {
			t.Fatalf("key %d has no value", i)
		}
	}
	return took
}

// When a table was split, BatchGet groups the keys by the new partitions: it does
// not ask for one after the other.
func TestBatchGetRegroupsAfterSplit(t *testing.T) {
	for _, count := range []int{8, 16, 64} {
		t.Run(fmt.Sprint(count), func(t *testing.T) {
			scripted(t, 1, 4, func(t *testing.T, c *peer.Cluster, tb pegasus.TableConnector) {
				c.On(wire.TaskBatchGet, func(r *peer.Request) {
					if r.PartitionHash%uint64(count) != uint64(r.PartitionIndex) {
						r.Fail(wire.ErrParentMisused)
						return
					}
					for _, k := range peer.Arg[wire.BatchGetRequest](r).Keys {
						if schema.Hash(k.HashKey)%uint64(count) != uint64(r.PartitionIndex) {
							t.Errorf("partition %d is asked for %q, which is in another one", r.PartitionIndex, k.HashKey)
						}
					}
					batchGet(r)
				})
				c.Update(func(tb *peer.Table) {
					for len(tb.Partitions) < count {
						tb.Partitions = append(tb.Partitions, peer.Partition{Ballot: 3, Primary: c.Nodes[0].Addr()})
					}
				})
				took := getAllOf(t, tb, manyKeys(count, 5))
				if n := len(c.Requests(wire.TaskGet)); n > 0 {
					t.Errorf("%d keys were asked for one by one", n)
				}
				if n := len(c.Requests(wire.TaskBatchGet)); n > 4+2*count {
					t.Errorf("%d requests for %d partitions", n, count)
				}
				if took > time.Second {
					t.Errorf("took %v", took)
				}
			})
		})
	}
}

// A server that does not know batch_get is asked for one key at a time: for up to
// 32 of them at once, and not for more.
func TestBatchGetFallsBackConcurrently(t *testing.T) {
	for _, partitions := range []int{1, 5} {
		t.Run(fmt.Sprint(partitions), func(t *testing.T) {
			scripted(t, 1, partitions, func(t *testing.T, c *peer.Cluster, tb pegasus.TableConnector) {
				c.On(wire.TaskBatchGet, peer.Code(wire.ErrHandlerNotFound))
				var mu sync.Mutex
				now, most := 0, 0
				c.On(wire.TaskGet, func(r *peer.Request) {
					mu.Lock()
					defer mu.Unlock()
					now++
					most = max(most, now)
					time.AfterFunc(100*ms, func() {
						mu.Lock()
						now--
						mu.Unlock()
						answer(r)
					})
				})
				took := getAllOf(t, tb, manyKeys(partitions, 320/partitions))
				if took > 1100*ms {
					t.Errorf("320 keys took %v", took)
				}
				if most > 32 {
					t.Errorf("%d requests were under way", most)
				}
			})
		})
	}
}

// A server that is upgraded, which is to say started again, is asked whether it
// knows batch_get by now: the others, and one that was not upgraded, are not asked
// all the time.
func TestBatchGetAfterUpgrade(t *testing.T) {
	scripted(t, 2, 2, func(t *testing.T, c *peer.Cluster, tb pegasus.TableConnector) {
		keys := manyKeys(2, 3)
		c.On(wire.TaskBatchGet, peer.Code(wire.ErrHandlerNotFound))
		for range 100 {
			getAllOf(t, tb, keys)
			time.Sleep(ms)
		}
		if n := len(c.Requests(wire.TaskBatchGet)); n > 10 {
			t.Errorf("old servers were asked %d times", n)
		}
		c.On(wire.TaskBatchGet, func(r *peer.Request) {
			if r.Server == c.Nodes[0].Addr() {
				batchGet(r)
				return
			}
			r.Fail(wire.ErrHandlerNotFound)
		})
		c.Nodes[0].Stop()
		c.Nodes[0].Start(t)
		getAllOf(t, tb, keys)
		getAllOf(t, tb, keys) // knows it now
		gets := len(c.Requests(wire.TaskGet))
		before := len(c.Requests(wire.TaskBatchGet))
		getAllOf(t, tb, keys)
		upgraded := 0
		for _, r := range c.Requests(wire.TaskBatchGet)[before:] {
			if r.Server == c.Nodes[0].Addr() {
				upgraded++
			}
		}
		if upgraded != 1 {
			t.Errorf("the upgraded server got %d requests for 3 keys", upgraded)
		}
		if n := len(c.Requests(wire.TaskGet)) - gets; n != 3 {
			t.Errorf("%d keys were asked for one by one, want the 3 of the old server", n)
		}
	})
}

// A partition whose server is silent does not keep BatchGet from reading the
// others, in as many steps as that takes.
func TestBatchGetOfOneThatIsSilent(t *testing.T) {
	const partitions = 4
	// Each has a server of its own: what is learned of one says nothing of the silent one.
	scripted(t, partitions, partitions, func(t *testing.T, c *peer.Cluster, tb pegasus.TableConnector) {
		c.On(wire.TaskBatchGet, func(r *peer.Request) {
			if r.PartitionIndex != 0 {
				r.Fail(wire.ErrHandlerNotFound)
			}
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		values, err := tb.BatchGet(ctx, manyKeys(partitions, 3))
		wantError(t, err, []error{context.DeadlineExceeded})
		for i, v := range values {
			if (v == nil) != (i < 3) {
				t.Errorf("key %d has the value %q", i, v)
			}
		}
	})
}

// An answer larger than the client accepts makes BatchGet ask for less.
func TestBatchGetTooLarge(t *testing.T) {
	scripted(t, 1, 1, func(t *testing.T, c *peer.Cluster, tb pegasus.TableConnector) {
		tooLarge := 0
		c.On(wire.TaskBatchGet, func(r *peer.Request) {
			if len(peer.Arg[wire.BatchGetRequest](r).Keys) <= 30 {
				batchGet(r)
				return
			}
			tooLarge++
			left := 256<<20 + 1
			head := binary.BigEndian.AppendUint32(nil, uint32(left))
			r.Send(append(head, r.Frame(wire.BatchGetResponse{})[len(head):]...))
			for left -= len(r.Frame(wire.BatchGetResponse{})); left > 0; left -= 1 << 20 {
				r.Send(make([]byte, min(left, 1<<20)))
			}
		})
		getAllOf(t, tb, manyKeys(1, 100))
		if n := len(c.Requests(wire.TaskBatchGet)); tooLarge != 3 || n != 7 {
			t.Errorf("%d of %d answers were too large", tooLarge, n)
		}
	})
}
