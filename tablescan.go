package pegasus

import (
	"context"
	"errors"
	"iter"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pegasus-go/pegasus/internal/rpc"
	"github.com/pegasus-go/pegasus/internal/schema"
	"github.com/pegasus-go/pegasus/internal/wire"
)

// ScanOptions say which entries of a table a scan gives, and how. The zero value is all of
// them, with values, four partitions at a time.
type ScanOptions struct {
	HashKeyFilter Filter
	SortKeyFilter Filter
	KeysOnly      bool // without values
	WithExpiry    bool // set Row.Expires: see ErrExpiryUnknown

	// Share is the part of the table that is scanned; the zero value is all of it.
	Share Share
	// Parallel is the number of partitions that are scanned at the same time; their entries
	// come as they arrive. <= 0 means 4, 1 one partition after the other: then entries come
	// by partition, and in a partition by the length of their hash keys, hash key and sort key.
	// Each takes the memory of two batches.
	Parallel int
	// BatchSize is the number of entries fetched at once, at most 1000; <= 0 means 1000.
	BatchSize int
	// Limit is the most entries; <= 0 means no limit. TableScan.Cursor goes on behind them.
	Limit int
	// Resume is where an earlier scan with the same filters and share has stopped; empty for
	// the beginning.
	Resume Cursor
}

const defaultParallel = 4

var (
	opScan        = &operation{name: "Scan"}
	opScanRequest = &operation{name: "Scan", task: wire.TaskGetScanner}
)

// TableScan is a scan of a whole table. It is made by Table.Scan. One range over Rows may
// be under way; Cursor is for its loop, and for after it, Progress for anybody.
type TableScan struct {
	table   *Table
	options ScanOptions
	request wire.GetScannerRequest
	query   query
	appID   int32
	terms   terms // of the latest loop

	// handed is how many rows of the batch in hand are done. The loop alone changes it,
	// without the mutex: it does so for each row.
	handed atomic.Int64

	// keys are those of the latest two rows that were given to a loop that owns them: it may
	// have changed its own.
	keys [2][]byte

	mu        sync.Mutex
	running   bool
	shares    []*scanShare
	hand      *scanShare // whose batch is in hand, or nil
	batch     batch
	rows      int64 // of batches that were in hand
	bytes     int64
	completed int   // shares
	average   int64 // rows of those that were scanned as a whole
	whole     int64 // their number
}

// scanShare is what is left of one partition. When its table was split since it may be
// several.
type scanShare struct {
	parts  []part
	rows   int64
	begun  bool
	middle bool // it was resumed in the middle
}

// done returns the rows in hand that are done.
func (s *TableScan) done() []wire.KeyValue { return s.batch.rows[:s.handed.Load()] }

// key is that of a row in hand.
func (s *TableScan) key(i int) []byte {
	if s.terms == lent {
		return s.batch.rows[i].Key
	}
	return s.keys[i%2]
}

// left returns what is left of a share, without the rows in hand that are done.
func (s *TableScan) left(share *scanShare) []part {
	if share != s.hand {
		return share.parts
	}
	done := s.done()
	switch n := len(done); n {
	case 0:
		return share.parts
	case len(s.batch.rows):
		return s.batch.after
	default:
		parts := slices.Clone(s.batch.before)
		parts[0].start, parts[0].inclusive = slices.Clone(s.key(n-1)), false
		return parts
	}
}

// Scan begins a scan of the whole table:
//
//	scan, err := t.Scan(ctx, pegasus.ScanOptions{Resume: saved})
//	...
//	for row, err := range scan.Rows(ctx) {
//		if err != nil {
//			return err // scan.Cursor() tells where to go on
//		}
//		...
//	}
//
// It asks the meta servers if it is not known where the table is. It is no snapshot: what is
// written during a scan may be in it or not. Each entry that is there all the time comes once,
// also when servers fail and partitions are split.
//
// It fails with ErrCursorMismatch, ErrCursorDamaged or ErrCursorTooNew if it cannot go on at
// options.Resume.
func (t *Table) Scan(ctx context.Context, options ScanOptions) (*TableScan, error) {
	so := ScannerOptions{BatchSize: options.BatchSize, HashKeyFilter: options.HashKeyFilter, SortKeyFilter: options.SortKeyFilter, NoValue: options.KeysOnly}
	err := validateScan(&so)
	if err == nil {
		err = options.Share.validate("options.Share")
	}
	if err == nil {
		err = t.mayBegin(ctx)
	}
	if err != nil {
		return nil, t.refuse(opScan, err)
	}
	bound, cancel := t.client.bound(ctx)
	defer cancel()
	x := exchange{op: opScan}
	snap, err := t.snapshot(bound, &x)
	if err != nil {
		return nil, t.failure(&x, err)
	}
	if options.Parallel <= 0 {
		options.Parallel = defaultParallel
	}
	s := &TableScan{
		table: t, options: options, request: tableScanRequest(&so), appID: snap.AppID,
		query: newQuery(cursorOfScan).filter(&options.HashKeyFilter).filter(&options.SortKeyFilter),
	}
	if options.WithExpiry {
		yes := true
		s.request.ReturnExpireTS = &yes
	}
	if !options.Share.all() {
		s.query = s.query.share(options.Share)
	}
	if options.Resume == "" {
		ranges, err := options.Share.of(snap, "options.Share")
		if err != nil {
			return nil, t.refuse(opScan, err)
		}
		for _, r := range ranges {
			s.shares = append(s.shares, &scanShare{parts: []part{{Range: r, start: firstKey, inclusive: true}}})
		}
		return s, nil
	}
	payload, err := options.Resume.decode(cursorOfScan, s.query)
	if err == nil {
		err = s.resume(payload, func(p part) bool { _, ok := snap.Cover(p.Range); return ok })
	}
	if err != nil {
		return nil, t.refuse(opScan, err)
	}
	return s, nil
}

