package pegasus

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/pegasus-go/pegasus/internal/route"
	"github.com/pegasus-go/pegasus/internal/rpc"
	"github.com/pegasus-go/pegasus/internal/wire"
)

// operation is what the way of a request depends on, beside its argument.
type operation struct {
	name string // the public method
	task string
	kind kind
	// take decodes the answer where it was read. It is nil for answers whose parts
	// become the caller's: those are decoded by do.
	take func(*rpc.Answer, *wire.Reader)
	// part is set for the requests of a method that makes many of them for one
	// operation, see Cluster.begin.
	part bool
	// stored is set if what take finds is a value as it is stored, see ValueCodec.
	stored bool

	slot atomic.Int32 // see operation.index
}

// kind says what may be done with a request whose fate is unknown.
type kind int

const (
	read       kind = iota // may be sent again
	idempotent             // a write that may be sent again
	once                   // a write that must not
)

// bulkRequest is the size from which on the keys and values in a request make it
// large.
const bulkRequest = 64 << 10

// target is the partition that a request goes to: that of a partition hash, or
// the one that holds a share of the table.
type target struct {
	hash  uint64
	fixed bool
	share route.Range // if fixed; the hash is then for the header only
	appID int32       // of the table that the operation began with, 0 if any will do
}

// shareTarget is the partition that has a share of the table.
func shareTarget(share route.Range, appID int32) target {
	return target{hash: share.Hash(), fixed: true, share: share, appID: appID}
}

// errDivided is the failure of a request for a share of the table that is not
// in one partition any more.
var errDivided = errors.New("the partition was split")

// locate finds the partition. It fails if the table is another one, or if the
// share is not in one partition.
func (tg *target) locate(s *route.Snapshot) (*route.Partition, error) {
	switch {
	case tg.appID != 0 && tg.appID != s.AppID:
		return nil, ErrRepartitioned
	case !tg.fixed:
		return s.Locate(tg.hash), nil
	case s.Holds(tg.share):
		return s.At(tg.share.Index), nil
	}
	return nil, errDivided
}

// exchange is a request to the partition it belongs to, and the answer to it. It
// lives on the stack of the public method, which sets op, target, bulk and large. It is
// small: thousands of stacks do not fit into a cache.
type exchange struct {
	op *operation
	target
	bulk  bool   // the answer may be large
	large bool   // the request is
	lend  bool   // the memory of the answer is used again, see rpc.Frame
	sent  bool   // the call, which was given back, was sent
	into  []byte // what op.take appends bytes to

	secondary *rpc.Node // the request may be answered by this one, which is no primary

	call      *rpc.Call
	partition *route.Partition // of the latest attempt that found one
	*course                    // nil while all goes well

	// What op.take has found.
	number int64
	bytes  []byte
	// Why what decode has found is no value, see ValueCodec.
	undecodable error
}

// course is what became of an exchange so far.
type course struct {
	// The time of the public method. own is the same unless the context of the
	// caller ends by itself.
	deadline, own time.Time

	attempts int
	inDoubt  bool    // an attempt may have applied a write without an answer
	last     error   // the latest failure that is not the end of the context
	waiting  waiting // what for, when the context ended
	progress *progress
	patience time.Time
	attempt  AttemptKind // of the latest attempt
}

// lane is the connection that a small request takes.
func (tg *target) lane() rpc.Lane { return rpc.Lane(tg.hash >> 48) }

// lane is the connection that the request takes.
func (x *exchange) lane() rpc.Lane {
	if x.bulk || x.large {
		return rpc.Bulk
	}
	return x.target.lane()
}

// do sends a request until it is answered, as the package documentation says,
// and has the answer decoded: by the operation, into number and bytes, or else by decode,
// which may keep what it is given, and returns a storage status that is a failure,
// or StatusOK. The request is encoded for each attempt.
func (t *Table) do(ctx context.Context, x *exchange, encode rpc.Encode, decode func(*wire.Reader) wire.Status) error {
	t.prepare(x, time.Now())
	if x.secondary != nil {
		return t.doSecondary(ctx, x, encode, decode)
	}
	ctx = t.started(ctx, x)
	return t.settle(ctx, x, t.ask(ctx, x, encode), decode)
}

// prepare gives an exchange its call.
func (t *Table) prepare(x *exchange, now time.Time) {
	x.call = t.client.pool.Call(x.op.task)
	x.call.Into = x.into
	x.call.Large = x.large
	x.call.Lend = x.lend
	t.prepareCall(x.call, x.op, now)
	if x.secondary != nil {
		x.call.Movable = false // a secondary is never the place
	}
}

// prepareCall has a call begin for an operation.
func (t *Table) prepareCall(cl *rpc.Call, op *operation, now time.Time) {
	cl.Take = op.take
	cl.Movable = op.kind != once
	cl.Listener = t.route
	cl.Began = now
}

// settle has the answer decoded, unless there is none because of err, counts the exchange
// and gives back the call.
func (t *Table) settle(ctx context.Context, x *exchange, err error, decode func(*wire.Reader) wire.Status) error {
	if err == nil {
		err = t.decoded(x, decode)
	}
	t.finished(ctx, x, err)
	x.sent = x.call.Sent > 0
	x.call.Release()
	return err
}

