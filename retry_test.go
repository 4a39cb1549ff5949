package pegasus

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pegasus-go/pegasus/internal/peer"
	"github.com/pegasus-go/pegasus/internal/wire"
)

// one operation of each kind.
var kinds = []struct {
	name string
	kind kind
	task string
	call func(ctx context.Context, tb TableConnector) error
}{
	{"Get", read, wire.TaskGet, func(ctx context.Context, tb TableConnector) error {
		v, err := tb.Get(ctx, []byte("h"), []byte("s"))
		if err == nil && string(v) != "value" {
			err = fmt.Errorf("value %q", v)
		}
		return err
	}},
	{"Set", idempotent, wire.TaskPut, func(ctx context.Context, tb TableConnector) error {
		return tb.Set(ctx, []byte("h"), []byte("s"), []byte("value"))
	}},
	{"Incr", once, wire.TaskIncr, func(ctx context.Context, tb TableConnector) error {
		n, err := tb.Incr(ctx, []byte("h"), []byte("s"), 1)
		if err == nil && n != 7 {
			err = fmt.Errorf("new value %d", n)
		}
		return err
	}},
}

// success answers each of them.
func success(r *peer.Request) { r.Reply(result(r.Name())) }

func result(task string) wire.Message {
	switch task {
	case wire.TaskGet:
		return wire.ReadResponse{Value: []byte("value")}
	case wire.TaskIncr:
		return wire.IncrResponse{NewValue: 7}
	}
	return wire.UpdateResponse{Decree: 1}
}

// What is done with each error of the cluster.
var codes = []struct {
	code    ErrorCode
	retry   bool
	refresh bool // asks the meta server before that
	doubt   bool // a write may have been applied
}{
	{code: ErrObjectNotFound, retry: true, refresh: true},
	{code: ErrInvalidState, retry: true, refresh: true},
	{code: ErrInactiveState, retry: true, refresh: true},
	{code: ErrParentMisused, retry: true, refresh: true},
	{code: ErrSessionReset, retry: true, refresh: true, doubt: true},
	{code: ErrBusy, retry: true},
	{code: ErrSplitting, retry: true},
	{code: ErrNotEnoughMember, retry: true},
	{code: ErrCapacityExceeded, retry: true},
	{code: ErrInvalidData},
	{code: ErrInvalidParameters},
	{code: ErrHandlerNotFound},
	{code: ErrOperationDisabled},
	{code: ErrACLDeny},
	{code: ErrUnauthenticated},
	{code: ErrDiskInsufficient},
	{code: ErrDiskIOError},
	{code: ErrServerTimeout, doubt: true},
	{code: ErrReplicationFailure, doubt: true},
	{code: ErrUnknown, doubt: true},
	{code: "ERR_FROM_THE_FUTURE", doubt: true},
}

func TestErrorCodes(t *testing.T) {
	for _, op := range kinds {
		for _, tc := range codes {
			t.Run(op.name+"/"+string(tc.code), func(t *testing.T) {
				retry := tc.retry && !(tc.doubt && op.kind == once)
				if retry {
					testPassingCode(t, op.task, tc.code, tc.refresh, op.call)
				}
				testLastingCode(t, op.task, tc.code, retry, tc.doubt && op.kind != read, op.call)
			})
		}
	}
}

// testPassingCode expects success on the second attempt.
func testPassingCode(t *testing.T, task string, code ErrorCode, refresh bool, call func(context.Context, TableConnector) error) {
	bubble(t, 1, 4, func(t *testing.T, c *peer.Cluster, tb TableConnector) {
		c.On(task, peer.Each(peer.Code(wire.ErrorCode(code)), success))
		start := time.Now()
		if err := call(t.Context(), tb); err != nil {
			t.Error(err)
		}
		if d := time.Since(start); d > defaultPolicy.MaxPause {
			t.Errorf("took %v", d)
		}
		if n := len(c.Requests(task)); n != 2 {
			t.Errorf("%d attempts", n)
		}
		want := 1 // that of OpenTable
		if refresh {
			want = 2
		}
		if n := c.Queries(); n != want {
			t.Errorf("%d queries of the configuration, want %d", n, want)
		}
		if n := c.Nodes[0].Accepted(); n != 1 {
			t.Errorf("%d connections", n)
		}
	})
}

