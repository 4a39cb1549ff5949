package pegasus

import (
	"context"
	"errors"
	"iter"
	"slices"
	"sync"

	"github.com/pegasus-go/pegasus/internal/rpc"
	"github.com/pegasus-go/pegasus/internal/wire"
)

// ScanOptions say which entries of a table a scan gives, and how. The zero value is all of
// them, with values, four partitions at a time.
type ScanOptions struct {
	HashKeyFilter Filter
	SortKeyFilter Filter
	KeysOnly      bool // without values
	WithExpiry    bool // set Row.Expires: see ErrExpiryUnknown

	// Parallel is the number of partitions that are scanned at the same time; their entries
	// come as they arrive. <= 0 means 4, 1 one partition after the other: then entries come
	// by partition, and in a partition by the length of their hash keys, hash key and sort key.
	// Each takes the memory of three batches.
	Parallel int
	// BatchSize is the number of entries fetched at once, at most 1000; <= 0 means 1000.
	BatchSize int
	// Limit is the most entries; <= 0 means no limit. TableScan.Cursor goes on behind them.
	Limit int
	// Resume is where an earlier scan with the same filters has stopped; empty for the
	// beginning.
	Resume Cursor
}

const defaultParallel = 4

var opScan = &operation{name: "Scan"}

// TableScan is a scan of a whole table. It is made by Table.Scan. One range over Rows may
// be under way; Cursor is for its loop, and for after it, Progress for anybody.
type TableScan struct {
	table   *Table
	options ScanOptions
	request wire.GetScannerRequest
	query   query
	appID   int32

	mu        sync.Mutex
	running   bool
	shares    []*scanShare
	rows      int64
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

	// The batch whose rows are being handed out.
	batch  scanBatch
	handed int
}

// left returns what is left when n rows of the batch are done.
func (s *scanShare) left(done int) []part {
	if done <= 0 || done > len(s.batch.rows) {
		return s.parts
	}
	parts := slices.Clone(s.batch.before)
	parts[0].start, parts[0].inclusive = slices.Clone(s.batch.rows[done-1].Key), false
	return parts
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
	if options.Resume == "" {
		for _, r := range snap.Ranges() {
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
		parts = append(parts, share.left(share.handed)...)
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
	p := Progress{Rows: s.rows, Bytes: s.bytes, Partitions: len(s.shares), Completed: s.completed}
	if len(s.shares) == 0 {
		p.Done = 1
		return p
	}
	done := float64(s.completed)
	if s.whole > 0 {
		for _, share := range s.shares {
			if len(share.parts) > 0 && share.begun {
				done += min(0.95, float64(share.rows)/float64(max(1, s.average/s.whole)))
			}
		}
	}
	p.Done = done / float64(len(s.shares))
	return p
}

// Rows returns the entries of the scan, to range over. An error comes once, with a zero Row,
// and is the last that comes; another range goes on at Cursor. Rows are the caller's; those of
// a batch share memory, so clone what is kept for long.
//
// ctx ends the loop, also between rows that are there already; if it has no deadline, each
// batch has Config.OperationTimeout. With ErrRepartitioned the table is another one meanwhile.
func (s *TableScan) Rows(ctx context.Context) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		if err := s.begin(); err != nil {
			yield(Row{}, err)
			return
		}
		defer s.end()
		if err := s.run(ctx, func(row Row) bool { return yield(row, nil) }); err != nil {
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
	// What was handed out and not done comes again.
	for _, share := range s.shares {
		share.parts, share.batch, share.handed = share.left(share.handed), scanBatch{}, 0
	}
	return nil
}

func (s *TableScan) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running = false
}

// arrival is a batch of a share, or what has ended it: an error, or that it is completed.
type arrival struct {
	share     *scanShare
	batch     scanBatch
	completed bool
	err       error
}

// run gives all rows to f until that returns false.
func (s *TableScan) run(ctx context.Context, f func(Row) bool) error {
	fetching, cancel := context.WithCancel(ctx)
	arrivals := make(chan arrival)
	var wg sync.WaitGroup
	defer func() {
		cancel()
		wg.Wait()
	}()
	todo := slices.DeleteFunc(slices.Clone(s.shares), func(share *scanShare) bool { return len(share.parts) == 0 })
	active := 0
	start := func() {
		share := todo[0]
		todo = todo[1:]
		active++
		wg.Go(func() { s.pump(fetching, share, arrivals) })
	}
	for len(todo) > 0 && active < s.options.Parallel {
		start()
	}
	given := 0
	for active > 0 {
		var a arrival
		select {
		case a = <-arrivals:
		case <-ctx.Done():
			return s.table.refuse(opScan, rpc.ContextError(ctx))
		}
		if a.err != nil {
			return a.err
		}
		if a.completed {
			s.completeShare(a.share)
			if active--; len(todo) > 0 {
				start()
			}
			continue
		}
		s.arrived(a)
		for i := range a.batch.rows {
			if ctx.Err() != nil {
				return s.table.refuse(opScan, rpc.ContextError(ctx))
			}
			if err := s.table.ended(); err != nil {
				return s.table.refuse(opScan, err)
			}
			kv := &a.batch.rows[i]
			if s.options.WithExpiry && !kv.HasExpireTS {
				return s.table.refuse(opScan, ErrExpiryUnknown)
			}
			row, err := a.batch.scanner.row(kv)
			if err != nil {
				return err
			}
			if !f(row) {
				return nil
			}
			given++
			s.given(a.share, &row)
			if given == s.options.Limit {
				return nil
			}
		}
		s.finish(a)
	}
	return nil
}

// pump fetches the batches of a share.
func (s *TableScan) pump(ctx context.Context, share *scanShare, arrivals chan<- arrival) {
	sc := newScanner(s.table, opScan.name, s.request, target{fixed: true, appID: s.appID}, slices.Clone(share.parts))
	defer sc.Close()
	sc.cursor.track = true
	for {
		a := arrival{share: share}
		a.batch, a.completed, a.err = sc.nextBatch(ctx)
		select {
		case arrivals <- a:
		case <-ctx.Done():
			return
		}
		if a.completed || a.err != nil {
			return
		}
	}
}

func (s *TableScan) arrived(a arrival) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a.share.batch, a.share.handed, a.share.begun = a.batch, 0, true
	a.share.parts = a.batch.before
}

// given notes that a row is done.
func (s *TableScan) given(share *scanShare, row *Row) {
	s.mu.Lock()
	defer s.mu.Unlock()
	share.handed++
	share.rows++
	s.rows++
	s.bytes += int64(len(row.HashKey) + len(row.SortKey) + len(row.Value))
}

// finish notes that all rows of a batch are done.
func (s *TableScan) finish(a arrival) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a.share.parts, a.share.batch, a.share.handed = a.batch.after, scanBatch{}, 0
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
