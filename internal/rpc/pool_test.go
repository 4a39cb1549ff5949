package rpc

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pegasus-go/pegasus/internal/memnet"
	"github.com/pegasus-go/pegasus/internal/peer"
	"github.com/pegasus-go/pegasus/internal/wire"
)

var errRefused = errors.New("nobody there")

func TestConcurrentDialsAreOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n memnet.Network
		s := peer.Serve(t, n.Listen, serverAddr, echo)
		dials := 0
		p := NewPool(PoolOptions{Dial: func(ctx context.Context, network, addr string) (net.Conn, error) {
			dials++
			time.Sleep(time.Second)
			return n.Dial(ctx, network, addr)
		}})
		defer p.Close()
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() {
				c, err := p.Node(serverAddr).Conn(t.Context())
				if err != nil {
					t.Error(err)
					return
				}
				if v, err := get(t.Context(), c, "k"); v != "k" || err != nil {
					t.Errorf("get: %q, %v", v, err)
				}
			})
		}
		wg.Wait()
		if dials != 1 || s.Accepted() != 1 {
			t.Errorf("%d dials, %d connections", dials, s.Accepted())
		}
	})
}

// One caller's context ends its own wait, not the dial that others wait for.
func TestDialOutlivesItsCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n memnet.Network
		peer.Serve(t, n.Listen, serverAddr, echo)
		p := NewPool(PoolOptions{Dial: func(ctx context.Context, network, addr string) (net.Conn, error) {
			time.Sleep(time.Second)
			return n.Dial(ctx, network, addr)
		}})
		defer p.Close()
		other := make(chan error)
		go func() {
			_, err := p.Node(serverAddr).Conn(t.Context())
			other <- err
		}()
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		var re *Error
		if _, err := p.Node(serverAddr).Conn(ctx); !errors.As(err, &re) || re.Sent || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("impatient caller: %v", err)
		}
		if err := <-other; err != nil {
			t.Errorf("patient caller: %v", err)
		}
	})
}

// Failed dials are followed by growing pauses, in which callers get the last
// failure at once.
func TestRedialPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var dials []time.Time
		p := NewPool(PoolOptions{Dial: func(context.Context, string, string) (net.Conn, error) {
			dials = append(dials, time.Now())
			return nil, errRefused
		}})
		defer p.Close()
		node := p.Node(serverAddr)
		start := time.Now()
		for time.Since(start) < 10*time.Second {
			_, err := node.Conn(t.Context())
			var re *Error
			if !errors.Is(err, errRefused) || !errors.As(err, &re) || re.Sent || re.Addr != serverAddr {
				t.Fatalf("error %v", err)
			}
			time.Sleep(time.Millisecond)
		}
		for i := 1; i < len(dials); i++ {
			pause := dials[i].Sub(dials[i-1])
			most := min(minDialPause<<(i-1), maxDialPause)
			if pause < most/2 || pause > most+time.Millisecond {
				t.Errorf("pause %d is %v, want %v to %v", i, pause, most/2, most)
			}
		}
		if n := len(dials); n < 20 || n > 60 {
			t.Errorf("%d dials in 10 s", n)
		}
	})
}

// Connections that fail at the same time are one failure.
func TestRedialPauseOfManyConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var dials atomic.Int64
		p := NewPool(PoolOptions{Connections: 8, Dial: func(context.Context, string, string) (net.Conn, error) {
			dials.Add(1)
			time.Sleep(time.Millisecond)
			return nil, errRefused
		}})
		defer p.Close()
		start := time.Now()
		for range 2 {
			var under []*Dial
			for l := range 8 {
				under = append(under, p.Node(serverAddr).Dial(Lane(l)))
			}
			for _, d := range under {
				if <-d.Done; !errors.Is(d.Err, errRefused) {
					t.Errorf("error %v", d.Err)
				}
			}
		}
		if took := time.Since(start); dials.Load() != 16 || took > minDialPause+2*time.Millisecond {
			t.Errorf("%d dials in %v", dials.Load(), took)
		}
	})
}

