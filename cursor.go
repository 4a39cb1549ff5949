package pegasus

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/pegasus-go/pegasus/internal/route"
	"github.com/pegasus-go/pegasus/internal/rpc"
	"github.com/pegasus-go/pegasus/internal/wire"
)

// cursor is the place of a scan. It belongs to one goroutine at a time: that which
// fetches hands it over with its batch.
type cursor struct {
	table       *Table
	begin, goOn *operation
	progress    *progress
	course      course          // of the present request
	closing     <-chan struct{} // closed when no more batches are wanted

	request wire.GetScannerRequest
	target  target
	parts   []part          // the first is being scanned
	context int64           // ScanNotExist if the server holds none
	spare   []wire.KeyValue // memory for the next batch
	spares  spares          // more of it
	lend    bool            // batches say which frame they are in
	frame   *rpc.Frame      // of the present batch, if lend is set
	lost    int             // places that were lost in a row without a row
	until   time.Time       // the end of the Next that waits, if one does
	due     time.Time       // the end of the present step
	checked *rpc.Node       // the server that can resume, if this is to be known

	track  bool   // batches say where they begin and end
	before []part // what was left before the present batch, if track is set
	counts counts // if the request asks for numbers only
}

// newCursor returns a cursor at the start of parts of the table. Its failures are those of
// the operation o.
func newCursor(t *Table, o *operation, q wire.GetScannerRequest, tg target, parts []part) *cursor {
	return &cursor{
		table: t, begin: o, goOn: &operation{name: o.name, task: wire.TaskScan}, progress: new(progress),
		request: q, target: tg, parts: parts, context: wire.ScanNotExist,
	}
}

// counts are of a scan that counts. A part that has to begin anew is counted anew.
type counts struct {
	done int64 // of parts that are completed, and up to the start of the present one
	here int64 // of the present part since its start
}

func (n *counts) total() int64 { return n.done + n.here }

// spares are memory for batches, with room for as many as are used at the same time.
type spares chan []wire.KeyValue

func (s spares) put(rows []wire.KeyValue) {
	select {
	case s <- rows:
	default:
	}
}

func (s spares) get() []wire.KeyValue {
	select {
	case rows := <-s:
		return rows
	default:
		return nil
	}
}

// part is what is left to scan of a share of the table.
type part struct {
	route.Range        // of a table scan
	start       []byte // full key
	inclusive   bool   // start is to be delivered
}

// batch is the result of fetching.
type batch struct {
	cursor *cursor
	rows   []wire.KeyValue
	err    error
	frame  *rpc.Frame // that rows are in, if they are lent
	late   bool       // err is that the time of a request was over

	completed     bool      // nothing is left: said by a feed
	failed        time.Time // when it has failed: likewise
	before, after []part    // what was left, if the cursor tracks that
}

// release gives the memory of the batch back, as nobody needs the rows any more. What
// they point to is used again if it is lent.
func (b *batch) release() {
	if b.rows != nil {
		if b.frame == nil {
			clear(b.rows) // else they keep nothing but memory that is used again
		}
		b.frame.Release()
		b.cursor.spares.put(b.rows)
	}
	*b = batch{}
}

// beyond is how much more time a request has than the Next that waits for it, so
// that it is Next that ends in time.
const beyond = 100 * time.Millisecond

// done reports whether nothing is left to fetch.
func (c *cursor) done() bool { return len(c.parts) == 0 }

// next fetches until there are rows, nothing is left, or it fails. If that takes
// long it returns without rows, between two requests: its caller may not wait any
// more, and what was searched should not be searched again.
func (c *cursor) next(ctx context.Context) batch {
	began, timeout := time.Now(), c.table.client.timeout
	for !c.done() {
		if err := c.pause(ctx); err != nil {
			return batch{cursor: c, err: c.table.refuse(c.begin, err)}
		}
		now := time.Now()
		c.due = now.Add(timeout)
		if c.until.After(c.due) {
			c.due = c.until
		}
		c.due = c.due.Add(beyond)
		rows, err := c.step(ctx)
		if len(rows) == 0 {
			c.frame.Release()
			c.frame = nil
		}
		switch {
		case errors.Is(err, errDivided):
			c.lost++
			err = nil
		case errors.Is(err, ErrReplyTooLarge) && c.request.BatchSize > 1:
			c.request.BatchSize /= 2
			err = nil
		case len(rows) > 0:
			c.lost = 0
		}
		if err != nil || len(rows) > 0 || time.Since(began) > timeout/2 {
			late := err != nil && timeIsOver(err) && !time.Now().Before(c.due)
			b := batch{cursor: c, rows: rows, err: err, late: late, frame: c.frame}
			c.frame = nil
			if c.track {
				b.before, b.after = c.before, slices.Clone(c.parts)
			}
			return b
		}
	}
	return batch{cursor: c}
}

// pause waits if the place was lost again and again. It fails if the scan is over.
func (c *cursor) pause(ctx context.Context) error {
	if c.lost > 1 && c.context == wire.ScanNotExist {
		c.progress.waitFor(forTurn)
		policy := c.table.client.policy(ctx)
		if err := c.table.sleep(ctx, policy.pause(ctx, c.lost-1), c.closing); err != nil {
			return err
		}
	}
	select {
	case <-c.closing:
		return errScannerClosed
	default:
		return nil
	}
}

