package server

import (
	"io"
	"net"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pegasus-go/pegasus/internal/schema"
	"github.com/pegasus-go/pegasus/internal/server/catalog"
	"github.com/pegasus-go/pegasus/internal/wire"
)

func TestIntercept(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, s *Server, dial func(*Node) *client) {
		node := s.Replicas()[0]
		c := dial(node)
		c.mustPut("k", "old")
		const delay = 10 * time.Second
		var action Action
		var seen atomic.Pointer[Call]
		s.Intercept(func(call Call) Action {
			if call.Task == wire.TaskPut {
				seen.Store(&call)
				return action
			}
			return Action{}
		})
		if c.mustPut("k", "v0"); *seen.Load() != (Call{Task: wire.TaskPut, Table: testTable, GPID: home("k").GPID}) {
			t.Errorf("saw %+v", seen.Load())
		}

		action = Action{Code: "ERR_BUSY"}
		if _, code := c.put("k", "v1"); code != wire.ErrBusy {
			t.Errorf("with an error: %v", code)
		}
		c.wantValue("k", "v0")

		action = Action{Delay: delay}
		began := time.Now()
		put := send(c, home("k"), wire.TaskPut, wire.UpdateRequest{Key: key("k", ""), Value: []byte("v2")})
		c.wantValue("k", "v0")
		time.Sleep(delay - 1)
		c.wantValue("k", "v0")
		if a := c.mustNext(); a.seq != put || time.Since(began) != delay {
			t.Errorf("answer %d after %v", a.seq, time.Since(began))
		}
		c.wantValue("k", "v2")

		action = Action{Delay: delay, Code: "ERR_TIMEOUT"}
		began = time.Now()
		if _, code := c.put("k", "v3"); code != wire.ErrTimeout || time.Since(began) != delay {
			t.Errorf("with a delayed error: %v after %v", code, time.Since(began))
		}

		until := make(chan struct{})
		action = Action{Until: until}
		put = send(c, home("k"), wire.TaskPut, wire.UpdateRequest{Key: key("k", ""), Value: []byte("v4")})
		c.wantValue("k", "v2")
		close(until)
		if a := c.mustNext(); a.seq != put {
			t.Errorf("answer %d, want %d", a.seq, put)
		}

		action = Action{Drop: true}
		send(c, home("k"), wire.TaskPut, wire.UpdateRequest{Key: key("k", ""), Value: []byte("v5")})
		c.wantValue("k", "v4") // fails if the put was answered

		action = Action{Lose: true}
		send(c, home("k"), wire.TaskPut, wire.UpdateRequest{Key: key("k", ""), Value: []byte("v6")})
		time.Sleep(time.Second) // of the bubble: until everything has come to rest
		c.wantValue("k", "v6")

		action = Action{Close: true}
		send(c, home("k"), wire.TaskPut, wire.UpdateRequest{Key: key("k", ""), Value: []byte("v7")})
		c.ended()
		c = dial(node)
		c.wantValue("k", "v6")

		action = Action{Close: true, Delay: delay}
		began = time.Now()
		send(c, home("k"), wire.TaskPut, wire.UpdateRequest{Key: key("k", ""), Value: []byte("v7")})
		c.wantValue("k", "v6")
		if c.ended(); time.Since(began) != delay {
			t.Errorf("closed after %v", time.Since(began))
		}
		c = dial(node)
		c.wantValue("k", "v6")

		action = Action{Close: true, Lose: true}
		send(c, home("k"), wire.TaskPut, wire.UpdateRequest{Key: key("k", ""), Value: []byte("v7")})
		c.ended()
		c = dial(node)
		c.wantValue("k", "v7")

		s.Intercept(nil)
		c.mustPut("k", "v8")
		if n := s.hub.Usage().Disturbances; n != 0 {
			t.Errorf("disturbed is %d without an interceptor", n)
		}
	})
}

