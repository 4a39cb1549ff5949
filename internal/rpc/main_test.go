package rpc

import (
	"context"
	"net"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/pegasus-go/pegasus/internal/memnet"
	"github.com/pegasus-go/pegasus/internal/peer"
	"github.com/pegasus-go/pegasus/internal/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const serverAddr = "10.0.1.1:34801"

// connect returns a connection to a server in memory.
func connect(t testing.TB, opts Options, h peer.Handler) (*Conn, *peer.Server) {
	t.Helper()
	var n memnet.Network
	s := peer.Serve(t, n.Listen, serverAddr, h)
	nc, err := n.Dial(context.Background(), "tcp", serverAddr)
	if err != nil {
		t.Fatal(err)
	}
	c := NewConn(serverAddr, nc, opts)
	t.Cleanup(c.Close)
	return c, s
}

// serve returns a connection whose other end belongs to the test.
func serve(t testing.TB, opts Options) (*Conn, net.Conn) {
	t.Helper()
	near, far := net.Pipe()
	c := NewConn(serverAddr, near, opts)
	t.Cleanup(func() {
		far.Close()
		c.Close()
	})
	return c, far
}

// echo answers a get with the hash key.
func echo(r *peer.Request) { r.Reply(wire.ReadResponse{Value: hashKey(r)}) }

// hashKey returns the hash key of a get. (The argument is a bare key.)
func hashKey(r *peer.Request) []byte {
	arg := r.Arg
	return arg.Blob()[2:]
}

// get calls with the key and returns the value of the answer.
func get(ctx context.Context, c *Conn, key string) (string, error) {
	return getBy(ctx, c, time.Now().Add(time.Minute), key)
}

func getBy(ctx context.Context, c *Conn, deadline time.Time, key string) (string, error) {
	h := wire.RequestHeader{GPID: wire.GPID{AppID: 2}, TimeoutMs: 1000}
	reply, err := Send(ctx, c, deadline, h, wire.TaskGet, &wire.Key{HashKey: []byte(key)})
	if err != nil {
		return "", err
	}
	if reply.Err != wire.ErrOK {
		return "", reply.Err
	}
	var resp wire.ReadResponse
	r := reply.ResultReader(wire.TypeStruct)
	resp.Read(&r)
	return string(resp.Value), r.Err()
}

// pending returns the number of calls that wait for an answer.
func pending(c *Conn) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.mu.calls.n
}
