package pegasus

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/pegasus-go/pegasus/internal/route"
	"github.com/pegasus-go/pegasus/internal/rpc"
	"github.com/pegasus-go/pegasus/internal/schema"
	"github.com/pegasus-go/pegasus/internal/wire"
)

// Scanner defines the interface of client-side scanning. It is not for
// concurrent use, except that Close may be called at any time.
//
// A scanner fetches the next batch while its caller consumes the present one:
// it holds two batches at most. Each batch comes from a snapshot of a
// partition that the server keeps. When the server loses it (after five idle
// minutes, a restart, or a move of the partition) the scan goes on behind the
// last entry delivered, on what is stored then: no entry is delivered twice. (A
// server older than Pegasus 2.3 cannot do that for a whole table, which is
// ErrCannotResume.)
type Scanner interface {
	// Next grabs the next entry. completed is true, and there is no entry, once
	// all entries were delivered.
	//
	// When it fails, the next call goes on where the scan was, so that no entry
	// is lost: after the end of ctx, and after a failure that retrying within
	// Config.OperationTimeout did not cure. A filter that few entries pass can
	// make the server search for longer than that; give Next more time then, or
	// call it again. Next fails with ErrClosed after Close.
	Next(ctx context.Context) (completed bool, hashKey []byte, sortKey []byte, value []byte, err error)

	// Close releases what the server and the client hold for the scan. It does
	// not wait for the server. Closing twice is allowed; the error is always
	// nil.
	Close() error
}

const (
	opGetScanner           = "GetScanner"
	opGetUnorderedScanners = "GetUnorderedScanners"
	opNext                 = "Next"
)

// firstKey is the first of all full keys.
var firstKey = []byte{0, 0}

// closeGrace is how long a request that is under way when its scanner is closed
// may take to tell which context to drop. After that the server drops it by
// itself, five minutes later.
const closeGrace = time.Second

func (t *table) GetScanner(_ context.Context, hashKey, startSortKey, stopSortKey []byte, options *ScannerOptions) (Scanner, error) {
	if options == nil {
		options = DefaultScannerOptions()
	}
	s, err := t.hashScanner(opGetScanner, opNext, hashKey, startSortKey, stopSortKey, *options)
	if err != nil {
		return nil, err
	}
	return s, nil
}

// hashScanner returns a scanner of a hash key. Its failures are those of the
// operation getScanner, those of its Next are those of the operation next.
func (t *table) hashScanner(getScanner, next string, hashKey, startSortKey, stopSortKey []byte, o ScannerOptions) (*scanner, error) {
	err := validateHashKey(hashKey)
	if err == nil {
		err = validateBounds(startSortKey, stopSortKey)
	}
	if err == nil {
		err = validateScan(&o)
	}
	if err == nil {
		err = t.ended()
	}
	if err != nil {
		return nil, wrap(getScanner, t.name, err)
	}
	q := scanRequest(&o)
	q.StartKey.Raw = schema.AppendKey(nil, hashKey, startSortKey)
	q.StartInclusive = o.StartInclusive || len(startSortKey) == 0
	if len(stopSortKey) == 0 {
		q.StopKey.Raw = schema.AppendNext(nil, schema.AppendKey(nil, hashKey, nil))
		q.StopInclusive = false
	} else {
		q.StopKey.Raw = schema.AppendKey(nil, hashKey, stopSortKey)
	}
	if o.SortKeyFilter.Type == FilterTypeMatchPrefix && len(o.SortKeyFilter.Pattern) > 0 {
		narrow(&q, schema.AppendKey(nil, hashKey, o.SortKeyFilter.Pattern))
	}
	// The hash key is known, so its filter is decided here. (A prefix filter
	// above the scanned hash key would end a real server's process.)
	matches := o.HashKeyFilter.matches(hashKey)
	q.HashFilterType, q.HashFilterPattern = 0, nil
	q.ValidatePartitionHash = new(bool)

	s := newScanner(t, next, q, target{hash: schema.Hash(hashKey)})
	if matches && !emptyRange(&q) {
		s.parts = []part{{start: q.StartKey.Raw, inclusive: q.StartInclusive}}
	}
	return s, nil
}

