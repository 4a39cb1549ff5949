package transport

import (
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pegasus-go/pegasus/internal/server/request"
	"github.com/pegasus-go/pegasus/internal/wire"
	"github.com/pegasus-go/pegasus/onebox/limits"
)

var slow = request.Verdict{Slow: true}

func until(n int32, first int32) []int32 {
	var seqs []int32
	for i := range n {
		seqs = append(seqs, first+i)
	}
	return seqs
}

// Requests that take long hold up no quick one, however many there are, and of
// them those of other connections have their share.
func TestSlowRequestsHoldUpNobody(t *testing.T) {
	var release chan struct{}
	var begun atomic.Int32
	r := role{
		"QUICK": {},
		"SLOW": {verdict: slow, do: func(*request.Request) {
			begun.Add(1)
			<-release
		}},
	}
	bubble(t, r, limits.Limits{}, func(t *testing.T, _ *Node, _ *Hub, dial func() *client) {
		release = make(chan struct{})
		greedy, modest := dial(), dial()
		const many = 1000
		greedy.send("SLOW", until(many, 1)...)
		greedy.send("QUICK", 5000)
		greedy.want(5000)
		// Those that are in wait for a turn, which one has, for a time.
		time.Sleep(time.Minute)
		if n := begun.Load(); n != maxInShare {
			t.Errorf("%d slow requests of one connection were begun, want %d", n, maxInShare)
		}
		modest.send("SLOW", 1)
		time.Sleep(time.Minute)
		if n := begun.Load(); n != maxInShare+1 {
			t.Errorf("%d were begun, want one of the other connection", n)
		}
		modest.send("QUICK", 2)
		modest.want(2)
		close(release)
		modest.want(1)
		seen := make(map[int32]bool)
		for range many {
			seen[greedy.next()] = true
		}
		if len(seen) != many {
			t.Errorf("%d different answers, want %d", len(seen), many)
		}
	})
}

// At most so many connections have requests in, and places are given in turns.
func TestPlacesAreGivenInTurns(t *testing.T) {
	var release chan struct{}
	var begun atomic.Int32
	r := role{"SLOW": {verdict: slow, do: func(*request.Request) {
		begun.Add(1)
		<-release
	}}}
	bubble(t, r, limits.Limits{}, func(t *testing.T, _ *Node, _ *Hub, dial func() *client) {
		release = make(chan struct{})
		const connections = 2 * maxIn
		var clients []*client
		for range connections {
			c := dial()
			c.send("SLOW", until(2, 1)...)
			clients = append(clients, c)
		}
		time.Sleep(time.Minute)
		if n := begun.Load(); n != maxIn {
			t.Errorf("%d were begun, want %d", n, maxIn)
		}
		close(release)
		for _, c := range clients {
			if a, b := c.next(), c.next(); a+b != 3 {
				t.Errorf("answers %d and %d", a, b)
			}
		}
	})
}

// Those that take long take turns, and end when their connection does.
func TestPace(t *testing.T) {
	var steps [2]atomic.Int32
	work := func(i int) func(*request.Request) {
		return func(r *request.Request) {
			for r.Pace() {
				steps[i].Add(1)
				time.Sleep(time.Millisecond)
			}
		}
	}
	r := role{"A": {verdict: slow, do: work(0)}, "B": {verdict: slow, do: work(1)}}
	for name, end := range map[string]func(*Node){"shutdown": (*Node).Shutdown, "crash": (*Node).Stop} {
		t.Run(name, func(t *testing.T) {
			bubble(t, r, limits.Limits{}, func(t *testing.T, n *Node, _ *Hub, dial func() *client) {
				steps[0].Store(0)
				steps[1].Store(0)
				a, b := dial(), dial()
				a.send("A", 1)
				b.send("B", 1)
				time.Sleep(time.Second + time.Microsecond)
				if x, y := steps[0].Load(), steps[1].Load(); x+y < 999 || x-y > 1 || y-x > 1 {
					t.Errorf("%d and %d steps in 1000 ms", x, y)
				}
				began := time.Now()
				ended := make(chan struct{})
				go func() {
					end(n)
					close(ended)
				}()
				want := int32(1) // with what it has
				if name == "crash" {
					want = -1
				}
				a.want(want)
				b.want(want)
				<-ended
				if d := time.Since(began); d > 10*time.Millisecond+lingerTime {
					t.Errorf("ended after %v", d)
				}
			})
		})
	}
}