// testLastingCode expects the code to be reported, at the deadline if it is
// one that may pass.
func testLastingCode(t *testing.T, task string, code ErrorCode, retry, doubt bool, call func(context.Context, TableConnector) error) {
	bubble(t, 1, 4, func(t *testing.T, c *peer.Cluster, tb TableConnector) {
		c.On(task, peer.Code(wire.ErrorCode(code)))
		start := time.Now()
		err := call(within(t, time.Second), tb)
		took := time.Since(start)
		pe := asPError(t, err)
		chain(t, err, code)
		if got := errors.Is(err, ErrInDoubt); got != doubt {
			t.Errorf("in doubt: %v: %v", got, err)
		}
		n := len(c.Requests(task))
		if pe.Attempts != n || pe.Table != "temp" || pe.Server != c.Nodes[0].Addr() || pe.Partition == "" {
			t.Errorf("%d requests, error %+v", n, pe)
		}
		if !retry {
			notInChain(t, err, context.DeadlineExceeded)
			if n != 1 || took != 0 {
				t.Errorf("%d requests in %v", n, took)
			}
			return
		}
		chain(t, err, context.DeadlineExceeded)
		if took != time.Second {
			t.Errorf("ended after %v", took)
		}
		// Pauses of 4, 8, ... up to 200 ms and less, then shorter ones again.
		if n < 8 || n > 40 {
			t.Errorf("%d requests in a second", n)
		}
	})
}

func TestLostConnection(t *testing.T) {
	for _, op := range kinds {
		t.Run(op.name, func(t *testing.T) {
			bubble(t, 1, 4, func(t *testing.T, c *peer.Cluster, tb TableConnector) {
				c.On(op.task, peer.Each(peer.Hangup, success))
				start := time.Now()
				err := op.call(t.Context(), tb)
				if d := time.Since(start); d > defaultPolicy.MaxPause {
					t.Errorf("took %v", d)
				}
				n := len(c.Requests(op.task))
				if op.kind != once {
					if err != nil || n != 2 {
						t.Errorf("%d requests, %v", n, err)
					}
					return
				}
				chain(t, err, ErrInDoubt)
				notInChain(t, err, context.DeadlineExceeded)
				if n != 1 {
					t.Errorf("sent %d times", n)
				}
			})
		})
	}
}

func TestNoAnswer(t *testing.T) {
	for _, op := range kinds {
		t.Run(op.name, func(t *testing.T) {
			bubble(t, 1, 4, func(t *testing.T, c *peer.Cluster, tb TableConnector) {
				c.On(op.task, peer.Silence)
				err := op.call(within(t, time.Second), tb)
				chain(t, err, context.DeadlineExceeded)
				if got := errors.Is(err, ErrInDoubt); got != (op.kind != read) {
					t.Errorf("in doubt: %v: %v", got, err)
				}
				if n := len(c.Requests(op.task)); n != 1 {
					t.Errorf("sent %d times", n)
				}

				ctx, cancel := context.WithCancel(t.Context())
				go func() { time.Sleep(time.Second); cancel() }()
				err = op.call(ctx, tb)
				chain(t, err, context.Canceled)
				notInChain(t, err, context.DeadlineExceeded)
			})
		})
	}
}

