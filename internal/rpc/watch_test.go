package rpc

import (
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pegasus-go/pegasus/internal/peer"
)

// answerProbes answers what no server knows, as all servers do, and no get.
func answerProbes(r *peer.Request) {
	if r.Name() == taskProbe {
		peer.Code("ERR_HANDLER_NOT_FOUND")(r)
	}
}

// Calls without a deadline in their contexts end at their own.
func TestOwnDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := connect(t, Options{}, answerProbes)
		start := time.Now()
		deadlines := []time.Duration{30 * time.Second, time.Second, 9 * time.Second, time.Millisecond}
		done := make(chan error)
		for _, d := range deadlines {
			go func() {
				_, err := getBy(context.Background(), c, start.Add(d), "k")
				if took := time.Since(start); took != d {
					err = errors.Join(err, errors.New("ended after "+took.String()+" instead of "+d.String()))
				}
				done <- err
			}()
		}
		for range deadlines {
			err := <-done
			var re *Error
			if !errors.Is(err, ErrTimeout) || !errors.Is(err, context.DeadlineExceeded) || !errors.As(err, &re) || !re.Sent || re != err {
				t.Errorf("error %v", err)
			}
		}
		select {
		case <-c.Dead():
			t.Error("a slow server whose probes are answered counts as dead")
		default:
		}
	})
}

// A server that is silent, probes included, is given up within two probe times.
func TestStalledServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const after = 2 * time.Second
		c, _ := connect(t, Options{ProbeAfter: after}, peer.Silence)
		start := time.Now()
		_, err := get(context.Background(), c, "k")
		var re *Error
		if !errors.Is(err, ErrStalled) || !errors.As(err, &re) || !re.Sent {
			t.Errorf("error %v", err)
		}
		if d := time.Since(start); d != 2*after {
			t.Errorf("noticed after %v", d)
		}
	})
}

// The same if it does not even read.
func TestServerThatDoesNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := serve(t, Options{})
		if _, err := get(context.Background(), c, "k"); !errors.Is(err, ErrStalled) {
			t.Errorf("error %v", err)
		}
	})
}

// Callers with little patience, one at a time, do not hide a dead server: not
// even if none of them waits when the probe is due.
func TestStalledServerAndShortCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const after = 2 * time.Second
		c, _ := connect(t, Options{ProbeAfter: after}, peer.Silence)
		start := time.Now()
		for time.Since(start) < 10*after {
			ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
			_, err := get(ctx, c, "k")
			cancel()
			if errors.Is(err, ErrStalled) {
				break
			}
			time.Sleep(600 * time.Millisecond)
		}
		select {
		case <-c.Dead():
		default:
			t.Errorf("not noticed in %v", time.Since(start))
		}
		if d := time.Since(start); d > 3*after {
			t.Errorf("noticed after %v", d)
		}
	})
}

// Any byte is a sign of life: a reply that takes long to transfer is no stall.
func TestSlowTransferIsNoStall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, far := serve(t, Options{ProbeAfter: 2 * time.Second})
		go io.Copy(io.Discard, far)
		go func() {
			b := reply(t, 0, make([]byte, 10*readBuffer))
			for len(b) > 0 {
				time.Sleep(time.Second)
				n := min(len(b), readBuffer/4)
				far.Write(b[:n])
				b = b[n:]
			}
		}()
		start := time.Now()
		if v, err := get(context.Background(), c, "k"); err != nil || len(v) != 10*readBuffer {
			t.Errorf("%d bytes, %v", len(v), err)
		}
		if d := time.Since(start); d < 30*time.Second {
			t.Errorf("the transfer took %v only", d)
		}
	})
}

// Nothing runs while nobody waits for anything.
func TestIdleConnectionHasNoTimer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		probes := 0
		c, _ := connect(t, Options{}, func(r *peer.Request) {
			if r.Name() == taskProbe {
				probes++
			}
			echo(r)
		})
		for range 3 {
			if _, err := get(context.Background(), c, "k"); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Hour)
			c.mu.Lock()
			if !c.mu.watchAt.IsZero() {
				t.Error("the watch runs")
			}
			c.mu.Unlock()
		}
		if probes > 0 {
			t.Errorf("%d probes", probes)
		}
	})
}

// A silence before a call does not count as one after it.
func TestSilenceBeginsWithTheCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const after = 2 * time.Second
		var c *Conn
		c, _ = connect(t, Options{ProbeAfter: after}, peer.Each(echo, peer.Silence))
		if _, err := get(context.Background(), c, "k"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(after - time.Millisecond) // the watch is about to look
		start := time.Now()
		if _, err := get(context.Background(), c, "k"); !errors.Is(err, ErrStalled) {
			t.Errorf("error %v", err)
		}
		if d := time.Since(start); d < 2*after {
			t.Errorf("given up after %v", d)
		}
	})
}
