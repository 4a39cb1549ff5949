package pegasus

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/pegasus-go/pegasus/internal/route"
	"github.com/pegasus-go/pegasus/internal/rpc"
	"github.com/pegasus-go/pegasus/internal/schema"
	"github.com/pegasus-go/pegasus/internal/wire"
)

// ErrNotAttempted: an item of a batch was never sent, because the time was over before, or
// because there was no way to its server.
var ErrNotAttempted = errors.New("not attempted")

// many is a number of requests, one for each item, that are handed to their connections
// together. Those that fail, and those without a connection, go the way of single
// requests, while others are still under way: no item waits for one that takes long.
type many struct {
	table  *Table
	op     *operation
	n      int
	hash   func(i int) uint64
	size   func(i int) int // bytes of keys and values
	encode func(i int, dst []byte) []byte
	decode func(i int, r *wire.Reader) wire.Status // nil if op.take does it
	check  func(i int) error                       // why what decode has found is no value, if there is that
	bulk   bool

	deadline, own time.Time
	whole         *run // what the items have come to
	errs          []error

	wg   sync.WaitGroup
	mu   sync.Mutex
	rest map[*rpc.Node]*queue // for singly, by server; made when it is needed
}

// queue is items for one server, and how many goroutines carry them out.
type queue struct {
	rest    []remainder
	workers int
}

const (
	// chunkItems and chunkBytes bound what is handed to a connection at once.
	chunkItems = 128
	chunkBytes = bulkRequest
	// batchParallel is how many single requests of a batch are under way to a server.
	batchParallel = 32
)

// run carries the batch out and returns the error of each item.
func (b *many) run(ctx context.Context) []error {
	t := b.table
	b.errs = make([]error, b.n)
	ctx, b.whole = t.client.begin(ctx, b.op, t.name, t.counters)
	defer func() { b.whole.end(ctx, Outcomes(b.errs).Err()) }()
	b.deadline, b.own = t.client.limit(ctx, time.Now())
	limited := ctx
	if !b.own.IsZero() {
		var cancel context.CancelFunc
		limited, cancel = context.WithDeadline(ctx, b.own)
		defer cancel()
	}
	x := exchange{op: b.op, course: &course{deadline: b.deadline, own: b.own}}
	snap, err := t.snapshot(limited, &x)
	if err != nil {
		err = notAttempted(t.failure(&x, err))
		for i := range b.errs {
			b.errs[i] = err
		}
		return b.errs
	}
	shares := b.divide(limited, snap)
	for i := 1; i < len(shares); i++ {
		b.wg.Go(func() { b.sendAll(limited, shares[i]) })
	}
	if len(shares) > 0 {
		b.sendAll(limited, shares[0])
	}
	b.wg.Wait()
	for i, err := range b.errs {
		if err == nil && b.check != nil {
			if err = b.check(i); err != nil {
				b.errs[i] = t.failure(&exchange{op: b.op}, err)
			}
		}
	}
	return b.errs
}

// remainder is an item that was not carried out together with others, and why.
type remainder struct {
	item      int
	partition *route.Partition // of the attempt, nil if there was none
	err       error
	sent      int // bytes
}

// place is where an item goes.
type place struct {
	item      int
	hash      uint64
	partition *route.Partition
}

// share is the items of one connection.
type share struct {
	conn   *rpc.Conn
	places []place
}

// divide finds the connection of each item. What has none, or is large, goes its own way.
func (b *many) divide(ctx context.Context, snap *route.Snapshot) (shares []*share) {
	lane := rpc.Lane(0)
	if b.bulk {
		lane = rpc.Bulk
	}
	of := make(map[*rpc.Conn]*share)
	s := new(share) // of the item before
	for i := range b.n {
		hash := b.hash(i)
		p := snap.Locate(hash)
		var conn *rpc.Conn
		if p.Primary != nil && b.size(i) <= chunkBytes {
			if !b.bulk {
				lane = rpc.Lane(hash >> 48)
			}
			conn = p.Primary.Live(lane)
		}
		if conn == nil {
			b.later(ctx, p.Primary, remainder{item: i})
			continue
		}
		if s.conn != conn {
			if s = of[conn]; s == nil {
				s = &share{conn: conn}
				if len(shares) == 0 { // which has all items, mostly
					s.places = make([]place, 0, b.n)
				}
				of[conn] = s
				shares = append(shares, s)
			}
		}
		s.places = append(s.places, place{i, hash, p})
	}
	return shares
}

// sendAll hands the items over in chunks: one after the other, unless one takes long.
func (b *many) sendAll(ctx context.Context, s *share) {
	for len(s.places) > 0 {
		n := b.chunk(s.places)
		places := s.places[:n]
		s.places = s.places[n:]
		slow := false
		b.send(ctx, s.conn, places, func() {
			slow = true
			b.wg.Go(func() { b.sendAll(ctx, s) })
		})
		if slow {
			return
		}
	}
}