// A context without a deadline gets Config.OperationTimeout, which the header
// of each attempt counts down.
func TestDefaultDeadline(t *testing.T) {
	bubble(t, 1, 1, func(t *testing.T, c *peer.Cluster, tb TableConnector) {
		c.On(wire.TaskGet, peer.Code(wire.ErrBusy))
		start := time.Now()
		_, err := tb.Get(context.Background(), []byte("h"), []byte{})
		chain(t, err, context.DeadlineExceeded, ErrBusy)
		if d := time.Since(start); d != defaultOperationTimeout {
			t.Errorf("took %v", d)
		}
		last := int32(10_001)
		for _, s := range c.Requests(wire.TaskGet) {
			if s.TimeoutMs < 1 || s.TimeoutMs >= last {
				t.Fatalf("timeout %d ms after %d ms", s.TimeoutMs, last)
			}
			last = s.TimeoutMs
		}
		if first := c.Requests(wire.TaskGet)[0].TimeoutMs; first != 10_000 {
			t.Errorf("the first attempt has %d ms", first)
		}
	})
}

// The last failure before a timeout is reported with it, also when the last
// attempt was cut off.
func TestTimeoutKeepsTheCause(t *testing.T) {
	bubble(t, 1, 1, func(t *testing.T, c *peer.Cluster, tb TableConnector) {
		c.On(wire.TaskPut, peer.Each(peer.Hangup, peer.Code(wire.ErrBusy), peer.Silence))
		err := tb.Set(within(t, time.Second), []byte("h"), []byte{}, []byte{})
		chain(t, err, context.DeadlineExceeded, ErrBusy, ErrInDoubt)
		if n := asPError(t, err).Attempts; n != 3 {
			t.Errorf("%d attempts", n)
		}
	})
	bubble(t, 1, 1, func(t *testing.T, c *peer.Cluster, tb TableConnector) {
		c.Nodes[0].Stop()
		_, err := tb.Incr(within(t, time.Second), []byte("h"), []byte("s"), 1)
		chain(t, err, context.DeadlineExceeded, syscall.ECONNREFUSED)
		notInChain(t, err, ErrInDoubt) // nothing was sent
		var op *net.OpError
		if !errors.As(err, &op) {
			t.Errorf("no network error in %v", err)
		}
	})
}

// A storage error after an attempt without an answer does not clear the doubt.
func TestDoubtStays(t *testing.T) {
	bubble(t, 1, 1, func(t *testing.T, c *peer.Cluster, tb TableConnector) {
		c.On(wire.TaskPut, peer.Each(peer.Hangup, peer.Result(wire.UpdateResponse{Error: wire.StatusCorruption})))
		err := tb.Set(t.Context(), []byte("h"), []byte{}, []byte{})
		chain(t, err, ErrInDoubt, StorageCorruption)
		if n := asPError(t, err).Attempts; n != 2 {
			t.Errorf("%d attempts", n)
		}
	})
}

// Storage errors are final: what they say is about the data. After most of them
// another server takes over, which may have applied a write.
func TestStorageErrors(t *testing.T) {
	bubble(t, 1, 1, func(t *testing.T, c *peer.Cluster, tb TableConnector) {
		for _, status := range []StorageError{StorageCorruption, StorageInvalidArgument, StorageIOError, 11, 13, 99} {
			c.On(wire.TaskGet, peer.Result(wire.ReadResponse{Error: int32(status)}))
			c.On(wire.TaskIncr, peer.Result(wire.IncrResponse{Error: int32(status)}))
			c.On(wire.TaskPut, peer.Result(wire.UpdateResponse{Error: int32(status)}))
			_, err := tb.Get(t.Context(), []byte("h"), []byte{})
			chain(t, err, status)
			notInChain(t, err, ErrInDoubt)
			doubt := status != StorageInvalidArgument && status != 13
			_, incr := tb.Incr(t.Context(), []byte("h"), []byte("s"), 1)
			for _, err := range []error{incr, tb.Set(t.Context(), []byte("h"), []byte("s"), []byte("value"))} {
				chain(t, err, status)
				notInChain(t, err, context.DeadlineExceeded)
				if errors.Is(err, ErrInDoubt) != doubt {
					t.Errorf("in doubt: %v, want %v: %v", !doubt, doubt, err)
				}
			}
		}
		if n := len(c.Requests(wire.TaskGet, wire.TaskIncr, wire.TaskPut)); n != 18 {
			t.Errorf("%d requests", n)
		}
	})
}

