package pegasus

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/pegasus-go/pegasus/internal/rpc"
	"github.com/pegasus-go/pegasus/internal/schema"
	"github.com/pegasus-go/pegasus/internal/wire"
)

// scanner is the consumer of a scan: it delivers one batch while a goroutine
// fetches the next. That has the cursor meanwhile, which comes back with the batch.
type scanner struct {
	table    *Table
	op       *operation
	progress progress        // of the goroutine that fetches
	ctx      context.Context // of its requests: ends with Close, or closeGrace later
	cancel   context.CancelFunc
	batches  chan batch // capacity 1
	closing  chan struct{}
	once     sync.Once

	mu     sync.Mutex // held by Next and Close
	cursor *cursor    // nil while a batch is under way
	batch  []wire.KeyValue
	rows   []wire.KeyValue // what is left of batch
	frame  *rpc.Frame      // that batch is in, if it is lent
	appID  int32           // of the table that the latest batch is from
}

// closeGrace is how long a request that is under way when its scanner is closed
// may take to tell which context to drop. After that the server drops it by
// itself, five minutes later.
const closeGrace = time.Second

// errScannerClosed is ErrClosed to errors.Is.
var errScannerClosed error = scannerClosed{}

type scannerClosed struct{}

func (scannerClosed) Error() string        { return "scanner is closed" }
func (scannerClosed) Is(target error) bool { return target == ErrClosed }

// newScanner returns a scanner of parts of the table. Its failures are those of
// the operation called name.
func newScanner(t *Table, name string, q wire.GetScannerRequest, tg target, parts []part) *scanner {
	s := &scanner{
		table:   t,
		op:      &operation{name: name, task: wire.TaskGetScanner},
		batches: make(chan batch, 1),
		closing: make(chan struct{}),
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.cursor = newCursor(t, s.op, q, tg, parts)
	s.cursor.progress, s.cursor.closing = &s.progress, s.closing
	return s
}

func (s *scanner) Next(ctx context.Context) (completed bool, hashKey, sortKey, value []byte, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err = s.ended(ctx); err == nil && len(s.rows) == 0 {
		completed, err = s.refill(ctx)
	}
	if completed || err != nil {
		return completed, nil, nil, nil, err
	}
	kv := &s.rows[0]
	s.rows = s.rows[1:]
	row, err := s.row(kv)
	return false, row.HashKey, row.SortKey, row.Value, err
}

// row is a record as callers see it. It shares its memory.
func (s *scanner) row(kv *wire.KeyValue) (Row, error) {
	hashKey, sortKey, ok := schema.SplitKey(kv.Key)
	if !ok {
		return Row{}, s.table.badKey(s.op, kv.Key)
	}
	value, err := s.table.restore(kv.Value)
	if err != nil {
		return Row{}, s.table.refuse(s.op, err)
	}
	row := Row{HashKey: hashKey, SortKey: sortKey, Value: value}
	if kv.HasExpireTS {
		row.Expires = expiryTime(kv.ExpireTS)
	}
	return row, nil
}

func (t *Table) badKey(o *operation, key []byte) error {
	return t.refuse(o, fmt.Errorf("%w: record with the key %x", ErrMalformed, key))
}

// ended returns why there may be no row.
func (s *scanner) ended(ctx context.Context) error {
	err := s.table.ended()
	select {
	case <-s.closing:
		err = errScannerClosed
	default:
		if err == nil && ctx.Err() != nil {
			err = rpc.ContextError(ctx)
		}
	}
	if err != nil {
		return s.table.refuse(s.op, err)
	}
	return nil
}

// refill receives batches until one has rows, or the scan is completed.
func (s *scanner) refill(ctx context.Context) (completed bool, err error) {
	clear(s.batch) // all is delivered
	s.frame.Release()
	s.frame = nil
	select {
	case b := <-s.batches:
		// If it failed some time ago, that is no reason to fail now.
		s.accept(ctx, b)
	default:
	}
	if len(s.rows) > 0 {
		return false, nil
	}
	ctx, cancel := s.table.client.bound(ctx)
	defer cancel()
	for len(s.rows) == 0 {
		if s.cursor != nil {
			if s.cursor.done() {
				s.batch = nil
				return true, nil
			}
			s.fetch(ctx, true)
		}
		select {
		case b := <-s.batches:
			s.accept(ctx, b)
			if b.err != nil && !b.late {
				return false, b.err
			}
		case <-ctx.Done():
			return false, s.table.failure(s.progress.last(), rpc.ContextError(ctx))
		case <-s.closing:
		}
		if err := s.ended(ctx); err != nil {
			return false, err
		}
	}
	return false, nil
}

// accept takes over a batch. If it has rows, it starts to fetch the one after.
func (s *scanner) accept(ctx context.Context, b batch) {
	s.cursor = b.cursor
	if len(b.rows) == 0 {
		return
	}
	b.cursor.spare = s.batch
	s.batch, s.rows, s.frame, s.appID = b.rows, b.rows, b.frame, b.cursor.target.appID
	if !b.cursor.done() {
		s.fetch(ctx, false)
	}
}

// withValues is a context with the values of another one, which does not end it.
type withValues struct {
	context.Context
	values context.Context
}

func (w withValues) Value(key any) any {
	if v := w.values.Value(key); v != nil {
		return v
	}
	return w.Context.Value(key)
}

// fetch starts to fetch a batch. If a Next waits for it, it may take as long as
// that has time.
func (s *scanner) fetch(ctx context.Context, awaited bool) {
	c := s.cursor
	s.cursor = nil
	c.until = time.Time{}
	if awaited {
		c.until, _ = ctx.Deadline()
	}
	s.progress.begin(s.op)
	requests := withValues{s.ctx, context.WithoutCancel(ctx)}
	started := s.table.client.pool.Go(func(context.Context) {
		s.batches <- c.next(requests)
		select {
		case <-s.closing:
			s.drop()
		default:
		}
	})
	if !started {
		s.batches <- batch{cursor: c, err: s.table.refuse(s.op, ErrClosed)}
	}
}

// drop gives back what the server holds, once the scanner is closed, if the cursor
// is here. If not, somebody else has it who will do it, or has done it.
func (s *scanner) drop() bool {
	select {
	case b := <-s.batches:
		b.cursor.clear()
		b.frame.Release()
		return true
	default:
		return false
	}
}

func (s *scanner) Close() error {
	s.once.Do(func() {
		close(s.closing) // ends a Next that holds the lock
		s.mu.Lock()
		defer s.mu.Unlock()
		s.batch, s.rows = nil, nil
		s.frame.Release()
		s.frame = nil
		if s.cursor != nil {
			s.cursor.clear()
		} else if !s.drop() {
			time.AfterFunc(closeGrace, s.cancel) // the goroutine that fetches will do it
			return
		}
		s.cancel()
	})
	return nil
}
