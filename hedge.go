package pegasus

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/pegasus-go/pegasus/internal/rpc"
	"github.com/pegasus-go/pegasus/internal/wire"
)

// Hedge hedges reads: one that takes longer than most is sent to a secondary, too, and the
// answer that comes first counts. A secondary may be behind its primary, so that the answer
// may be an older one: do not base a write on it.
//
// It concerns Get, AppendGet, TTL, Exist, and MultiGet and its variants. They are hedged by
// TableOptions.Hedge, or for single calls by WithHedge. The zero value is what is wanted
// mostly.
type Hedge struct {
	// Delay is how long the primary alone has to answer. Default: the time in which 95 of 100
	// hedged reads of the table are answered at present.
	Delay time.Duration
	// MinDelay is the least that the default of Delay may be. Default 1 ms.
	MinDelay time.Duration
}

// hedgeShare is the share of reads that may be sent to a second server, and hedgeBurst how
// many at once.
const (
	hedgeShare = 20 // one in so many
	hedgeBurst = 10
)

type hedgeKey struct{}

// WithHedge returns a context whose reads are hedged, whatever the options of the table say.
func WithHedge(ctx context.Context, h Hedge) context.Context {
	hedgesAsked.Store(true)
	return context.WithValue(ctx, hedgeKey{}, &h)
}

// WithoutHedge returns a context whose reads are not hedged, whatever the options of the table
// and contexts around it say: for reads that a write is based on.
func WithoutHedge(ctx context.Context) context.Context {
	hedgesAsked.Store(true)
	return context.WithValue(ctx, hedgeKey{}, (*Hedge)(nil))
}

// hedgesAsked is set once a program has used WithHedge or WithoutHedge. The contexts of others,
// which can be long chains and allocate when they are asked, are not searched for it.
var hedgesAsked atomic.Bool

// hedgeOf returns how the reads of a call are hedged, nil if they are not.
func (t *Table) hedgeOf(ctx context.Context) *Hedge {
	if !hedgesAsked.Load() {
		return t.hedge // the way of most calls
	}
	if h, ok := ctx.Value(hedgeKey{}).(*Hedge); ok {
		return h
	}
	return t.hedge
}

// hedger knows how long the hedged reads of a table take, and how many may be hedged.
type hedger struct {
	slow   atomic.Int64 // about the time in which 95 of 100 are answered, in ns
	tokens atomic.Int64 // in parts of one hedge
}

const firstHedgeDelay = 10 * time.Millisecond

func newHedger() *hedger {
	h := new(hedger)
	h.slow.Store(int64(firstHedgeDelay))
	h.tokens.Store(hedgeBurst * hedgeShare)
	return h
}

// took notes how long a read has taken, or that it has taken longer. The estimate rises for
// each that is above it by as much as it falls for 19 that are below.
func (h *hedger) took(d time.Duration) {
	slow := h.slow.Load()
	step := max(slow/200, 1000)
	if int64(d) > slow {
		slow += 19 * step
	} else {
		slow -= step
	}
	h.slow.Store(max(slow, int64(100*time.Microsecond)))
	if h.tokens.Add(1) > hedgeBurst*hedgeShare {
		h.tokens.Add(-1)
	}
}

// allowed takes a hedge out of the budget.
func (h *hedger) allowed() bool {
	if h.tokens.Add(-hedgeShare) >= 0 {
		return true
	}
	h.tokens.Add(hedgeShare)
	return false
}

func (h *hedger) delay(o *Hedge) time.Duration {
	if o.Delay > 0 {
		return o.Delay
	}
	least := o.MinDelay
	if least <= 0 {
		least = time.Millisecond
	}
	return max(least, time.Duration(h.slow.Load()))
}

// hedged carries out a read by ask, which is called at the same time for the primary and for a
// secondary over the connection of that lane, if the primary takes long. Only a success ends
// the race.
func hedged[T any](ctx context.Context, t *Table, h *Hedge, o *operation, hash uint64, lane rpc.Lane, ask func(context.Context, *operation, *rpc.Node) (T, error)) (result T, err error) {
	ctx, run := t.client.begin(ctx, o, t.name, t.counters)
	defer func() { run.end(ctx, err) }()
	ctx, over := t.client.bound(ctx) // of both
	defer over()
	part := &operation{name: o.name, task: o.task, kind: o.kind, take: o.take, stored: o.stored, part: true}
	type answer struct {
		result T
		err    error
		second bool
	}
	racing, cancel := context.WithCancel(ctx)
	answers := make(chan answer, 2)
	began := time.Now()
	send := func(secondary *rpc.Node) {
		a := answer{second: secondary != nil}
		a.result, a.err = ask(racing, part, secondary)
		answers <- a
	}
	under := 1
	go send(nil)
	// The caller's bytes are in use until both have ended, which cancel makes them do.
	defer func() {
		cancel()
		for ; under > 0; under-- {
			<-answers
		}
	}()
	timer := time.NewTimer(t.hedger.delay(h))
	defer timer.Stop()
	var first error
	for {
		select {
		case a := <-answers:
			under--
			if a.err == nil {
				t.hedger.took(time.Since(began))
				return a.result, nil
			}
			if !a.second || first == nil {
				first = a.err // the error of the primary counts
			}
			if under == 0 {
				return result, first
			}
		case <-timer.C:
			if node := t.secondary(hash, lane); node != nil && t.hedger.allowed() {
				under++
				run.hedged.Store(true)
				go send(node)
			}
		}
	}
}

// secondary returns one that a request can be sent to now, or nil: any of those that there
// is a connection to. One that is met without is connected to for the next time.
func (t *Table) secondary(hash uint64, lane rpc.Lane) *rpc.Node {
	snap := t.route.Snapshot()
	if snap == nil {
		return nil
	}
	all := snap.Secondaries(snap.Locate(hash))
	if len(all) == 0 {
		return nil
	}
	first := rand.IntN(len(all))
	for i := range all {
		node := all[(first+i)%len(all)]
		if node.Hung() {
			continue
		}
		if node.Live(lane) != nil {
			return node
		}
		node.Dial(lane)
	}
	return nil
}

// doSecondary is do for the second request of a hedged read: there is one attempt.
func (t *Table) doSecondary(ctx context.Context, x *exchange, encode rpc.Encode, decode func(*wire.Reader) wire.Status) error {
	err := t.askSecondary(ctx, x, encode)
	if err != nil {
		err = t.failure(x, err)
	}
	return t.settle(ctx, x, err, decode)
}

func (t *Table) askSecondary(ctx context.Context, x *exchange, encode rpc.Encode) error {
	snap := t.route.Snapshot()
	conn := x.secondary.Live(x.lane())
	if snap == nil || conn == nil {
		return errNoSecondary
	}
	t.counters.hedges.Add(1)
	deadline, own := t.client.limit(ctx, time.Now())
	x.begin(0)
	return t.attempt(ctx, x, conn, snap.Locate(x.hash), time.Until(deadline), own, encode)
}

var errNoSecondary = errors.New("there is no connection to the secondary")
