package rpc

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pegasus-go/pegasus/internal/wire"
)

func moved(wire.GPID) bool { return true }

// send sends a request of the given size, and returns where its error will be.
func send(ctx context.Context, c *Conn, size int, movable bool, listener Listener) <-chan error {
	ended := make(chan error, 1)
	cl := (*Pool)(nil).Call(wire.TaskPut)
	cl.Movable, cl.Listener = movable, listener
	h := wire.RequestHeader{GPID: wire.GPID{AppID: 2}, TimeoutMs: 1000}
	go func() {
		ended <- c.Do(ctx, cl, time.Time{}, &h, func(dst []byte) []byte {
			return wire.AppendArgument(dst, wire.Key{HashKey: []byte("h"), SortKey: []byte(strings.Repeat("s", size))})
		})
	}()
	synctest.Wait()
	return ended
}

// The frame of a call that is recalled goes out all the same: nobody may say later
// that it was not sent.
func TestRecalledCallsAreSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, far := serve(t, Options{})
		send(t.Context(), c, 1, false, nil) // keeps the writer busy
		ended := send(t.Context(), c, 1, true, nil)
		c.Recall(moved)
		var re *Error
		if err := <-ended; !errors.As(err, &re) || !errors.Is(err, ErrMoved) || !re.Sent {
			t.Errorf("error %#v, want one of a request that was sent", err)
		}
		frames := make(chan []byte)
		go func() {
			b, _ := io.ReadAll(far)
			frames <- b
		}()
		synctest.Wait()
		c.Fail(io.EOF)
		if n := strings.Count(string(<-frames), wire.TaskPut); n != 2 {
			t.Errorf("%d requests were written, want 2", n)
		}
	})
}

// Calls that wait for room are recalled, too. They were not sent, so that those that
// must not be sent twice are no exception.
func TestRecallOfCallsThatWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, far := serve(t, Options{MaxBuffered: 1000})
		for range 2 { // what the writer has, and what it will have next
			send(t.Context(), c, 2000, false, nil)
		}
		ended := send(t.Context(), c, 1, false, nil)
		ctx, cancel := context.WithCancel(t.Context())
		cancelled := send(ctx, c, 1, false, nil)
		cancel()
		if err := <-cancelled; !errors.Is(err, context.Canceled) {
			t.Errorf("the call that was given up: %v", err)
		}
		c.Recall(func(wire.GPID) bool { return false })
		synctest.Wait()
		select {
		case err := <-ended:
			t.Fatalf("a call whose partition has not moved: %v", err)
		default:
		}
		c.Recall(moved)
		synctest.Wait()
		var re *Error
		select {
		case err := <-ended:
			if !errors.As(err, &re) || !errors.Is(err, ErrMoved) || re.Sent {
				t.Errorf("error %#v, want one of a request that was not sent", err)
			}
		default:
			t.Error("a call waits for a server that its partition is not on any more")
		}
		if n := pending(c); n != 2 {
			t.Errorf("%d calls are pending, want the 2 that were sent and must not be sent twice", n)
		}
		go io.Copy(io.Discard, far)
	})
}
