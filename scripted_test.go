package pegasus_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/internal/peer"
	"github.com/pegasus-go/pegasus/internal/schema"
	"github.com/pegasus-go/pegasus/internal/wire"
)

// scripted runs f on a fake clock, with a cluster of scripted servers whose
// partitions are dealt out to them in turn, and its table opened by a client of
// its own.
func scripted(t *testing.T, nodes, partitions int, f func(t *testing.T, c *peer.Cluster, tb pegasus.TableConnector)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		c := peer.Start(t, nodes, partitions)
		answerAll(c, answer)
		f(t, c, openTemp(t, clientOf(t, c, pegasus.Config{})))
	})
}

// dataTasks are the RPCs of replica servers that operations wait for.
var dataTasks = []string{
	wire.TaskGet, wire.TaskTTL, wire.TaskMultiGet, wire.TaskBatchGet, wire.TaskSortKeyCount, wire.TaskGetScanner, wire.TaskScan,
	wire.TaskPut, wire.TaskMultiPut, wire.TaskRemove, wire.TaskMultiRemove, wire.TaskIncr, wire.TaskCheckAndSet,
}

// answerAll scripts the answers to all operations.
func answerAll(c *peer.Cluster, h peer.Handler) {
	for _, task := range dataTasks {
		c.On(task, h)
	}
}

// answer is the handler of a server that is well. Scans have one row.
func answer(r *peer.Request) {
	switch r.Name() {
	case wire.TaskGet:
		r.Reply(wire.ReadResponse{Value: []byte("value")})
	case wire.TaskTTL:
		r.Reply(wire.TTLResponse{TTLSeconds: 5})
	case wire.TaskMultiGet:
		r.Reply(wire.MultiGetResponse{})
	case wire.TaskBatchGet:
		r.Reply(wire.BatchGetResponse{})
	case wire.TaskSortKeyCount:
		r.Reply(wire.CountResponse{Count: 3})
	case wire.TaskGetScanner, wire.TaskScan:
		r.Reply(wire.ScanResponse{ContextID: wire.ScanCompleted, KVs: []wire.KeyValue{row("h", "s")}})
	case wire.TaskMultiRemove:
		r.Reply(wire.MultiRemoveResponse{Count: 1})
	case wire.TaskIncr:
		r.Reply(wire.IncrResponse{NewValue: 7})
	case wire.TaskCheckAndSet:
		r.Reply(wire.CheckResponse{})
	default:
		r.Reply(wire.UpdateResponse{Decree: 1})
	}
}

// row is an entry as scans return it.
func row(hashKey, sortKey string) wire.KeyValue {
	return wire.KeyValue{Key: schema.AppendKey(nil, []byte(hashKey), []byte(sortKey)), Value: []byte("value")}
}

// except answers, but for a server that does something else.
func except(s *peer.Server, h peer.Handler) peer.Handler {
	return func(r *peer.Request) {
		if r.Server == s.Addr() {
			h(r)
			return
		}
		answer(r)
	}
}

// clientOf returns a client of the cluster, closed when the test ends.
func clientOf(t *testing.T, c *peer.Cluster, cfg pegasus.Config) pegasus.Client {
	t.Helper()
	cfg.MetaServers = []string{peer.MetaAddr}
	if cfg.Dial == nil {
		cfg.Dial = c.Dial
	}
	cl, err := pegasus.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cl.Close() })
	return cl
}

func openTemp(t *testing.T, cl pegasus.Client) pegasus.TableConnector {
	t.Helper()
	tb, err := cl.OpenTable(t.Context(), "temp")
	if err != nil {
		t.Fatal(err)
	}
	return tb
}

// op is an operation that sends one request, to the partition of a hash key.
type op struct {
	name string
	task string
	once bool // must not be sent twice
	call func(ctx context.Context, tb pegasus.TableConnector, hashKey []byte) error
}

// ops has an operation of each kind: reads, writes that may be sent again, and
// those that must not. Each succeeds on a server that is well.
var ops = []op{
	{"Get", wire.TaskGet, false, func(ctx context.Context, tb pegasus.TableConnector, hashKey []byte) error {
		_, err := tb.Get(ctx, hashKey, []byte("s"))
		return err
	}},
	{"Set", wire.TaskPut, false, func(ctx context.Context, tb pegasus.TableConnector, hashKey []byte) error {
		return tb.Set(ctx, hashKey, []byte("s"), []byte("value"))
	}},
	{"Incr", wire.TaskIncr, true, func(ctx context.Context, tb pegasus.TableConnector, hashKey []byte) error {
		_, err := tb.Incr(ctx, hashKey, []byte("s"), 1)
		return err
	}},
	{"BatchGet", wire.TaskBatchGet, false, func(ctx context.Context, tb pegasus.TableConnector, hashKey []byte) error {
		_, err := tb.BatchGet(ctx, []pegasus.CompositeKey{{HashKey: hashKey, SortKey: []byte("1")}, {HashKey: hashKey, SortKey: []byte("2")}})
		return err
	}},
	{"Next", wire.TaskGetScanner, false, func(ctx context.Context, tb pegasus.TableConnector, hashKey []byte) error {
		sc, err := tb.GetScanner(ctx, hashKey, nil, nil, nil)
		if err != nil {
			return err
		}
		return next(ctx, sc)
	}},
}

