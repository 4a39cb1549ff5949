package admin

import (
	"context"
	"errors"
	"io"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pegasus-go/pegasus/internal/memnet"
	"github.com/pegasus-go/pegasus/internal/peer"
	"github.com/pegasus-go/pegasus/internal/wire"
)

// A change whose answer is lost, in whatever way, is in doubt, and a question is
// not. What must not be carried out twice is sent once.
func TestLostAnswerOfAnyOperation(t *testing.T) {
	for way, lose := range map[string]peer.Handler{
		"hangs up":     peer.Hangup,
		"is silent":    peer.Silence,
		"is confused":  peer.Result(wire.ContextID(1)),
		"is mistaken":  func(r *peer.Request) { r.Send(wire.AppendErrorReply(nil, &r.Request, "RPC_OTHER_ACK", wire.ErrOK)) },
		"times out":    peer.Code(wire.ErrTimeout),
		"is too busy":  peer.Code(wire.ErrBusy),
		"is not known": peer.Code("ERR_OF_TOMORROW"),
	} {
		for _, op := range operations {
			t.Run(op.name+"/"+way, func(t *testing.T) {
				var sent atomic.Int32
				inBubble(t, prelude(op.task, func(r *peer.Request) {
					sent.Add(1)
					lose(r)
				}), func(t *testing.T, c *Client) {
					ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
					defer cancel()
					err := op.call(ctx, c)
					if err == nil || errors.Is(err, ErrInDoubt) != (op.kind != query) {
						t.Errorf("error %v", err)
					}
					if k := sent.Load(); op.kind == once && k != 1 {
						t.Errorf("sent %d times", k)
					} else if op.kind != once && way == "hangs up" && k < 5 {
						t.Errorf("sent %d times only", k)
					}
				})
			})
		}
	}
}

// A change that was lost once and then carried out is no error, if it may be repeated.
func TestLostAnswerOfAChangeThatIsRepeated(t *testing.T) {
	ok := wire.HintResponse{}
	inBubble(t, peer.Each(peer.Hangup, peer.Hangup, peer.Result(wire.Of(&ok))), func(t *testing.T, c *Client) {
		if err := c.SetEnvs(t.Context(), "a", map[string]string{"k": "v"}); err != nil {
			t.Error(err)
		}
	})
	// And one that was lost once and then refused may have been carried out before.
	refused := wire.HintResponse{Err: wire.ErrInvalidParameters, Hint: "no"}
	inBubble(t, peer.Each(peer.Hangup, peer.Result(wire.Of(&refused))), func(t *testing.T, c *Client) {
		err := c.SetEnvs(t.Context(), "a", map[string]string{"k": "v"})
		var e *Error
		if !errors.Is(err, ErrInDoubt) || !errors.Is(err, ErrInvalidParameters) || !errors.As(err, &e) || e.Hint != "no" {
			t.Errorf("error %v", err)
		}
	})
}

// A change that no server has received, or that one has refused, is not in doubt.
func TestChangeThatWasNotSent(t *testing.T) {
	const patience = 5 * time.Second
	var n memnet.Network // nobody listens
	stuck := resolver(func(ctx context.Context, _ string) ([]string, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	})
	for name, connect := range map[string]func() *Client{
		"refused":    func() *Client { return connect(Config{MetaServers: []string{metaAddr}, Dial: n.Dial}, nil) },
		"connecting": func() *Client { return connect(Config{MetaServers: []string{metaAddr}, Dial: silentDial}, nil) },
		"looking up": func() *Client { return connect(Config{MetaServers: []string{"meta:1"}, Dial: n.Dial}, stuck) },
	} {
		for _, op := range operations {
			if op.name == "RemoteCommand" {
				continue // it has one server, below
			}
			t.Run(op.name+"/"+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					c := connect()
					defer c.Close()
					ctx, cancel := context.WithTimeout(t.Context(), patience)
					defer cancel()
					start := time.Now()
					err := op.call(ctx, c)
					if errors.Is(err, ErrInDoubt) || !errors.Is(err, context.DeadlineExceeded) {
						t.Errorf("error %v", err)
					}
					if d := time.Since(start); d != patience {
						t.Errorf("took %v", d)
					}
				})
			})
		}
	}
	for _, code := range []wire.ErrorCode{wire.ErrHandlerNotFound, wire.ErrACLDeny, wire.ErrUnauthenticated} {
		for _, op := range operations {
			t.Run(op.name+"/"+string(code), func(t *testing.T) {
				inBubble(t, peer.Code(code), func(t *testing.T, c *Client) {
					start := time.Now()
					if err := op.call(t.Context(), c); !errors.Is(err, ErrorCode(code)) || errors.Is(err, ErrInDoubt) {
						t.Errorf("error %v", err)
					}
					if d := time.Since(start); d != 0 {
						t.Errorf("took %v", d)
					}
				})
			})
		}
	}
}

