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
		answerAll(c)
		f(t, c, openTemp(t, clientOf(t, c, pegasus.Config{})))
	})
}

// answerAll makes all servers answer the operations of ops.
func answerAll(c *peer.Cluster) {
	for _, op := range ops {
		c.On(op.task, answer)
	}
}

// answer is the handler of a server that is well.
func answer(r *peer.Request) {
	switch r.Name() {
	case wire.TaskGet:
		r.Reply(wire.ReadResponse{Value: []byte("value")})
	case wire.TaskIncr:
		r.Reply(wire.IncrResponse{NewValue: 7})
	case wire.TaskBatchGet:
		r.Reply(wire.BatchGetResponse{})
	case wire.TaskGetScanner:
		r.Reply(wire.ScanResponse{ContextID: wire.ScanCompleted})
	default:
		r.Reply(wire.UpdateResponse{Decree: 1})
	}
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
		s, err := tb.GetScanner(ctx, hashKey, nil, nil, nil)
		if err != nil {
			return err
		}
		defer s.Close()
		_, _, _, _, err = s.Next(ctx)
		return err
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
