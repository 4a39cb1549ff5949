package rpc

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pegasus-go/pegasus/internal/memnet"
	"github.com/pegasus-go/pegasus/internal/peer"
	"github.com/pegasus-go/pegasus/internal/wire"
)

var long = flag.Bool("long", false, "run the long variants of tests")

func TestManyCallersOneConnection(t *testing.T) {
	c, _ := connect(t, Options{}, echo)
	var wg sync.WaitGroup
	for g := range 64 {
		wg.Go(func() {
			for i := range 50 {
				key := fmt.Sprintf("%d/%d", g, i)
				if got, err := get(t.Context(), c, key); got != key || err != nil {
					t.Errorf("get %s: %q, %v", key, got, err)
					return
				}
			}
		})
	}
	wg.Wait()
	if n := pending(c); n != 0 {
		t.Errorf("%d calls are pending at the end", n)
	}
}

// Answers in the opposite order, each of them twice, and some to nobody.
func TestAnswersInAnyOrder(t *testing.T) {
	const n = 100
	var mu sync.Mutex
	var requests []*peer.Request
	c, _ := connect(t, Options{}, func(r *peer.Request) {
		mu.Lock()
		requests = append(requests, r)
		all := len(requests) == n
		mu.Unlock()
		if !all {
			return
		}
		for i := n - 1; i >= 0; i-- {
			frame := requests[i].Frame(wire.ReadResponse{Value: hashKey(requests[i])})
			r.Send(peer.WithSeq(frame, requests[i].Seq+1000))
			r.Send(frame)
			r.Send(frame)
		}
	})
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			key := fmt.Sprint(i)
			if got, err := get(t.Context(), c, key); got != key || err != nil {
				t.Errorf("get %s: %q, %v", key, got, err)
			}
		})
	}
	wg.Wait()
}

// The answer to a call that was given up is not taken for that of the next
// one, which may well use the same call object.
func TestLateAnswerIsDropped(t *testing.T) {
	var late []byte
	c, _ := connect(t, Options{}, func(r *peer.Request) {
		if late == nil {
			late = r.Frame(wire.ReadResponse{Value: []byte("late")})
			return
		}
		r.Send(late)
		echo(r)
	})
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	_, err := get(ctx, c, "first")
	var re *Error
	if !errors.Is(err, context.DeadlineExceeded) || !errors.As(err, &re) || re.Addr != serverAddr {
		t.Fatalf("first call: %v", err)
	}
	if got, err := get(t.Context(), c, "second"); got != "second" || err != nil {
		t.Errorf("second call: %q, %v", got, err)
	}
}

func TestCancelledCallsLeaveNothing(t *testing.T) {
	n := 10_000
	if *long {
		n = 1_000_000
	}
	c, _ := connect(t, Options{MaxBuffered: 1 << 30}, peer.Silence)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range n {
		if _, err := get(ctx, c, "k"); !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
	}
	if n := pending(c); n != 0 {
		t.Errorf("%d calls are pending", n)
	}
	if n := len(c.mu.calls.slots); n > minSlots {
		t.Errorf("the table has grown to %d slots", n)
	}
}

// A cause given to the context is in the chain.
func TestCancellationCause(t *testing.T) {
	c, _ := connect(t, Options{}, peer.Silence)
	cause := errors.New("the user went away")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(cause)
	if _, err := get(ctx, c, "k"); !errors.Is(err, context.Canceled) || !errors.Is(err, cause) {
		t.Errorf("error %v", err)
	}
}

