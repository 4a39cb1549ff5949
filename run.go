package pegasus

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/pegasus-go/pegasus/internal/route"
	"github.com/pegasus-go/pegasus/internal/rpc"
)

// Where operations and attempts are counted, and told of.

// run is an operation that is made of many requests, or of none: what its parts
// have come to. It goes with their context.
type run struct {
	client   *Cluster
	op       *operation
	table    string
	counters *counters
	began    time.Time

	attempts, sent, received atomic.Int64
	hedged                   atomic.Bool
}

type runKey struct{}

// begin begins an operation of a method that makes many requests for it, with
// operations that are parts. They need the context.
func (c *Cluster) begin(ctx context.Context, o *operation, table string, counts *counters) (context.Context, *run) {
	r := &run{client: c, op: o, table: table, counters: counts, began: time.Now()}
	if f := c.events.OperationStarted; f != nil {
		ctx = f(ctx, OperationStarted{Operation: o.name, Table: table})
	}
	return context.WithValue(ctx, runKey{}, r), r
}

// end ends the operation.
func (r *run) end(ctx context.Context, err error) {
	took := time.Since(r.began)
	r.counters.note(r.op, took, err)
	if f := r.client.events.OperationEnded; f != nil {
		f(ctx, OperationEnded{
			Operation: r.op.name, Table: r.table, Partition: -1,
			Attempts: int(r.attempts.Load()), Duration: took,
			BytesOut: int(r.sent.Load()), BytesIn: int(r.received.Load()), Err: err, Hedged: r.hedged.Load(),
		})
	}
}

// spent is what parts have come to.
type spent struct{ attempts, sent, received int }

func (s *spent) add(cl *rpc.Call) {
	s.attempts += cl.Attempts
	s.sent += cl.Sent
	s.received += cl.Received
}

// add adds parts.
func (r *run) add(s spent) {
	r.attempts.Add(int64(s.attempts))
	r.sent.Add(int64(s.sent))
	r.received.Add(int64(s.received))
}

// started tells that the operation of an exchange begins.
func (t *Table) started(ctx context.Context, x *exchange) context.Context {
	if f := t.client.events.OperationStarted; f != nil && !x.op.part {
		return f(ctx, OperationStarted{Operation: x.op.name, Table: t.name})
	}
	return ctx
}

// finished counts the exchange and tells of its end, or adds it to what it is a part
// of.
func (t *Table) finished(ctx context.Context, x *exchange, err error) {
	cl := x.call
	if x.op.part {
		if r, ok := ctx.Value(runKey{}).(*run); ok {
			r.add(spent{cl.Attempts, cl.Sent, cl.Received})
		}
		return
	}
	took := since(cl, cl.Began, err)
	t.counters.note(x.op, took, err)
	if f := t.client.events.OperationEnded; f != nil {
		e := OperationEnded{
			Operation: x.op.name, Table: t.name, Partition: -1,
			Attempts: cl.Attempts, Duration: took, BytesOut: cl.Sent, BytesIn: cl.Received, Err: err,
		}
		if p := x.partition; p != nil {
			e.TableID, e.Partition, e.Server = p.AppID, p.PartitionIndex, addrOf(p.Primary)
		}
		f(ctx, e)
	}
}

// since is the time from began until the answer to the call, or until now if there
// is none.
func since(cl *rpc.Call, began time.Time, err error) time.Duration {
	if err == nil {
		return cl.At.Sub(began)
	}
	return time.Since(began)
}

// sending is an attempt under way.
type sending struct {
	AttemptStarted
	began          time.Time
	sent, received int // before
}

// attemptStarted tells that a request is about to be sent.
func (t *Table) attemptStarted(ctx context.Context, x *exchange, p *route.Partition) sending {
	a := sending{
		AttemptStarted: AttemptStarted{
			Operation: x.op.name, Table: t.name, TableID: p.AppID, Partition: p.PartitionIndex, Server: addrOf(p.Primary),
			Kind: AttemptFirst, Number: x.call.Attempts + 1,
		},
		began: x.call.Began, sent: x.call.Sent, received: x.call.Received,
	}
	if x.secondary != nil {
		a.Server, a.Kind = x.secondary.Addr(), AttemptHedge
		a.began = time.Now()
	} else if x.course != nil {
		a.began = time.Now()
		if x.call.Attempts > 0 {
			a.Kind = x.attempt
		}
	}
	if f := t.client.events.AttemptStarted; f != nil {
		f(ctx, a.AttemptStarted)
	}
	return a
}

// attemptEnded tells what came of it.
func (t *Table) attemptEnded(ctx context.Context, x *exchange, a *sending, err error) {
	if f := t.client.events.AttemptEnded; f != nil {
		f(ctx, AttemptEnded{
			AttemptStarted: a.AttemptStarted,
			Duration:       since(x.call, a.began, err),
			BytesOut:       x.call.Sent - a.sent, BytesIn: x.call.Received - a.received, Err: err,
		})
	}
}

// retrying counts and tells that a request is about to be sent again, to
// x.partition, after an attempt at failed that ended with err.
func (t *Table) retrying(ctx context.Context, x *exchange, failed *route.Partition, err error, waited time.Duration) {
	x.attempt = AttemptRetry
	if failed.Primary != x.partition.Primary {
		x.attempt = AttemptReroute
	}
	reason := reasonOf(err)
	t.counters.retried(reason)
	if f := t.client.events.Retrying; f != nil {
		f(ctx, Retrying{
			Operation: x.op.name, Table: t.name, Partition: x.partition.PartitionIndex,
			From: failed.Primary.Addr(), To: x.partition.Primary.Addr(),
			Attempt: x.call.Attempts + 1, Reason: reason, Err: err, Waited: waited,
		})
	}
}