// Answers that are frames of the protocol but make no sense fail their own
// call; the connection, and the other calls on it, go on.
func TestStrangeAnswers(t *testing.T) {
	for name, answer := range map[string]peer.Handler{
		"to another RPC": func(r *peer.Request) {
			r.Send(wire.AppendReply(nil, &r.Request, "RPC_SOMETHING_ELSE_ACK", wire.ReadResponse{}))
		},
		"of another type": peer.Result(wire.ContextID(3)),
		"cut off": func(r *peer.Request) {
			b := wire.AppendErrorReply(nil, &r.Request, r.Name()+"_ACK", wire.ErrOK)
			b = append(b, r.Frame(result(r.Name()))[len(b):][:6]...)
			binary.BigEndian.PutUint32(b, uint32(len(b)))
			r.Send(b)
		},
		"empty": func(r *peer.Request) { r.Send(wire.AppendErrorReply(nil, &r.Request, r.Name()+"_ACK", wire.ErrOK)) },
	} {
		for _, op := range kinds {
			t.Run(name+"/"+op.name, func(t *testing.T) {
				bubble(t, 1, 1, func(t *testing.T, c *peer.Cluster, tb TableConnector) {
					c.On(op.task, peer.Each(answer, success))
					err := op.call(t.Context(), tb)
					chain(t, err, ErrMalformed)
					if got := errors.Is(err, ErrInDoubt); got != (op.kind != read) {
						t.Errorf("in doubt: %v: %v", got, err)
					}
					if err := op.call(t.Context(), tb); err != nil {
						t.Errorf("the next call: %v", err)
					}
					if n := c.Nodes[0].Accepted(); n != 1 {
						t.Errorf("%d connections", n)
					}
				})
			})
		}
	}
}

// A primary dies under load, and the meta server names another one a second
// later: nobody notices but by waiting.
func TestFailover(t *testing.T) {
	bubble(t, 2, 1, func(t *testing.T, c *peer.Cluster, tb TableConnector) {
		c.On(wire.TaskGet, func(r *peer.Request) {
			time.AfterFunc(50*time.Millisecond, func() { success(r) })
		})
		var moved time.Time
		go func() {
			time.Sleep(time.Second)
			c.Nodes[0].Stop()
			time.Sleep(time.Second)
			c.Update(func(tb *peer.Table) {
				tb.Partitions[0] = peer.Partition{Ballot: 4, Primary: c.Nodes[1].Addr()}
				moved = time.Now()
			})
		}()
		var wg sync.WaitGroup
		for range 256 {
			wg.Go(func() {
				for start := time.Now(); time.Since(start) < 3*time.Second; {
					before := time.Now()
					if _, err := tb.Get(within(t, 2*time.Second), []byte("h"), []byte{}); err != nil {
						t.Error(err)
						return
					}
					if after := time.Now(); !moved.IsZero() && before.Before(moved) && after.Sub(moved) > defaultPolicy.MaxPause+150*time.Millisecond {
						t.Errorf("the first success came %v after the new configuration", after.Sub(moved))
					}
				}
			})
		}
		wg.Wait()
		// However many wait for it, the meta server is asked now and then only.
		if n := c.Queries(); n > 60 {
			t.Errorf("%d queries of the configuration", n)
		}
	})
}