// resume takes up what was left.
func (s *TableScan) resume(payload []byte, exists func(part) bool) error {
	appID, parts, err := decodeParts(payload)
	switch {
	case err != nil:
		return err
	case appID != s.appID || !allOf(parts, exists):
		return ErrCursorMismatch
	}
	for _, p := range parts {
		s.shares = append(s.shares, &scanShare{parts: []part{p}, middle: !p.inclusive})
	}
	return nil
}

func allOf(parts []part, f func(part) bool) bool {
	return !slices.ContainsFunc(parts, func(p part) bool { return !f(p) })
}

// Cursor returns where the scan is, for ScanOptions.Resume: behind all rows for which the
// loop has come back to ask for another one. So the row that the loop is at, or that it has
// ended at by break or return, comes again. It is empty at the end of the scan. A scan that
// has given no row yet has a Cursor, too.
func (s *TableScan) Cursor() Cursor {
	s.mu.Lock()
	defer s.mu.Unlock()
	var parts []part
	for _, share := range s.shares {
		parts = append(parts, s.left(share)...)
	}
	if len(parts) == 0 {
		return ""
	}
	return encodeCursor(cursorOfScan, s.query, appendParts(nil, s.appID, parts))
}

// Progress is how far a scan has come.
type Progress struct {
	Rows, Bytes int64 // keys and values that were given so far, by this TableScan
	// Done is about which share of the table is scanned, from 0 to 1: partitions that are
	// completed, and those under way by the number of their rows.
	Done                  float64
	Partitions, Completed int // to be scanned by this TableScan
}

// Progress tells how far the scan has come.
func (s *TableScan) Progress() Progress {
	s.mu.Lock()
	defer s.mu.Unlock()
	done := s.done()
	p := Progress{Rows: s.rows + int64(len(done)), Bytes: s.bytes + bytesOf(done), Partitions: len(s.shares), Completed: s.completed}
	if len(s.shares) == 0 {
		p.Done = 1
		return p
	}
	p.Done = float64(s.completed)
	if s.whole > 0 {
		for _, share := range s.shares {
			if len(share.parts) > 0 && share.begun {
				rows := share.rows
				if share == s.hand {
					rows += int64(len(done))
				}
				p.Done += min(0.95, float64(rows)/float64(max(1, s.average/s.whole)))
			}
		}
	}
	p.Done /= float64(len(s.shares))
	return p
}

// bytesOf is the size of keys and values, without what full keys have in front.
func bytesOf(rows []wire.KeyValue) (n int64) {
	for i := range rows {
		n += int64(len(rows[i].Key) - 2 + len(rows[i].Value))
	}
	return n
}

// Rows returns the entries of the scan, to range over. An error comes once, with a zero Row,
// and is the last that comes; another range goes on at Cursor. Rows are the caller's; those of
// a batch share memory, so clone what is kept for long.
//
// ctx ends the loop, also between rows that are there already; if it has no deadline, each
// request has Config.OperationTimeout. With ErrRepartitioned the table is another one meanwhile.
func (s *TableScan) Rows(ctx context.Context) iter.Seq2[Row, error] {
	return s.over(ctx, owned)
}

// BorrowedRows is Rows with bytes that are lent, as those of Table.BorrowedRows. It takes less
// than half the time where the loop does little.
func (s *TableScan) BorrowedRows(ctx context.Context) iter.Seq2[Row, error] {
	return s.over(ctx, lent)
}

func (s *TableScan) over(ctx context.Context, terms terms) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		if err := s.begin(); err != nil {
			yield(Row{}, err)
			return
		}
		defer s.end()
		if err := s.run(ctx, terms, yield); err != nil {
			yield(Row{}, err)
		}
	}
}

var errScanRunning = errors.New("another range over the scan is under way")

func (s *TableScan) begin() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running {
		return s.table.refuse(opScan, errScanRunning)
	}
	s.running = true
	return nil
}

func (s *TableScan) end() {
	s.put()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running = false
}

