package reliability

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/onebox"
	"github.com/pegasus-go/pegasus/pegasustest"
)

// bubble runs f on a fake clock, with a cluster on a network in memory.
func bubble(t *testing.T, f func(t *testing.T, c *pegasustest.Cluster), options ...pegasustest.Option) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		f(t, pegasustest.Start(t, append(options, pegasustest.WithMemoryNetwork())...))
	})
}

const (
	loadPause = 50 * time.Millisecond
	// backoff is the longest pause of the client between two attempts.
	backoff = 200 * time.Millisecond
)

// inPartitions returns a filter of calls to partitions of a table of n.
func inPartitions(n int, in map[int]bool) func(call) bool {
	return func(c call) bool { return in[int(c.hash%uint64(n))] }
}

// ofReplica returns the partitions whose primary a replica server is.
func ofReplica(t *testing.T, c *pegasustest.Cluster, replica int) map[int]bool {
	t.Helper()
	partitions, err := c.Admin().Partitions(t.Context(), pegasustest.DefaultTable)
	if err != nil {
		t.Fatal(err)
	}
	in := make(map[int]bool)
	for _, p := range partitions {
		if p.Primary == c.Onebox().Replica(replica).Addr() {
			in[p.Index] = true
		}
	}
	if len(in) == 0 {
		t.Fatalf("replica server %d is primary of nothing", replica)
	}
	return in
}

// slow makes every request take a moment, so that some are always under way.
func slow(c *pegasustest.Cluster) {
	c.Onebox().Intercept(func(onebox.Request) onebox.Action { return onebox.Action{Delay: 4 * time.Millisecond} })
}

// atOnce is what a slow request takes, and waiting for others on its connection.
const atOnce = 50 * time.Millisecond

// A server dies, and the meta server notices half a second later. Callers with
// two seconds see nothing but a delay.
func TestPrimaryDies(t *testing.T) {
	bubble(t, func(t *testing.T, c *pegasustest.Cluster) {
		victim := ofReplica(t, c, 1)
		slow(c)
		l := startLoad(t, c.Table, 2*time.Second, loadPause)
		time.Sleep(500 * time.Millisecond)
		c.Onebox().Replica(1).Stop()
		time.Sleep(500 * time.Millisecond)
		if err := c.Onebox().Failover(1); err != nil {
			t.Error(err)
		}
		published := time.Now()
		time.Sleep(time.Second)
		l.finish()

		moved := inPartitions(pegasustest.DefaultPartitions, victim)
		if d := l.firstSuccess(published, moved); d > 100*time.Millisecond+backoff {
			t.Errorf("the first success came %v after the new configuration", d)
		}
		for _, call := range l.all(moved) {
			if d := call.ended.Sub(published); call.begun.Before(published) && d > 100*time.Millisecond+backoff {
				t.Errorf("%s was still under way %v after the new configuration", call.name, d)
			}
		}
		l.checkDurations(atOnce, func(call call) bool { return !moved(call) })
	}, pegasustest.WithReplicaServers(3))
}

// A server dies and is replaced at once: calls that were under way go to the new
// primary after one back-off step at most.
func TestInFlightCallsFailOver(t *testing.T) {
	bubble(t, func(t *testing.T, c *pegasustest.Cluster) {
		slow(c)
		l := startLoad(t, c.Table, 2*time.Second, loadPause)
		time.Sleep(500 * time.Millisecond)
		killed := time.Now()
		c.Kill(0)
		time.Sleep(500 * time.Millisecond)
		l.finish()
		if n := len(l.all(func(call call) bool { return call.begun.Before(killed) && call.ended.After(killed) })); n < 5 {
			t.Errorf("only %d calls were under way", n)
		}
		l.checkDurations(100*time.Millisecond+backoff, anyCall)
	}, pegasustest.WithReplicaServers(3))
}

// All servers are gone for a long time and come back: traffic flows again within
// a second.
func TestServersRestart(t *testing.T) {
	for name, outage := range map[string]time.Duration{"short": time.Second, "long": 30 * time.Second} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, c *pegasustest.Cluster) {
				l := startLoad(t, c.Table, 10*time.Second, loadPause)
				if outage > l.timeout {
					l.tolerated = func(err error) bool { return errors.Is(err, context.DeadlineExceeded) }
				}
				time.Sleep(500 * time.Millisecond)
				nodes := []*onebox.Node{c.Onebox().Replica(0), c.Onebox().Replica(1), c.Onebox().Meta(0)}
				for _, n := range nodes {
					n.Stop()
				}
				time.Sleep(outage)
				for _, n := range nodes {
					if err := n.Start(); err != nil {
						t.Fatal(err)
					}
				}
				back := time.Now()
				time.Sleep(2 * time.Second)
				l.finish()
				for partition := range pegasustest.DefaultPartitions {
					in := inPartitions(pegasustest.DefaultPartitions, map[int]bool{partition: true})
					if d := l.firstSuccess(back, in); d > time.Second {
						t.Errorf("partition %d: the first success came after %v", partition, d)
					}
				}
			}, pegasustest.WithReplicaServers(2))
		})
	}
}

