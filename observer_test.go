package pegasus_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/internal/peer"
	"github.com/pegasus-go/pegasus/internal/wire"
)

// events records what an observer is told about connections and routes, a line each.
type events struct {
	mu    sync.Mutex
	lines []string
	next  chan struct{} // closed by the next line, nil if nobody waits for it
}

func (e *events) note(format string, args ...any) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.lines = append(e.lines, fmt.Sprintf(format, args...))
	if e.next != nil {
		close(e.next)
		e.next = nil
	}
}

// since returns what was recorded after the first n lines, and a channel that the next
// one closes.
func (e *events) since(n int) (lines []string, next <-chan struct{}) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.next == nil {
		e.next = make(chan struct{})
	}
	return slices.Clone(e.lines[n:]), e.next
}

// take returns what was recorded since it was called last, once all is quiet.
func (e *events) take() []string {
	synctest.Wait()
	e.mu.Lock()
	defer e.mu.Unlock()
	lines := e.lines
	e.lines = nil
	return lines
}

func (e *events) observer() pegasus.Observer {
	lane := func(bulk bool) string {
		if bulk {
			return " bulk"
		}
		return ""
	}
	return pegasus.Observer{
		ConnectionDialed: func(d pegasus.ConnectionDialed) {
			e.note("dialed %s%s: %t", d.Server, lane(d.Bulk), d.Err == nil)
		},
		ConnectionLost: func(l pegasus.ConnectionLost) { e.note("lost %s%s: %v", l.Server, lane(l.Bulk), l.Err) },
		ConnectionStalled: func(s pegasus.ConnectionStalled) {
			e.note("stalled %s%s: %v", s.Server, lane(s.Bulk), s.Silent.Round(time.Second))
		},
		ConnectionRecovered: func(r pegasus.ConnectionRecovered) { e.note("recovered %s%s", r.Server, lane(r.Bulk)) },
		RouteRefreshing:     func(r pegasus.RouteRefreshing) { e.note("refreshing %s", r.Table) },
		RouteRefreshed: func(r pegasus.RouteRefreshed) {
			e.note("refreshed %s: %d partitions, %v", r.Table, r.Partitions, r.Err)
		},
		RouteChanged: func(r pegasus.RouteChanged) {
			e.note("changed %s %d.%d at %d: %q to %q", r.Table, r.TableID, r.Partition, r.Ballot, r.From, r.To)
		},
		TableSplit: func(s pegasus.TableSplit) { e.note("split %s: %d to %d", s.Table, s.From, s.To) },
		TableReplaced: func(r pegasus.TableReplaced) {
			e.note("replaced %s: %d by %d", r.Table, r.From, r.To)
		},
	}
}

// watched runs f on a fake clock with a client whose events are recorded.
func watched(t *testing.T, nodes, partitions int, f func(t *testing.T, c *peer.Cluster, cl pegasus.Client, tb pegasus.TableConnector, e *events)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		c := peer.Start(t, nodes, partitions)
		answerAll(c, answer)
		e := new(events)
		cl := clientOf(t, c, pegasus.Config{Observers: []pegasus.Observer{e.observer()}})
		f(t, c, cl, openTemp(t, cl), e)
	})
}

