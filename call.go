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

// errDivided is the failure of a request for a share of the table that is not
// in one partition any more.
var errDivided = errors.New("the partition was split")

// locate returns nil if the share is not in one partition.
func (tg target) locate(s *route.Snapshot) *route.Partition {
	switch {
	case !tg.fixed:
		return s.Locate(tg.hash)
	case s.Holds(tg.share):
		return s.At(tg.share.Index)
	}
	return nil
}

// answer is a reply without an error of the cluster, and how it came about.
type answer struct {
	reply     rpc.Reply
	conn      *rpc.Conn
	partition *route.Partition // of the last attempt, nil if there was none
	attempts  int
	inDoubt   bool // an attempt may have applied a write without an answer
}

// do sends a request to the partition it belongs to until it is answered, as
// the table in the package documentation says. Routing is looked up anew for
// each attempt.
func do[M wire.Message](ctx context.Context, t *table, o *operation, tg target, arg M) (answer, error) {
	if t.closed.Load() || t.client.closed.Load() {
		return answer{}, wrap(o.name, t.name, ErrClosed)
	}
	if ctx.Err() != nil {
		return answer{}, wrap(o.name, t.name, rpc.ContextError(ctx))
	}
	now := time.Now()
	deadline, ok := ctx.Deadline()
	if !ok {
		deadline = now.Add(t.client.timeout)
	}
	snap := t.route.Snapshot()
	a, err := attempt(ctx, t, snap, now, deadline, o, tg, arg)
	a.attempts = 1
	if err == nil {
		return a, nil
	}
	return retry(ctx, t, snap, deadline, o, tg, arg, a, err)
}