// chunk returns how many of the items are handed over at once.
func (b *many) chunk(places []place) int {
	size := 0
	for n, p := range places {
		if size += b.size(p.item); n > 0 && size > chunkBytes || n == chunkItems {
			return n
		}
	}
	return len(places)
}

// send makes an attempt with items of one connection. If it takes long it calls slow, once.
func (b *many) send(ctx context.Context, conn *rpc.Conn, places []place, slow func()) {
	t := b.table
	if ctx.Err() != nil {
		for _, p := range places {
			b.later(ctx, p.partition.Primary, remainder{item: p.item})
		}
		return
	}
	g := t.client.pool.Group(b.op.task, len(places))
	now := time.Now()
	for k := range g.Calls {
		t.prepareCall(&g.Calls[k], b.op, now)
	}
	var attempts []sending
	if t.client.attempts {
		attempts = make([]sending, len(places))
		for k, p := range places {
			attempts[k] = t.attemptStarted(ctx, &exchange{op: b.op, call: &g.Calls[k]}, p.partition)
		}
	}
	var sum spent
	ended := func(k int, err error) {
		p, cl := places[k], &g.Calls[k]
		if err == nil && cl.Code != wire.ErrOK {
			err = ErrorCode(cl.Code)
		}
		x := exchange{op: b.op, call: cl, partition: p.partition}
		if attempts != nil {
			t.attemptEnded(ctx, &x, &attempts[k], err)
		}
		if err != nil {
			b.later(ctx, p.partition.Primary, remainder{p.item, p.partition, err, cl.Sent})
			return
		}
		p.partition.Primary.Budget.Succeeded()
		b.errs[p.item] = t.decoded(&x, b.decoder(p.item))
		sum.add(cl)
	}
	timeout := rpc.TimeoutMs(b.deadline.Sub(now))
	conn.DoAll(ctx, g, rpc.Requests{
		Head: func(k int, h *wire.RequestHeader) {
			p := &places[k]
			*h = wire.RequestHeader{GPID: p.partition.GPID, TimeoutMs: timeout, ThreadHash: p.partition.ThreadHash(), PartitionHash: p.hash}
		},
		Encode: func(k int, dst []byte) []byte { return b.encode(places[k].item, dst) },
		Ended:  ended,
		Slow:   slow,
	})
	g.Release() // not deferred: while a panic unwinds, calls may be under way
	b.whole.add(sum)
}

func (b *many) decoder(i int) func(*wire.Reader) wire.Status {
	if b.decode == nil {
		return nil
	}
	return func(r *wire.Reader) wire.Status { return b.decode(i, r) }
}

// later has an item carried out by singly.
func (b *many) later(ctx context.Context, server *rpc.Node, r remainder) {
	b.mu.Lock()
	defer b.mu.Unlock()
	q := b.rest[server]
	if q == nil {
		if b.rest == nil {
			b.rest = make(map[*rpc.Node]*queue)
		}
		q = new(queue)
		b.rest[server] = q
	}
	q.rest = append(q.rest, r)
	if q.workers < batchParallel {
		q.workers++
		b.wg.Go(func() { b.singly(ctx, q) })
	}
}

// singly carries out what is left, with what is known of it already.
func (b *many) singly(ctx context.Context, q *queue) {
	for {
		b.mu.Lock()
		if len(q.rest) == 0 {
			q.workers--
			b.mu.Unlock()
			return
		}
		r := q.rest[0]
		q.rest = q.rest[1:]
		b.mu.Unlock()
		b.errs[r.item] = b.one(ctx, r)
	}
}

func (b *many) one(ctx context.Context, r remainder) error {
	t := b.table
	x := exchange{
		op: b.op, bulk: b.bulk, large: b.size(r.item) > bulkRequest, target: target{hash: b.hash(r.item)},
		partition: r.partition, course: &course{deadline: b.deadline, own: b.own},
	}
	if r.partition != nil {
		x.attempts = 1
	}
	if err := t.ended(); err != nil && r.partition == nil {
		return notAttempted(t.refuse(b.op, err))
	}
	t.prepare(&x, time.Now())
	x.call.Attempts, x.call.Sent = x.attempts, r.sent
	err := t.settle(ctx, &x, t.retry(ctx, &x, func(dst []byte) []byte { return b.encode(r.item, dst) }, r.err), b.decoder(r.item))
	return notAttempted(err)
}

// notAttempted makes the error of an item that was never sent say so.
func notAttempted(err error) error {
	var pe *PError
	if !errors.As(err, &pe) || pe.sent {
		return err
	}
	copied := *pe
	copied.Err = &cause{fmt.Sprintf("%v: %v", ErrNotAttempted, pe.Err), []error{ErrNotAttempted, pe.Err}}
	return &copied
}

