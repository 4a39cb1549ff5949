package route

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pegasus-go/pegasus/internal/memnet"
	"github.com/pegasus-go/pegasus/internal/peer"
	"github.com/pegasus-go/pegasus/internal/wire"
)

// A request that must not be executed twice goes to the next server only if
// the one before cannot have executed it.
func TestExclusive(t *testing.T) {
	for name, tc := range map[string]struct {
		first    peer.Handler
		next     bool
		received bool // an error that says so
		err      error
	}{
		"follower":  {forward(""), true, false, nil},
		"forwarded": {peer.Code(wire.ErrForwardToOthers), true, false, nil},
		"unknown":   {peer.Code(wire.ErrHandlerNotFound), true, false, nil},
		"HTTP":      {func(r *peer.Request) { r.Send([]byte("HTTP/1.1 400 Bad Request")) }, true, false, nil},
		"lost":      {peer.Hangup, false, true, io.ErrUnexpectedEOF},
		"timeout":   {peer.Code(wire.ErrTimeout), false, true, wire.ErrTimeout},
		"malformed": {peer.Result(wire.ContextID(1)), false, true, wire.ErrMalformed},
		"misplaced": {renamed, false, true, wire.ErrMalformed},
		"silent":    {peer.Silence, false, true, context.DeadlineExceeded},
		"denied":    {peer.Code(wire.ErrACLDeny), false, false, nil},
		"answered":  {answerWith(wire.QueryConfigResponse{Err: wire.ErrInvalidParameters}), false, false, nil},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var n memnet.Network
				p := newPool(t, n.Dial)
				next := false
				m := NewMeta(p, metas(t, &n, tc.first, func(r *peer.Request) {
					next = true
					answerWith(config(3))(r)
				}), nil)
				m.leader = m.servers[0] // or both are equal
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				_, err := ask(ctx, m, true)
				if !errors.Is(err, tc.err) || (tc.err == nil) != (err == nil) || next != tc.next {
					t.Errorf("the next was asked: %v, error %v", next, err)
				}
				var me *MetaError
				if errors.As(err, &me) && me.Received != tc.received {
					t.Errorf("received: %v, error %v", me.Received, err)
				}
			})
		})
	}
}

// Of an exclusive request that did not reach a server the error does not say that it
// may have: not while a name is looked up, nor while a connection is made, nor while
// another server is asked.
func TestExclusiveIsNotSent(t *testing.T) {
	hang := func(ctx context.Context, _, _ string) (net.Conn, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	for name, server := range map[string]string{"looking up": "meta:34601", "connecting": "10.0.0.1:34601"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := NewMeta(newPool(t, hang), []string{server}, lookupFunc(silentDNS))
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				_, err := ask(ctx, m, true)
				var me *MetaError
				if !errors.As(err, &me) || me.Received || !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("error %v", err)
				}
			})
		})
	}
}

// Nothing is sent, and no name looked up, on behalf of a context that has ended.
func TestCancelledBefore(t *testing.T) {
	p := newPool(t, func(context.Context, string, string) (net.Conn, error) {
		t.Error("dialed")
		return nil, io.EOF
	})
	m := NewMeta(p, []string{"10.0.0.1:34601", "meta:34601"}, lookupFunc(func(context.Context, string) ([]string, error) {
		t.Error("looked up")
		return nil, io.EOF
	}))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, exclusive := range []bool{false, true} {
		if _, err := ask(ctx, m, exclusive); err != context.Canceled {
			t.Errorf("error %v", err)
		}
	}
}

// However the servers behave, none but the last that was sent an exclusive request
// may have carried it out, and the error says whether that one may.
func TestExclusiveAnyServers(t *testing.T) {
	type behaviour struct {
		name     string
		handle   peer.Handler
		executes bool // perhaps
	}
	behaviours := []behaviour{
		{"refuses connections", nil, false},
		{"follows", forward(""), false},
		{"is a replica server", peer.Code(wire.ErrHandlerNotFound), false},
		{"speaks HTTP", func(r *peer.Request) { r.Send([]byte("HTTP/1.1 400 Bad Request")) }, false},
		{"hangs up", peer.Hangup, true},
		{"is silent", peer.Silence, true},
		{"times out", peer.Code(wire.ErrTimeout), true},
		{"is confused", peer.Result(wire.ContextID(1)), true},
		{"leads", answerWith(config(3)), true},
	}
	for seed := range uint64(300) {
		random := rand.New(rand.NewPCG(seed, 0))
		synctest.Test(t, func(t *testing.T) {
			var n memnet.Network
			delays := make(map[string]time.Duration)
			p := newPool(t, func(ctx context.Context, network, addr string) (net.Conn, error) {
				time.Sleep(delays[addr])
				return n.Dial(ctx, network, addr)
			})
			var executed atomic.Int32
			var led atomic.Bool
			var servers, story []string
			for i := range 1 + random.IntN(5) {
				b := behaviours[random.IntN(len(behaviours))]
				addr := fmt.Sprintf("10.0.0.%d:34601", i+1)
				servers, story = append(servers, addr), append(story, b.name)
				delays[addr] = time.Duration(random.IntN(600)) * time.Millisecond
				if b.handle == nil {
					continue
				}
				peer.Serve(t, n.Listen, addr, func(r *peer.Request) {
					if b.executes && r.Name() == wire.TaskQueryConfig {
						executed.Add(1)
						if b.name == "leads" {
							led.Store(true)
						}
					}
					b.handle(r)
				})
			}
			m := NewMeta(p, servers, nil)
			if random.IntN(2) == 0 {
				m.leader = servers[random.IntN(len(servers))]
			}
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
			defer cancel()
			_, err := ask(ctx, m, true)
			var me *MetaError
			switch {
			case executed.Load() > 1:
				t.Errorf("%q: %d may have carried it out", story, executed.Load())
			case (err == nil) != led.Load():
				t.Errorf("%q: error %v", story, err)
			case err != nil && (!errors.As(err, &me) || me.Received != (executed.Load() == 1)):
				t.Errorf("%q: carried out by %d, error %v", story, executed.Load(), err)
			}
		})
	}
}
