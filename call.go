package pegasus

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
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
}

// kind says what may be done with a request whose fate is unknown.
type kind int

const (
	read       kind = iota // may be sent again
	idempotent             // a write that may be sent again
	once                   // a write that must not
)

// target is the partition that a request goes to: that of a partition hash, or
// the one that holds a share of the table.
type target struct {
	hash  uint64
	fixed bool
	share route.Range // if fixed; the hash is then for the header only
}

// shareTarget is the partition that has a share of the table.
func shareTarget(share route.Range) target {
	return target{hash: share.Hash(), fixed: true, share: share}
}

// errDivided is the failure of a request for a share of the table that is not
// in one partition any more.
var errDivided = errors.New("the partition was split")

// locate returns nil if the share is not in one partition.
func (tg *target) locate(s *route.Snapshot) *route.Partition {
	switch {
	case !tg.fixed:
		return s.Locate(tg.hash)
	case s.Holds(tg.share):
		return s.At(tg.share.Index)
	}
	return nil
}

// exchange is a request to the partition it belongs to, and the answer to it.
// Its caller sets op and target. It is passed by reference, and so is the
// argument of the request: calls that wait should need little stack.
type exchange struct {
	op *operation
	target

	deadline  time.Time
	reply     rpc.Reply        // of the last attempt
	partition *route.Partition // of the last attempt that found one
	attempts  int
	inDoubt   bool // an attempt may have applied a write without an answer
}

// do sends a request until it is answered, as the table in the package
// documentation says. Routing is looked up anew for each attempt.
func do[M wire.Message](ctx context.Context, t *table, x *exchange, arg *M) error {
	if t.closed.Load() || t.client.closed.Load() {
		return wrap(x.op.name, t.name, ErrClosed)
	}
	if ctx.Err() != nil {
		return wrap(x.op.name, t.name, rpc.ContextError(ctx))
	}
	now := time.Now()
	var ok bool
	if x.deadline, ok = ctx.Deadline(); !ok {
		x.deadline = now.Add(t.client.timeout)
	}
	snap := t.route.Snapshot()
	if err := attempt(ctx, t, snap, now, x, arg); err != nil {
		return retry(ctx, t, snap, x, arg, err)
	}
	return nil
}

// attempt sends the request once.
func attempt[M wire.Message](ctx context.Context, t *table, snap *route.Snapshot, now time.Time, x *exchange, arg *M) error {
	x.attempts++
	p := x.target.locate(snap)
	if p == nil {
		return errDivided
	}
	x.partition = p
	if p.Primary == nil {
		return ErrNoPrimary
	}
	conn := p.Primary.Live()
	if conn == nil {
		switch cause := p.Primary.Lost(); {
		case errors.Is(cause, rpc.ErrStalled) && x.attempts == 1:
			// A server that hangs accepts connections all the same. Another one
			// may have taken over since this table used it.
			return &rpc.Error{Addr: p.Primary.Addr(), Err: cause}
		case cause != nil:
			// It broke while nobody waited for an answer.
			t.route.RefreshSoon(snap, p)
		}
		var err error
		if conn, err = connect(ctx, x.deadline, p.Primary); err != nil {
			return err
		}
	}
	h := wire.RequestHeader{
		GPID:          p.GPID,
		TimeoutMs:     rpc.TimeoutMs(x.deadline.Sub(now)),
		ThreadHash:    p.ThreadHash(),
		PartitionHash: x.hash,
	}
	if err := rpc.Call(ctx, conn, x.deadline, &h, x.op.task, arg, &x.reply); err != nil {
		return err
	}
	switch {
	case x.reply.Err != wire.ErrOK:
		x.release()
		return x.reply.Err
	case !x.reply.Answers(x.op.task):
		return fmt.Errorf("%w: answer %q to %s", ErrMalformed, x.reply.Task, x.op.task)
	}
	return nil
}

func connect(ctx context.Context, deadline time.Time, node *rpc.Node) (*rpc.Conn, error) {
	ctx, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	return node.Conn(ctx)
}

// Pauses between attempts: doubled from the first to the longest, with jitter.
const (
	minPause = 4 * time.Millisecond
	maxPause = 200 * time.Millisecond
)

// refreshPatience is how long an attempt is put off until the meta servers
// answer. They may be out of reach while the server in question is back.
const refreshPatience = 2 * time.Second

// retry goes on after a first attempt that failed with err.
func retry[M wire.Message](ctx context.Context, t *table, snap *route.Snapshot, x *exchange, arg *M, err error) error {
	ctx, cancel := context.WithDeadline(ctx, x.deadline)
	defer cancel()
	var last error // the latest failure that is not the end of ctx
	for {
		what := judge(err)
		if what.maybeApplied && x.op.kind != read {
			x.inDoubt = true
		}
		if ended := ctx.Err(); ended == nil || !errors.Is(err, ended) {
			last = err
		}
		if ctx.Err() != nil || what.permanent || (what.maybeApplied && x.op.kind == once) {
			return t.failure(ctx, x, last, err)
		}
		if what.refresh {
			switch rerr := t.refresh(ctx, snap, x.partition); {
			case errors.Is(rerr, ErrTableNotFound), errors.Is(rerr, ErrClosed):
				return t.failure(ctx, x, rerr, rerr)
			case rerr != nil && ctx.Err() == nil:
				last = fmt.Errorf("%w; looking for its server: %w", err, rerr)
			}
		}
		// A new configuration is tried at once, the first time.
		snap = t.route.Snapshot()
		moved := true
		if now := x.target.locate(snap); now != nil {
			moved = now.GPID != x.partition.GPID || now.Primary != x.partition.Primary
		}
		if x.attempts > 1 || !moved {
			if !pause(ctx, x.attempts) {
				return t.failure(ctx, x, last, last)
			}
			snap = t.route.Snapshot()
		}
		if t.closed.Load() {
			return t.failure(ctx, x, ErrClosed, ErrClosed)
		}
		if err = attempt(ctx, t, snap, time.Now(), x, arg); err == nil {
			return nil
		}
	}
}

