package transport

import (
	"encoding/binary"
	"io"
	"log/slog"
	"net"
	"net/url"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pegasus-go/pegasus/internal/memnet"
	"github.com/pegasus-go/pegasus/internal/server/request"
	"github.com/pegasus-go/pegasus/internal/server/stats"
	"github.com/pegasus-go/pegasus/internal/wire"
	"github.com/pegasus-go/pegasus/onebox/limits"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// role is a role whose requests do what a test says, by their task code. An
// answer is what has the name of the task.
type role map[string]rpc

type rpc struct {
	verdict request.Verdict
	do      func(r *request.Request)
	answer  int // bytes
}

func (role) Commit(*request.Request, []byte)         {}
func (role) Observe(stats.Request, time.Duration)    {}
func (role) Failed(*request.Request, wire.ErrorCode) {}

func (role) Listens(wire.Address) {}
func (role) Crashed()             {}

func (role) Page(string, url.Values) (int, string) { return 200, "page" }
func (r role) NewCall() request.Call               { return r }

func (role) Table(*request.Request) string { return "table" }

func (r role) Admit(q *request.Request) request.Verdict { return r[string(q.Task)].verdict }

func (r role) Answer(q *request.Request, dst []byte) []byte {
	rpc := r[string(q.Task)]
	if rpc.do != nil {
		rpc.do(q)
	}
	return wire.AppendReply(dst, &q.Request, string(q.Task)+wire.AckSuffix, wire.Blob(make([]byte, rpc.answer)))
}

// start starts a node on a network of pipes.
func start(t *testing.T, r role, l limits.Limits, turns int) (*Node, *Hub, func() *client) {
	t.Helper()
	var network memnet.Network
	l, err := l.WithDefaults()
	if err != nil {
		t.Fatal(err)
	}
	h := NewHub(Options{Listen: network.Listen, Clock: time.Now, Logger: slog.New(slog.DiscardHandler), Limits: l})
	n := NewNode(NodeOptions{Hub: h, Role: r, Slow: NewQueue(turns), Addr: "127.0.0.1:0"})
	if err := n.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		h.Close()
		n.Shutdown()
		if u := h.Usage(); u != (Usage{}) {
			t.Errorf("in use after the end: %+v", u)
		}
	})
	return n, h, func() *client {
		nc, err := network.Dial(t.Context(), "tcp", n.Addr())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { nc.Close() })
		return &client{t, nc}
	}
}

// bubble runs f in a bubble with a node.
func bubble(t *testing.T, r role, l limits.Limits, f func(t *testing.T, n *Node, h *Hub, dial func() *client)) {
	synctest.Test(t, func(t *testing.T) {
		n, h, dial := start(t, r, l, 1)
		f(t, n, h, dial)
	})
}

type client struct {
	t  *testing.T
	nc net.Conn
}

// send sends requests with a task code.
func (c *client) send(task string, seqs ...int32) {
	c.t.Helper()
	c.sendFor(0, task, seqs...)
}

// sendFor is send for a client that says how long it waits.
func (c *client) sendFor(wait time.Duration, task string, seqs ...int32) {
	c.t.Helper()
	var out []byte
	for _, seq := range seqs {
		out = wire.AppendRequest(out, wire.RequestHeader{TimeoutMs: int32(wait.Milliseconds())}, task, seq, wire.Blob(""))
	}
	if _, err := c.nc.Write(out); err != nil {
		c.t.Fatal(err)
	}
}

// patience bounds how long a test waits for what must come.
const patience = 20 * time.Second

// next returns the sequence id of the next answer, or -1 at the end.
func (c *client) next() int32 {
	_ = c.nc.SetReadDeadline(time.Now().Add(patience))
	prefix := make([]byte, 4)
	if _, err := io.ReadFull(c.nc, prefix); err != nil {
		return -1
	}
	frame := make([]byte, binary.BigEndian.Uint32(prefix)-4)
	if _, err := io.ReadFull(c.nc, frame); err != nil {
		return -1
	}
	var rep wire.Reply
	if err := rep.Parse(frame); err != nil {
		c.t.Fatal(err)
	}
	if rep.Err != wire.ErrOK {
		c.t.Logf("request %d: %v", rep.Seq, rep.Err)
		return -rep.Seq
	}
	return rep.Seq
}

func (c *client) want(seq int32) {
	c.t.Helper()
	if got := c.next(); got != seq {
		c.t.Fatalf("answer %d, want %d", got, seq)
	}
}
