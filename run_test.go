package pegasus_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/internal/peer"
	"github.com/pegasus-go/pegasus/internal/wire"
)

// tally adds up what an observer is told about operations and attempts.
type tally struct {
	mu       sync.Mutex
	started  int
	attempts map[pegasus.AttemptKind]int
	retrying map[pegasus.RetryReason]int
	ended    []pegasus.OperationEnded
	wrong    []string

	phase int                        // of operations that begin now
	took  map[string][]time.Duration // the answered attempts of operations of this phase, by server
}

// begun is an operation, in its context, and what was told with that.
type begun struct {
	name                          string
	phase                         int
	attempts                      map[pegasus.AttemptKind]int
	open, retries, sent, received int
	over                          bool
}

type tallyKey struct{}

func (c *tally) observer() pegasus.Observer {
	c.attempts = make(map[pegasus.AttemptKind]int)
	c.retrying = make(map[pegasus.RetryReason]int)
	// told looks up the operation, which is under way.
	told := func(ctx context.Context, operation, what string, f func(*begun)) {
		c.mu.Lock()
		defer c.mu.Unlock()
		b, ok := ctx.Value(tallyKey{}).(*begun)
		if !ok || b.name != operation || b.over {
			c.wrong = append(c.wrong, fmt.Sprintf("%s of %s: with the context of %+v", what, operation, b))
			return
		}
		f(b)
	}
	return pegasus.Observer{
		OperationStarted: func(ctx context.Context, e pegasus.OperationStarted) context.Context {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.started++
			return context.WithValue(ctx, tallyKey{}, &begun{name: e.Operation, phase: c.phase, attempts: make(map[pegasus.AttemptKind]int)})
		},
		OperationEnded: func(ctx context.Context, e pegasus.OperationEnded) {
			told(ctx, e.Operation, "end", func(b *begun) {
				b.over = true
				c.ended = append(c.ended, e)
				if wrong := b.compare(&e); wrong != "" {
					c.wrong = append(c.wrong, fmt.Sprintf("%s: %+v ended with %+v", wrong, *b, e))
				}
			})
		},
		AttemptStarted: func(ctx context.Context, e pegasus.AttemptStarted) {
			told(ctx, e.Operation, "attempt", func(b *begun) {
				c.attempts[e.Kind]++
				b.attempts[e.Kind]++
				b.open++
			})
		},
		AttemptEnded: func(ctx context.Context, e pegasus.AttemptEnded) {
			told(ctx, e.Operation, "end of an attempt", func(b *begun) {
				b.open--
				b.sent += e.BytesOut
				b.received += e.BytesIn
				if e.Err == nil && c.took != nil && b.phase == c.phase {
					c.took[e.Server] = append(c.took[e.Server], e.Duration)
				}
			})
		},
		Retrying: func(ctx context.Context, e pegasus.Retrying) {
			told(ctx, e.Operation, "retry", func(b *begun) {
				c.retrying[e.Reason]++
				b.retries++
			})
		},
	}
}

// compare says what is wrong about the end of an operation.
func (b *begun) compare(e *pegasus.OperationEnded) string {
	all := 0
	for _, n := range b.attempts {
		all += n
	}
	switch {
	case b.open != 0:
		return "an attempt has not ended"
	case all != e.Attempts:
		return "another number of attempts"
	case b.attempts[pegasus.AttemptRetry]+b.attempts[pegasus.AttemptReroute] != b.retries:
		return "another number of retries"
	case b.attempts[pegasus.AttemptHedge] > 0 && !e.Hedged:
		return "not hedged"
	case b.sent != e.BytesOut || b.received != e.BytesIn:
		return "another number of bytes"
	}
	return ""
}

// next begins another phase, and returns how long attempts took in the one before.
func (c *tally) next() (took map[string][]time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	took, c.took = c.took, make(map[string][]time.Duration)
	c.phase++
	return took
}

func (c *tally) count(kind pegasus.AttemptKind) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.attempts[kind]
}

func (c *tally) reason(r pegasus.RetryReason) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.retrying[r]
}

// check compares the counts with each other.
func (c *tally) check(t *testing.T) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	attempts, sum, retries := 0, 0, 0
	for _, n := range c.attempts {
		attempts += n
	}
	for _, e := range c.ended {
		sum += e.Attempts
	}
	for _, n := range c.retrying {
		retries += n
	}
	if c.started != len(c.ended) {
		t.Errorf("%d operations were started, %d ended", c.started, len(c.ended))
	}
	if len(c.wrong) > 0 {
		t.Errorf("%d operations do not add up: %s", len(c.wrong), c.wrong[0])
	}
	if attempts != sum {
		t.Errorf("%d attempts, %d by the operations", attempts, sum)
	}
	if n := c.attempts[pegasus.AttemptRetry] + c.attempts[pegasus.AttemptReroute]; n != retries {
		t.Errorf("%d attempts are retries, %d retries were told of", n, retries)
	}
}

