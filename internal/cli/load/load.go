// Package load writes many rows into a table, fast, and knows what is acknowledged. All rows of
// a hash key are written by one worker, in their order: a batch of it begins when the one
// before is acknowledged, and no key is in a batch twice.
package load

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pegasus-go/pegasus"
)

// AtOnce is how much may be sent at once; 0: as much as is best.
type AtOnce struct{ Rows, Bytes int }

// most is the share of a worker, which has a limit of its own.
func (a AtOnce) most() (rows, bytes int) {
	share := func(of, most int) int {
		if of == 0 {
			return most
		}
		return max(1, min(most, of/workers))
	}
	return share(a.Rows, batchRows), share(a.Bytes, batchBytes)
}

// Options say how rows are written.
type Options struct {
	NoOverwrite bool // leave rows that are there already
	Verify      bool // read back what was written
}

const (
	workers    = 8
	batchRows  = 512
	batchBytes = 256 << 10
)

// Counts are what has become of rows.
type Counts struct {
	Stored, Skipped, Expired int64
	Bytes                    int64 // of keys and values that were stored
}

// Rows is how many rows that is.
func (c Counts) Rows() int64 { return c.Stored + c.Skipped + c.Expired }

// Writer writes rows. Its methods but Counts are for one goroutine.
type Writer struct {
	ctx     context.Context
	end     context.CancelFunc
	table   *pegasus.Table
	o       Options
	rows    int // of a batch, at most
	bytes   int // likewise
	workers [workers]*worker
	wg      sync.WaitGroup // of workers
	busy    sync.WaitGroup // of batches

	stored, skipped, expired, written atomic.Int64

	mu    sync.Mutex
	first error
}

type worker struct {
	batches chan *batch
	spare   chan *batch
	next    *batch // that is being filled
}

// New returns a Writer. ctx ends requests that are under way; who wants them to be carried out
// drains it first.
func New(ctx context.Context, table *pegasus.Table, o Options, most AtOnce) *Writer {
	ctx, end := context.WithCancel(ctx)
	w := &Writer{ctx: ctx, end: end, table: table, o: o}
	w.rows, w.bytes = most.most()
	for i := range w.workers {
		// Two batches a worker: one is written while one is filled.
		k := &worker{batches: make(chan *batch), spare: make(chan *batch, 1), next: newBatch()}
		k.spare <- newBatch()
		w.workers[i] = k
		w.wg.Go(func() {
			for b := range k.batches {
				if err := w.write(b); err != nil {
					w.fail(err)
				}
				b.reset()
				k.spare <- b
				w.busy.Done()
			}
		})
	}
	return w
}

// Put takes a row, whose bytes it copies. The error is the first of all rows that were taken.
func (w *Writer) Put(row *pegasus.Row) error {
	if err := w.err(); err != nil {
		return err
	}
	k := w.workers[spread(row.HashKey)%workers]
	if !k.next.fits(row, w.rows, w.bytes) {
		w.pass(k)
	}
	k.next.add(row)
	return nil
}

// spread is FNV-1a.
func spread(b []byte) uint32 {
	h := uint32(2166136261)
	for _, c := range b {
		h = (h ^ uint32(c)) * 16777619
	}
	return h
}

// pass gives a worker its batch.
func (w *Writer) pass(k *worker) {
	w.busy.Add(1)
	k.batches <- k.next
	k.next = <-k.spare
}

// Drain waits until all rows that were taken are acknowledged, or have failed.
func (w *Writer) Drain() error {
	for _, k := range w.workers {
		if len(k.next.rows) > 0 {
			w.pass(k)
		}
	}
	w.busy.Wait()
	return w.err()
}

// Abort ends requests that are under way; any goroutine may call it.
func (w *Writer) Abort() { w.end() }

// Close ends requests that are under way and waits for their end.
func (w *Writer) Close() {
	w.end()
	for _, k := range w.workers {
		close(k.batches)
	}
	w.wg.Wait()
}

// Counts tells what has become of rows so far.
func (w *Writer) Counts() Counts {
	return Counts{w.stored.Load(), w.skipped.Load(), w.expired.Load(), w.written.Load()}
}

func (w *Writer) fail(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.first == nil {
		w.first = err
	}
}

func (w *Writer) err() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.first
}

// write writes a batch.
func (w *Writer) write(b *batch) error {
	if err := errors.Join(w.err(), w.ctx.Err()); err != nil {
		return err // what comes behind a failure is not written
	}
	all := len(b.rows)
	b.dropExpired(time.Now())
	w.expired.Add(int64(all - len(b.rows)))
	if w.o.NoOverwrite {
		return w.setAbsent(b)
	}
	if err := w.set(b); err != nil {
		return err
	}
	for i := range b.rows {
		w.count(&b.rows[i])
	}
	if w.o.Verify {
		return w.verify(b.rows)
	}
	return nil
}

func (w *Writer) count(r *pegasus.Row) {
	w.stored.Add(1)
	w.written.Add(int64(len(r.HashKey) + len(r.SortKey) + len(r.Value)))
}