// The first dial after a loss is immediate, and so is the one after a success.
func TestRedialAfterLoss(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n memnet.Network
		s := peer.Serve(t, n.Listen, serverAddr, echo)
		p := NewPool(PoolOptions{Dial: n.Dial})
		defer p.Close()
		start := time.Now()
		node := p.Node(serverAddr)
		for i := range 5 {
			c, err := node.Conn(t.Context())
			if err != nil {
				t.Fatalf("dial %d: %v", i, err)
			}
			if node.Live(0) != c {
				t.Error("the connection is not live")
			}
			if _, err := get(t.Context(), c, "k"); err != nil {
				t.Error(err)
			}
			s.Disconnect()
			<-c.Dead()
			if node.Live(0) != nil {
				t.Error("a dead connection is live")
			}
		}
		if d := time.Since(start); d != 0 {
			t.Errorf("five dials took %v", d)
		}
	})
}

// After the server is back, traffic flows within the longest pause; when it goes
// again, the pauses begin with the shortest.
func TestServerComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n memnet.Network
		s := peer.Serve(t, n.Listen, serverAddr, echo)
		p := NewPool(PoolOptions{Dial: n.Dial})
		defer p.Close()
		node := p.Node(serverAddr)
		s.Stop()
		for start := time.Now(); time.Since(start) < time.Minute; time.Sleep(10 * time.Millisecond) {
			node.Conn(t.Context())
		}
		s.Start(t)
		back := time.Now()
		var c *Conn
		for {
			var err error
			if c, err = node.Conn(t.Context()); err == nil {
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
		if d := time.Since(back); d > maxDialPause+10*time.Millisecond {
			t.Errorf("connected %v after the server came back", d)
		}

		if _, err := get(t.Context(), c, "k"); err != nil {
			t.Error(err)
		}
		s.Stop()
		synctest.Wait() // it is known to be gone
		if _, err := node.Conn(t.Context()); err == nil {
			t.Fatal("connected to a server that is gone")
		}
		s.Start(t)
		time.Sleep(minDialPause)
		if _, err := node.Conn(t.Context()); err != nil {
			t.Errorf("after the shortest pause: %v", err)
		}
	})
}

func TestDialTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPool(PoolOptions{DialTimeout: 700 * time.Millisecond, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}})
		defer p.Close()
		start := time.Now()
		_, err := p.Node(serverAddr).Conn(t.Context())
		// No caller's time is over.
		if want := serverAddr + ": no connection within 700ms"; err == nil || err.Error() != want || errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v", err)
		}
		if d := time.Since(start); d != 700*time.Millisecond {
			t.Errorf("the dial took %v", d)
		}
	})
}

func TestPoolCloseDuringDial(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ended atomic.Bool
		p := NewPool(PoolOptions{Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
			<-ctx.Done()
			time.Sleep(time.Second) // Close waits for it
			ended.Store(true)
			return nil, ctx.Err()
		}})
		errs := make(chan error, 1)
		node := p.Node(serverAddr)
		go func() {
			_, err := node.Conn(context.Background())
			errs <- err
		}()
		synctest.Wait()
		p.Close()
		if !ended.Load() {
			t.Error("Close returned before the dial had ended")
		}
		if err := <-errs; !errors.Is(err, ErrClosed) {
			t.Errorf("the waiting caller: %v", err)
		}
		for _, n := range []*Node{node, p.Node("10.0.1.9:1")} {
			if _, err := n.Conn(context.Background()); !errors.Is(err, ErrClosed) {
				t.Errorf("dialing after Close: %v", err)
			}
		}
		if p.Go(func(context.Context) { t.Error("ran") }) {
			t.Error("Go accepts a function after Close")
		}
		p.Close()
	})
}

// A connection that comes about while the pool closes is closed.
func TestPoolCloseAndLateConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		defer far.Close()
		p := NewPool(PoolOptions{Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
			<-ctx.Done()
			return near, nil
		}})
		go p.Node(serverAddr).Conn(context.Background())
		synctest.Wait()
		p.Close()
		if _, err := far.Read(make([]byte, 1)); err == nil {
			t.Error("the connection is open")
		}
	})
}

func TestPoolCloseWaits(t *testing.T) {
	var n memnet.Network
	peer.Serve(t, n.Listen, serverAddr, peer.Silence)
	p := NewPool(PoolOptions{Dial: n.Dial})
	c, err := p.Node(serverAddr).Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ran := false
	p.Go(func(ctx context.Context) {
		_, err := Send(ctx, c, time.Time{}, wire.RequestHeader{}, wire.TaskGet, &wire.Key{})
		if !errors.Is(err, ErrClosed) && !errors.Is(err, context.Canceled) {
			t.Errorf("pending call: %v", err)
		}
		ran = true
	})
	p.Close()
	if !ran {
		t.Error("Close did not wait")
	}
}