// Every operation begins and ends once, whatever becomes of it, and its attempts add up.
func TestOperationEvents(t *testing.T) {
	for name, tc := range map[string]struct {
		fault    func(c *peer.Cluster)
		outcome  pegasus.ErrorClass
		attempts int // 0: any number
		retries  map[pegasus.RetryReason]int
	}{
		"well":   {func(*peer.Cluster) {}, pegasus.ClassOK, 1, nil},
		"busy":   {func(c *peer.Cluster) { answerAll(c, peer.Each(peer.Code(wire.ErrBusy), answer)) }, pegasus.ClassOK, 2, map[pegasus.RetryReason]int{pegasus.RetryBusy: 1}},
		"denied": {func(c *peer.Cluster) { answerAll(c, peer.Code(wire.ErrACLDeny)) }, pegasus.ClassDenied, 1, nil},
		"silent": {func(c *peer.Cluster) { answerAll(c, peer.Silence) }, pegasus.ClassTimeout, 1, nil},
		"down":   {func(c *peer.Cluster) { c.Nodes[0].Stop() }, pegasus.ClassTimeout, 0, nil},
		"gone":   {func(c *peer.Cluster) { c.On(wire.TaskGet, peer.Each(peer.Code(wire.ErrInvalidState), answer)) }, pegasus.ClassOK, 2, map[pegasus.RetryReason]int{pegasus.RetryNotPrimary: 1}},
		"lost":   {func(c *peer.Cluster) { c.On(wire.TaskGet, peer.Each(peer.Hangup, answer)) }, pegasus.ClassOK, 2, map[pegasus.RetryReason]int{pegasus.RetryConnection: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			var c tally
			configured(t, pegasus.Config{Observers: []pegasus.Observer{c.observer(), {}}}, func(t *testing.T, cl *peer.Cluster, tb pegasus.TableConnector) {
				tc.fault(cl)
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				_, err := tb.Get(ctx, h, s)
				synctest.Wait()
				c.check(t)
				if len(c.ended) != 2 || c.ended[0].Operation != "OpenTable" || c.ended[0].Err != nil || c.ended[0].Attempts != 0 {
					t.Fatalf("ended %+v", c.ended)
				}
				e := c.ended[1]
				if e.Operation != "Get" || e.Table != "temp" || !errors.Is(e.Err, err) || pegasus.ClassOf(e.Err) != tc.outcome {
					t.Errorf("ended %+v, returned %v", e, err)
				}
				if tc.attempts != 0 && (e.Attempts != tc.attempts || e.Server != cl.Nodes[0].Addr() || e.TableID != peer.AppID || e.BytesOut == 0) {
					t.Errorf("%+v, want %d attempts", e, tc.attempts)
				}
				if tc.retries != nil && !maps.Equal(c.retrying, tc.retries) {
					t.Errorf("retries %v, want %v", c.retrying, tc.retries)
				}
			})
		})
	}
}

// What is refused for its arguments is no operation; what has no time left is one
// without attempts.
func TestOperationsWithoutAttempts(t *testing.T) {
	var c tally
	configured(t, pegasus.Config{Observers: []pegasus.Observer{c.observer()}}, func(t *testing.T, _ *peer.Cluster, tb pegasus.TableConnector) {
		tb.Get(t.Context(), nil, s)
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		tb.Get(ended, h, s)
		c.check(t)
		if len(c.ended) != 2 || pegasus.ClassOf(c.ended[1].Err) != pegasus.ClassCanceled || c.ended[1].Attempts != 0 || c.ended[1].Partition != -1 {
			t.Errorf("ended %+v", c.ended)
		}
	})
}

// A batch is one operation, whose requests are its attempts; those of a scan are
// operations each.
func TestOperationsOfManyRequests(t *testing.T) {
	var c tally
	configured(t, pegasus.Config{Observers: []pegasus.Observer{c.observer()}}, func(t *testing.T, cl *peer.Cluster, tb pegasus.TableConnector) {
		var keys []pegasus.CompositeKey
		for i := range 8 {
			for range 2 {
				keys = append(keys, pegasus.CompositeKey{HashKey: hashKey(8, i, 0), SortKey: s})
			}
		}
		if _, err := tb.BatchGet(t.Context(), keys); err != nil {
			t.Fatal(err)
		}
		c.check(t)
		many := tb.(*pegasus.Table)
		puts := make([]pegasus.Put, 40)
		for i := range puts {
			puts[i] = pegasus.Put{HashKey: hashKey(8, i%8, 0), Value: s}
		}
		cl.On(wire.TaskPut, peer.Each(peer.Code(wire.ErrBusy), answer))
		before := c.attempts[pegasus.AttemptRetry]
		if outcomes, err := many.SetMany(t.Context(), puts); err != nil || outcomes.Err() != nil {
			t.Fatal(err, outcomes.Err())
		}
		if e := c.ended[len(c.ended)-1]; e.Operation != "SetMany" || e.Attempts != 41 || e.BytesOut == 0 || e.BytesIn == 0 {
			t.Errorf("ended %+v", e)
		}
		if n := c.attempts[pegasus.AttemptRetry] - before; n != 1 {
			t.Errorf("%d attempts were retries", n)
		}
		sc, err := tb.GetScanner(t.Context(), h, nil, nil, nil)
		if err == nil {
			err = next(t.Context(), sc)
		}
		if err != nil {
			t.Fatal(err)
		}
		sc.Close()
		synctest.Wait()
		c.check(t)
		if len(c.ended) != 4 || c.ended[1].Operation != "BatchGet" || c.ended[1].Attempts != 8 || c.ended[1].BytesIn == 0 || c.ended[3].Operation != "Next" {
			t.Errorf("ended %+v", c.ended)
		}
	})
}
