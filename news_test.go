package pegasus_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/internal/peer"
	"github.com/pegasus-go/pegasus/internal/wire"
)

// How late calls may be, after what they have to learn of has happened and the
// meta server knows it: a tenth of a second later.
const (
	afterHang   = time.Second            // the connection stays up
	afterVanish = 500 * time.Millisecond // it breaks, dials get no answer
	afterBreak  = 300 * time.Millisecond // it breaks, the server is fine
)

const newsDelay = 100 * time.Millisecond

// order is an order of events. Partition 0 moves from the first node to the
// second one.
type order struct {
	name string
	call time.Duration // when the call begins
	bad  time.Duration // when the first node fails
	news time.Duration // when the meta server knows the new primary
	// When another partition makes the client ask the meta server, if ever.
	refresh []time.Duration
	cold    bool // there is no connection to the first node yet
}

const ms = time.Millisecond

var orders = []order{
	{name: "call under way", call: 0, bad: 50 * ms, news: 150 * ms},
	{name: "call just after", call: 1 * ms, bad: 0, news: 100 * ms},
	{name: "call just before the news", call: 99 * ms, bad: 0, news: 100 * ms},
	{name: "call just after the news", call: 101 * ms, bad: 0, news: 100 * ms},
	{name: "call long after the news", call: 10 * time.Second, bad: 0, news: 100 * ms},
	{name: "news at the same time", call: 0, bad: 50 * ms, news: 50 * ms},
	{name: "news come first", call: 0, bad: 50 * ms, news: 20 * ms},
	{name: "first call to the node", call: 1 * ms, bad: 0, news: 100 * ms, cold: true},
	{name: "call under way, another partition asked in between", call: 0, bad: 50 * ms, news: 150 * ms, refresh: []time.Duration{100 * ms}},
	{name: "call just after, another partition asked in between", call: 1 * ms, bad: 0, news: 100 * ms, refresh: []time.Duration{50 * ms}},
	{name: "another partition asks all the time", call: 1 * ms, bad: 0, news: 100 * ms, refresh: []time.Duration{2 * ms, 20 * ms, 50 * ms, 80 * ms, 99 * ms}},
	{name: "another partition has the news first", call: 0, bad: 50 * ms, news: 150 * ms, refresh: []time.Duration{151 * ms}},
	{name: "news take two seconds", call: 0, bad: 50 * ms, news: 2050 * ms},
	{name: "news take two seconds, another partition asked in between", call: 0, bad: 50 * ms, news: 2050 * ms, refresh: []time.Duration{1050 * ms}},
}

// limit returns when the call has to be answered, if it may be late by d when
// the news take a tenth of a second.
func (o order) limit(d time.Duration) time.Duration {
	return max(max(o.bad, o.call)+d, o.news+d-newsDelay)
}

// play makes the events happen, and returns how long after the start the call
// ended, and how.
func (o order) play(t *testing.T, c *peer.Cluster, tb pegasus.TableConnector, op op, fail func()) (time.Duration, error) {
	key, other := hashKey(2, 0, 0), hashKey(2, 1, 0)
	if _, err := tb.Get(t.Context(), other, []byte("s")); err != nil {
		t.Fatal(err)
	}
	if !o.cold {
		if _, err := tb.Get(t.Context(), key, []byte("s")); err != nil {
			t.Fatal(err)
		}
	}
	c.On(op.task, except(c.Nodes[0], peer.Silence))
	time.AfterFunc(o.bad, fail)
	time.AfterFunc(o.news, func() { move(c, 0, 1) })
	for _, at := range o.refresh {
		time.AfterFunc(at, func() {
			c.On(wire.TaskTTL, peer.Each(peer.Code(wire.ErrInvalidState), peer.Result(wire.TTLResponse{})))
			tb.TTL(t.Context(), other, []byte("s"))
		})
	}
	start := time.Now()
	time.Sleep(o.call)
	err := op.call(t.Context(), tb, key)
	return time.Since(start), err
}