// hashKey returns a hash key of the partition with the given index. Others of
// that partition have another n.
func hashKey(partitions, index, n int) []byte {
	for i := 0; ; i++ {
		k := []byte{'k', byte(i >> 8), byte(i)}
		if int(schema.Hash(k)%uint64(partitions)) != index {
			continue
		}
		if n == 0 {
			return k
		}
		n--
	}
}

// move makes the meta server say that a node is the primary of a partition.
func move(c *peer.Cluster, partition, node int) {
	c.Update(func(tb *peer.Table) {
		p := &tb.Partitions[partition]
		p.Ballot++
		p.Primary = c.Nodes[node].Addr()
	})
}

// methods are all that a table can be asked for.
var methods = []struct {
	name string
	call func(ctx context.Context, tb pegasus.TableConnector) error
}{
	{"Get", func(ctx context.Context, tb pegasus.TableConnector) error {
		_, err := tb.Get(ctx, h, s)
		return err
	}},
	{"Set", func(ctx context.Context, tb pegasus.TableConnector) error { return tb.Set(ctx, h, s, v) }},
	{"Del", func(ctx context.Context, tb pegasus.TableConnector) error { return tb.Del(ctx, h, s) }},
	{"MultiGet", func(ctx context.Context, tb pegasus.TableConnector) error {
		_, _, err := tb.MultiGet(ctx, h, [][]byte{s})
		return err
	}},
	{"MultiGetRange", func(ctx context.Context, tb pegasus.TableConnector) error {
		_, _, err := tb.MultiGetRange(ctx, h, nil, nil)
		return err
	}},
	{"MultiSet", func(ctx context.Context, tb pegasus.TableConnector) error {
		return tb.MultiSet(ctx, h, [][]byte{s}, [][]byte{v})
	}},
	{"MultiDel", func(ctx context.Context, tb pegasus.TableConnector) error { return tb.MultiDel(ctx, h, [][]byte{s}) }},
	{"DelRange", func(ctx context.Context, tb pegasus.TableConnector) error { return tb.DelRange(ctx, h, nil, nil) }},
	{"TTL", func(ctx context.Context, tb pegasus.TableConnector) error {
		_, err := tb.TTL(ctx, h, s)
		return err
	}},
	{"Exist", func(ctx context.Context, tb pegasus.TableConnector) error {
		_, err := tb.Exist(ctx, h, s)
		return err
	}},
	{"Next", func(ctx context.Context, tb pegasus.TableConnector) error {
		sc, err := tb.GetScanner(ctx, h, nil, nil, nil)
		if err != nil {
			return err
		}
		return next(ctx, sc)
	}},
	{"Next of a table", func(ctx context.Context, tb pegasus.TableConnector) error {
		scs, err := tb.GetUnorderedScanners(ctx, 1, nil)
		if err != nil {
			return err
		}
		return next(ctx, scs[0])
	}},
	{"CheckAndSet", func(ctx context.Context, tb pegasus.TableConnector) error {
		_, err := tb.CheckAndSet(ctx, h, s, pegasus.CheckTypeNoCheck, nil, s, v, nil)
		return err
	}},
	{"SortKeyCount", func(ctx context.Context, tb pegasus.TableConnector) error {
		_, err := tb.SortKeyCount(ctx, h)
		return err
	}},
	{"Incr", func(ctx context.Context, tb pegasus.TableConnector) error {
		_, err := tb.Incr(ctx, h, s, 1)
		return err
	}},
	{"BatchGet", func(ctx context.Context, tb pegasus.TableConnector) error {
		_, err := tb.BatchGet(ctx, keysOf("a", "b", "c", "d", "e", "f", "a"))
		return err
	}},
}

var h, s, v = []byte("h"), []byte("s"), []byte("v")

// next calls Next once and closes the scanner.
func next(ctx context.Context, sc pegasus.Scanner) error {
	defer sc.Close()
	_, _, _, _, err := sc.Next(ctx)
	return err
}

// keysOf returns keys with the given hash keys.
func keysOf(hashKeys ...string) []pegasus.CompositeKey {
	var keys []pegasus.CompositeKey
	for _, k := range hashKeys {
		keys = append(keys, pegasus.CompositeKey{HashKey: []byte(k), SortKey: s})
	}
	return keys
}

// timed returns how long f took, and its error.
func timed(f func() error) (time.Duration, error) {
	start := time.Now()
	err := f()
	return time.Since(start), err
}

// wantError checks what is in the chain of an error, and what is not.
func wantError(t *testing.T, err error, want []error, unwanted ...error) {
	t.Helper()
	for _, w := range want {
		if !errors.Is(err, w) {
			t.Errorf("error %v does not have %q", err, w)
		}
	}
	for _, w := range unwanted {
		if errors.Is(err, w) {
			t.Errorf("error %v has %q", err, w)
		}
	}
}