// narrow restricts the range of q to keys that begin with prefix.
func narrow(q *wire.GetScannerRequest, prefix []byte) {
	if bytes.Compare(prefix, q.StartKey.Raw) > 0 {
		q.StartKey.Raw, q.StartInclusive = prefix, true
	}
	if next := schema.AppendNext(nil, prefix); len(next) > 0 && bytes.Compare(next, q.StopKey.Raw) <= 0 {
		q.StopKey.Raw, q.StopInclusive = next, false
	}
}

func emptyRange(q *wire.GetScannerRequest) bool {
	c := bytes.Compare(q.StartKey.Raw, q.StopKey.Raw)
	return c > 0 || (c == 0 && !(q.StartInclusive && q.StopInclusive))
}

func (f *Filter) matches(key []byte) bool {
	switch f.Type {
	case FilterTypeMatchAnywhere:
		return bytes.Contains(key, f.Pattern)
	case FilterTypeMatchPrefix:
		return bytes.HasPrefix(key, f.Pattern)
	case FilterTypeMatchPostfix:
		return bytes.HasSuffix(key, f.Pattern)
	}
	return true
}

func (t *table) GetUnorderedScanners(_ context.Context, maxSplitCount int, options *ScannerOptions) ([]Scanner, error) {
	o := *DefaultScannerOptions()
	if options != nil {
		o = *options
	}
	err := validateScan(&o)
	switch {
	case maxSplitCount <= 0:
		err = argumentError("maxSplitCount", "is %d, must be > 0", maxSplitCount)
	case err == nil:
		err = t.ended()
	}
	if err != nil {
		return nil, wrap(opGetUnorderedScanners, t.name, err)
	}
	yes := true
	q := scanRequest(&o)
	q.StartKey.Raw, q.StartInclusive = firstKey, true
	q.StopKey.Raw, q.StopInclusive = []byte{0xff, 0xff}, false
	// Without full_scan the server would stop at the end of a hash key. The
	// partition hash leaves out what a split has moved to another partition.
	q.FullScan, q.ValidatePartitionHash = &yes, &yes

	snap := t.route.Snapshot()
	if snap == nil {
		return nil, wrap(opGetUnorderedScanners, t.name, ErrTableNotFound)
	}
	ranges := snap.Ranges()
	scanners := make([]Scanner, min(maxSplitCount, len(ranges)))
	for i := range scanners {
		s := newScanner(t, opNext, q, target{fixed: true, appID: snap.AppID})
		for j := i; j < len(ranges); j += len(scanners) {
			s.parts = append(s.parts, part{Range: ranges[j], start: q.StartKey.Raw, inclusive: true})
		}
		scanners[i] = s
	}
	return scanners, nil
}

func validateScan(o *ScannerOptions) error {
	if err := validateFilter("options.HashKeyFilter", &o.HashKeyFilter); err != nil {
		return err
	}
	return validateFilter("options.SortKeyFilter", &o.SortKeyFilter)
}

func scanRequest(o *ScannerOptions) wire.GetScannerRequest {
	size := o.BatchSize
	if size <= 0 || size > defaultBatchSize {
		size = defaultBatchSize
	}
	return wire.GetScannerRequest{
		StopInclusive:     o.StopInclusive,
		BatchSize:         int32(size),
		NoValue:           o.NoValue,
		HashFilterType:    int32(o.HashKeyFilter.Type),
		HashFilterPattern: slices.Clone(o.HashKeyFilter.Pattern),
		SortFilterType:    int32(o.SortKeyFilter.Type),
		SortFilterPattern: slices.Clone(o.SortKeyFilter.Pattern),
	}
}

// part is what is left to scan of a share of the table.
type part struct {
	route.Range        // of a table scan
	start       []byte // full key
	inclusive   bool   // start is to be delivered
}