// playAll expects every operation in every order to be answered in time. One
// that must not be sent twice, and is under way when the node fails, is in
// doubt when that is known: by doubt.
func playAll(t *testing.T, late, doubt time.Duration, fail func(c *peer.Cluster)) {
	for _, o := range orders {
		for _, op := range ops {
			t.Run(o.name+"/"+op.name, func(t *testing.T) {
				scripted(t, 2, 2, func(t *testing.T, c *peer.Cluster, tb pegasus.TableConnector) {
					took, err := o.play(t, c, tb, op, func() { fail(c) })
					sent := 0
					for _, r := range c.Requests(op.task) {
						if r.Server == c.Nodes[0].Addr() {
							sent++
						}
					}
					limit := o.limit(late)
					if op.once && sent > 0 {
						limit = max(o.bad, o.call) + doubt
						wantError(t, err, []error{pegasus.ErrInDoubt})
						if n := len(c.Requests(op.task)); n != 1 {
							t.Errorf("sent %d times", n)
						}
					} else if err != nil {
						t.Error(err)
					}
					if took > limit {
						t.Errorf("answered after %v, want %v: %v", took, limit, err)
					}
				})
			})
		}
	}
}

// A server hangs with its connection up: whether the meta server knows a new
// primary is asked long before the silence counts as a failure.
func TestNewsOfHang(t *testing.T) {
	playAll(t, afterHang, 10*time.Second, func(c *peer.Cluster) { c.Hang(c.Nodes[0]) })
}

// A machine vanishes: its connections break and dials get no answer. Whoever
// waits for the dial takes the new primary when it comes.
func TestNewsOfVanish(t *testing.T) {
	playAll(t, afterVanish, afterVanish, func(c *peer.Cluster) { c.Vanish(c.Nodes[0]) })
}

// Nobody is in the way of anybody: all callers of all partitions of the machine
// get on in time, and the meta server is asked a few times for all of them.
func TestNewsAreShared(t *testing.T) {
	for name, tc := range map[string]struct {
		fail func(c *peer.Cluster, s *peer.Server)
		late time.Duration
	}{
		"hang":   {(*peer.Cluster).Hang, afterHang},
		"vanish": {(*peer.Cluster).Vanish, afterVanish},
	} {
		t.Run(name, func(t *testing.T) {
			const partitions = 32
			scripted(t, 2, partitions, func(t *testing.T, c *peer.Cluster, tb pegasus.TableConnector) {
				getAll(t, tb, partitions)
				before := c.Queries()
				tc.fail(c, c.Nodes[0])
				time.AfterFunc(newsDelay, func() {
					for p := 0; p < partitions; p += 2 {
						move(c, p, 1)
					}
				})
				var wg sync.WaitGroup
				var took [320]time.Duration
				for i := range took {
					wg.Go(func() {
						var err error
						took[i], err = timed(func() error { return ops[0].call(t.Context(), tb, hashKey(partitions, i%partitions, 0)) })
						if err != nil {
							t.Error(err)
						}
					})
				}
				wg.Wait()
				var worst [2]time.Duration
				for i, d := range took {
					worst[i%2] = max(worst[i%2], d)
				}
				if worst[0] > tc.late || worst[1] > 0 {
					t.Errorf("answered after up to %v, want %v; by the other server after up to %v", worst[0], tc.late, worst[1])
				}
				if n := c.Queries() - before; n < 1 || n > 20 {
					t.Errorf("%d queries of the configuration", n)
				}
				wantQuiet(t, c)
			})
		})
	}
}

func getAll(t *testing.T, tb pegasus.TableConnector, partitions int) {
	t.Helper()
	for p := range partitions {
		if err := ops[0].call(t.Context(), tb, hashKey(partitions, p, 0)); err != nil {
			t.Fatal(err)
		}
	}
}

