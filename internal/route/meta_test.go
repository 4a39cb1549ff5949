package route

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pegasus-go/pegasus/internal/memnet"
	"github.com/pegasus-go/pegasus/internal/peer"
	"github.com/pegasus-go/pegasus/internal/rpc"
	"github.com/pegasus-go/pegasus/internal/wire"
)

// counted counts the requests that h answers.
func counted(n *int, h peer.Handler) peer.Handler {
	return func(r *peer.Request) {
		*n++
		h(r)
	}
}

// The leader is found wherever it is, and asked alone from then on.
func TestLeaderIsRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n memnet.Network
		var asked [3]int
		p := newPool(t, n.Dial)
		servers := metas(t, &n, counted(&asked[0], forward("")), counted(&asked[1], answerWith(config(3))), counted(&asked[2], forward("")))
		tb, err := query(t.Context(), p, servers, nil)
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		first := asked
		for range 3 {
			if err := tb.Load(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if asked != [3]int{first[0], first[1] + 3, first[2]} {
			t.Errorf("asked %d, %d at first", asked, first)
		}
	})
}

// A follower names a leader that is not among the configured servers.
func TestForward(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n memnet.Network
		p := newPool(t, n.Dial)
		leader := "10.9.9.9:34601"
		peer.Serve(t, n.Listen, leader, answerWith(config(3)))
		tb, err := query(t.Context(), p, metas(t, &n, forward(leader)), nil)
		if err != nil {
			t.Fatal(err)
		}
		// It is asked directly from now on, and the follower if it fails.
		peers := tb.meta
		if peers.leader != leader {
			t.Errorf("leader %q", peers.leader)
		}
	})
}

// Servers that name each other end the question.
func TestForwardInCircles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n memnet.Network
		var asked [2]int
		p := newPool(t, n.Dial)
		servers := metas(t, &n, counted(&asked[0], forward("10.0.0.2:34601")), counted(&asked[1], forward("10.0.0.1:34601")))
		_, err := query(t.Context(), p, servers, nil)
		if !errors.Is(err, ErrNoMeta) || !errors.Is(err, wire.ErrForwardToOthers) || asked != [2]int{1, 1} {
			t.Errorf("asked %d, error %v", asked, err)
		}
	})
	// A chain without an end, too.
	synctest.Test(t, func(t *testing.T) {
		var n memnet.Network
		p := newPool(t, n.Dial)
		for i := range 50 {
			next := net.JoinHostPort(net.IPv4(10, 1, 0, byte(i+1)).String(), "34601")
			peer.Serve(t, n.Listen, net.JoinHostPort(net.IPv4(10, 1, 0, byte(i)).String(), "34601"), forward(next))
		}
		_, err := query(t.Context(), p, []string{"10.1.0.0:34601"}, nil)
		var me *MetaError
		if !errors.As(err, &me) || len(me.Servers) != 1+maxForwards {
			t.Errorf("error %v", err)
		}
	})
}

// The leader changes: the old one says so, or is gone, or says nothing.
func TestLeaderChanges(t *testing.T) {
	for name, tc := range map[string]struct {
		old  peer.Handler
		took time.Duration
	}{
		"follower": {forward(""), 0},
		"gone":     {peer.Hangup, 0},
		"error":    {peer.Code(wire.ErrServiceNotActive), 0},
		"garbage":  {func(r *peer.Request) { r.Send([]byte("HTTP/1.1 400 Bad Request")) }, 0},
		"silent":   {peer.Silence, hedgeAfter},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var n memnet.Network
				p := newPool(t, n.Dial)
				var changed atomic.Bool
				before := func(h, after peer.Handler) peer.Handler {
					return func(r *peer.Request) {
						if changed.Load() {
							after(r)
						} else {
							h(r)
						}
					}
				}
				servers := metas(t, &n,
					before(answerWith(config(3)), tc.old),
					before(forward(""), answerWith(config(4))),
					peer.Silence)
				tb, err := query(t.Context(), p, servers, nil)
				if err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				changed.Store(true)
				for i, want := range []time.Duration{tc.took, 0} { // the new leader is remembered
					start := time.Now()
					if err := tb.Load(t.Context()); err != nil {
						t.Fatal(err)
					}
					if d := time.Since(start); d != want {
						t.Errorf("refresh %d took %v, want %v", i, d, want)
					}
				}
				if b := tb.Snapshot().Locate(0).ballot; b != 4 {
					t.Errorf("ballot %d", b)
				}
			})
		})
	}
}

// The leader is silent, and another server leads only some time later: it is asked
// again, and not only once the old one is given up.
func TestLeaderChangesLater(t *testing.T) {
	const later = 1100 * time.Millisecond
	synctest.Test(t, func(t *testing.T) {
		var n memnet.Network
		p := newPool(t, n.Dial)
		start := time.Now()
		servers := metas(t, &n, peer.Silence, func(r *peer.Request) {
			if time.Since(start) < later {
				forward("10.0.0.1:34601")(r)
			} else {
				answerWith(config(4))(r)
			}
		})
		if _, err := query(t.Context(), p, servers, nil); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); took > later+hedgeAfter {
			t.Errorf("took %v", took)
		}
	})
}

// resolver is a fake one, that knows names for a time.
type resolver struct {
	addrs map[string][]string
	slow  time.Duration
	calls atomic.Int32
}

