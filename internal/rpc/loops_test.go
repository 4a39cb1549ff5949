package rpc

import (
	"bytes"
	"context"
	"net"
	"strings"
	"testing"
	"testing/synctest"
)

// countingConn counts the writes.
type countingConn struct {
	net.Conn
	writes int
}

func (c *countingConn) Write(b []byte) (int, error) {
	c.writes++
	return c.Conn.Write(b)
}

// What gathers while the connection is busy goes out in one piece.
func TestRequestsTravelTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		counting := &countingConn{Conn: near}
		c := NewConn(serverAddr, counting, Options{})
		defer c.Close()
		defer far.Close()
		const callers = 100
		for range callers {
			go get(context.Background(), c, "together")
		}
		synctest.Wait() // the writer is stuck in the first of them
		received := make([]byte, 0, 1<<16)
		for n := 0; n < callers; n = bytes.Count(received, []byte("together")) {
			n, err := far.Read(received[len(received):cap(received)])
			if err != nil {
				t.Fatal(err)
			}
			received = received[:len(received)+n]
		}
		synctest.Wait()
		if counting.writes > 2 {
			t.Errorf("%d requests took %d writes", callers, counting.writes)
		}
	})
}

// closingConn reports when it is closed.
type closingConn struct {
	net.Conn
	closed *[]string
}

func (c *closingConn) Close() error {
	*c.closed = append(*c.closed, "close")
	return c.Conn.Close()
}

// A connection that is given up is closed before there is another one, so that
// nothing reads from both.
func TestOldConnectionIsClosedFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var events []string
		p := NewPool(PoolOptions{Dial: func(context.Context, string, string) (net.Conn, error) {
			events = append(events, "dial")
			near, _ := net.Pipe() // nobody answers
			return &closingConn{near, &events}, nil
		}})
		defer p.Close()
		for range 3 {
			c, err := p.Node(serverAddr).Conn(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			c.Fail(errBroken)
		}
		if got := strings.Join(events, " "); got != "dial close dial close dial close" {
			t.Error(got)
		}
	})
}