// decoded has the answer decoded.
func (t *Table) decoded(x *exchange, decode func(*wire.Reader) wire.Status) error {
	x.number, x.bytes = x.call.Number, x.call.Bytes
	status, malformed := x.call.Status, x.call.Malformed
	if decode != nil && malformed == nil {
		r := x.call.Result()
		status = decode(r)
		malformed = r.Err()
	}
	if malformed == nil && status == wire.StatusOK && t.values != nil && x.op.stored {
		x.bytes, x.undecodable = t.restore(x.bytes[len(x.into):])
	}
	if err := t.check(x, malformed, status); err != nil {
		return err
	}
	if x.undecodable != nil {
		return t.failure(x, x.undecodable)
	}
	return nil
}

// ask sends a request until it is answered.
func (t *Table) ask(ctx context.Context, x *exchange, encode rpc.Encode) error {
	if err := t.ended(); err != nil {
		return t.refuse(x.op, err)
	}
	if ctx.Err() != nil {
		return t.refuse(x.op, rpc.ContextError(ctx))
	}
	now := x.call.Began
	var deadline, own time.Time
	if x.course != nil && !x.deadline.IsZero() { // the exchange is a part of something
		deadline, own = x.deadline, x.own
	} else {
		deadline, own = t.client.limit(ctx, now)
	}
	var err error
	attempts := 0
	if snap := t.route.Snapshot(); snap != nil {
		if p, _ := x.locate(snap); p != nil && p.Primary != nil {
			if conn := p.Primary.Live(x.lane()); conn != nil {
				if err = t.attempt(ctx, x, conn, p, deadline.Sub(now), own, encode); err == nil {
					return nil
				}
				attempts = 1
			}
		}
	}
	x.begin(attempts)
	x.deadline, x.own = deadline, own
	return t.retry(ctx, x, encode, err)
}

// begin begins the course of an exchange that does not go well any more, after so
// many attempts.
func (x *exchange) begin(attempts int) {
	if x.course == nil {
		x.course = &course{attempts: attempts}
	}
}

// limit returns when an operation that begins now has to end: for all that it is
// made of. own is zero if ctx ends by itself then.
func (c *Cluster) limit(ctx context.Context, now time.Time) (deadline, own time.Time) {
	deadline, ok := ctx.Deadline()
	switch {
	case !ok:
		deadline = now.Add(c.timeout)
		return deadline, deadline
	case ctx.Done() == nil: // a context of a kind that does not end by itself
		return deadline, deadline
	}
	return deadline, time.Time{}
}

// bound returns ctx with the deadline of an operation that begins now, for one
// that is made of many requests.
func (c *Cluster) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	_, own := c.limit(ctx, time.Now())
	if own.IsZero() {
		return ctx, func() {}
	}
	return context.WithDeadline(ctx, own)
}

// attempt sends the request once. left is the time until its deadline.
func (t *Table) attempt(ctx context.Context, x *exchange, conn *rpc.Conn, p *route.Partition, left time.Duration, own time.Time, encode rpc.Encode) error {
	if !t.client.attempts {
		return t.send(ctx, x, conn, p, left, own, encode)
	}
	a := t.attemptStarted(ctx, x, p)
	err := t.send(ctx, x, conn, p, left, own, encode)
	t.attemptEnded(ctx, x, &a, err)
	return err
}

func (t *Table) send(ctx context.Context, x *exchange, conn *rpc.Conn, p *route.Partition, left time.Duration, own time.Time, encode rpc.Encode) error {
	x.partition = p
	if x.course != nil {
		x.attempts++
		x.waiting = forAnswer
		x.progress.note(x)
	}
	h := wire.RequestHeader{
		GPID:          p.GPID,
		TimeoutMs:     rpc.TimeoutMs(left),
		ThreadHash:    p.ThreadHash(),
		PartitionHash: x.hash,
		BackupRequest: x.secondary != nil,
	}
	if err := conn.Do(ctx, x.call, own, &h, encode); err != nil {
		return err
	}
	if x.call.Code != wire.ErrOK {
		return ErrorCode(x.call.Code)
	}
	if x.secondary == nil {
		p.Primary.Budget.Succeeded()
	}
	return nil
}

// check turns the failure to decode an answer, or a status other than success,
// into an error. The connection stays: its other answers have frames of their
// own.
func (t *Table) check(x *exchange, malformed error, status wire.Status) error {
	if malformed == nil && status == wire.StatusOK {
		return nil
	}
	err := malformed
	if err == nil {
		err = StorageError(status)
	}
	x.begin(1)
	x.inDoubt = x.inDoubt || x.op.kind != read && (malformed != nil || maybeApplied(status))
	return t.failure(x, err)
}

// maybeApplied reports whether a write that was answered with a storage error
// may be executed all the same. Servers log a write before the primary applies
// it. If that fails, the primary closes the replica, and another one, which may
// have applied it, takes over.
func maybeApplied(status wire.Status) bool {
	switch status {
	case wire.StatusInvalidArgument, wire.StatusTryAgain:
		// What the write asks for does not go with what is stored. All replicas
		// say that alike, and write nothing.
		return false
	}
	return true
}