// scanner delivers one batch and fetches the next. The fields of its cursor
// belong to the goroutine that fetches, of which there is at most one; it
// hands them over with its batch.
type scanner struct {
	table  *table
	open   *operation
	resume *operation
	ctx    context.Context // ends with Close
	cancel context.CancelFunc

	mu       sync.Mutex // held by Next and Close
	closed   bool
	batch    []wire.KeyValue // the one being delivered
	rows     []wire.KeyValue // what is left of it
	last     []byte          // full key delivered last
	finished bool
	fetching chan batch // the batch under way, or nil
	failed   error      // why the batch before failed, if a Next waits on all the same

	// The cursor.
	request wire.GetScannerRequest
	target  target
	parts   []part          // the first is being scanned
	context int64           // ScanNotExist if the server holds none
	spare   []wire.KeyValue // memory for the next batch
}

// batch is the result of fetching.
type batch struct {
	rows []wire.KeyValue
	err  error
	done bool // nothing is left behind these rows
}

func newScanner(t *table, op string, q wire.GetScannerRequest, tg target) *scanner {
	s := &scanner{
		table:   t,
		open:    &operation{name: op, task: wire.TaskGetScanner},
		resume:  &operation{name: op, task: wire.TaskScan},
		target:  tg,
		request: q,
		context: wire.ScanNotExist,
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s
}

func (s *scanner) Next(ctx context.Context) (completed bool, hashKey, sortKey, value []byte, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.rows) == 0 {
		if finished, err := s.refill(ctx); finished || err != nil {
			return finished, nil, nil, nil, err
		}
	}
	row := &s.rows[0]
	s.rows = s.rows[1:]
	s.last = row.Key
	hashKey, sortKey, ok := schema.SplitKey(row.Key)
	if !ok {
		return false, nil, nil, nil, s.failure(fmt.Errorf("%w: record with the key %x", ErrMalformed, row.Key))
	}
	return false, hashKey, sortKey, row.Value, nil
}

// failure is the error of a Next that did not come to an attempt.
func (s *scanner) failure(err error) error { return wrap(s.open.name, s.table.name, err) }

// refill receives batches until one has rows, or the scan is finished.
func (s *scanner) refill(ctx context.Context) (finished bool, err error) {
	deadline, ok := ctx.Deadline()
	if !ok {
		// The request has the time of an operation, and says why it failed.
		deadline = time.Now().Add(s.table.client.timeout + ownGrace)
	}
	ctx, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	s.failed = nil // of a Next before
	for len(s.rows) == 0 {
		switch {
		case s.closed:
			return false, s.failure(ErrClosed)
		case s.finished:
			return true, nil
		}
		if err := s.receive(ctx, ok); err != nil {
			return false, err
		}
	}
	return false, nil
}

// ownGrace is what a Next without a deadline waits for the failure of a request
// beyond the time that the request has.
const ownGrace = 100 * time.Millisecond

// receive waits for the batch under way, and starts to fetch the one after. A
// patient caller may have more time than one request.
func (s *scanner) receive(ctx context.Context, patient bool) error {
	if ctx.Err() != nil {
		return s.failure(rpc.ContextError(ctx))
	}
	select {
	case b := <-s.fetching:
		if b.err == nil {
			s.accept(b)
			return nil
		}
		// It failed some time ago; that is no reason to fail now.
		s.fetching = nil
	default:
	}
	if s.fetching == nil {
		s.fetch()
	}
	select {
	case b := <-s.fetching:
		s.accept(b)
		if patient && ctx.Err() == nil && errors.Is(b.err, context.DeadlineExceeded) {
			s.failed = b.err
			return nil
		}
		s.failed = nil
		return b.err
	case <-ctx.Done():
		err := rpc.ContextError(ctx)
		var pe *PError
		if errors.As(s.failed, &pe) {
			failed := *pe
			failed.Err = fmt.Errorf("%w; last failure: %w", err, pe.Err)
			return &failed
		}
		return s.failure(err)
	case <-s.ctx.Done():
		return s.failure(ErrClosed)
	}
}

// accept takes over a batch and starts to fetch the one after.
func (s *scanner) accept(b batch) {
	s.fetching = nil
	s.spare, s.batch = s.batch, b.rows // the rows of the batch before are delivered
	s.rows, s.finished = b.rows, b.done
	if b.err == nil && !b.done {
		s.fetch()
	}
}