// refresh replaces the routing snap because of p, or gives up for now.
func (t *table) refresh(ctx context.Context, snap *route.Snapshot, p *route.Partition) error {
	ctx, cancel := context.WithTimeout(ctx, refreshPatience)
	defer cancel()
	return t.route.Refresh(ctx, snap, p)
}

// pause waits before attempt n+1, shorter when little time is left. It returns
// false if the context ended.
func pause(ctx context.Context, n int) bool {
	d := min(minPause<<min(n-1, 10), maxPause)
	d = d/2 + rand.N(d/2+1)
	if deadline, ok := ctx.Deadline(); ok {
		if left := time.Until(deadline); left > minPause {
			d = min(d, left/2)
		}
	}
	return rpc.Pause(ctx, d)
}

// verdict is what follows from the failure of an attempt.
type verdict struct {
	permanent    bool // trying again is of no use
	refresh      bool // the routing may be out of date
	maybeApplied bool // a write may have been executed
}

// judge classifies the failure of an attempt: the one place that decides what
// is tried again.
func judge(err error) verdict {
	var code ErrorCode
	var re *rpc.Error
	switch {
	case errors.Is(err, ErrClosed):
		return verdict{permanent: true, maybeApplied: errors.As(err, &re) && re.Sent}
	case errors.Is(err, ErrReplyTooLarge):
		return verdict{permanent: true, maybeApplied: true}
	case errors.As(err, &re):
		return verdict{refresh: true, maybeApplied: re.Sent}
	case errors.Is(err, ErrNoPrimary):
		return verdict{refresh: true}
	case errors.Is(err, errDivided):
		return verdict{permanent: true}
	case errors.As(err, &code):
		switch code {
		case wire.ErrObjectNotFound, wire.ErrInvalidState, wire.ErrInactiveState, wire.ErrParentMisused:
			return verdict{refresh: true}
		case wire.ErrSessionReset:
			// No server is known to send what clients call a lost connection.
			return verdict{refresh: true, maybeApplied: true}
		case wire.ErrBusy, wire.ErrSplitting, wire.ErrNotEnoughMember, wire.ErrCapacityExceeded:
			return verdict{}
		case wire.ErrInvalidData, wire.ErrInvalidParameters, wire.ErrHandlerNotFound, wire.ErrOperationDisabled,
			wire.ErrACLDeny, wire.ErrUnauthenticated, wire.ErrDiskInsufficient, wire.ErrDiskIOError:
			// Servers check for these before they execute anything.
			return verdict{permanent: true}
		}
	}
	// A timeout between the replicas, a code unknown here, a strange answer:
	// nothing proves that a write was not executed.
	return verdict{permanent: true, maybeApplied: true}
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

// failure makes the error of an operation that ends with err. If that is
// because ctx has ended, last is the failure before, or nil.
func (t *table) failure(ctx context.Context, x *exchange, last, err error) error {
	e := &PError{Op: x.op.name, Table: t.name, Attempts: x.attempts}
	if x.partition != nil {
		e.Partition = x.partition.String()
		if x.partition.Primary != nil {
			e.Server = x.partition.Primary.Addr()
		}
	}
	if ctx.Err() != nil && last != nil {
		err = fmt.Errorf("%w; last failure: %w", rpc.ContextError(ctx), last)
	}
	if x.inDoubt {
		err = fmt.Errorf("%w: %w", ErrInDoubt, err)
	}
	e.Err = err
	return e
}

// broken is the error of an operation whose answer makes no sense, or carries
// a status that is a failure.
func (t *table) broken(x *exchange, err error) error {
	return t.failure(context.Background(), x, nil, err)
}

// reader returns a Reader placed at the result. What it reads belongs to the
// caller.
func (x *exchange) reader() wire.Reader {
	x.reply.Own()
	return x.peek()
}

// peek is reader for answers of which nothing is kept, or only copies: what it
// reads is valid until release.
func (x *exchange) peek() wire.Reader { return x.reply.ResultReader(wire.TypeStruct) }

func (x *exchange) release() { x.reply.Release() }

// check finishes an operation whose answer was decoded with r: it turns bytes
// that were bad, or a status other than success, into an error. The connection
// stays: its other answers have frames of their own.
func (t *table) check(x *exchange, r *wire.Reader, status wire.Status) error {
	switch err := r.Err(); {
	case err != nil:
		x.inDoubt = x.inDoubt || x.op.kind != read
		return t.broken(x, err)
	case status != wire.StatusOK:
		x.inDoubt = x.inDoubt || x.op.kind != read && maybeApplied(status)
		return t.broken(x, StorageError(status))
	}
	return nil
}

// refuse is the error of an operation with an illegal argument.
func (t *table) refuse(o *operation, err error) error { return wrap(o.name, t.name, err) }