func TestStopAndStart(t *testing.T) {
	s := start(t, Options{ReplicaAddrs: replicas(2)})
	node := s.Replicas()[home("k").PartitionIndex%2]
	c := dial(t, node)
	c.mustPut("k", "v")
	scanned := c.openScan(home("k"))
	addr := node.Addr()
	for range 3 {
		node.Stop()
		node.Stop()
		c.ended()
		if nc, err := net.Dial("tcp", addr); err == nil {
			nc.Close()
			t.Error("a stopped node accepts connections")
		}
		if err := node.ServeConn(pipeEnd()); err == nil {
			t.Error("a stopped node serves a connection")
		}
		if node.Running() {
			t.Error("a stopped node runs")
		}
		for range 2 {
			if err := node.Start(); err != nil {
				t.Fatal(err)
			}
		}
		if node.Addr() != addr || !node.Running() {
			t.Errorf("node came back as %s, was %s", node.Addr(), addr)
		}
		c = dial(t, node)
		c.wantValue("k", "v")
	}
	if resp := c.scan(home("k"), scanned); resp.Error != wire.StatusNotFound {
		t.Errorf("a scan outlived its node: status %d", resp.Error)
	}

	node.Stop()
	other, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if err := node.Start(); err == nil {
		t.Error("started on a port that was taken")
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := node.Start(); err == nil {
		t.Error("started after the server was closed")
	}
}

func pipeEnd() net.Conn {
	a, b := net.Pipe()
	b.Close()
	return a
}

func TestPause(t *testing.T) {
	bubble(t, Options{ReplicaAddrs: replicas(2)}, func(t *testing.T, s *Server, dial func(*Node) *client) {
		node := s.Replicas()[home("k").PartitionIndex%2]
		c := dial(node)
		c.mustPut("k", "v")
		node.Pause()
		node.Pause()
		other := dial(node) // accepted all the same
		send(c, home("k"), wire.TaskGet, key("k", ""))
		send(other, home("k"), wire.TaskGet, key("k", ""))
		for _, c := range []*client{c, other} {
			_ = c.nc.SetReadDeadline(time.Now().Add(time.Hour))
			if _, err := c.nc.Read(make([]byte, 1)); err == nil {
				t.Error("a paused node answers")
			}
		}
		node.Resume()
		node.Resume()
		for _, c := range []*client{c, other} {
			c.mustNext()
			c.wantValue("k", "v")
		}
		if n := s.hub.Usage().Disturbances; n != 0 {
			t.Errorf("disturbed is %d after Resume", n)
		}
		node.Pause()
		send(c, home("k"), wire.TaskGet, key("k", ""))
		node.Stop() // a node that hangs can be killed
		c.ended()
		if n := s.hub.Usage().Disturbances; n != 0 {
			t.Errorf("disturbed is %d after Stop", n)
		}
	})
}

// Time that passes while a node or an interceptor hangs has passed for the
// requests that waited, not for those that arrived with them and were carried
// out before.
func TestExpiryDuringPause(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, s *Server, dial func(*Node) *client) {
		node := s.Replicas()[0]
		c := dial(node)
		const pause = time.Minute // sooner than expired records are swept
		for name, hang := range map[string]func(call int){
			"node": func(call int) {
				if call == 1 {
					node.Pause()
					time.AfterFunc(pause, node.Resume)
				}
			},
			"interceptor": func(call int) {
				if call == 2 {
					time.Sleep(pause)
				}
			},
		} {
			if resp, code := c.putAt(home("k"), "k", "v", int32(schema.EpochSeconds(time.Now())+30)); code != wire.ErrOK || resp.Error != 0 {
				t.Fatalf("put: %v, status %d", code, resp.Error)
			}
			calls := 0
			s.Intercept(func(Call) Action {
				calls++
				hang(calls)
				return Action{}
			})
			c.write(slices.Concat(getFrame(1, "k"), getFrame(2, "k")))
			time.Sleep(pause)
			for _, want := range []int32{0, wire.StatusNotFound} {
				var resp wire.ReadResponse
				if c.mustNext().decode(t, resp.Read); resp.Error != want {
					t.Errorf("%s: status %d, want %d", name, resp.Error, want)
				}
			}
			s.Intercept(nil)
		}
	})
}