// fetch starts to fetch a batch.
func (s *scanner) fetch() {
	ch := make(chan batch, 1)
	s.fetching = ch
	started := s.table.client.pool.Go(func(ctx context.Context) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		stop := context.AfterFunc(s.ctx, func() { time.AfterFunc(closeGrace, cancel) })
		defer stop()
		ch <- s.nextBatch(ctx)
		if s.ctx.Err() == nil {
			return
		}
		// The scanner was closed. Either Close has received the batch and has
		// the cursor, or it has left both here.
		select {
		case <-ch:
			s.clear()
		default:
		}
	})
	if !started {
		ch <- batch{err: s.failure(ErrClosed)}
	}
}

// nextBatch fetches until there are rows, the scan is done, or it fails. If that
// takes long it returns without rows, between two requests: its caller may not
// wait any more, and what was searched should not be searched again.
func (s *scanner) nextBatch(ctx context.Context) batch {
	began, timeout := time.Now(), s.table.client.timeout
	for n := 1; s.ctx.Err() == nil; n++ {
		if len(s.parts) == 0 {
			return batch{done: true}
		}
		rows, err := s.step(ctx)
		took := time.Since(began)
		switch {
		case errors.Is(err, errDivided) && took < timeout && rpc.Pause(ctx, defaultPolicy.pause(ctx, n)):
		case errors.Is(err, ErrReplyTooLarge) && s.request.BatchSize > 1:
			s.request.BatchSize /= 2
		case err != nil || len(rows) > 0 || took > timeout/2:
			return batch{rows: rows, err: err, done: err == nil && len(s.parts) == 0}
		}
	}
	return batch{err: s.failure(ErrClosed)}
}

// step asks the server once.
func (s *scanner) step(ctx context.Context) ([]wire.KeyValue, error) {
	ctx, cancel := context.WithTimeout(ctx, s.table.client.timeout)
	defer cancel()
	op := s.resume
	resume := wire.ScanRequest{ContextID: s.context}
	encode := func(dst []byte) []byte { return wire.AppendArgument(dst, resume) }
	if s.context == wire.ScanNotExist {
		if err := s.relocate(); err != nil {
			return nil, s.failure(err)
		}
		if err := s.checkResumable(ctx); err != nil {
			return nil, err
		}
		op = s.open
		q := s.request
		q.StartKey.Raw, q.StartInclusive = s.parts[0].start, s.parts[0].inclusive
		encode = func(dst []byte) []byte { return wire.AppendArgument(dst, q) }
	}
	x := exchange{op: op, target: s.target, bulk: true}
	resp := wire.ScanResponse{KVs: s.spare}
	outcome := wire.StatusOK
	err := s.table.do(ctx, &x, encode, func(r *wire.Reader) wire.Status {
		s.spare = nil
		resp.Read(r)
		outcome = resp.Error
		switch {
		case outcome == wire.StatusNotFound && op == s.resume, outcome == wire.StatusIncomplete && len(resp.KVs) > 0:
			return wire.StatusOK
		}
		return outcome
	})
	if x.partition != nil && s.target.appID == 0 {
		s.target.appID = x.partition.AppID
	}
	if err != nil {
		// The context may still be there. If not, the server will say so, and
		// it drops by itself one whose id was lost with an answer.
		if errors.Is(err, errDivided) || errors.Is(err, ErrReplyTooLarge) {
			s.context = wire.ScanNotExist
		}
		return nil, err
	}
	// A context is used up by the request that names it.
	s.context = wire.ScanNotExist
	if outcome == wire.StatusNotFound {
		return nil, nil // the context is gone: go on behind the last row
	}
	s.advance(resp.KVs)
	switch {
	case outcome == wire.StatusIncomplete:
		// The time limit of the server: these rows are good, but it keeps no
		// context. Without any rows there is no progress to build on.
	case resp.ContextID == wire.ScanCompleted || (op == s.open && resp.ContextID == 0 && len(resp.KVs) == 0):
		// Real servers answer an empty range with a context id of 0.
		s.parts = s.parts[1:]
	default:
		s.context = resp.ContextID
	}
	return resp.KVs, nil
}

