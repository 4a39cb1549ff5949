package server

import (
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pegasus-go/pegasus/internal/wire"
)

// Links that are cut break connections and refuse new ones, while the node lives.
func TestCut(t *testing.T) {
	s := start(t, Options{ReplicaAddrs: replicas(2)})
	node := s.Replicas()[home("k").PartitionIndex%2]
	c := dial(t, node)
	c.mustPut("k", "v")
	scanned := c.openScan(home("k"))
	addr := node.Addr()
	mustCut := func(c Cut) {
		t.Helper()
		if err := node.Cut(c); err != nil {
			t.Fatal(err)
		}
	}
	refused := func() {
		t.Helper()
		if nc, err := net.Dial("tcp", addr); err == nil {
			nc.Close()
			t.Error("a node that is cut off accepts connections")
		}
		if err := node.ServeConn(pipeEnd()); err == nil {
			t.Error("a node that is cut off serves a connection")
		}
	}
	mend := func() {
		t.Helper()
		for range 2 {
			if err := node.Mend(); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, meta := range []bool{false, true} {
		mustCut(Cut{Meta: meta})
		mustCut(Cut{Meta: meta})
		c.ended()
		refused()
		if !node.Running() || node.Alive() == meta {
			t.Errorf("cut from meta servers %v: running %v, alive %v", meta, node.Running(), node.Alive())
		}
		mend()
		c = dial(t, node)
		c.wantValue("k", "v")
		if !node.Alive() {
			t.Error("not alive after its links were mended")
		}
	}
	if resp := c.scan(home("k"), scanned); resp.Error == wire.StatusNotFound {
		t.Error("a scan was lost with the links")
	}

	// What happens to the node has nothing to do with its links.
	mustCut(Cut{})
	node.Stop()
	if err := node.Start(); err != nil {
		t.Fatal(err)
	}
	refused()
	node.Stop()
	mend()
	if nc, err := net.Dial("tcp", addr); err == nil {
		nc.Close()
		t.Error("mended links have started the node")
	}
	if err := node.Start(); err != nil {
		t.Fatal(err)
	}
	dial(t, node).wantValue("k", "v")

	mustCut(Cut{})
	other, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	if node.Mend() == nil {
		t.Error("mended on a port that was taken")
	}
	other.Close()
	mend()
	dial(t, node).wantValue("k", "v")
}

// Silent links hold what is sent until they are mended, and then deliver it.
func TestCutSilent(t *testing.T) {
	bubble(t, Options{ReplicaAddrs: replicas(2)}, func(t *testing.T, s *Server, dial func(*Node) *client) {
		node := s.Replicas()[home("k").PartitionIndex%2]
		c := dial(node)
		c.mustPut("k", "v")
		silent := func(c *client) {
			t.Helper()
			_ = c.nc.SetReadDeadline(time.Now().Add(time.Hour))
			if n, err := c.nc.Read(make([]byte, 1)); n > 0 || !isTimeout(err) {
				t.Errorf("links that are silent pass %d bytes, %v", n, err)
			}
		}
		cut := func() {
			t.Helper()
			if err := node.Cut(Cut{Silent: true}); err != nil {
				t.Fatal(err)
			}
		}
		s.Intercept(func(Call) Action { return Action{Delay: time.Second} })
		send(c, home("k"), wire.TaskPut, wire.UpdateRequest{Key: key("k", ""), Value: []byte("late")})
		synctest.Wait()
		cut() // amid a request
		s.Intercept(nil)
		cut()
		silent(c)
		other := dial(node)
		send(other, home("k"), wire.TaskGet, key("k", ""))
		silent(other)
		if err := node.Mend(); err != nil {
			t.Fatal(err)
		}
		c.mustNext()
		other.mustNext()
		c.wantValue("k", "late")

		// A node that was started behind silent links is silent, too, and can be stopped.
		cut()
		node.Stop()
		c.ended()
		if err := node.Start(); err != nil {
			t.Fatal(err)
		}
		c = dial(node)
		send(c, home("k"), wire.TaskGet, key("k", ""))
		silent(c)
		if err := node.Cut(Cut{}); err != nil {
			t.Fatal(err)
		}
		c.ended()
		cut() // opens the port again
		c = dial(node)
		send(c, home("k"), wire.TaskGet, key("k", ""))
		silent(c)
		if n := s.hub.Usage().Disturbances; n != 1 {
			t.Errorf("disturbed is %d by silent links", n)
		}
		node.Stop()
		c.ended()
		if n := s.hub.Usage().Disturbances; n != 0 {
			t.Errorf("disturbed is %d after Stop", n)
		}
	})
}

func isTimeout(err error) bool {
	ne, ok := err.(net.Error)
	return ok && ne.Timeout()
}

// Meta servers take a node for dead that they cannot reach.
func TestCutFromMeta(t *testing.T) {
	s := start(t, Options{ReplicaAddrs: replicas(3)})
	lost := s.Replicas()[1]
	if err := lost.Cut(Cut{Meta: true}); err != nil {
		t.Fatal(err)
	}
	m := dial(t, s.Metas()[0])
	dead := ask[wire.ListNodesRequest, wire.ListNodesResponse](m, wire.TaskListNodes, wire.ListNodesRequest{Status: wire.NodeUnalive}).Infos
	if len(dead) != 1 || dead[0].Node != lost.Address() {
		t.Errorf("dead are %v, want %s", dead, lost.Addr())
	}
	before := queryTable(m, testTable).Partitions
	if err := s.Failover(0); err != nil { // the next one would be lost
		t.Fatal(err)
	}
	for i, p := range queryTable(m, testTable).Partitions {
		if was := primaryOf(s, before[i]); was == 0 && primaryOf(s, p) != 2 {
			t.Errorf("partition %d has moved to server %d, want 2", i, primaryOf(s, p))
		}
	}
}