// A process that hangs, with connections that stay up, is found out by probes
// while calls are pending. Every table that uses it learns that: the other one
// asks for the new primary before it tries the old one again.
func TestServerHangs(t *testing.T) {
	bubble(t, func(t *testing.T, c *pegasustest.Cluster) {
		other := c.OpenTable("other")
		fillRows(t, other, 2000, []byte("v"))
		l := startLoad(t, c.Table, 10*time.Second, loadPause)
		time.Sleep(500 * time.Millisecond)
		hung := time.Now()
		c.Onebox().Replica(0).Pause()
		time.Sleep(3 * time.Second)
		if err := c.Onebox().Failover(0); err != nil {
			t.Error(err)
		}
		time.Sleep(4 * time.Second)
		begun := time.Now()
		for i := range 20 {
			if _, err := other.Get(t.Context(), rowKey(i), column(0)); err != nil {
				t.Error(err)
			}
		}
		if d := time.Since(begun); d > 0 {
			t.Errorf("the other table took %v", d)
		}
		l.finish()
		waited := l.all(func(call call) bool { return call.ended.Sub(call.begun) > 0 })
		if len(waited) < callers/4 {
			t.Errorf("only %d calls had to wait", len(waited))
		}
		for _, call := range waited {
			// The silence is noticed after one probe time at the latest, and counts
			// when it has lasted for two more.
			if d := call.ended.Sub(hung); d > 6*time.Second+backoff {
				t.Errorf("%s ended %v after the server hung", call.name, d)
			}
		}
		c.Onebox().Replica(0).Resume()
	}, pegasustest.WithReplicaServers(2), pegasustest.WithTable(pegasustest.DefaultTable, pegasustest.DefaultPartitions),
		pegasustest.WithTable("other", pegasustest.DefaultPartitions))
}

// One partition without a primary disturbs nobody else.
func TestPartitionWithoutPrimary(t *testing.T) {
	bubble(t, func(t *testing.T, c *pegasustest.Cluster) {
		const orphan = 3
		l := startLoad(t, c.Table, 10*time.Second, loadPause)
		time.Sleep(500 * time.Millisecond)
		if err := c.Onebox().MovePrimary(pegasustest.DefaultTable, orphan, onebox.NoPrimary); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second)
		if err := c.Onebox().MovePrimary(pegasustest.DefaultTable, orphan, 1); err != nil {
			t.Fatal(err)
		}
		back := time.Now()
		time.Sleep(time.Second)
		l.finish()
		in := inPartitions(pegasustest.DefaultPartitions, map[int]bool{orphan: true})
		if d := l.firstSuccess(back, in); d > 100*time.Millisecond+backoff {
			t.Errorf("the partition took %v to come back", d)
		}
		l.checkDurations(0, func(call call) bool { return !in(call) })
	}, pegasustest.WithReplicaServers(2))
}

// Partitions move all the time.
func TestPrimariesMove(t *testing.T) {
	bubble(t, func(t *testing.T, c *pegasustest.Cluster) {
		l := startLoad(t, c.Table, 2*time.Second, loadPause)
		for i := range 40 {
			time.Sleep(50 * time.Millisecond)
			if err := c.Onebox().MovePrimary(pegasustest.DefaultTable, i%pegasustest.DefaultPartitions, (i+i/8)%3); err != nil {
				t.Fatal(err)
			}
		}
		l.finish()
		// Nothing was sent that might have been carried out twice.
		if n := len(l.all(func(call call) bool { return errors.Is(call.err, pegasus.ErrInDoubt) })); n > 0 {
			t.Errorf("%d calls are in doubt", n)
		}
	}, pegasustest.WithReplicaServers(3))
}

// Connections break all the time, in the middle of answers, stall, and dials are
// refused for a while: on a fake clock, and over sockets.
func TestNetworkBreaks(t *testing.T) {
	t.Run("bubble", func(t *testing.T) {
		bubble(t, func(t *testing.T, c *pegasustest.Cluster) {
			breakNetwork(t, c, 2*time.Second)
		}, pegasustest.WithReplicaServers(2))
	})
	t.Run("sockets", func(t *testing.T) {
		// The machine may be slow.
		breakNetwork(t, pegasustest.Start(t, pegasustest.WithReplicaServers(2)), time.Minute)
	})
}

func breakNetwork(t *testing.T, c *pegasustest.Cluster, timeout time.Duration) {
	l := startLoad(t, c.Table, timeout, loadPause)
	for i := range 24 {
		link := c.Link(c.Onebox().Replica(i % 2).Addr())
		switch i % 4 {
		case 0:
			link.Break()
		case 1:
			link.BreakAfter(int64(i * 100))
		case 2:
			link.RefuseDials()
			link.Break()
		case 3:
			link.StallAfter(int64(i * 100))
		}
		time.Sleep(100 * time.Millisecond)
		link.Heal()
	}
	l.finish()
}
