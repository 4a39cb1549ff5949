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
// a fixed one.
type target struct {
	hash  uint64
	fixed bool
	index int32 // if fixed; the hash is then for the header only
}

func (tg target) locate(s *route.Snapshot) *route.Partition {
	if tg.fixed && int(tg.index) < s.Count {
		return s.At(tg.index)
	}
	return s.Locate(tg.hash)
}

// answer is a reply without an error of the cluster, and where it came from.
type answer struct {
	reply     wire.Reply
	conn      *rpc.Conn
	partition *route.Partition
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
	if err == nil {
		return a, nil
	}
	return retry(ctx, t, snap, deadline, o, tg, arg, a, err)
}

// attempt sends the request once.
func attempt[M wire.Message](ctx context.Context, t *table, snap *route.Snapshot, now, deadline time.Time, o *operation, tg target, arg M) (answer, error) {
	a := answer{partition: tg.locate(snap)}
	node := a.partition.Primary
	if node == nil {
		return a, ErrNoPrimary
	}
	if a.conn = node.Live(); a.conn == nil {
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
	if a.reply.Err != wire.ErrOK {
		return a, a.reply.Err
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

// retry goes on after a first attempt that failed with err.
func retry[M wire.Message](ctx context.Context, t *table, snap *route.Snapshot, deadline time.Time, o *operation, tg target, arg M, a answer, err error) (answer, error) {
	ctx, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	inDoubt := false
	for attempts := 1; ; attempts++ {
		what := judge(err)
		if what.maybeApplied && o.kind != read {
			inDoubt = true
		}
		if ctx.Err() != nil || what.permanent || (what.maybeApplied && o.kind == once) {
			return answer{}, t.failure(ctx, o, a, attempts, inDoubt, err)
		}
		if what.refresh {
			switch rerr := t.route.Refresh(ctx, snap); {
			case errors.Is(rerr, ErrTableNotFound), errors.Is(rerr, ErrClosed):
				return answer{}, t.failure(ctx, o, a, attempts, inDoubt, rerr)
			case rerr != nil:
				err = fmt.Errorf("%w; looking for its server: %w", err, rerr)
			}
		}
		// A new configuration is tried at once, the first time.
		now := tg.locate(t.route.Snapshot())
		if moved := now.GPID != a.partition.GPID || now.Primary != a.partition.Primary; attempts > 1 || !moved {
			if !pause(ctx, attempts) {
				return answer{}, t.failure(ctx, o, a, attempts, inDoubt, err)
			}
		}
		if t.closed.Load() {
			return answer{}, t.failure(ctx, o, a, attempts, inDoubt, ErrClosed)
		}
		snap = t.route.Snapshot()
		if a, err = attempt(ctx, t, snap, time.Now(), deadline, o, tg, arg); err == nil {
			return a, nil
		}
	}
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
	case errors.As(err, &code):
		switch code {
		case wire.ErrObjectNotFound, wire.ErrInvalidState, wire.ErrInactiveState, wire.ErrSessionReset, wire.ErrParentMisused:
			return verdict{refresh: true}
		case wire.ErrBusy, wire.ErrSplitting, wire.ErrNotEnoughMember, wire.ErrCapacityExceeded:
			return verdict{}
		case wire.ErrTimeout, wire.ErrReplicationFailure:
			// The primary could not finish a write with its secondaries.
			return verdict{permanent: true, maybeApplied: true}
		}
	}
	return verdict{permanent: true}
}

// failure makes the error of an operation whose last attempt failed with err.
func (t *table) failure(ctx context.Context, o *operation, a answer, attempts int, inDoubt bool, err error) error {
	e := &PError{Op: o.name, Table: t.name, Attempts: attempts}
	if a.partition != nil {
		e.Partition = a.partition.String()
		if a.partition.Primary != nil {
			e.Server = a.partition.Primary.Addr()
		}
	}
	if ended := ctx.Err(); ended != nil && !errors.Is(err, ended) {
		err = fmt.Errorf("%w; last failure: %w", rpc.ContextError(ctx), err)
	}
	if inDoubt {
		err = fmt.Errorf("%w: %w", ErrInDoubt, err)
	}
	e.Err = err
	return e
}

// reader returns a Reader placed at the result.
func (a *answer) reader() wire.Reader { return a.reply.ResultReader(wire.TypeStruct) }

// check finishes an operation whose answer was decoded with r: it closes the
// connection if the bytes were bad, and turns a status other than success into
// an error.
func (t *table) check(o *operation, a *answer, r *wire.Reader, status wire.Status) error {
	err := r.Err()
	switch {
	case err != nil:
		a.conn.Fail(err)
		if o.kind != read {
			err = fmt.Errorf("%w: %w", ErrInDoubt, err)
		}
	case status != wire.StatusOK:
		err = StorageError(status)
	default:
		return nil
	}
	return t.failure(context.Background(), o, *a, 1, false, err)
}

// refuse is the error of an operation with an illegal argument.
func (t *table) refuse(o *operation, err error) error { return wrap(o.name, t.name, err) }