func wantEvents(t *testing.T, e *events, want ...string) {
	t.Helper()
	if got := e.take(); !slices.Equal(got, want) {
		t.Errorf("told of\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
}

// Each connection that is made is told of, and each that ends, with the reason.
func TestConnectionEvents(t *testing.T) {
	watched(t, 1, 1, func(t *testing.T, c *peer.Cluster, cl pegasus.Client, tb pegasus.TableConnector, e *events) {
		node := c.Nodes[0].Addr()
		wantEvents(t, e, "refreshing temp", "dialed "+peer.MetaAddr+": true", "refreshed temp: 1 partitions, <nil>")
		get := func(within time.Duration) {
			ctx, cancel := context.WithTimeout(t.Context(), within)
			defer cancel()
			tb.Get(ctx, h, s)
		}
		get(time.Second)
		get(time.Second)
		wantEvents(t, e, "dialed "+node+": true")
		c.Nodes[0].Stop()
		get(5 * time.Millisecond)
		got := e.take()
		if len(got) < 2 || got[0] != "lost "+node+": unexpected EOF" || got[1] != "dialed "+node+": false" {
			t.Errorf("a server stopped: %q", got)
		}
		c.Nodes[0].Start(t)
		get(time.Minute)
		got = e.take()
		if last := len(got) - 1; last < 0 || !slices.Contains(got, "dialed "+node+": true") {
			t.Errorf("it is back: %q", got)
		}
		cl.Close()
		got = e.take()
		slices.Sort(got)
		if want := []string{"lost " + peer.MetaAddr + ": client is closed", "lost " + node + ": client is closed"}; !slices.Equal(got, sorted(want)) {
			t.Errorf("closed: %q", got)
		}
	})
}

// A connection is told of as lost before the next one to the server is.
func TestLostIsToldFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := peer.Start(t, 1, 1)
		answerAll(c, answer)
		e := new(events)
		slow := e.observer()
		note, dialed := slow.ConnectionLost, slow.ConnectionDialed
		slow.ConnectionLost = func(l pegasus.ConnectionLost) {
			time.Sleep(100 * time.Millisecond) // others go on meanwhile
			note(l)
		}
		slow.ConnectionDialed = func(d pegasus.ConnectionDialed) {
			if d.Duration != 0 {
				t.Errorf("dialing has taken %v, beside the observer", d.Duration)
			}
			dialed(d)
		}
		tb := openTemp(t, clientOf(t, c, pegasus.Config{Observers: []pegasus.Observer{slow}}))
		if _, err := tb.Get(t.Context(), h, s); err != nil {
			t.Fatal(err)
		}
		e.take()
		c.Nodes[0].Stop()
		c.Nodes[0].Start(t)
		if _, err := tb.Get(t.Context(), h, s); err != nil {
			t.Fatal(err)
		}
		node := c.Nodes[0].Addr()
		got := slices.DeleteFunc(e.take(), func(line string) bool { return strings.HasPrefix(line, "refresh") })
		if want := []string{"lost " + node + ": unexpected EOF", "dialed " + node + ": true"}; !slices.Equal(got, want) {
			t.Errorf("told of %q, want %q", got, want)
		}
	})
}

// So is one that breaks while it is probed, because the server hung before.
func TestLostWhileProbedIsToldFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := peer.Start(t, 1, 1)
		answerAll(c, answer)
		node := c.Nodes[0].Addr()
		e := new(events)
		slow := e.observer()
		note := slow.ConnectionLost
		slow.ConnectionLost = func(l pegasus.ConnectionLost) {
			time.Sleep(time.Second) // others go on meanwhile
			note(l)
		}
		tb := openTemp(t, clientOf(t, c, pegasus.Config{Observers: []pegasus.Observer{slow}}))
		get := func() {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			tb.Get(ctx, h, s)
		}
		get()
		c.Hang(c.Nodes[0])
		get() // it is found out
		for range 10 {
			get()
			c.Nodes[0].Disconnect()
		}
		connected, dials := false, 0
		for _, line := range e.take() {
			switch {
			case strings.HasPrefix(line, "lost "+node):
				connected = false
			case line == "dialed "+node+": true":
				if dials++; connected {
					t.Error("a connection is told of before the one before is told of as lost")
				}
				connected = true
			}
		}
		if dials < 3 {
			t.Errorf("only %d connections were made", dials)
		}
	})
}

func sorted(s []string) []string { slices.Sort(s); return s }

// A server that owes answers is stalled, until it answers or its connection is given up.
func TestStallEvents(t *testing.T) {
	for _, returns := range []bool{true, false} {
		watched(t, 1, 1, func(t *testing.T, c *peer.Cluster, _ pegasus.Client, tb pegasus.TableConnector, e *events) {
			node := c.Nodes[0].Addr()
			if _, err := tb.Get(t.Context(), h, s); err != nil {
				t.Fatal(err)
			}
			e.take()
			c.Hang(c.Nodes[0])
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			if returns {
				time.AfterFunc(3*time.Second, func() { c.Resume(c.Nodes[0]) })
			}
			_, err := tb.Get(ctx, h, s)
			if returns != (err == nil) {
				t.Errorf("returns %t: %v", returns, err)
			}
			want := []string{"stalled " + node + ": 2s", "recovered " + node}
			if !returns {
				want = []string{"stalled " + node + ": 2s", "lost " + node + ": server does not answer", "dialed " + node + ": true"}
			}
			got := slices.DeleteFunc(e.take(), func(line string) bool { return strings.HasPrefix(line, "refresh") })
			if !slices.Equal(got, want) {
				t.Errorf("returns %t: %q, want %q", returns, got, want)
			}
		})
	}
}

