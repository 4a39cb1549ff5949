package pegasus

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/pegasus-go/pegasus/internal/peer"
	"github.com/pegasus-go/pegasus/internal/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bubble runs f on a fake clock, with a cluster and its table opened by a
// client of its own.
func bubble(t *testing.T, nodes, partitions int, f func(t *testing.T, c *peer.Cluster, tb TableConnector)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		c := peer.Start(t, nodes, partitions)
		c.On(wire.TaskGet, peer.Result(wire.ReadResponse{Value: []byte("value")}))
		c.On(wire.TaskPut, peer.Result(wire.UpdateResponse{Decree: 1}))
		c.On(wire.TaskIncr, peer.Result(wire.IncrResponse{NewValue: 7}))
		f(t, c, open(t, c))
	})
}

// client returns a client of c, closed when the test ends.
func newClient(t *testing.T, c *peer.Cluster) Client {
	t.Helper()
	cl := NewClient(Config{MetaServers: []string{peer.MetaAddr}, Dial: c.Net.Dial})
	t.Cleanup(func() { cl.Close() })
	return cl
}

func open(t *testing.T, c *peer.Cluster) TableConnector {
	t.Helper()
	tb, err := newClient(t, c).OpenTable(t.Context(), "temp")
	if err != nil {
		t.Fatal(err)
	}
	return tb
}

// key returns a hash key of the partition with the given index.
func key(count, index int) []byte {
	for i := 0; ; i++ {
		k := fmt.Append(nil, "k", i)
		if int(keyTarget(k).hash%uint64(count)) == index {
			return k
		}
	}
}

// asPError fails the test unless err is a *PError.
func asPError(t *testing.T, err error) *PError {
	t.Helper()
	pe, ok := err.(*PError)
	if !ok {
		t.Fatalf("error %v of type %T", err, err)
	}
	return pe
}

func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// chain checks which errors are in the chain of err.
func chain(t *testing.T, err error, want ...error) {
	t.Helper()
	for _, w := range want {
		if !errors.Is(err, w) {
			t.Errorf("error %q does not have %q", err, w)
		}
	}
}

func notInChain(t *testing.T, err error, unwanted ...error) {
	t.Helper()
	for _, w := range unwanted {
		if errors.Is(err, w) {
			t.Errorf("error %q has %q", err, w)
		}
	}
}