// What only has an answer is not begun, and not gone on with, when its client
// has stopped waiting for that. What changes something is carried out all the
// same, and so is what comes from a client that does not say how long it waits.
func TestClientsThatHaveStoppedWaiting(t *testing.T) {
	only := request.Verdict{Slow: true, OnlyAnswers: true}
	var begun atomic.Int32
	second := func(*request.Request) {
		begun.Add(1)
		time.Sleep(time.Second)
	}
	r := role{
		"READ":  {verdict: only, do: second},
		"WRITE": {verdict: slow, do: second},
		"LONG": {verdict: only, do: func(r *request.Request) {
			for r.Pace() {
				time.Sleep(time.Millisecond)
			}
		}},
	}
	const many, wait = 500, 3500 * time.Millisecond
	for name, tc := range map[string]struct {
		task        string
		wait        time.Duration
		least, most int32
	}{
		"reads":                  {"READ", wait, maxInShare, 5 * maxInShare},
		"reads without a time":   {"READ", 0, many, many},
		"writes":                 {"WRITE", wait, many, many},
		"writes without a time ": {"WRITE", 0, many, many},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, r, limits.Limits{}, func(t *testing.T, _ *Node, h *Hub, dial func() *client) {
				begun.Store(0)
				c := dial()
				go func() { // accepts what comes
					for c.next() > 0 {
					}
				}()
				c.sendFor(tc.wait, tc.task, until(many, 1)...)
				time.Sleep(time.Hour)
				if n := begun.Load(); n < tc.least || n > tc.most {
					t.Errorf("%d of %d were carried out, want %d to %d", n, many, tc.least, tc.most)
				}
				if u := h.Usage(); u.RequestBytes != 0 {
					t.Errorf("%d bytes of requests are still counted", u.RequestBytes)
				}
			})
		})
	}
	bubble(t, r, limits.Limits{}, func(t *testing.T, _ *Node, _ *Hub, dial func() *client) {
		c := dial()
		began := time.Now()
		c.sendFor(wait, "LONG", 1)
		c.want(1)
		if d := time.Since(began); d < wait || d > wait+10*time.Millisecond {
			t.Errorf("a read went on for %v, while its client waits %v", d, wait)
		}
	})
}

// However much waits, a shutdown is soon over.
func TestShutdownWithManyJobs(t *testing.T) {
	r := role{"SLOW": {verdict: slow, do: func(r *request.Request) {
		for more := true; more; more = r.Pace() {
			time.Sleep(5 * time.Millisecond)
		}
	}}}
	for name, accepts := range map[string]bool{"answers are accepted": true, "answers are not accepted": false} {
		t.Run(name, func(t *testing.T) {
			bubble(t, r, limits.Limits{}, func(t *testing.T, n *Node, _ *Hub, dial func() *client) {
				for range 10 {
					c := dial()
					c.send("SLOW", until(1000, 1)...)
					if accepts {
						go func() {
							for c.next() > 0 {
							}
						}()
					}
				}
				synctest.Wait()
				began := time.Now()
				n.Shutdown()
				if d := time.Since(began); d > closeTime+200*time.Millisecond {
					t.Errorf("shut down after %v", d)
				}
			})
		})
	}
}

// A connection of a client that does not accept its answers has only so many of
// them made, whether they are large or not.
func TestAnswersThatAreNotAccepted(t *testing.T) {
	for size, most := range map[int]int32{
		2 * copyAtMost: maxInShare,
		1000:           maxInShare + 2*flushSize/1000, // being written, and to be written next
	} {
		var begun atomic.Int32
		r := role{"SLOW": {verdict: slow, answer: size, do: func(*request.Request) { begun.Add(1) }}}
		bubble(t, r, limits.Limits{}, func(t *testing.T, _ *Node, _ *Hub, dial func() *client) {
			deaf, other := dial(), dial()
			const many = 1000
			deaf.send("SLOW", until(many, 1)...)
			synctest.Wait()
			if n := begun.Load(); n > most {
				t.Errorf("%d answers of %d bytes were made, want %d at most", n, size, most)
			}
			other.send("SLOW", 1)
			other.want(1)
			for range many {
				if deaf.next() < 0 {
					t.Fatal("the connection ended")
				}
			}
		})
	}
}