func (r *resolver) LookupHost(ctx context.Context, host string) ([]string, error) {
	r.calls.Add(1)
	select {
	case <-time.After(r.slow):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if a := r.addrs[host]; a != nil {
		return a, nil
	}
	return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
}

// All addresses of a name are tried, and it is looked up again once those that
// were known fail.
func TestHostNames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n memnet.Network
		p := newPool(t, n.Dial)
		metas(t, &n, forward(""))
		moved := peer.Serve(t, n.Listen, "[fd00::1]:34601", answerWith(config(3)))
		r := &resolver{addrs: map[string][]string{"meta": {"10.0.0.1", "10.0.0.77", "fd00::1"}}}
		tb, err := query(t.Context(), p, []string{"meta:34601", "absent:34601", "10.0.0.1:34601"}, r)
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		calls := r.calls.Load()
		moved.Stop()
		peer.Serve(t, n.Listen, "10.0.0.9:34601", answerWith(config(5)))
		r.addrs["meta"] = []string{"10.0.0.9"}
		if err := tb.Load(t.Context()); err != nil || tb.Snapshot().Locate(0).ballot != 5 {
			t.Errorf("after the name moved: %v", err)
		}
		if r.calls.Load() == calls {
			t.Error("the name was not looked up again")
		}
	})
}

// A name that cannot be found is reported by the attempt to dial it.
func TestUnknownHostName(t *testing.T) {
	p := newPool(t, func(_ context.Context, _, addr string) (net.Conn, error) {
		host, _, _ := net.SplitHostPort(addr)
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	})
	_, err := query(t.Context(), p, []string{"absent:34601"}, &resolver{})
	var dns *net.DNSError
	if !errors.As(err, &dns) || dns.Name != "absent" || !strings.Contains(err.Error(), "absent:34601") {
		t.Errorf("error %v", err)
	}
}

// Slow name servers do not hold up a leader that is known but slow.
func TestSlowResolver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n memnet.Network
		p := newPool(t, n.Dial)
		metas(t, &n, peer.Each(answerWith(config(3)), func(r *peer.Request) {
			time.AfterFunc(hedgeAfter+time.Second, func() { answerWith(config(4))(r) })
		}))
		r := &resolver{addrs: map[string][]string{"meta": {"10.0.0.1"}}}
		tb, err := query(t.Context(), p, []string{"meta:34601"}, r)
		if err != nil {
			t.Fatal(err)
		}
		r.slow = time.Minute
		start := time.Now()
		if err := tb.Load(t.Context()); err != nil {
			t.Fatal(err)
		}
		if d := time.Since(start); d != hedgeAfter+time.Second {
			t.Errorf("took %v", d)
		}
	})
}

// Nobody answers: the error has all causes and all servers.
func TestNoMetaAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n memnet.Network
		p := newPool(t, n.Dial)
		servers := append(metas(t, &n, peer.Hangup, peer.Code(wire.ErrHandlerNotFound)), "10.0.0.8:34601")
		start := time.Now()
		_, err := query(t.Context(), p, servers, nil)
		var me *MetaError
		if !errors.As(err, &me) || me.Wrong {
			t.Fatalf("error %v", err)
		}
		for _, cause := range []error{ErrNoMeta, io.ErrUnexpectedEOF, wire.ErrHandlerNotFound, syscall.ECONNREFUSED} {
			if !errors.Is(err, cause) {
				t.Errorf("%v is not in %v", cause, err)
			}
		}
		for i, s := range me.Servers {
			if s.Addr != servers[i] {
				t.Errorf("server %d is %s", i, s.Addr)
			}
		}
		if d := time.Since(start); d != 0 {
			t.Errorf("took %v", d)
		}
	})
}

func TestAskWithoutDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n memnet.Network
		p := newPool(t, n.Dial)
		var ms int32
		m := NewMeta(p, metas(t, &n, func(r *peer.Request) {
			if r.TimeoutMs > ms {
				ms = r.TimeoutMs
			}
			if r.Name() != wire.TaskQueryConfig {
				r.Fail(wire.ErrHandlerNotFound) // a probe
			}
		}), nil)
		start := time.Now()
		_, err := AskStruct(context.Background(), m, wire.TaskQueryConfig, &wire.QueryConfigRequest{}, false, &wire.QueryConfigResponse{},
			func(r *wire.QueryConfigResponse) wire.ErrorCode { return r.Err })
		if d := time.Since(start); !errors.Is(err, context.DeadlineExceeded) || d != askTimeout {
			t.Errorf("after %v: %v", d, err)
		}
		if ms != 10_000 {
			t.Errorf("the header says %d ms", ms)
		}
	})
}

// A server that cannot be reached has not executed anything.
func TestExclusiveRefused(t *testing.T) {
	var n memnet.Network
	p := newPool(t, n.Dial)
	m := NewMeta(p, append([]string{"10.0.0.9:34601"}, metas(t, &n, answerWith(config(3)))...), nil)
	m.leader = m.servers[0]
	if _, err := ask(t.Context(), m, true); err != nil {
		t.Error(err)
	}
}

func TestAskAfterClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n memnet.Network
		p := newPool(t, n.Dial)
		tb, err := query(t.Context(), p, metas(t, &n, answerWith(config(3))), nil)
		if err != nil {
			t.Fatal(err)
		}
		p.Close()
		start := time.Now()
		for _, exclusive := range []bool{false, true} {
			var resp wire.QueryConfigResponse
			_, err := AskStruct(t.Context(), tb.meta, wire.TaskQueryConfig, &wire.QueryConfigRequest{}, exclusive, &resp,
				func(r *wire.QueryConfigResponse) wire.ErrorCode { return r.Err })
			if !errors.Is(err, rpc.ErrClosed) {
				t.Errorf("error %v", err)
			}
		}
		if d := time.Since(start); d != 0 {
			t.Errorf("took %v", d)
		}
	})
}
