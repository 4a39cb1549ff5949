package admin

import (
	"context"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/pegasus-go/pegasus/internal/wire"
)

// scriptedMeta is a server that answers as a test says.
type scriptedMeta struct {
	listener net.Listener
	wg       sync.WaitGroup

	mu     sync.Mutex
	answer func(q *wire.Request) answer
	tasks  []string // of the requests received
	conns  []net.Conn
}

// answer is what a scriptedMeta does with a request: send a result, or an
// error, or break the connection.
type answer struct {
	result wire.Message
	code   wire.ErrorCode
	hangUp bool
}

func newScriptedMeta(t *testing.T, f func(q *wire.Request) answer) *scriptedMeta {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	m := &scriptedMeta{listener: l, answer: f}
	m.wg.Go(m.accept)
	t.Cleanup(m.close)
	return m
}

func (m *scriptedMeta) addr() string { return m.listener.Addr().String() }

func (m *scriptedMeta) close() {
	m.listener.Close()
	m.mu.Lock()
	for _, nc := range m.conns {
		nc.Close()
	}
	m.mu.Unlock()
	m.wg.Wait()
}

// received returns the task codes of the requests so far.
func (m *scriptedMeta) received() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]string(nil), m.tasks...)
}

func (m *scriptedMeta) accept() {
	for {
		nc, err := m.listener.Accept()
		if err != nil {
			return
		}
		m.mu.Lock()
		m.conns = append(m.conns, nc)
		m.mu.Unlock()
		m.wg.Go(func() {
			defer nc.Close()
			for m.serve(nc) {
			}
		})
	}
}

// serve answers one request. It returns false at the end of the connection.
func (m *scriptedMeta) serve(nc net.Conn) bool {
	frame := make([]byte, wire.RequestPrefix)
	if _, err := io.ReadFull(nc, frame); err != nil {
		return false
	}
	size, err := wire.RequestSize(frame, 1<<20)
	if err != nil {
		return false
	}
	frame = append(frame, make([]byte, size-len(frame))...)
	if _, err := io.ReadFull(nc, frame[wire.RequestPrefix:]); err != nil {
		return false
	}
	var q wire.Request
	if err := q.Parse(frame); err != nil {
		return false
	}
	m.mu.Lock()
	m.tasks = append(m.tasks, string(q.Task))
	m.mu.Unlock()
	a := m.answer(&q)
	ack := string(q.Task) + wire.AckSuffix
	var out []byte
	switch {
	case a.hangUp:
		return false
	case a.result != nil:
		out = wire.AppendReply(nil, &q, ack, a.result)
	default:
		out = wire.AppendErrorReply(nil, &q, ack, a.code)
	}
	_, err = nc.Write(out)
	return err == nil
}

// argumentOf decodes the argument of a request.
func argumentOf[Q any](q *wire.Request) Q {
	var req Q
	wire.Of(&req).Read(&q.Arg)
	return req
}

// result makes an answer of a response.
func result[A any](resp A) answer { return answer{result: wire.Of(&resp)} }

// partitions is the configuration of a table of n partitions with a primary.
func partitions(n int) wire.QueryConfigResponse {
	resp := wire.QueryConfigResponse{AppID: 7, PartitionCount: int32(n), IsStateful: true}
	for i := range n {
		resp.Partitions = append(resp.Partitions, wire.PartitionConfiguration{
			PID: wire.GPID{AppID: 7, PartitionIndex: int32(i)}, Ballot: 3, MaxReplicaCount: 2,
			Primary: node1, Secondaries: []wire.Address{node2}, LastCommittedDecree: 11,
		})
	}
	return resp
}

var (
	node1 = mustNode("127.0.0.1:34801")
	node2 = mustNode("127.0.0.1:34802")
)

func mustNode(s string) wire.Address {
	a, err := parseNode(s)
	if err != nil {
		panic(err)
	}
	return a
}

func newClient(t *testing.T, metas ...string) *Client {
	t.Helper()
	c, err := New(Config{MetaServers: metas})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func testContext(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}
