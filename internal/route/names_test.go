package route

import (
	"context"
	"errors"
	"net"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pegasus-go/pegasus/internal/memnet"
	"github.com/pegasus-go/pegasus/internal/peer"
	"github.com/pegasus-go/pegasus/internal/rpc"
	"github.com/pegasus-go/pegasus/internal/wire"
)

// names that are looked up by a test's own function.
type lookupFunc func(ctx context.Context, host string) ([]string, error)

func (f lookupFunc) LookupHost(ctx context.Context, host string) ([]string, error) {
	return f(ctx, host)
}

// silentDNS answers nothing.
func silentDNS(ctx context.Context, _ string) ([]string, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func noSuchHost(host string) error {
	return &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
}

// ask asks for the configuration of a table.
func ask(ctx context.Context, m *Meta, exclusive bool) (wire.QueryConfigResponse, error) {
	var resp wire.QueryConfigResponse
	_, err := AskStruct(ctx, m, wire.TaskQueryConfig, &wire.QueryConfigRequest{}, exclusive, &resp,
		func(r *wire.QueryConfigResponse) wire.ErrorCode { return r.Err })
	return resp, err
}

// A name that the name servers say nothing about delays no server beside it.
func TestSilentNameIsPassedOver(t *testing.T) {
	for _, exclusive := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			var n memnet.Network
			p := newPool(t, n.Dial)
			servers := append([]string{"meta:34601"}, metas(t, &n, answerWith(config(3)))...)
			start := time.Now()
			if _, err := ask(t.Context(), NewMeta(p, servers, lookupFunc(silentDNS)), exclusive); err != nil {
				t.Error(err)
			}
			if d := time.Since(start); d != 0 {
				t.Errorf("took %v", d)
			}
		})
	}
}

// What a name stood for is used when it cannot be looked up any more.
func TestNamesAreRemembered(t *testing.T) {
	for name, tc := range map[string]struct {
		lookup lookupFunc
		took   time.Duration
	}{
		"DNS fails":     {func(_ context.Context, host string) ([]string, error) { return nil, noSuchHost(host) }, 0},
		"DNS has none":  {func(context.Context, string) ([]string, error) { return nil, nil }, 0},
		"DNS is silent": {silentDNS, lookupPatience},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var n memnet.Network
				p := newPool(t, n.Dial)
				var changed atomic.Bool
				leads := func(when bool) peer.Handler {
					return func(r *peer.Request) {
						if changed.Load() == when {
							answerWith(config(3))(r)
						} else {
							forward("")(r)
						}
					}
				}
				metas(t, &n, leads(false), leads(true))
				m := NewMeta(p, []string{"meta:34601"}, lookupFunc(func(ctx context.Context, host string) ([]string, error) {
					if changed.Load() {
						return tc.lookup(ctx, host)
					}
					return []string{"10.0.0.1", "10.0.0.2"}, nil
				}))
				if _, err := ask(t.Context(), m, false); err != nil {
					t.Fatal(err)
				}
				changed.Store(true)
				for _, took := range []time.Duration{tc.took, 0} { // the leader is known then
					start := time.Now()
					if _, err := ask(t.Context(), m, false); err != nil {
						t.Error(err)
					}
					if d := time.Since(start); d != took {
						t.Errorf("took %v, want %v", d, took)
					}
				}
			})
		})
	}
}

// An address that a name does not stand for any more may be that of another
// cluster: it is not asked while the name can be looked up.
func TestNameThatMoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n memnet.Network
		p := newPool(t, n.Dial)
		others := 0
		metas(t, &n,
			peer.Each(forward(""), counted(&others, answerWith(wire.QueryConfigResponse{Err: wire.ErrObjectNotFound}))),
			peer.Each(answerWith(config(3)), peer.Hangup),
			answerWith(config(5)))
		hosts := []string{"10.0.0.1", "10.0.0.2"}
		m := NewMeta(p, []string{"meta:34601"}, lookupFunc(func(context.Context, string) ([]string, error) {
			time.Sleep(lookupPatience / 2)
			return hosts, nil
		}))
		if _, err := ask(t.Context(), m, false); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		hosts = []string{"10.0.0.3"}
		resp, err := ask(t.Context(), m, false)
		if err != nil || len(resp.Partitions) != 1 || resp.Partitions[0].Ballot != 5 || others != 0 {
			t.Errorf("%d questions to another cluster; %v", others, err)
		}
	})
}