// A cluster that is made anew at the same addresses begins with low ballots, and
// its first table has the id that the first one had.
func TestClusterMadeAnew(t *testing.T) {
	bubble(t, 2, 1, func(t *testing.T, c *peer.Cluster, tb TableConnector) {
		c.On(wire.TaskGet, func(r *peer.Request) {
			if r.Server == c.Nodes[0].Addr() {
				r.Fail(wire.ErrObjectNotFound)
				return
			}
			success(r)
		})
		c.Update(func(tb *peer.Table) { tb.Partitions[0] = peer.Partition{Ballot: 1, Primary: c.Nodes[1].Addr()} })
		start := time.Now()
		if _, err := tb.Get(t.Context(), []byte("h"), []byte{}); err != nil {
			t.Error(err)
		}
		if d := time.Since(start); d > defaultPolicy.MaxPause {
			t.Errorf("took %v", d)
		}
	})
}

// The old primary lives and says that it is none any more: the new one is
// tried at once, without a pause.
func TestMovedPrimary(t *testing.T) {
	bubble(t, 2, 1, func(t *testing.T, c *peer.Cluster, tb TableConnector) {
		c.On(wire.TaskIncr, func(r *peer.Request) {
			if r.Server == c.Nodes[0].Addr() {
				r.Fail(wire.ErrInvalidState)
				return
			}
			success(r)
		})
		c.Update(func(tb *peer.Table) { tb.Partitions[0] = peer.Partition{Ballot: 4, Primary: c.Nodes[1].Addr()} })
		start := time.Now()
		if _, err := tb.Incr(t.Context(), []byte("h"), []byte("s"), 1); err != nil {
			t.Error(err)
		}
		if d := time.Since(start); d != 0 {
			t.Errorf("took %v", d)
		}
	})
}

// A partition without a primary disturbs no other one.
func TestNoPrimary(t *testing.T) {
	bubble(t, 1, 4, func(t *testing.T, c *peer.Cluster, tb TableConnector) {
		node := c.Nodes[0].Addr()
		c.Update(func(tb *peer.Table) { tb.Partitions[2] = peer.Partition{Ballot: 4} })
		c.On(wire.TaskGet, peer.Each(peer.Code(wire.ErrInvalidState), success)) // the client learns it
		if _, err := tb.Get(t.Context(), key(4, 0), []byte{}); err != nil {
			t.Fatal(err)
		}
		for i := range 4 {
			_, err := tb.Get(within(t, time.Second), key(4, i), []byte{})
			if i != 2 {
				if err != nil {
					t.Errorf("partition %d: %v", i, err)
				}
				continue
			}
			chain(t, err, ErrNoPrimary, context.DeadlineExceeded)
			if pe := asPError(t, err); pe.Partition != "2.2" || pe.Server != "" {
				t.Errorf("error %+v", pe)
			}
		}
		time.AfterFunc(time.Second, func() {
			c.Update(func(tb *peer.Table) { tb.Partitions[2] = peer.Partition{Ballot: 5, Primary: node} })
		})
		if _, err := tb.Get(t.Context(), key(4, 2), []byte{}); err != nil {
			t.Errorf("after there is a primary again: %v", err)
		}
	})
}

// All meta servers are gone: data traffic goes on, also over the restart of a
// replica server, whether they refuse or swallow what is sent to them.
func TestNoMetaWhileOpen(t *testing.T) {
	for name, fault := range map[string]func(c *peer.Cluster){
		"refuse": func(c *peer.Cluster) { c.Meta.Stop() },
		"silent": func(c *peer.Cluster) { c.On(wire.TaskQueryConfig, peer.Silence) },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, 1, 1, func(t *testing.T, c *peer.Cluster, tb TableConnector) {
				fault(c)
				if _, err := tb.Get(t.Context(), []byte("h"), []byte{}); err != nil {
					t.Fatal(err)
				}
				c.Nodes[0].Stop()
				time.AfterFunc(time.Second, func() { c.Nodes[0].Start(t) })
				start := time.Now()
				if _, err := tb.Get(t.Context(), []byte("h"), []byte{}); err != nil {
					t.Fatal(err)
				}
				if d := time.Since(start); d > 2*time.Second {
					t.Errorf("took %v", d)
				}
			})
		})
	}
}