// wantQuiet expects that a client that nobody uses sends nothing.
func wantQuiet(t *testing.T, c *peer.Cluster) {
	t.Helper()
	time.Sleep(time.Minute) // whatever was under way has ended
	n := len(c.Requests())
	time.Sleep(time.Hour)
	if more := len(c.Requests()) - n; more > 0 {
		t.Errorf("%d requests in an hour without a call", more)
	}
}

// Callers that are less patient than the client is with a silent server bring
// it to ask all the same.
func TestNewsForShortCalls(t *testing.T) {
	for _, patience := range []time.Duration{20 * ms, 100 * ms, 400 * ms} {
		t.Run(patience.String(), func(t *testing.T) {
			scripted(t, 2, 2, func(t *testing.T, c *peer.Cluster, tb pegasus.TableConnector) {
				getAll(t, tb, 2)
				c.Hang(c.Nodes[0])
				time.AfterFunc(newsDelay, func() { move(c, 0, 1) })
				took, _ := timed(func() error {
					for {
						ctx, cancel := context.WithTimeout(t.Context(), patience)
						err := ops[0].call(ctx, tb, hashKey(2, 0, 0))
						cancel()
						if err == nil {
							return nil
						}
					}
				})
				if took > afterHang {
					t.Errorf("the first success came after %v, want %v", took, afterHang)
				}
			})
		})
	}
}

// silences are ways in which the meta servers do not answer.
var silences = map[string]func(c *peer.Cluster){
	"hang":   func(c *peer.Cluster) { c.Hang(c.Meta) },
	"vanish": func(c *peer.Cluster) { c.Vanish(c.Meta) },
	"refuse": func(c *peer.Cluster) { c.Meta.Stop() },
}

// A connection breaks, the server is fine, and the meta servers are silent: the
// server is tried again without waiting for them.
func TestBreakWithoutMeta(t *testing.T) {
	const under, idle = "call under way", "idle connection"
	const underAway, idleAway = "call under way, machine away for a second", "idle connection, machine away for a second"
	for name, silence := range silences {
		for _, when := range []string{under, idle, underAway, idleAway} {
			for _, op := range ops {
				t.Run(name+"/"+when+"/"+op.name, func(t *testing.T) {
					scripted(t, 1, 1, func(t *testing.T, c *peer.Cluster, tb pegasus.TableConnector) {
						key := hashKey(1, 0, 0)
						if err := op.call(t.Context(), tb, key); err != nil {
							t.Fatal(err)
						}
						silence(c)
						limit := afterBreak
						fail := c.Nodes[0].Disconnect
						if when == underAway || when == idleAway {
							limit += time.Second
							fail = func() {
								c.Vanish(c.Nodes[0])
								time.AfterFunc(time.Second, func() { c.Return(c.Nodes[0]) })
							}
						}
						if when == under || when == underAway {
							limit += 50 * ms
							c.On(op.task, peer.Each(peer.Silence, answer))
							time.AfterFunc(50*ms, fail)
						} else {
							fail()
							synctest.Wait()
						}
						took, err := timed(func() error { return op.call(t.Context(), tb, key) })
						if op.once && (when == under || when == underAway) {
							wantError(t, err, []error{pegasus.ErrInDoubt})
						} else if err != nil {
							t.Error(err)
						}
						if took > limit {
							t.Errorf("answered after %v, want %v: %v", took, limit, err)
						}
					})
				})
			}
		}
	}
}

// Whoever waits for news takes the old server when that is back, although the
// meta server says all the time that there is no other.
func TestOldServerIsBack(t *testing.T) {
	for _, away := range []time.Duration{200 * ms, time.Second, 10 * time.Second} {
		t.Run(away.String(), func(t *testing.T) {
			scripted(t, 1, 1, func(t *testing.T, c *peer.Cluster, tb pegasus.TableConnector) {
				getAll(t, tb, 1)
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				c.Vanish(c.Nodes[0])
				time.AfterFunc(away, func() { c.Return(c.Nodes[0]) })
				took, err := timed(func() error { return ops[0].call(ctx, tb, hashKey(1, 0, 0)) })
				if err != nil {
					t.Fatal(err)
				}
				if limit := away + afterBreak; took > limit {
					t.Errorf("answered after %v, want %v", took, limit)
				}
			})
		})
	}
}