// Callers wait while the server does not read, each on its own context, and
// memory stays bounded.
func TestBackpressure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const callers, limit = 300, 64 << 10
		c, far := serve(t, Options{MaxBuffered: limit, ProbeAfter: time.Hour})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		errs := make(chan error, callers)
		key := strings.Repeat("k", 1000)
		for i := range callers {
			go func() {
				if i%2 == 0 {
					_, err := get(ctx, c, key)
					errs <- err
				} else { // no deadline but its own
					_, err := getBy(context.Background(), c, time.Now().Add(2*time.Second), key)
					errs <- err
				}
			}()
		}
		synctest.Wait()
		c.mu.Lock()
		if n := cap(c.mu.out.buf); n > 4*limit {
			t.Errorf("%d bytes are buffered, limit %d", n, limit)
		}
		waiting := callers - c.mu.calls.n
		c.mu.Unlock()
		if waiting < callers/2 {
			t.Errorf("only %d of %d callers wait for room", waiting, callers)
		}
		sent := 0
		for range callers {
			err := <-errs
			var re *Error
			if !errors.As(err, &re) || !errors.Is(err, context.DeadlineExceeded) {
				t.Fatalf("error %v", err)
			}
			if re.Sent {
				sent++
			}
		}
		if sent > callers-waiting {
			t.Errorf("%d requests count as sent, at most %d were buffered", sent, callers-waiting)
		}
		if n := pending(c); n != 0 {
			t.Errorf("%d calls are pending", n)
		}

		// With room again, calls go through.
		go io.Copy(io.Discard, far)
		synctest.Wait()
		ctx, cancel = context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var re *Error
		if _, err := get(ctx, c, key); !errors.As(err, &re) || !re.Sent {
			t.Errorf("error %v, want one of a request that was sent", err)
		}
	})
}

// When a connection breaks, calls that were written and calls that were not
// fail at once, and know which they are.
func TestDeathFailsAllCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, far := serve(t, Options{})
		type result struct {
			key string
			err error
		}
		results := make(chan result)
		call := func(key string) {
			go func() {
				_, err := get(context.Background(), c, key)
				results <- result{key, err}
			}()
			synctest.Wait()
		}
		call("in the pipe") // the writer is stuck in the middle of it
		call("buffered")
		call("buffered too")
		start := time.Now()
		far.Close()
		for range 3 {
			r := <-results
			var re *Error
			if !errors.As(r.err, &re) {
				t.Fatalf("%s: %v", r.key, r.err)
			}
			if want := r.key == "in the pipe"; re.Sent != want {
				t.Errorf("%s: sent = %v", r.key, re.Sent)
			}
			if errors.Is(r.err, context.DeadlineExceeded) {
				t.Errorf("%s: %v", r.key, r.err)
			}
		}
		if d := time.Since(start); d != 0 {
			t.Errorf("the calls failed after %v", d)
		}
		<-c.Dead()
		var re *Error
		if _, err := get(context.Background(), c, "later"); !errors.As(err, &re) || re.Sent {
			t.Errorf("a call on the dead connection: %v", err)
		}
	})
}

// A call that is given up while its request waits for the writer counts as sent:
// the request reaches the server all the same, later.
func TestGivenUpBeforeItWasWritten(t *testing.T) {
	for name, call := range map[string]func(t *testing.T, c *Conn) error{
		"context": func(t *testing.T, c *Conn) error {
			ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
			defer cancel()
			_, err := get(ctx, c, "given up")
			return err
		},
		"own deadline": func(_ *testing.T, c *Conn) error {
			_, err := getBy(context.Background(), c, time.Now().Add(time.Millisecond), "given up")
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, far := serve(t, Options{})
				go get(t.Context(), c, "in the pipe") // the writer is stuck in the middle of it
				synctest.Wait()
				var re *Error
				if err := call(t, c); !errors.As(err, &re) || !re.Sent || !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("error %v, sent: %v", err, re != nil && re.Sent)
				}
				received := make([]byte, 0, 1000)
				for !bytes.Contains(received, []byte("given up")) {
					n, err := far.Read(received[len(received):cap(received)])
					if err != nil {
						t.Fatal(err)
					}
					received = received[:len(received)+n]
				}
			})
		})
	}
}

func TestClosedByServer(t *testing.T) {
	c, _ := connect(t, Options{}, peer.Hangup)
	_, err := get(t.Context(), c, "k")
	var re *Error
	if !errors.As(err, &re) || !re.Sent || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("error %v", err)
	}
}

func TestCloseFailsCallsAndWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := connect(t, Options{}, peer.Silence)
		errs := make(chan error)
		for range 3 {
			go func() {
				_, err := get(context.Background(), c, "k")
				errs <- err
			}()
		}
		synctest.Wait()
		c.Close()
		for range 3 {
			if err := <-errs; !errors.Is(err, ErrClosed) {
				t.Errorf("pending call: %v", err)
			}
		}
		if _, err := get(context.Background(), c, "k"); !errors.Is(err, ErrClosed) {
			t.Errorf("call after Close: %v", err)
		}
		c.Close()
		c.Tell(wire.RequestHeader{}, wire.TaskClearScanner, wire.ContextID(1)) // dropped
		c.mu.Lock()
		if c.mu.out.size != 0 {
			t.Error("a request was buffered after Close")
		}
		c.mu.Unlock()
	})
}

// Tell waits for nothing, and its answers, which should not come, disturb
// nobody.
func TestTell(t *testing.T) {
	got := make(chan int64, 1)
	c, _ := connect(t, Options{}, func(r *peer.Request) {
		if r.Name() == wire.TaskClearScanner {
			arg := r.Arg
			got <- arg.I64()
			r.Fail(wire.ErrInvalidState)
			return
		}
		echo(r)
	})
	c.Tell(wire.RequestHeader{}, wire.TaskClearScanner, wire.ContextID(-77))
	if id := <-got; id != -77 {
		t.Errorf("context id %d", id)
	}
	if v, err := get(t.Context(), c, "k"); v != "k" || err != nil {
		t.Errorf("get: %q, %v", v, err)
	}
}

type brokenWriter struct{ net.Conn }

var errBroken = errors.New("wire cut")

func (brokenWriter) Write([]byte) (int, error) { return 0, errBroken }

func TestWriteFails(t *testing.T) {
	near, far := net.Pipe()
	defer far.Close()
	c := NewConn(serverAddr, brokenWriter{near}, Options{})
	defer c.Close()
	_, err := get(t.Context(), c, "k")
	var re *Error
	if !errors.Is(err, errBroken) || !errors.As(err, &re) || !re.Sent {
		t.Errorf("error %v", err)
	}
}

// A burst's buffer is not kept for good.
func TestLargeRequestsDoNotStay(t *testing.T) {
	var n memnet.Network
	peer.Serve(t, n.Listen, serverAddr, func(r *peer.Request) { r.Reply(wire.ReadResponse{}) })
	nc, err := n.Dial(t.Context(), "tcp", serverAddr)
	if err != nil {
		t.Fatal(err)
	}
	c := NewConn(serverAddr, nc, Options{})
	defer c.Close()
	big := bytes.Repeat([]byte("v"), 8<<20)
	for range 3 {
		h := wire.RequestHeader{TimeoutMs: 1000}
		if _, err := Send(t.Context(), c, time.Time{}, h, wire.TaskPut, &wire.UpdateRequest{Value: big}); err != nil {
			t.Fatal(err)
		}
	}
	for range 3 { // both buffers take part
		if _, err := get(t.Context(), c, "k"); err != nil {
			t.Fatal(err)
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if n := cap(c.mu.out.buf); n > 2*keepBuffer {
		t.Errorf("an outgoing buffer of %d bytes is kept", n)
	}
}

func TestTimeoutMs(t *testing.T) {
	for d, want := range map[time.Duration]int32{
		-time.Hour:                    1,
		0:                             1,
		1:                             1,
		time.Millisecond:              1,
		time.Millisecond + 1:          2,
		5 * time.Second:               5000,
		43 * time.Second:              43000,
		math.MaxInt32 * time.Second:   math.MaxInt32,
		math.MaxInt64:                 math.MaxInt32,
		math.MaxInt64 - 3*time.Second: math.MaxInt32,
	} {
		if got := TimeoutMs(d); got != want {
			t.Errorf("TimeoutMs(%v) = %d, want %d", d, got, want)
		}
	}
}