// A partition that moves is told of once, with the servers and the ballot; so is a
// table that is gone, and one that was split.
func TestRouteEvents(t *testing.T) {
	watched(t, 2, 2, func(t *testing.T, c *peer.Cluster, _ pegasus.Client, tb pegasus.TableConnector, e *events) {
		getAll(t, tb, 2)
		e.take()
		move(c, 0, 1)
		c.On(wire.TaskGet, func(r *peer.Request) {
			if r.PartitionIndex == 0 && r.Server == c.Nodes[0].Addr() {
				r.Fail(wire.ErrInvalidState)
				return
			}
			answer(r)
		})
		getAll(t, tb, 2)
		var ballot int64
		c.Update(func(tb *peer.Table) { ballot = tb.Partitions[0].Ballot })
		wantEvents(t, e, "refreshing temp",
			fmt.Sprintf("changed temp %d.0 at %d: %q to %q", peer.AppID, ballot, c.Nodes[0].Addr(), c.Nodes[1].Addr()),
			"refreshed temp: 2 partitions, <nil>")
		c.On(wire.TaskGet, peer.Code(wire.ErrObjectNotFound))
		c.Update(func(tb *peer.Table) { tb.Name = "dropped" })
		_, err := tb.Get(t.Context(), h, s)
		wantError(t, err, []error{pegasus.ErrTableNotFound})
		for _, line := range e.take() {
			if line != "refreshing temp" && !strings.HasPrefix(line, "refreshed temp: 0 partitions, table does not exist") {
				t.Errorf("a table was dropped: %q", line)
			}
		}
	})
}

// Each question to the meta servers begins and ends, one after the other, whatever becomes
// of it: also one that is under way when the client is closed.
func TestRefreshesBeginAndEnd(t *testing.T) {
	for name, tc := range map[string]struct {
		meta func(c *peer.Cluster)
		end  string // of the last question
	}{
		"answered":     {func(*peer.Cluster) {}, "2 partitions, <nil>"},
		"no table":     {func(c *peer.Cluster) { c.Update(func(tb *peer.Table) { tb.Name = "dropped" }) }, "0 partitions, table does not exist"},
		"not answered": {func(c *peer.Cluster) { c.On(wire.TaskQueryConfig, peer.Silence) }, "0 partitions, client is closed"},
		"refused":      {func(c *peer.Cluster) { c.On(wire.TaskQueryConfig, peer.Code(wire.ErrBusy)) }, "0 partitions, no meta server answered"},
		"unreachable":  {func(c *peer.Cluster) { c.Meta.Stop() }, "0 partitions, no meta server answered"},
	} {
		t.Run(name, func(t *testing.T) {
			watched(t, 1, 2, func(t *testing.T, c *peer.Cluster, cl pegasus.Client, tb pegasus.TableConnector, e *events) {
				wantBeginAndEnd(t, e.take(), "2 partitions, <nil>")
				tc.meta(c)
				c.On(wire.TaskGet, peer.Code(wire.ErrInvalidState)) // the caller complains
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				if _, err := tb.Get(ctx, h, s); err == nil {
					t.Error("a server that has no such partition answered")
				}
				cl.Close()
				wantBeginAndEnd(t, e.take(), tc.end)
			})
		})
	}
}

// wantBeginAndEnd checks that questions to the meta servers begin and end in turn, and how
// the last one ended. It returns their number.
func wantBeginAndEnd(t *testing.T, lines []string, end string) int {
	t.Helper()
	lines = slices.DeleteFunc(lines, func(line string) bool { return !strings.HasPrefix(line, "refresh") })
	if len(lines) < 2 || len(lines)%2 != 0 {
		t.Fatalf("%d beginnings and ends: %q", len(lines), lines)
	}
	for i, line := range lines {
		if (line == "refreshing temp") != (i%2 == 0) {
			t.Errorf("%q is no turn", lines)
			break
		}
	}
	if got := lines[len(lines)-1]; !strings.HasPrefix(got, "refreshed temp: "+end) {
		t.Errorf("the last question: %q, want %q", got, end)
	}
	return len(lines) / 2
}

// All observers are told, in order; a nil function is none.
func TestObserversInOrder(t *testing.T) {
	var order []string
	observer := func(name string) pegasus.Observer {
		return pegasus.Observer{RouteRefreshed: func(pegasus.RouteRefreshed) { order = append(order, name) }}
	}
	cfg := pegasus.Config{Observers: []pegasus.Observer{observer("a"), {}, observer("b")}}
	configured(t, cfg, func(t *testing.T, _ *peer.Cluster, tb pegasus.TableConnector) {
		if _, err := tb.Get(t.Context(), h, s); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		if !slices.Equal(order, []string{"a", "b"}) {
			t.Errorf("told %q", order)
		}
	})
}

// What an observer does takes time from nobody but who is told.
func TestObserverOfRoutesHoldsNoLock(t *testing.T) {
	release := make(chan struct{})
	cfg := pegasus.Config{Observers: []pegasus.Observer{{RouteRefreshed: func(pegasus.RouteRefreshed) {
		<-release
	}}}}
	configured(t, cfg, func(t *testing.T, _ *peer.Cluster, tb pegasus.TableConnector) {
		defer close(release)
		if _, err := tb.Get(t.Context(), h, s); err != nil {
			t.Errorf("while an observer takes its time: %v", err)
		}
	})
}