// exchange returns a request of the present step.
func (c *cursor) exchange(o *operation) exchange {
	c.course = course{deadline: c.due, own: c.due, progress: c.progress}
	x := exchange{op: o, target: c.target, bulk: true, course: &c.course}
	c.progress.note(&x)
	return x
}

// step asks the server once.
func (c *cursor) step(ctx context.Context) ([]wire.KeyValue, error) {
	if c.context != wire.ScanNotExist {
		q := wire.ScanRequest{ContextID: c.context}
		return c.ask(ctx, c.goOn, func(dst []byte) []byte { return wire.AppendArgument(dst, q) })
	}
	if err := c.relocate(ctx); err != nil {
		return nil, err
	}
	if err := c.checkResumable(ctx); err != nil {
		return nil, err
	}
	c.counts.here = 0
	q := c.request
	q.StartKey.Raw, q.StartInclusive = c.parts[0].start, c.parts[0].inclusive
	return c.ask(ctx, c.begin, func(dst []byte) []byte { return wire.AppendArgument(dst, q) })
}

// ask sends a request for rows.
func (c *cursor) ask(ctx context.Context, o *operation, encode rpc.Encode) ([]wire.KeyValue, error) {
	x := c.exchange(o)
	x.lend = c.lend
	if c.track {
		c.before = slices.Clone(c.parts)
	}
	if c.spare == nil {
		c.spare = c.spares.get()
	}
	resp := wire.ScanResponse{KVs: c.spare}
	c.spare = nil
	status := wire.StatusOK
	err := c.table.do(ctx, &x, encode, func(r *wire.Reader) wire.Status {
		resp.Read(r)
		c.frame, x.call.Frame = x.call.Frame, nil
		status = resp.Error
		switch {
		case status == wire.StatusNotFound && o == c.goOn, status == wire.StatusIncomplete && len(resp.KVs) > 0:
			return wire.StatusOK
		}
		return status
	})
	if err != nil {
		// The context may still be there. If not, the server will say so, and
		// it drops by itself one whose id was lost with an answer.
		if errors.Is(err, errDivided) || errors.Is(err, ErrReplyTooLarge) {
			c.context = wire.ScanNotExist
		}
		return nil, err
	}
	c.target.appID = x.partition.AppID // from now on no other table will do
	c.context = wire.ScanNotExist      // it is used up by the request that names it
	if o == c.begin && c.checked != nil && c.checked != x.partition.Primary {
		c.lost++ // the partition has moved since
		return nil, nil
	}
	if resp.KVCount != nil && *resp.KVCount > 0 {
		c.counts.here += int64(*resp.KVCount)
	}
	switch {
	case status == wire.StatusNotFound:
		c.lost++ // the context is gone: go on behind the last row
		return nil, nil
	case status == wire.StatusIncomplete:
		// The time limit of the server: these rows are good, but it keeps no
		// context. Without any rows there is no progress to build on.
		c.advance(resp.KVs)
	case resp.ContextID == wire.ScanCompleted || (o == c.begin && resp.ContextID == 0 && len(resp.KVs) == 0):
		// Real servers answer an empty range with a context id of 0.
		c.counts = counts{done: c.counts.total() + int64(len(resp.KVs))}
		c.parts, c.lost = c.parts[1:], 0
	default:
		c.advance(resp.KVs)
		c.context = resp.ContextID
	}
	return resp.KVs, nil
}

// advance moves the start of the present part behind rows, so that losing the
// context costs nothing.
func (c *cursor) advance(rows []wire.KeyValue) {
	if len(rows) > 0 {
		c.counts = counts{done: c.counts.total() + int64(len(rows))}
		c.parts[0].start = slices.Clone(rows[len(rows)-1].Key)
		c.parts[0].inclusive = false
	}
}

// relocate makes sure that the present part lies in one partition, now that it
// is to be opened: partitions may have been split.
func (c *cursor) relocate(ctx context.Context) error {
	if !c.target.fixed {
		return nil
	}
	ctx, cancel := context.WithDeadline(ctx, c.due)
	defer cancel()
	x := c.exchange(c.begin)
	snap, err := c.table.snapshot(ctx, &x)
	if err != nil {
		return c.table.failure(&x, err)
	}
	now := c.parts[0]
	ranges, ok := snap.Cover(now.Range)
	if !ok || snap.AppID != c.target.appID {
		return c.table.failure(&x, ErrRepartitioned)
	}
	if len(ranges) > 1 || ranges[0] != now.Range {
		parts := make([]part, 0, len(ranges)+len(c.parts)-1)
		for _, r := range ranges {
			parts = append(parts, part{Range: r, start: now.start, inclusive: now.inclusive})
		}
		c.parts = append(parts, c.parts[1:]...)
	}
	c.target = shareTarget(c.parts[0].Range, c.target.appID)
	return nil
}

// clear tells the server to drop the context.
func (c *cursor) clear() {
	if c.context == wire.ScanNotExist || c.done() {
		return
	}
	if snap := c.table.route.Snapshot(); snap != nil {
		if p, err := c.target.locate(snap); err == nil && p.Primary != nil {
			if conn := p.Primary.Live(rpc.Bulk); conn != nil {
				h := wire.RequestHeader{
					GPID:          p.GPID,
					TimeoutMs:     rpc.TimeoutMs(c.table.client.timeout),
					ThreadHash:    p.ThreadHash(),
					PartitionHash: c.target.hash,
				}
				conn.Tell(h, wire.TaskClearScanner, wire.ContextID(c.context))
			}
		}
	}
	c.context = wire.ScanNotExist
}
