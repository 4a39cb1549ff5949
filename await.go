package pegasus

import (
	"context"
	"errors"
	"time"

	"github.com/pegasus-go/pegasus/internal/route"
	"github.com/pegasus-go/pegasus/internal/rpc"
)

// waiting is what an operation waits for.
type waiting int

const (
	forAnswer waiting = iota
	forConnection
	forPrimary
	forMeta
	forTurn
)

var waitingFor = [...]string{
	forAnswer:     "waiting for an answer",
	forConnection: "waiting to connect",
	forPrimary:    "waiting for a primary",
	forMeta:       "waiting for the meta servers",
	forTurn:       "waiting to try again",
}

// suspicious is how long a first connection may take before the meta servers are
// asked whether it is to the right server.
const suspicious = 250 * time.Millisecond

// patience is how long a call waits for a server that was found to hang, or for
// news of another one: a quarter of its time, if that is less.
const patience = time.Second

// await returns a connection to the primary of the partition. Until there is one
// it waits for whatever comes first: the connection, another place of the
// partition, or the end of the time.
func (t *Table) await(ctx context.Context, x *exchange, policy *RetryPolicy) (*rpc.Conn, *route.Partition, error) {
	for {
		if err := t.ended(); err != nil {
			return nil, nil, err
		}
		if ctx.Err() != nil {
			return nil, nil, rpc.ContextError(ctx)
		}
		snap, err := t.snapshot(ctx, x)
		if err != nil {
			return nil, nil, err
		}
		p, err := x.locate(snap)
		if err != nil {
			return nil, nil, err
		}
		x.partition = p
		if p.Primary != nil {
			if conn := p.Primary.Live(x.lane()); conn != nil {
				return conn, p, nil
			}
		}
		if err := t.connect(ctx, x, snap, p, policy); err != nil {
			return nil, nil, err
		}
	}
}

// snapshot returns where the table is. It asks if that is not known.
func (t *Table) snapshot(ctx context.Context, x *exchange) (*route.Snapshot, error) {
	for {
		if s := t.route.Snapshot(); s != nil {
			return s, nil
		}
		if err := t.load(ctx, x); err != nil {
			return nil, err
		}
	}
}

// load asks for the place of the table, once.
func (t *Table) load(ctx context.Context, x *exchange) error {
	x.begin(0)
	x.waiting = forMeta
	x.attempts++
	x.progress.note(x)
	err := public(t.route.Load(ctx))
	if err == nil || permanentMeta(err) || timeIsOver(err) && ctx.Err() != nil {
		return err
	}
	x.last = err
	if ctx.Err() != nil { // at the same moment
		return rpc.ContextError(ctx)
	}
	return t.sleep(ctx, defaultPolicy.pause(ctx, x.attempts), nil)
}

// connect waits until there may be a connection to the primary, which is p.
func (t *Table) connect(ctx context.Context, x *exchange, snap *route.Snapshot, p *route.Partition, policy *RetryPolicy) error {
	changed := t.route.Changed(snap, p)
	var delay time.Duration
	var dial *rpc.Dial
	var connected <-chan struct{}
	var hung <-chan time.Time
	if node := p.Primary; node == nil {
		x.waiting, x.last = forPrimary, ErrNoPrimary
		if policy.MaxAttempts == 1 {
			return ErrNoPrimary
		}
	} else {
		x.waiting = forConnection
		if node.Lost(x.lane()) == nil {
			delay = suspicious
		}
		dial = node.Dial(x.lane())
		connected = dial.Done
		if node.Hung() {
			timer := time.NewTimer(x.patienceLeft())
			defer timer.Stop()
			hung = timer.C
		}
	}
	x.progress.note(x)
	defer t.route.Complain(p, delay)()
	select {
	case <-connected:
		err := dial.Failure()
		if err == nil {
			return nil
		}
		x.attempts++
		x.last = err
		if policy.exhausted(x.attempts) || errors.Is(err, ErrClosed) || rpc.Permanent(err) {
			return err
		}
	case <-changed:
	case <-hung:
		return &rpc.Error{Addr: p.Primary.Addr(), Err: ErrStalled}
	case <-ctx.Done():
		return rpc.ContextError(ctx)
	case <-t.closed:
	case <-t.client.pool.Context().Done():
	}
	return nil
}

// patienceLeft is how long the call still waits for a server that hangs.
func (x *exchange) patienceLeft() time.Duration {
	now := time.Now()
	if x.patience.IsZero() {
		x.patience = now.Add(min(patience, x.deadline.Sub(now)/4))
	}
	return x.patience.Sub(now)
}

// sleep waits for d, or until an event, which may be nil. It fails when ctx has
// ended, or the table was closed.
func (t *Table) sleep(ctx context.Context, d time.Duration, event <-chan struct{}) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-event:
	case <-ctx.Done():
		return rpc.ContextError(ctx)
	case <-t.closed:
	case <-t.client.pool.Context().Done():
	}
	return t.ended()
}