// run gives all rows to yield until that returns false.
func (s *TableScan) run(ctx context.Context, terms terms, yield func(Row, error) bool) error {
	yield, s.terms = terms.of(yield), terms
	f := s.table.newFeed(ctx)
	defer f.close()
	todo := slices.DeleteFunc(slices.Clone(s.shares), func(share *scanShare) bool { return len(share.parts) == 0 })
	active := make(map[*cursor]*scanShare)
	parallel := min(s.options.Parallel, len(todo))
	spare := make(spares, 2*parallel)
	start := func() error {
		c := newCursor(s.table, opScanRequest, s.request, target{fixed: true, appID: s.appID}, slices.Clone(todo[0].parts))
		c.track, c.lend, c.spares = true, terms == lent, spare
		active[c] = todo[0]
		todo = todo[1:]
		return f.start(c)
	}
	for len(active) < parallel {
		if err := start(); err != nil {
			return err
		}
	}
	limit := s.options.Limit
	for len(active) > 0 {
		asked := time.Now()
		b, ok := f.next(ctx)
		switch {
		case !ok:
			return s.late(rpc.ContextError(ctx), active)
		case b.err != nil && b.failed.Before(asked):
			// It failed while the loop was busy, which is no reason to fail now.
			todo = append(todo, active[b.cursor])
			delete(active, b.cursor)
			if err := start(); err != nil {
				return err
			}
			continue
		case b.err != nil:
			return b.err
		case b.completed:
			s.completeShare(active[b.cursor])
			if delete(active, b.cursor); len(todo) > 0 {
				if err := start(); err != nil {
					return err
				}
			}
			continue
		}
		s.take(active[b.cursor], &b)
		rows := b.rows
		if limit > 0 {
			rows = rows[:min(limit, len(rows))]
			limit -= len(rows)
		}
		if more, err := s.handOut(ctx, rows, yield); !more || err != nil {
			return err
		}
		s.put()
		if limit == 0 && s.options.Limit > 0 {
			return nil
		}
	}
	return nil
}

// row makes what the loop gets for a record.
func (s *TableScan) row(row *Row, kv *wire.KeyValue) (err error) {
	hashKey, sortKey, ok := schema.SplitKey(kv.Key)
	if !ok {
		return s.table.badKey(opScan, kv.Key)
	}
	// Field by field: as a whole it would be made elsewhere and copied.
	row.HashKey, row.SortKey = hashKey, sortKey
	row.Value, row.Expires = kv.Value, time.Time{}
	if s.table.values != nil {
		if row.Value, err = s.table.restore(kv.Value); err != nil {
			return s.table.refuse(opScan, err)
		}
	}
	if kv.HasExpireTS {
		row.Expires = expiryTime(kv.ExpireTS)
	} else if s.options.WithExpiry {
		return s.table.refuse(opScan, ErrExpiryUnknown)
	}
	return nil
}

// late is the error of a scan whose time is over: it says what one of its requests has waited
// for.
func (s *TableScan) late(err error, active map[*cursor]*scanShare) error {
	for c := range active {
		return s.table.failure(c.progress.last(), err)
	}
	return s.table.refuse(opScan, err)
}

// rowsAhead is how many rows are made before the first of them is passed on: one that was
// made just before is copied slowly, as its stores have not reached the cache.
const rowsAhead = 16

// handOut gives rows of the batch in hand to yield, one by one.
func (s *TableScan) handOut(ctx context.Context, rows []wire.KeyValue, yield func(Row, error) bool) (more bool, err error) {
	var ahead [rowsAhead]Row
	done := ctx.Done()
	for first := 0; first < len(rows); {
		var failed error
		made := 0
		for ; made < rowsAhead && first+made < len(rows); made++ {
			if failed = s.row(&ahead[made], &rows[first+made]); failed != nil {
				break
			}
		}
		for i := range made {
			s.handed.Store(int64(first + i))
			select {
			case <-done:
				return false, s.table.refuse(opScan, rpc.ContextError(ctx))
			default:
			}
			if err := s.table.ended(); err != nil {
				return false, s.table.refuse(opScan, err)
			}
			if s.terms == owned {
				s.keys[(first+i)%2] = append(s.keys[(first+i)%2][:0], rows[first+i].Key...)
			}
			if !yield(ahead[i], nil) {
				return false, nil
			}
		}
		if first += made; failed != nil {
			s.handed.Store(int64(first))
			return false, failed
		}
	}
	s.handed.Store(int64(len(rows)))
	return true, nil
}

// take takes a batch of a share in hand.
func (s *TableScan) take(share *scanShare, b *batch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.handed.Store(0)
	s.hand, s.batch = share, *b
	share.parts, share.begun = b.before, true
}

// put lays down the batch in hand, if there is one. Those of its rows that are not done
// come again.
func (s *TableScan) put() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.hand == nil {
		return
	}
	done := s.done()
	s.rows += int64(len(done))
	s.bytes += bytesOf(done)
	s.hand.rows += int64(len(done))
	s.hand.parts = s.left(s.hand)
	s.handed.Store(0)
	s.batch.release()
	s.hand = nil
}

func (s *TableScan) completeShare(share *scanShare) {
	s.mu.Lock()
	defer s.mu.Unlock()
	share.parts = nil
	s.completed++
	if !share.middle {
		s.whole++
		s.average += share.rows
	}
}