// The new primary becomes known two seconds after the old one hung. That another
// partition was refreshed meanwhile makes nobody wait longer.
func TestHangWithRefreshOfAnother(t *testing.T) {
	play := func(refresh ...time.Duration) (took time.Duration) {
		o := order{news: 2 * time.Second, refresh: refresh, cold: true}
		scripted(t, 2, 2, func(t *testing.T, c *peer.Cluster, tb pegasus.TableConnector) {
			var err error
			if took, err = o.play(t, c, tb, ops[0], func() { c.Hang(c.Nodes[0]) }); err != nil {
				t.Error(err)
			}
		})
		return took
	}
	const limit = 2*time.Second + afterHang
	alone := play()
	if alone > limit {
		t.Errorf("answered after %v, want %v", alone, limit)
	}
	for _, at := range []time.Duration{time.Second, 1999 * ms, 3 * time.Second} {
		// How often the meta server is asked may differ by half a second.
		if took := play(at); took > limit || took > alone+500*ms {
			t.Errorf("answered after %v, and after %v without the refresh of another partition at %v", took, alone, at)
		}
	}
}

// A server that is slow and alive is no reason to send anything twice, or to
// ask the meta server all the time.
func TestSlowServerIsNoNews(t *testing.T) {
	for _, op := range ops {
		t.Run(op.name, func(t *testing.T) {
			scripted(t, 1, 1, func(t *testing.T, c *peer.Cluster, tb pegasus.TableConnector) {
				c.On(op.task, func(r *peer.Request) { time.AfterFunc(8*time.Second, func() { answer(r) }) })
				took, err := timed(func() error { return op.call(t.Context(), tb, hashKey(1, 0, 0)) })
				if err != nil || took != 8*time.Second {
					t.Errorf("answered after %v: %v", took, err)
				}
				if n := len(c.Requests(op.task)); n != 1 {
					t.Errorf("sent %d times", n)
				}
				if n := c.Queries(); n > 40 {
					t.Errorf("%d queries of the configuration", n)
				}
			})
		})
	}
}

// While a server hangs and nobody takes over, many callers complain often, and
// the meta server is asked now and then.
func TestComplaintsAreLimited(t *testing.T) {
	scripted(t, 1, 1, func(t *testing.T, c *peer.Cluster, tb pegasus.TableConnector) {
		getAll(t, tb, 1)
		c.Hang(c.Nodes[0])
		var wg sync.WaitGroup
		for range 200 {
			wg.Go(func() {
				for range 20 {
					ctx, cancel := context.WithTimeout(t.Context(), time.Second)
					ops[0].call(ctx, tb, hashKey(1, 0, 0))
					cancel()
				}
			})
		}
		wg.Wait()
		if n := c.Queries(); n < 5 || n > 100 {
			t.Errorf("%d queries of the configuration in 20 seconds", n)
		}
	})
}

// The server is down when the client comes to it first: there is no connection that
// could have told.
func TestNewsBeforeTheFirstConnection(t *testing.T) {
	scripted(t, 2, 1, func(t *testing.T, c *peer.Cluster, tb pegasus.TableConnector) {
		answerAll(c, answer)
		c.Nodes[0].Stop()
		time.AfterFunc(100*ms, func() {
			c.Update(func(tb *peer.Table) { tb.Partitions[0] = peer.Partition{Ballot: 4, Primary: c.Nodes[1].Addr()} })
		})
		took, err := timed(func() error { _, err := tb.Get(t.Context(), h, s); return err })
		if err != nil || took > 150*ms {
			t.Errorf("Get took %v: %v", took, err)
		}
	})
}
