package memnet

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

func listen(t *testing.T, n *Network, addr string) net.Listener {
	t.Helper()
	l, err := n.Listen(addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func dial(t *testing.T, n *Network, addr string) net.Conn {
	t.Helper()
	c, err := n.Dial(t.Context(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func TestBothDirections(t *testing.T) {
	var n Network
	l := listen(t, &n, "10.0.0.1:34801")
	near := dial(t, &n, "10.0.0.1:34801")
	far, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	if near.RemoteAddr().String() != "10.0.0.1:34801" || near.LocalAddr().String() != far.RemoteAddr().String() ||
		far.LocalAddr().String() != l.Addr().String() {
		t.Errorf("near %v-%v, far %v-%v", near.LocalAddr(), near.RemoteAddr(), far.LocalAddr(), far.RemoteAddr())
	}
	go func() {
		io.WriteString(near, "ping")
		io.ReadFull(near, make([]byte, 4))
		near.Close()
	}()
	b := make([]byte, 4)
	if _, err := io.ReadFull(far, b); err != nil || string(b) != "ping" {
		t.Fatalf("read %q, %v", b, err)
	}
	io.WriteString(far, "pong")
	if _, err := far.Read(b); err != io.EOF {
		t.Errorf("read after the other end closed: %v, want EOF", err)
	}
}

func TestAddresses(t *testing.T) {
	var n Network
	l := listen(t, &n, "meta:34601")
	if _, err := n.Listen("meta:34601"); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("second listener: %v", err)
	}
	if _, err := n.Listen("meta"); err == nil {
		t.Error("an address without a port is accepted")
	}
	a, b := listen(t, &n, "meta:0"), listen(t, &n, "meta:0")
	if a.Addr().String() == b.Addr().String() || a.Addr().String() == "meta:0" {
		t.Errorf("assigned %v and %v", a.Addr(), b.Addr())
	}
	dial(t, &n, a.Addr().String())
	if _, err := n.Dial(t.Context(), "tcp", "other:34601"); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("dialing nobody: %v", err)
	}
	l.Close()
	l.Close()
	if _, err := n.Dial(t.Context(), "tcp", "meta:34601"); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("dialing a closed listener: %v", err)
	}
	if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("accepting on a closed listener: %v", err)
	}
	listen(t, &n, "meta:34601")
}

// Assigned ports start over, and pass over those in use.
func TestPortsWrap(t *testing.T) {
	n := Network{port: lastPort - 1}
	want := []string{"h:65535", "h:49152", "h:49153"}
	listen(t, &n, "h:49152")
	want = append(want[:1], want[2:]...)
	for _, w := range want {
		if l := listen(t, &n, "h:0"); l.Addr().String() != w {
			t.Errorf("assigned %v, want %v", l.Addr(), w)
		}
	}
}

func TestBacklog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n Network
		l := listen(t, &n, "h:1")
		var waiting []net.Conn
		for range backlog {
			waiting = append(waiting, dial(t, &n, "h:1"))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := n.Dial(ctx, "tcp", "h:1"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("dialing with a full backlog: %v", err)
		}
		if _, err := n.Dial(ctx, "tcp", "h:1"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("dialing with a context that ended: %v", err)
		}
		refused := make(chan error)
		go func() {
			_, err := n.Dial(t.Context(), "tcp", "h:1")
			refused <- err
		}()
		synctest.Wait()
		l.Close()
		// Which of the two the last one met is up to the scheduler.
		if err := <-refused; err != nil && !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("dialing while the listener closes: %v", err)
		}
		for _, c := range waiting {
			if _, err := c.Read(make([]byte, 1)); err != io.EOF {
				t.Fatalf("read from a connection that nobody accepted: %v, want EOF", err)
			}
		}
	})
}

func TestDeadlineOnFakeClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n Network
		listen(t, &n, "h:1")
		c := dial(t, &n, "h:1")
		start := time.Now()
		c.SetDeadline(start.Add(time.Hour))
		if _, err := c.Write([]byte("x")); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("write: %v", err)
		}
		if d := time.Since(start); d != time.Hour {
			t.Errorf("the write took %v", d)
		}
	})
}
