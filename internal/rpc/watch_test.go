package rpc

import (
	"context"
	"errors"
	"io"
	"slices"
	"sync"
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

// A request that takes long to transfer is no stall either, as long as it gets
// on, although the probe has to wait behind it.
func TestSlowRequestIsNoStall(t *testing.T) {
	const after = 2 * time.Second
	const size = 32 * piece
	for name, tc := range map[string]struct {
		readable int
		want     error
	}{
		"all is read":           {size + 2*piece, nil},
		"reading stops halfway": {size / 2, ErrStalled},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, far := serve(t, Options{ProbeAfter: after})
				var last time.Time
				answer := make(chan struct{})
				go func() {
					defer close(answer)
					b := make([]byte, piece/2)
					for n := 0; n < min(tc.readable, size); n += len(b) {
						time.Sleep(after / 3)
						if _, err := io.ReadFull(far, b); err != nil {
							return
						}
						last = time.Now()
					}
					if tc.readable > size {
						go io.Copy(io.Discard, far)
						far.Write(reply(t, 0, []byte("v")))
					}
				}()
				_, err := get(t.Context(), c, string(make([]byte, size)))
				<-answer
				if !errors.Is(err, tc.want) {
					t.Errorf("error %v", err)
				}
				if d := time.Since(last); d > 2*after {
					t.Errorf("ended %v after the last read", d)
				}
			})
		})
	}
}

// A server that reads and does not answer is found out, however much it reads:
// later, because what it was sent may also be on its way.
func TestStalledServerThatReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const after = 2 * time.Second
		c, _ := connect(t, Options{ProbeAfter: after}, peer.Silence)
		start := time.Now()
		var err error
		for time.Since(start) < 10*after && !errors.Is(err, ErrStalled) {
			ctx, cancel := context.WithTimeout(t.Context(), after/10)
			_, err = get(ctx, c, string(make([]byte, 4*piece)))
			cancel()
		}
		if d := time.Since(start); d > 5*after {
			t.Errorf("noticed after %v", d)
		}
	})
}

// A call that takes long costs few probes; one that comes in addition is watched
// as closely as ever.
func TestProbesOfOneCallBecomeRare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const after = 2 * time.Second
		var probes []time.Duration
		start := time.Now()
		hung := false
		c, _ := connect(t, Options{ProbeAfter: after}, func(r *peer.Request) {
			if r.Name() == taskProbe {
				probes = append(probes, time.Since(start))
				if hung {
					return
				}
			}
			answerProbes(r)
		})
		done := make(chan error)
		go func() {
			_, err := getBy(context.Background(), c, start.Add(time.Hour), "slow")
			done <- err
		}()
		time.Sleep(3*time.Minute + time.Second)
		synctest.Wait()
		want := []time.Duration{after, 3 * after, 7 * after, 15 * after}
		for at := 15*after + maxProbePause; at < 3*time.Minute+time.Second; at += maxProbePause {
			want = append(want, at)
		}
		if !slices.Equal(probes, want) {
			t.Errorf("probes at %v, want %v", probes, want)
		}
		hung = true
		again := time.Now()
		if _, err := get(t.Context(), c, "another"); !errors.Is(err, ErrStalled) {
			t.Error(err)
		}
		if d := time.Since(again); d > 3*after {
			t.Errorf("noticed after %v", d)
		}
		if err := <-done; !errors.Is(err, ErrStalled) {
			t.Error(err)
		}
	})
}

// Nothing runs while nobody waits for anything, and nothing is kept for it.
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
			var burst sync.WaitGroup
			for range 10 * minSlots {
				burst.Go(func() {
					if _, err := get(context.Background(), c, "k"); err != nil {
						t.Error(err)
					}
				})
			}
			burst.Wait()
			time.Sleep(time.Hour)
			c.mu.Lock()
			if !c.mu.watch.at.IsZero() {
				t.Error("the watch runs")
			}
			if n := len(c.mu.calls.slots); n > minSlots {
				t.Errorf("%d slots are kept", n)
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