// A lookup that goes on whatever its context says holds up nobody, and is the only
// one of its name.
func TestCloseWaitsForNoLookup(t *testing.T) {
	for _, exclusive := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			var n memnet.Network
			p := rpc.NewPool(rpc.PoolOptions{Dial: n.Dial})
			release := make(chan struct{})
			var lookups atomic.Int32
			m := NewMeta(p, []string{"meta:34601"}, lookupFunc(func(context.Context, string) ([]string, error) {
				lookups.Add(1)
				<-release
				return []string{"10.0.0.1"}, nil
			}))
			const many = 100
			errs := make(chan error, many)
			for range many {
				go func() {
					_, err := ask(t.Context(), m, exclusive)
					errs <- err
				}()
			}
			synctest.Wait()
			start := time.Now()
			p.Close()
			for range many {
				if err := <-errs; !errors.Is(err, rpc.ErrClosed) || errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("error %v", err)
				}
			}
			if d := time.Since(start); d != 0 {
				t.Errorf("closing took %v", d)
			}
			close(release)
			synctest.Wait()
			if k := lookups.Load(); k != 1 {
				t.Errorf("%d lookups", k)
			}
		})
	}
}

// The error says of each server and each name, once, how far it has come with it.
func TestWhatTheErrorLists(t *testing.T) {
	vanished := "10.0.0.9:34601"
	for _, exclusive := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			var n memnet.Network
			p := newPool(t, func(ctx context.Context, network, addr string) (net.Conn, error) {
				if addr == vanished {
					<-ctx.Done()
					return nil, ctx.Err()
				}
				return n.Dial(ctx, network, addr)
			})
			metas(t, &n, peer.Silence, forward(""))
			m := NewMeta(p, []string{"silent:1", "absent:2", "known:34601", "10.0.0.8:34601", vanished},
				lookupFunc(func(ctx context.Context, host string) ([]string, error) {
					switch host {
					case "known":
						return []string{"10.0.0.1", "10.0.0.2"}, nil
					case "absent":
						return nil, noSuchHost(host)
					}
					return silentDNS(ctx, host)
				}))
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			_, err := ask(ctx, m, exclusive)
			var me *MetaError
			if !errors.As(err, &me) || !errors.Is(err, ErrNoMeta) || !errors.Is(err, context.DeadlineExceeded) || ctx.Err() == nil || me.Wrong {
				t.Fatalf("error %v", err)
			}
			for _, e := range []error{err, m.Failure()} { // the same is known without waiting for the end
				if e == err {
					const head = "context deadline exceeded: no meta server answered: "
					if len(e.Error()) < len(head) || e.Error()[:len(head)] != head {
						t.Errorf("%q does not begin with %q", e, head)
					}
				}
				me = nil
				errors.As(e, &me)
				var got []string
				for _, s := range me.Servers {
					got = append(got, s.Addr+": "+rpc.WithoutAddr(s.Err).Error())
				}
				slices.Sort(got)
				follower := "10.0.0.2:34601: does not lead: ERR_FORWARD_TO_OTHERS"
				if exclusive && slices.Contains(got, "10.0.0.2:34601: not asked, because another server was") {
					follower = "10.0.0.2:34601: not asked, because another server was"
				}
				want := []string{
					"10.0.0.1:34601: no answer yet",
					follower,
					"10.0.0.8:34601: connect: connection refused",
					"10.0.0.9:34601: not connected yet",
					"absent:2: no such host",
					"silent:1: not looked up yet, the name servers are silent",
				}
				if !slices.Equal(got, want) {
					t.Errorf("got %q\nwant %q", got, want)
				}
			}
		})
	}
}

// Before the first question there is nothing to say, and during one what is known.
func TestFailureBeforeTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n memnet.Network
		p := newPool(t, n.Dial)
		m := NewMeta(p, metas(t, &n, peer.Silence), nil)
		if err := m.Failure(); err != ErrNoMeta {
			t.Errorf("at first: %v", err)
		}
		done := make(chan struct{})
		go func() { ask(t.Context(), m, false); close(done) }()
		synctest.Wait()
		if err := m.Failure(); err.Error() != "no meta server answered: 10.0.0.1:34601: no answer yet" {
			t.Errorf("during the question: %v", err)
		}
		p.Close()
		<-done
	})
}

// The addresses of the meta servers are those of their names, as far as these are known
// in time.
func TestAddresses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n memnet.Network
		lookup := func(ctx context.Context, host string) ([]string, error) {
			switch host {
			case "two":
				return []string{"10.0.0.1", "10.0.0.2"}, nil
			case "silent":
				return silentDNS(ctx, host)
			}
			return nil, noSuchHost(host)
		}
		m := NewMeta(newPool(t, n.Dial), []string{"silent:1", "10.0.0.9:1", "two:2", "none:3"}, lookupFunc(lookup))
		start := time.Now()
		addrs, failed := m.Addresses(t.Context())
		if took := time.Since(start); took > lookupPatience {
			t.Errorf("it took %v", took)
		}
		if want := []string{"10.0.0.9:1", "10.0.0.1:2", "10.0.0.2:2"}; !slices.Equal(addrs, want) {
			t.Errorf("addresses %q, want %q", addrs, want)
		}
		if len(failed) != 2 || failed[0].Addr != "silent:1" || failed[0].Err != errNoLookup || failed[1].Addr != "none:3" {
			t.Errorf("failed %v", failed)
		}
	})
}
