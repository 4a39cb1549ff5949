package pegasus

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// feed fetches batches of scans, each in a goroutine of its own that is one batch ahead of
// who takes them. What is under way when the feed is closed has closeGrace to end, so that
// closing waits for nothing.
type feed struct {
	table   *Table
	ctx     context.Context // of the requests
	cancel  context.CancelFunc
	batches chan batch
	closing chan struct{}
	down    chan struct{} // closed when the client is closed
	over    sync.Once     // closes down
	until   time.Time     // by which all has to end, if there is such a time
	running atomic.Int32
}

// newFeed returns a feed for an operation with the context ctx. The requests have the values
// and the deadline of that, and do not end with it, but with the feed.
func (t *Table) newFeed(ctx context.Context) *feed {
	f := &feed{table: t, batches: make(chan batch), closing: make(chan struct{}), down: make(chan struct{})}
	f.ctx, f.cancel = context.WithCancel(context.WithoutCancel(ctx))
	f.until, _ = ctx.Deadline()
	return f
}

// start begins to fetch the batches of a cursor, which is the feed's from now on. The last
// one says that the scan is completed, or why it has failed.
func (f *feed) start(c *cursor) error {
	c.closing, c.until = f.closing, f.until
	c.progress.begin(c.begin)
	f.running.Add(1)
	if !f.table.client.pool.Go(func(client context.Context) { f.run(client, c) }) {
		f.running.Add(-1)
		return f.table.refuse(c.begin, ErrClosed)
	}
	return nil
}

func (f *feed) run(client context.Context, c *cursor) {
	for wanted := true; wanted; {
		b := f.fetch(c)
		last := b.completed || b.err != nil
		if last {
			f.ended(c) // before anybody can know
		}
		if wanted = f.hand(client, b) && !last; !wanted && !last {
			f.ended(c)
		}
	}
}

// ended gives back what the server holds.
func (f *feed) ended(c *cursor) {
	c.clear()
	f.running.Add(-1)
}

// fetch fetches until there are rows, the scan is completed or it fails. That may take as
// long as it does, as long as servers get on: what is looked for may be rare.
func (f *feed) fetch(c *cursor) batch {
	var losing time.Time // when the place was lost for the first time in a row
	for {
		lost := c.lost
		b := c.next(f.ctx)
		b.completed = b.err == nil && len(b.rows) == 0 && c.done()
		if b.err != nil {
			b.failed = time.Now()
		}
		if b.err != nil || len(b.rows) > 0 || b.completed {
			return b
		}
		switch {
		case c.lost <= lost:
			losing = time.Time{} // the server gets on
		case losing.IsZero():
			losing = time.Now()
		case time.Since(losing) > f.table.client.timeout:
			b.err, b.failed = f.table.failure(c.progress.last(), context.DeadlineExceeded), time.Now()
			return b
		}
	}
}

// hand gives a batch to whoever takes it, and reports whether anybody did. The client, when it
// is closed, does not wait for a loop.
func (f *feed) hand(client context.Context, b batch) bool {
	select {
	case f.batches <- b:
		return true
	case <-f.closing:
	case <-client.Done():
		f.over.Do(func() { close(f.down) })
	}
	b.release()
	return false
}

// next returns the batch that comes first, unless ctx ends before.
func (f *feed) next(ctx context.Context) (b batch, ok bool) {
	select {
	case b := <-f.batches:
		return b, true
	case <-f.down:
		return batch{err: f.table.refuse(opScan, ErrClosed), failed: time.Now()}, true
	case <-ctx.Done():
		return batch{}, false
	}
}

// close ends the feed.
func (f *feed) close() {
	close(f.closing)
	if f.running.Load() > 0 {
		time.AfterFunc(closeGrace, f.cancel)
	} else {
		f.cancel()
	}
}