// summary is the error of a batch of which some items have failed: how many, and the first
// few.
func summary(what string, errs []error) error {
	failed := 0
	var causes []error
	const most = 3
	text := ""
	for i, err := range errs {
		if err == nil {
			continue
		}
		if failed++; failed <= most {
			text += fmt.Sprintf("; %s %d: %v", what, i, err)
			causes = append(causes, err)
		}
	}
	if failed == 0 {
		return nil
	}
	more := ""
	if failed > most {
		more = fmt.Sprintf("; and %d more", failed-most)
	}
	return &cause{fmt.Sprintf("pegasus: %d of %d %ss failed%s%s", failed, len(errs), what, text, more), causes}
}

// Outcomes are the errors of the items of a batch of writes, in their order; nil for those
// that succeeded.
type Outcomes []error

// Err returns nil if all items succeeded, else an error that says how many failed, with the
// first few of their errors.
func (o Outcomes) Err() error { return summary("item", o) }

// Put is an entry for SetMany.
type Put struct {
	HashKey, SortKey, Value []byte
	TTL                     time.Duration // NoTTL is the zero value
	// Expires is when the entry expires, instead of TTL: in whole seconds, as that of a Row.
	// Its zero value says nothing. What is over is written, and hides an entry that is there.
	Expires time.Time
}

var (
	opSetMany = &operation{name: "SetMany", task: wire.TaskPut, kind: idempotent, take: takeStatus, part: true}
	opDelMany = &operation{name: "DelMany", task: wire.TaskRemove, kind: idempotent, take: takeStatus, part: true}
)

// SetMany sets entries of any hash keys. It is not atomic, and does not keep an order: of
// two that have the same key either may be last. The requests to a server are sent
// together; each is tried again like a Set. All have the time of one operation.
//
// The outcomes are as many as puts, in their order; those that were not sent have
// ErrNotAttempted. The error is for a bad argument or a closed table: nothing was tried
// then.
// Hash keys must not be empty; sort keys and values that are nil count as empty.
func (t *Table) SetMany(ctx context.Context, puts []Put) (Outcomes, error) {
	// Those of puts, where these are not what is sent.
	var expires []int32
	var values [][]byte
	if t.values != nil {
		values = make([][]byte, len(puts))
	}
	for i := range puts {
		p := &puts[i]
		err := validateRowKey(p.HashKey, p.SortKey)
		if err == nil {
			err = validateSize("Value", p.Value)
		}
		if err == nil && (p.TTL != NoTTL || !p.Expires.IsZero()) {
			if expires == nil {
				expires = make([]int32, len(puts))
			}
			expires[i], err = t.client.expiresTS(p.TTL, p.Expires)
		}
		if err == nil && values != nil {
			values[i], err = t.store(p.Value)
		}
		if err != nil {
			return nil, t.refuse(opSetMany, inElement(fmt.Sprintf("puts[%d]", i), err))
		}
	}
	if err := t.mayBegin(ctx); err != nil {
		return nil, t.refuse(opSetMany, err)
	}
	if len(puts) == 0 {
		return nil, nil
	}
	value := func(i int) []byte {
		if values != nil {
			return values[i]
		}
		return puts[i].Value
	}
	b := &many{
		table: t, op: opSetMany, n: len(puts),
		hash: func(i int) uint64 { return schema.Hash(puts[i].HashKey) },
		size: func(i int) int { return len(puts[i].HashKey) + len(puts[i].SortKey) + len(value(i)) },
		encode: func(i int, dst []byte) []byte {
			q := wire.UpdateRequest{Key: wire.Key{HashKey: puts[i].HashKey, SortKey: puts[i].SortKey}, Value: value(i)}
			if expires != nil {
				q.ExpireTS = expires[i]
			}
			return wire.AppendArgument(dst, q)
		},
	}
	return b.run(ctx), nil
}

// DelMany deletes entries of any hash keys, as SetMany sets them. It succeeds where there
// is none.
func (t *Table) DelMany(ctx context.Context, keys []CompositeKey) (Outcomes, error) {
	for i := range keys {
		if err := validateRowKey(keys[i].HashKey, keys[i].SortKey); err != nil {
			return nil, t.refuse(opDelMany, inElement(fmt.Sprintf("keys[%d]", i), err))
		}
	}
	if err := t.mayBegin(ctx); err != nil {
		return nil, t.refuse(opDelMany, err)
	}
	if len(keys) == 0 {
		return nil, nil
	}
	b := &many{
		table: t, op: opDelMany, n: len(keys),
		hash: func(i int) uint64 { return schema.Hash(keys[i].HashKey) },
		size: func(i int) int { return len(keys[i].HashKey) + len(keys[i].SortKey) },
		encode: func(i int, dst []byte) []byte {
			return wire.AppendArgument(dst, wire.Key{HashKey: keys[i].HashKey, SortKey: keys[i].SortKey})
		},
	}
	return b.run(ctx), nil
}

// mayBegin returns why an operation may not begin.
func (t *Table) mayBegin(ctx context.Context) error {
	if err := t.ended(); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return rpc.ContextError(ctx)
	}
	return nil
}
