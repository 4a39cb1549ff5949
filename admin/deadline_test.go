package admin

import (
	"context"
	"errors"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pegasus-go/pegasus/internal/memnet"
	"github.com/pegasus-go/pegasus/internal/peer"
	"github.com/pegasus-go/pegasus/internal/wire"
)

// One deadline for all that an operation is made of, however slow each step is: that
// of its context, and then the context has ended, or OperationTimeout.
func TestOneDeadline(t *testing.T) {
	waiting := partitions(2) // for a primary, without an end
	waiting.Partitions[1].Primary = 0
	answers := map[string]wire.Message{
		wire.TaskCreateApp:           wire.Of(&wire.CreateAppResponse{AppID: 7}),
		wire.TaskRecallApp:           wire.Of(&wire.RecallAppResponse{Info: wire.AppInfo{AppID: 7, AppName: "a"}}),
		wire.TaskQueryPartitionSplit: wire.Of(&wire.QueryPartitionSplitResponse{NewPartitionCount: 8}),
		wire.TaskQueryConfig:         wire.Of(&waiting),
	}
	slowly := func(r *peer.Request) {
		answer := answers[r.Name()]
		if answer == nil {
			if r.Name() == wire.TaskProposeBalancer || r.Name() == wire.TaskControlPartitionSplit {
				return // the second step of MovePrimary and CancelSplit
			}
			r.Fail(wire.ErrHandlerNotFound) // a probe
			return
		}
		time.AfterFunc(4*time.Second, func() { r.Reply(answer) })
	}
	for _, op := range operations {
		switch op.name {
		case "CreateTable", "RecallTable", "MovePrimary", "CancelSplit":
		default:
			continue // one step
		}
		t.Run(op.name, func(t *testing.T) {
			inBubble(t, slowly, func(t *testing.T, c *Client) {
				const patience = 7 * time.Second
				start := time.Now()
				ctx, cancel := context.WithTimeout(t.Context(), patience)
				defer cancel()
				err := op.call(ctx, c)
				if d := time.Since(start); !errors.Is(err, context.DeadlineExceeded) || ctx.Err() == nil || d != patience {
					t.Errorf("after %v: %v; the context: %v", d, err, ctx.Err())
				}
				start = time.Now()
				err = op.call(t.Context(), c)
				if d := time.Since(start); !errors.Is(err, context.DeadlineExceeded) || d != defaultOperationTimeout {
					t.Errorf("without a deadline, after %v: %v", d, err)
				}
			})
		})
	}
}

// No error says that the time is over before the context does, which a second timer
// would have it say about half of the time.
func TestNoTimerBesideTheContext(t *testing.T) {
	for range 50 {
		synctest.Test(t, func(t *testing.T) {
			c := connect(Config{MetaServers: []string{metaAddr}, Dial: silentDial}, nil)
			defer c.Close()
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if err := c.DropTable(ctx, "a", 0); !errors.Is(err, context.DeadlineExceeded) || ctx.Err() == nil {
				t.Errorf("error %v; the context: %v", err, ctx.Err())
			}
		})
	}
}

// Any OperationTimeout works.
func TestLongestOperationTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n memnet.Network
		nodes := wire.ListNodesResponse{}
		peer.Serve(t, n.Listen, metaAddr, peer.Each(peer.Hangup, peer.Result(wire.Of(&nodes))))
		c, err := New(Config{MetaServers: []string{metaAddr}, Dial: n.Dial, OperationTimeout: math.MaxInt64, DialTimeout: math.MaxInt64})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := c.Nodes(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// A context that ends during the wait for the primaries ends it with ErrNoPrimary,
// whatever is known of them, and the table is there.
func TestWaitForPrimariesEnds(t *testing.T) {
	made := wire.CreateAppResponse{AppID: 7}
	some := partitions(4)
	some.Partitions[2].Primary = 0
	creating := wire.QueryConfigResponse{Err: wire.ErrBusyCreating}
	for name, tc := range map[string]struct {
		query peer.Handler
		text  string
	}{
		"some have none": {peer.Result(wire.Of(&some)), `context deadline exceeded; last failure: no primary: 1 of 4 partitions`},
		"not made yet":   {peer.Result(wire.Of(&creating)), `no primary is known: context deadline exceeded; last failure: ERR_BUSY_CREATING`},
		"silence":        {peer.Silence, `no primary is known: context deadline exceeded: no meta server answered: 10.0.0.1:34601: no answer yet`},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(r *peer.Request) {
				switch r.Name() {
				case wire.TaskCreateApp:
					r.Reply(wire.Of(&made))
				case wire.TaskQueryConfig:
					tc.query(r)
				default:
					r.Fail(wire.ErrHandlerNotFound) // a probe
				}
			}, func(t *testing.T, c *Client) {
				ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
				defer cancel()
				id, err := c.CreateTable(ctx, "a", CreateOptions{})
				if id != 7 || !errors.Is(err, ErrNoPrimary) || !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, ErrInDoubt) {
					t.Errorf("CreateTable = %d, %v", id, err)
				}
				if want := `pegasus: CreateTable table "a": ` + tc.text; err == nil || err.Error() != want {
					t.Errorf("%v\nwant %s", err, want)
				}
			})
		})
	}
}