// An interceptor may stop the node that it is called on, and close the server.
func TestStopInInterceptor(t *testing.T) {
	for name, stop := range map[string]func(*Server){
		"stop":  func(s *Server) { s.Replicas()[0].Stop() },
		"close": func(s *Server) { s.Close() },
	} {
		s := start(t, Options{})
		c := dial(t, s.Replicas()[0])
		c.mustPut("k", "old")
		stopped := make(chan struct{})
		s.Intercept(func(Call) Action {
			stop(s)
			close(stopped)
			return Action{}
		})
		send(c, home("k"), wire.TaskPut, wire.UpdateRequest{Key: key("k", ""), Value: []byte("new")})
		<-stopped
		c.ended()
		s.Intercept(nil)
		if name == "stop" {
			if err := s.Replicas()[0].Start(); err != nil {
				t.Fatal(err)
			}
			dial(t, s.Replicas()[0]).wantValue("k", "old")
		}
	}
}

// Stop waits for what it has stopped, not for what others start.
func TestStopBesideStart(t *testing.T) {
	s := start(t, Options{})
	n := s.Replicas()[0]
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for range 100 {
				n.Stop()
			}
		})
		wg.Go(func() {
			for range 100 {
				if n.Start() == nil {
					if nc, err := net.Dial("tcp", n.Addr()); err == nil {
						nc.Close()
					}
				}
			}
		})
	}
	wg.Wait()
}

// A node that is stopped or closed cannot be paused: nothing would end that.
func TestPauseDuringClose(t *testing.T) {
	s := start(t, Options{})
	n := s.Replicas()[0]
	c := dial(t, n)
	closed := make(chan struct{})
	s.Intercept(func(Call) Action {
		go func() {
			s.Close()
			close(closed)
		}()
		for n.Running() {
			runtime.Gosched()
		}
		n.Pause()
		return Action{}
	})
	c.write(getFrame(1, "k"))
	c.mustNext()
	c.ended()
	<-closed
}

// A node that hangs sends nothing, whatever it had begun.
func TestPauseHoldsEverything(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, s *Server, dial func(*Node) *client) {
		node := s.Replicas()[0]
		delayed, web := dial(node), dial(node)
		s.Intercept(func(Call) Action { return Action{Delay: time.Second} })
		send(delayed, home("k"), wire.TaskTTL, key("k", ""))
		synctest.Wait()
		node.Pause()
		web.write([]byte("GET /version HTTP/1.1\r\nHost: h\r\n\r\n"))
		for _, c := range []*client{delayed, web} {
			_ = c.nc.SetReadDeadline(time.Now().Add(time.Minute))
			if n, err := c.nc.Read(make([]byte, 1)); n > 0 {
				t.Errorf("a paused node answers: %v", err)
			}
		}
		node.Resume()
		delayed.mustNext()
		_ = web.nc.SetReadDeadline(time.Now().Add(time.Minute))
		if _, err := io.ReadFull(web.nc, make([]byte, 1)); err != nil {
			t.Error(err)
		}
	})
}