// A request that takes more memory than there is, decoded, is refused; one that
// takes as much as there is waits for nothing.
func TestDecodedMemory(t *testing.T) {
	var most atomic.Int64
	var hub *Hub
	r := role{
		"SMALL": {verdict: request.Verdict{Memory: 1 << 20}, do: func(*request.Request) { most.Store(hub.Usage().RequestBytes) }},
		"LARGE": {verdict: request.Verdict{Memory: 3 << 20}},
	}
	bubble(t, r, limits.Limits{BufferedBytes: 2 << 20}, func(t *testing.T, _ *Node, h *Hub, dial func() *client) {
		hub = h
		c := dial()
		c.send("SMALL", 1)
		c.want(1)
		if n := most.Load(); n < 1<<20 {
			t.Errorf("%d bytes were counted", n)
		}
		c.send("LARGE", 2)
		c.want(-2)
		c.send("SMALL", 3)
		c.want(3)
	})
}

// The connection whose requests take the most memory is closed when there is none
// left, and none of those that need little.
func TestRequestMemoryIsShared(t *testing.T) {
	var release chan struct{}
	r := role{
		"SLOW":    {verdict: slow, do: func(*request.Request) { <-release }},
		"DECODED": {verdict: request.Verdict{Slow: true, Memory: 100 << 10}},
		"QUICK":   {},
	}
	const limit = 4 << 20
	for name, greedy := range map[string]func(c *client){
		"jobs": func(c *client) { c.send("SLOW", until(900, 1)...) },
		"a request that goes on": func(c *client) {
			go func() {
				b := wire.AppendRequest(nil, wire.RequestHeader{}, "QUICK", 1, wire.Blob(make([]byte, 3<<20)))
				_, _ = c.nc.Write(b[:len(b)-1])
			}()
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, r, limits.Limits{BufferedBytes: limit, RequestTime: time.Hour}, func(t *testing.T, _ *Node, h *Hub, dial func() *client) {
				release = make(chan struct{})
				end := sync.OnceFunc(func() { close(release) })
				defer end()
				c := dial()
				greedy(c)
				synctest.Wait()
				if n := h.Usage().RequestBytes; n < limit/2 || n > limit {
					t.Fatalf("%d bytes are counted", n)
				}
				var others []*client
				for range 12 {
					c := dial()
					c.send("SLOW", until(50, 1)...)
					c.send("DECODED", 51)
					c.send("QUICK", 52)
					c.want(52)
					others = append(others, c)
				}
				c.want(-1)
				end()
				for _, c := range others {
					for range 51 {
						if c.next() < 0 {
							t.Fatal("a connection that needs little was closed, or its request refused")
						}
					}
				}
			})
		})
	}
}

// A quick request that turns out to take long becomes a job.
func TestLong(t *testing.T) {
	var tried, done atomic.Int32
	r := role{"MAYBE": {do: func(r *request.Request) {
		if r.Quick {
			tried.Add(1)
			r.Long = true
			return
		}
		done.Add(1)
	}}}
	bubble(t, r, limits.Limits{}, func(t *testing.T, _ *Node, _ *Hub, dial func() *client) {
		c := dial()
		c.send("MAYBE", 1)
		c.want(1)
		synctest.Wait()
		if tried.Load() != 1 || done.Load() != 1 {
			t.Errorf("tried %d times, done %d times", tried.Load(), done.Load())
		}
	})
}

// A handler that panics ends its connection and nothing else, whether others
// wait for it or not.
func TestPanic(t *testing.T) {
	boom := func(*request.Request) { panic("boom") }
	r := role{"QUICK": {do: boom}, "SLOW": {verdict: slow, do: boom}, "GOOD": {}}
	bubble(t, r, limits.Limits{}, func(t *testing.T, _ *Node, _ *Hub, dial func() *client) {
		for _, task := range []string{"QUICK", "SLOW"} {
			c := dial()
			c.send("GOOD", 1)
			c.want(1)
			c.send(task, 2)
			c.want(-1)
		}
		c := dial()
		c.send("GOOD", 3)
		c.want(3)
	})
}