// attempt sends the request once.
func attempt[M wire.Message](ctx context.Context, t *table, snap *route.Snapshot, now, deadline time.Time, o *operation, tg target, arg M) (answer, error) {
	a := answer{partition: tg.locate(snap)}
	if a.partition == nil {
		return a, errDivided
	}
	node := a.partition.Primary
	if node == nil {
		return a, ErrNoPrimary
	}
	if a.conn = node.Live(); a.conn == nil {
		if node.Lost() {
			// It broke while nobody waited for an answer. The server may accept
			// connections and be of no use all the same.
			t.route.RefreshSoon(snap)
		}
		var err error
		if a.conn, err = connect(ctx, deadline, node); err != nil {
			return a, err
		}
	}
	h := wire.RequestHeader{
		GPID:          a.partition.GPID,
		TimeoutMs:     rpc.TimeoutMs(deadline.Sub(now)),
		ThreadHash:    a.partition.ThreadHash(),
		PartitionHash: tg.hash,
	}
	var err error
	if a.reply, err = rpc.Call(ctx, a.conn, deadline, h, o.task, arg); err != nil {
		return a, err
	}
	switch {
	case a.reply.Err != wire.ErrOK:
		a.release()
		return a, a.reply.Err
	case !a.reply.Answers(o.task):
		return a, fmt.Errorf("%w: answer %q to %s", ErrMalformed, a.reply.Task, o.task)
	}
	return a, nil
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
func retry[M wire.Message](ctx context.Context, t *table, snap *route.Snapshot, deadline time.Time, o *operation, tg target, arg M, a answer, err error) (answer, error) {
	ctx, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	var last error // the latest failure that is not the end of ctx
	for {
		what := judge(err)
		if what.maybeApplied && o.kind != read {
			a.inDoubt = true
		}
		if ended := ctx.Err(); ended == nil || !errors.Is(err, ended) {
			last = err
		}
		if ctx.Err() != nil || what.permanent || (what.maybeApplied && o.kind == once) {
			return a, t.failure(ctx, o, &a, last, err)
		}
		if what.refresh {
			switch rerr := t.refresh(ctx, snap); {
			case errors.Is(rerr, ErrTableNotFound), errors.Is(rerr, ErrClosed):
				return a, t.failure(ctx, o, &a, rerr, rerr)
			case rerr != nil && ctx.Err() == nil:
				last = fmt.Errorf("%w; looking for its server: %w", err, rerr)
			}
		}
		// A new configuration is tried at once, the first time.
		snap = t.route.Snapshot()
		moved := true
		if now := tg.locate(snap); now != nil {
			moved = now.GPID != a.partition.GPID || now.Primary != a.partition.Primary
		}
		if a.attempts > 1 || !moved {
			if !pause(ctx, a.attempts) {
				return a, t.failure(ctx, o, &a, last, last)
			}
			snap = t.route.Snapshot()
		}
		if t.closed.Load() {
			return a, t.failure(ctx, o, &a, ErrClosed, ErrClosed)
		}
		next, nerr := attempt(ctx, t, snap, time.Now(), deadline, o, tg, arg)
		next.attempts, next.inDoubt = a.attempts+1, a.inDoubt
		if next.partition == nil {
			next.partition = a.partition
		}
		if a, err = next, nerr; err == nil {
			return a, nil
		}
	}
}

// refresh replaces the routing snap, or gives up for now.
func (t *table) refresh(ctx context.Context, snap *route.Snapshot) error {
	ctx, cancel := context.WithTimeout(ctx, refreshPatience)
	defer cancel()
	return t.route.Refresh(ctx, snap)
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
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
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
	case errors.As(err, &re):
		return verdict{refresh: true, maybeApplied: re.Sent}
	case errors.Is(err, ErrNoPrimary):
		return verdict{refresh: true}
	case errors.Is(err, errDivided):
		return verdict{permanent: true}
	case errors.As(err, &code):
		switch code {
		case wire.ErrObjectNotFound, wire.ErrInvalidState, wire.ErrInactiveState, wire.ErrSessionReset, wire.ErrParentMisused:
			return verdict{refresh: true}
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

// failure makes the error of an operation that ends with err. If that is
// because ctx has ended, last is the failure before, or nil.
func (t *table) failure(ctx context.Context, o *operation, a *answer, last, err error) error {
	e := &PError{Op: o.name, Table: t.name, Attempts: a.attempts}
	if a.partition != nil {
		e.Partition = a.partition.String()
		if a.partition.Primary != nil {
			e.Server = a.partition.Primary.Addr()
		}
	}
	if ctx.Err() != nil && last != nil {
		err = fmt.Errorf("%w; last failure: %w", rpc.ContextError(ctx), last)
	}
	if a.inDoubt {
		err = fmt.Errorf("%w: %w", ErrInDoubt, err)
	}
	e.Err = err
	return e
}

// broken is the error of an operation whose answer makes no sense, or carries
// a status that is a failure.
func (t *table) broken(o *operation, a *answer, err error) error {
	return t.failure(context.Background(), o, a, nil, err)
}

// reader returns a Reader placed at the result. What it reads belongs to the
// caller.
func (a *answer) reader() wire.Reader {
	a.reply.Own()
	return a.peek()
}

// peek is reader for answers of which nothing is kept, or only copies: what it
// reads is valid until release.
func (a *answer) peek() wire.Reader { return a.reply.ResultReader(wire.TypeStruct) }

func (a *answer) release() { a.reply.Release() }

// check finishes an operation whose answer was decoded with r: it turns bytes
// that were bad, or a status other than success, into an error. The connection
// stays: its other answers have frames of their own.
func (t *table) check(o *operation, a *answer, r *wire.Reader, status wire.Status) error {
	switch err := r.Err(); {
	case err != nil:
		a.inDoubt = a.inDoubt || o.kind != read
		return t.broken(o, a, err)
	case status != wire.StatusOK:
		// A disk that failed while it wrote may hold the write all the same.
		a.inDoubt = a.inDoubt || o.kind != read && status == wire.StatusIOError
		return t.broken(o, a, StorageError(status))
	}
	return nil
}

// refuse is the error of an operation with an illegal argument.
func (t *table) refuse(o *operation, err error) error { return wrap(o.name, t.name, err) }