func TestMovePrimary(t *testing.T) {
	s := start(t, Options{ReplicaAddrs: replicas(3)})
	part := int(home("k").PartitionIndex)
	from := part % 3
	to := (from + 2) % 3
	m, old, next := dial(t, s.Metas()[0]), dial(t, s.Replicas()[from]), dial(t, s.Replicas()[to])
	old.mustPut("k", "v")
	scanned := old.openScan(home("k"))
	ballot := queryTable(m, testTable).Partitions[part].Ballot

	if err := s.MovePrimary(testTable, part, to); err != nil {
		t.Fatal(err)
	}
	if _, code := old.put("k", "w"); code != wire.ErrInvalidState {
		t.Errorf("old primary: %v", code)
	}
	next.wantValue("k", "v")
	p := queryTable(m, testTable).Partitions[part]
	if primaryOf(s, p) != to || p.Ballot != ballot+1 {
		t.Errorf("after the move: %+v", p)
	}
	if resp := next.scan(home("k"), scanned); resp.Error != wire.StatusNotFound {
		t.Errorf("scan of the old primary: status %d", resp.Error)
	}

	if err := s.MovePrimary(testTable, part, catalog.None); err != nil {
		t.Fatal(err)
	}
	if _, code := next.put("k", "w"); code != wire.ErrInvalidState && code != wire.ErrObjectNotFound {
		t.Errorf("without a primary: %v", code)
	}
	p = queryTable(m, testTable).Partitions[part]
	if p.Primary.Valid() || p.Ballot != ballot+2 {
		t.Errorf("without a primary: %+v", p)
	}
	diagnosis := ask[wire.DiagnoseRequest, wire.DiagnoseResponse](m, wire.TaskDDDDiagnose, wire.DiagnoseRequest{PID: wire.GPID{AppID: -1, PartitionIndex: -1}})
	if len(diagnosis.Partitions) != 1 || int(diagnosis.Partitions[0].Config.PID.PartitionIndex) != part {
		t.Errorf("diagnosis %+v", diagnosis)
	}

	// As the balancer of an admin tool does it.
	propose := func(step int32, node wire.Address) wire.ErrorCode {
		return ask[wire.BalancerRequest, wire.ErrResponse](m, wire.TaskProposeBalancer, wire.BalancerRequest{
			PID: home("k").GPID,
			ActionList: []wire.ProposalAction{
				{Target: s.Replicas()[to].Address(), Node: s.Replicas()[to].Address(), Type: 5}, // downgrade
				{Target: node, Node: node, Type: step},
			},
		}).Err
	}
	if code := propose(2, s.Replicas()[from].Address()); code != wire.ErrOK {
		t.Errorf("propose: %v", code)
	}
	old.wantValue("k", "v")
	if code := propose(1, 1); code != wire.ErrInvalidParameters {
		t.Errorf("propose an unknown node: %v", code)
	}
	for _, bad := range []error{
		s.MovePrimary("none", 0, 0), s.MovePrimary(testTable, 4, 0), s.MovePrimary(testTable, -1, 0),
		s.MovePrimary(testTable, 0, 3), s.MovePrimary(testTable, 0, -2),
	} {
		if bad == nil {
			t.Error("no error for an argument that makes no sense")
		}
	}
}

func TestFailover(t *testing.T) {
	s := start(t, Options{ReplicaAddrs: replicas(3)})
	m := dial(t, s.Metas()[0])
	before := queryTable(m, testTable).Partitions
	for _, none := range []int{-1, 3} {
		if s.Failover(none) == nil {
			t.Errorf("failed over from server %d", none)
		}
	}
	s.Replicas()[0].Stop()
	s.Replicas()[1].Stop()
	if err := s.Failover(0); err != nil {
		t.Fatal(err)
	}
	for i, p := range queryTable(m, testTable).Partitions {
		was, moved := primaryOf(s, before[i]), 0
		want := was
		if was == 0 {
			want, moved = 2, 1 // node 1 follows but does not run
		}
		if primaryOf(s, p) != want || p.Ballot != before[i].Ballot+int64(moved) {
			t.Errorf("partition %d: %+v, was %+v", i, p, before[i])
		}
	}
	s.Replicas()[2].Stop()
	if err := s.Failover(2); err != nil {
		t.Fatal(err)
	}
	for i, p := range queryTable(m, testTable).Partitions {
		if got := primaryOf(s, p); got != catalog.None && got != 1 {
			t.Errorf("partition %d: primary %d", i, got)
		}
	}
}

// A node whose disk is full refuses writes and serves reads; others take writes.
func TestFillDisk(t *testing.T) {
	s := start(t, Options{ReplicaAddrs: replicas(2)})
	node := s.Replicas()[0]
	full, other := dial(t, node), dial(t, s.Replicas()[1])
	on := func(partition int32) wire.RequestHeader {
		return wire.RequestHeader{GPID: wire.GPID{AppID: 1, PartitionIndex: partition}}
	}
	node.FillDisk(true)
	if _, code := full.putAt(on(0), "k", "v", 0); code != wire.ErrDiskInsufficient {
		t.Errorf("put on a full disk: %v", code)
	}
	if _, code := full.putAt(on(1), "k", "v", 0); code != wire.ErrInvalidState {
		t.Errorf("put that concerns another node: %v", code)
	}
	if resp, code := full.getAt(on(0), "k"); code != wire.ErrOK || resp.Error != wire.StatusNotFound {
		t.Errorf("get on a full disk: %v, status %d", code, resp.Error)
	}
	if _, code := other.putAt(on(1), "k", "v", 0); code != wire.ErrOK {
		t.Errorf("put on another disk: %v", code)
	}
	node.FillDisk(false)
	if _, code := full.putAt(on(0), "k", "v", 0); code != wire.ErrOK {
		t.Errorf("put on a disk with room again: %v", code)
	}
}
