package pegasus

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/pegasus-go/pegasus/internal/rpc"
)

// retry sends a request until it is answered, after an attempt that failed with
// err, or without one if there was no connection.
func (t *Table) retry(ctx context.Context, x *exchange, encode rpc.Encode, err error) error {
	caller := ctx
	if !x.own.IsZero() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, x.own)
		defer cancel()
		x.own = time.Time{} // the context has it now
	}
	policy := t.client.policy(caller)
	for {
		failed, last, began := x.partition, err, time.Now()
		if err != nil {
			if err := t.afterFailure(ctx, x, &policy, err); err != nil {
				return t.failure(x, err)
			}
		}
		conn, p, aerr := t.await(ctx, x, &policy)
		if aerr != nil {
			return t.failure(x, aerr)
		}
		if last != nil {
			t.retrying(ctx, x, failed, last, time.Since(began))
		}
		if err = t.attempt(ctx, x, conn, p, time.Until(x.deadline), time.Time{}, encode); err == nil {
			return nil
		}
	}
}

// afterFailure decides what follows from the failure of an attempt. It returns
// when it is time for the next one, or the reason why there is none.
func (t *Table) afterFailure(ctx context.Context, x *exchange, policy *RetryPolicy, err error) error {
	what := judge(err)
	if what.maybeApplied && x.op.kind != read {
		x.inDoubt = true
	}
	if !timeIsOver(err) {
		x.last = err
	}
	switch {
	case errors.Is(err, rpc.ErrTimeout):
		return err
	case ctx.Err() != nil:
		return rpc.ContextError(ctx)
	case what.permanent, what.maybeApplied && x.op.kind == once, policy.exhausted(x.attempts):
		return err
	}
	x.waiting = forTurn
	x.progress.note(x)
	failed := x.partition
	snap := t.route.Snapshot()
	if snap == nil {
		return nil
	}
	if p, err := x.locate(snap); err != nil || p != failed {
		return nil // there is news already
	}
	changed := t.route.Changed(snap, failed)
	if what.moved {
		defer t.route.Complain(failed, 0)()
	}
	if what.answered || x.attempts > 1 && !errors.Is(err, rpc.ErrMoved) {
		if err := t.sleep(ctx, policy.pause(ctx, x.attempts), changed); err != nil {
			return err
		}
	}
	if !what.answered {
		return nil
	}
	for t.route.Snapshot() == snap {
		wait := failed.Primary.Budget.Take(time.Now())
		if wait == 0 {
			return nil
		}
		longest := defaultPolicy.MaxPause
		if err := t.sleep(ctx, min(wait, longest)/2+rand.N(longest), changed); err != nil {
			return err
		}
	}
	return nil
}

// verdict is what follows from the failure of an attempt.
type verdict struct {
	permanent    bool // trying again is of no use
	maybeApplied bool // a write may have been executed
	answered     bool // by the server, which may need some time
	moved        bool // the partition may be at another place
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
		return verdict{permanent: rpc.Permanent(err), maybeApplied: re.Sent}
	case errors.As(err, &code):
		switch code {
		case ErrObjectNotFound, ErrInvalidState, ErrInactiveState, ErrParentMisused:
			return verdict{answered: true, moved: true}
		case ErrSessionReset:
			// No server is known to send what clients call a lost connection.
			return verdict{answered: true, moved: true, maybeApplied: true}
		case ErrBusy, ErrSplitting, ErrNotEnoughMember, ErrCapacityExceeded:
			return verdict{answered: true}
		case ErrInvalidData, ErrInvalidParameters, ErrHandlerNotFound, ErrOperationDisabled,
			ErrACLDeny, ErrUnauthenticated, ErrDiskInsufficient, ErrDiskIOError:
			// Servers check for these before they execute anything.
			return verdict{permanent: true}
		}
	}
	// A timeout between the replicas, a code unknown here, a strange answer:
	// nothing proves that a write was not executed.
	return verdict{permanent: true, maybeApplied: true}
}