// advance moves the start of the present part behind rows, so that losing the
// context costs nothing.
func (s *scanner) advance(rows []wire.KeyValue) {
	if len(rows) > 0 {
		s.parts[0].start = slices.Clone(rows[len(rows)-1].Key)
		s.parts[0].inclusive = false
	}
}

// relocate makes sure that the present part lies in one partition, now that it
// is to be opened: partitions may have been split.
func (s *scanner) relocate() error {
	if !s.target.fixed {
		return nil
	}
	now := s.parts[0]
	snap := s.table.route.Snapshot()
	if snap == nil {
		return ErrTableNotFound
	}
	ranges, ok := snap.Cover(now.Range)
	if !ok {
		return ErrRepartitioned
	}
	if len(ranges) > 1 || ranges[0] != now.Range {
		parts := make([]part, 0, len(ranges)+len(s.parts)-1)
		for _, r := range ranges {
			parts = append(parts, part{Range: r, start: now.start, inclusive: now.inclusive})
		}
		s.parts = append(parts, s.parts[1:]...)
	}
	s.target = shareTarget(s.parts[0].Range, s.target.appID)
	return nil
}

// checkResumable makes sure that the server can begin in the middle of a table.
// One that does not know full_scan would stop at the end of the hash key that it
// begins with, and say that this was all. Those that know it are those that know
// return_expire_ts.
func (s *scanner) checkResumable(ctx context.Context) error {
	client := s.table.client
	if !s.target.fixed || s.parts[0].inclusive || client.fullScan.Load() {
		return nil
	}
	yes := true
	q := wire.GetScannerRequest{
		StartKey: wire.Key{Raw: firstKey}, StartInclusive: true, StopKey: s.request.StopKey,
		BatchSize: 1, NoValue: true, ReturnExpireTS: &yes,
	}
	x := exchange{op: s.open, target: s.target, bulk: true}
	var resp wire.ScanResponse
	err := s.table.do(ctx, &x, func(dst []byte) []byte { return wire.AppendArgument(dst, q) }, func(r *wire.Reader) wire.Status {
		resp.Read(r)
		return resp.Error
	})
	if err != nil {
		return err
	}
	if resp.ContextID != wire.ScanCompleted && resp.ContextID != 0 {
		s.context = resp.ContextID
		s.clear()
	}
	switch {
	case len(resp.KVs) > 0 && resp.KVs[0].HasExpireTS:
		client.fullScan.Store(true)
	case len(resp.KVs) == 0 && resp.ContextID == wire.ScanCompleted: // nothing there to lose
	case len(resp.KVs) == 0 && resp.ContextID == 0: // likewise
	default:
		return s.table.failure(&x, ErrCannotResume)
	}
	return nil
}

// lastSortKey returns the sort key delivered last, nil if there was none.
func (s *scanner) lastSortKey() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, sortKey, ok := schema.SplitKey(s.last)
	if !ok {
		return nil
	}
	return sortKey
}

func (s *scanner) Close() error {
	s.cancel() // ends a Next that holds the lock
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	s.rows = nil
	if s.fetching == nil {
		s.clear()
		return nil
	}
	select {
	case <-s.fetching:
		s.clear()
	default: // the goroutine that fetches will do it
	}
	return nil
}

// clear tells the server to drop the context.
func (s *scanner) clear() {
	if s.context == wire.ScanNotExist || len(s.parts) == 0 {
		return
	}
	if snap := s.table.route.Snapshot(); snap != nil {
		if p, err := s.target.locate(snap); err == nil && p.Primary != nil {
			if conn := p.Primary.Live(rpc.Bulk); conn != nil {
				h := wire.RequestHeader{
					GPID:          p.GPID,
					TimeoutMs:     rpc.TimeoutMs(s.table.client.timeout),
					ThreadHash:    p.ThreadHash(),
					PartitionHash: s.target.hash,
				}
				conn.Tell(h, wire.TaskClearScanner, wire.ContextID(s.context))
			}
		}
	}
	s.context = wire.ScanNotExist
}
