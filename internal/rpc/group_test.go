package rpc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pegasus-go/pegasus/internal/peer"
	"github.com/pegasus-go/pegasus/internal/wire"
)

// gets sends gets of n keys together, that of i to partition i, and returns the values and
// what failed.
func gets(ctx context.Context, c *Conn, n int, slow func()) (values []string, failed []error) {
	ended := make([]int, n)
	values, failed = make([]string, n), make([]error, n)
	g := (*Pool)(nil).Group(wire.TaskGet, n)
	for i := range g.Calls {
		g.Calls[i].Movable = true
	}
	c.DoAll(ctx, g, Requests{
		Head: func(i int, h *wire.RequestHeader) {
			*h = wire.RequestHeader{GPID: wire.GPID{AppID: 2, PartitionIndex: int32(i)}, TimeoutMs: 1000}
		},
		Encode: func(i int, dst []byte) []byte {
			return wire.AppendArgument(dst, wire.Key{HashKey: fmt.Append(nil, i)})
		},
		Ended: func(i int, err error) {
			ended[i]++
			if failed[i] = err; err == nil {
				var resp wire.ReadResponse
				r := g.Calls[i].Reply.ResultReader(wire.TypeStruct)
				resp.Read(&r)
				values[i] = string(resp.Value)
			}
		},
		Slow: slow,
	})
	for i, n := range ended {
		if n != 1 {
			failed[i] = fmt.Errorf("call %d has ended %d times", i, n)
		}
	}
	return values, failed
}

// Each call of a group has its own answer, beside other groups and single calls.
func TestGroups(t *testing.T) {
	c, _ := connect(t, Options{}, echo)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for n := 1; n < 100; n += 7 {
				values, failed := gets(t.Context(), c, n, nil)
				for i := range n {
					if values[i] != fmt.Sprint(i) || failed[i] != nil {
						t.Errorf("%d of %d: %q, %v", i, n, values[i], failed[i])
					}
				}
				if got, err := get(t.Context(), c, "single"); got != "single" || err != nil {
					t.Errorf("a single call: %q, %v", got, err)
				}
			}
		})
	}
	wg.Wait()
	if n := pending(c); n != 0 {
		t.Errorf("%d calls are pending at the end", n)
	}
}

// A group ends when each of its calls has an end, whatever that is: an answer, the news
// that its partition has moved, the end of the context or that of the connection.
func TestEndsOfGroups(t *testing.T) {
	for _, tc := range []struct {
		name string
		end  func(c *Conn, cancel context.CancelFunc)
		want error
		late bool
	}{
		{"the context", func(_ *Conn, cancel context.CancelFunc) { cancel() }, context.Canceled, false},
		{"the connection", func(c *Conn, _ context.CancelFunc) { c.Fail(io.EOF) }, io.EOF, false},
		{"a recall", func(c *Conn, _ context.CancelFunc) { c.Recall(moved) }, ErrMoved, false},
		{"the context, late", func(_ *Conn, cancel context.CancelFunc) { cancel() }, context.Canceled, true},
		{"the connection, late", func(c *Conn, _ context.CancelFunc) { c.Fail(io.EOF) }, io.EOF, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const n = 10
				// Even ones are answered.
				c, _ := connect(t, Options{}, func(r *peer.Request) {
					if hashKey(r)[0]%2 == 0 {
						echo(r)
					}
				})
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				var failed []error
				slow := 0
				ended := make(chan struct{})
				go func() {
					_, failed = gets(ctx, c, n, func() { slow++ })
					close(ended)
				}()
				synctest.Wait()
				if tc.late {
					time.Sleep(3 * slowGroup)
				}
				c.Recall(func(p wire.GPID) bool { return p.PartitionIndex == 1 })
				synctest.Wait()
				select {
				case <-ended:
					t.Fatal("the group has ended before all of its calls")
				default:
				}
				tc.end(c, cancel)
				<-ended
				for i, err := range failed {
					want := tc.want
					switch {
					case i%2 == 0:
						want = nil
					case i == 1:
						want = ErrMoved
					}
					var re *Error
					if !errors.Is(err, want) || err != nil && (!errors.As(err, &re) || !re.Sent) {
						t.Errorf("call %d: %v, want %v", i, err, want)
					}
				}
				if n := pending(c); n != 0 {
					t.Errorf("%d calls are pending", n)
				}
				if want := map[bool]int{true: 1}[tc.late]; slow != want {
					t.Errorf("%d times it took long, want %d", slow, want)
				}
			})
		})
	}
}

// The calls of a group are used again by later ones. Answers that come when a group has been
// given up are nobody's.
func TestGroupsAreUsedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := connect(t, Options{}, func(r *peer.Request) {
			if late := rand.N(10 * time.Millisecond); late < 9*time.Millisecond { // or never
				time.AfterFunc(late, func() { echo(r) })
			}
		})
		var p Pool
		answered := 0
		for round := range 300 {
			ctx, cancel := context.WithTimeout(t.Context(), rand.N(10*time.Millisecond))
			g := p.Group(wire.TaskGet, 1+rand.N(50))
			ended := make([]int, len(g.Calls))
			key := func(i int) string { return fmt.Sprint(round, ".", i) }
			c.DoAll(ctx, g, Requests{
				Head: func(_ int, h *wire.RequestHeader) { *h = wire.RequestHeader{TimeoutMs: 1000} },
				Encode: func(i int, dst []byte) []byte {
					return wire.AppendArgument(dst, wire.Key{HashKey: []byte(key(i))})
				},
				Ended: func(i int, err error) {
					if ended[i]++; err != nil {
						return
					}
					answered++
					var resp wire.ReadResponse
					resp.Read(g.Calls[i].Result())
					if string(resp.Value) != key(i) {
						t.Errorf("the answer to %s is %q", key(i), resp.Value)
					}
				},
			})
			for i, n := range ended {
				if n != 1 {
					t.Fatalf("call %s has ended %d times", key(i), n)
				}
			}
			g.Release()
			cancel()
		}
		if answered == 0 {
			t.Error("nothing was answered")
		}
	})
}

// A group that waits for room is not sent when its context ends.
func TestGroupWithoutRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, far := serve(t, Options{MaxBuffered: 1000})
		for range 2 { // what the writer has, and what it will have next
			send(t.Context(), c, 2000, false, nil)
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		ended := make(chan []error)
		go func() {
			_, failed := gets(ctx, c, 3, nil)
			ended <- failed
		}()
		synctest.Wait()
		cancel()
		for i, err := range <-ended {
			var re *Error
			if !errors.Is(err, context.Canceled) || !errors.As(err, &re) || re.Sent {
				t.Errorf("call %d: %v, want one that was not sent", i, err)
			}
		}
		go io.Copy(io.Discard, far)
	})
}