// The one server of a remote command is not there.
func TestRemoteCommandThatWasNotSent(t *testing.T) {
	var n memnet.Network
	c := connect(Config{MetaServers: []string{metaAddr}, Dial: n.Dial}, nil)
	defer c.Close()
	if _, err := c.RemoteCommand(t.Context(), metaAddr, "help"); !errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, ErrInDoubt) {
		t.Errorf("error %v", err)
	}
}

// The same on a server that is known to be a meta server.
func TestTooOldForAnOperation(t *testing.T) {
	nodes := wire.ListNodesResponse{}
	inBubble(t, func(r *peer.Request) {
		if r.Name() == wire.TaskListNodes {
			r.Reply(wire.Of(&nodes))
			return
		}
		r.Fail(wire.ErrHandlerNotFound)
	}, func(t *testing.T, c *Client) {
		if _, err := c.Nodes(t.Context()); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		err := c.StartCompact(t.Context(), "a", CompactOptions{})
		if d := time.Since(start); !errors.Is(err, ErrHandlerNotFound) || errors.Is(err, ErrInDoubt) || d != 0 {
			t.Errorf("after %v: %v", d, err)
		}
	})
}

// A context that has ended sends nothing, over a connection that is there already.
func TestContextThatHasEnded(t *testing.T) {
	nodes := wire.ListNodesResponse{}
	for _, op := range operations {
		t.Run(op.name, func(t *testing.T) {
			var sent atomic.Int32
			inBubble(t, func(r *peer.Request) {
				sent.Add(1)
				r.Reply(wire.Of(&nodes))
			}, func(t *testing.T, c *Client) {
				if _, err := c.Nodes(t.Context()); err != nil {
					t.Fatal(err)
				}
				why := io.ErrClosedPipe
				ctx, cancel := context.WithCancelCause(t.Context())
				cancel(why)
				err := op.call(ctx, c)
				if !errors.Is(err, context.Canceled) || !errors.Is(err, why) || errors.Is(err, ErrInDoubt) || errors.Is(err, ErrNoMeta) {
					t.Errorf("error %v", err)
				}
				synctest.Wait()
				if k := sent.Load(); k != 1 {
					t.Errorf("%d requests", k)
				}
			})
		})
	}
}

// resolver is a function that looks up names.
type resolver func(ctx context.Context, host string) ([]string, error)

func (f resolver) LookupHost(ctx context.Context, host string) ([]string, error) { return f(ctx, host) }

// Nobody waits for name servers, the second meta server answers.
func TestNameServersAreSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n memnet.Network
		nodes := wire.ListNodesResponse{}
		peer.Serve(t, n.Listen, metaAddr, peer.Result(wire.Of(&nodes)))
		release := make(chan struct{})
		c := connect(Config{MetaServers: []string{"meta:34601", metaAddr}, Dial: n.Dial},
			resolver(func(context.Context, string) ([]string, error) { // whatever the context says
				<-release
				return nil, io.EOF
			}))
		start := time.Now()
		if _, err := c.Nodes(t.Context()); err != nil {
			t.Error(err)
		}
		c.Close()
		if d := time.Since(start); d != 0 {
			t.Errorf("took %v", d)
		}
		close(release)
	})
}

// Close ends an operation that waits for name servers, and does not wait for them.
func TestCloseDuringALookup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		c := connect(Config{MetaServers: []string{"meta:34601"}, Dial: silentDial},
			resolver(func(context.Context, string) ([]string, error) {
				<-release
				return nil, io.EOF
			}))
		done := make(chan error)
		go func() { done <- c.DropTable(t.Context(), "a", 0) }()
		synctest.Wait()
		start := time.Now()
		c.Close()
		if err := <-done; !errors.Is(err, ErrClosed) || errors.Is(err, ErrInDoubt) {
			t.Errorf("error %v", err)
		}
		if d := time.Since(start); d != 0 {
			t.Errorf("took %v", d)
		}
		close(release)
	})
}