func TestTableDropped(t *testing.T) {
	bubble(t, 1, 1, func(t *testing.T, c *peer.Cluster, tb TableConnector) {
		c.Update(func(tb *peer.Table) { tb.Name = "another" })
		c.On(wire.TaskGet, peer.Code(wire.ErrObjectNotFound))
		start := time.Now()
		_, err := tb.Get(t.Context(), []byte("h"), []byte{})
		chain(t, err, ErrTableNotFound, ErrObjectNotFound)
		if d := time.Since(start); d != 0 {
			t.Errorf("took %v", d)
		}
	})
}

// A table that was dropped and created again has another id.
func TestTableRecreated(t *testing.T) {
	bubble(t, 1, 1, func(t *testing.T, c *peer.Cluster, tb TableConnector) {
		c.Update(func(tb *peer.Table) { tb.AppID, tb.Partitions[0].Ballot = 9, 1 })
		c.On(wire.TaskGet, func(r *peer.Request) {
			if r.AppID != 9 {
				r.Fail(wire.ErrObjectNotFound)
				return
			}
			success(r)
		})
		if _, err := tb.Get(t.Context(), []byte("h"), []byte{}); err != nil {
			t.Error(err)
		}
	})
}

// While a split is under way, keys of the child go to the parent; after it the
// parent refuses them.
func TestPointCallsDuringSplit(t *testing.T) {
	bubble(t, 1, 2, func(t *testing.T, c *peer.Cluster, tb TableConnector) {
		node := c.Nodes[0].Addr()
		version := uint64(2)
		c.On(wire.TaskGet, func(r *peer.Request) {
			if r.PartitionHash%version != uint64(r.PartitionIndex) {
				r.Fail(wire.ErrParentMisused)
				return
			}
			success(r)
		})
		child := key(4, 3)
		get := func(index int32) {
			t.Helper()
			if _, err := tb.Get(t.Context(), child, []byte{}); err != nil {
				t.Fatal(err)
			}
			all := c.Requests(wire.TaskGet)
			if got := all[len(all)-1].PartitionIndex; got != index {
				t.Errorf("answered by partition %d, want %d", got, index)
			}
		}
		get(1)
		c.Update(func(tb *peer.Table) {
			tb.Partitions = append(tb.Partitions, peer.Partition{Ballot: -1}, peer.Partition{Ballot: -1})
		})
		c.Nodes[0].Disconnect() // the client asks again
		synctest.Wait()
		get(1)
		c.Update(func(tb *peer.Table) {
			tb.Partitions[2] = peer.Partition{Ballot: 4, Primary: node}
			tb.Partitions[3] = peer.Partition{Ballot: 4, Primary: node}
		})
		version = 4
		get(3)
	})
}

// A stalled server is noticed, by every table that uses it, although no call
// waits long enough to notice it alone.
func TestStalledServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := peer.Start(t, 2, 1)
		c.On(wire.TaskGet, func(r *peer.Request) {
			if r.Server != c.Nodes[0].Addr() {
				success(r)
			}
		})
		cl := newClient(t, c)
		tb, err := cl.OpenTable(t.Context(), "temp")
		if err != nil {
			t.Fatal(err)
		}
		// Not even probes are answered.
		c.On("RPC_PEGASUS_GO_PROBE", peer.Silence)
		c.Update(func(tb *peer.Table) { tb.Partitions[0] = peer.Partition{Ballot: 4, Primary: c.Nodes[1].Addr()} })
		start := time.Now()
		for {
			_, err := tb.Get(within(t, time.Second), []byte("h"), []byte{})
			if err == nil {
				break
			}
			chain(t, err, context.DeadlineExceeded)
		}
		if d := time.Since(start); d > 8*time.Second {
			t.Errorf("traffic flows again after %v", d)
		}
	})
}
