package pegasus

import (
	"context"
	"errors"
	"iter"
	"slices"
	"time"

	"github.com/pegasus-go/pegasus/internal/rpc"
	"github.com/pegasus-go/pegasus/internal/wire"
)

// ErrExpiryUnknown: the server is too old to tell when entries of a scan expire (before
// Pegasus 2.3).
var ErrExpiryUnknown = errors.New("the server is too old to tell the expiry of entries")

const (
	opRows         = "Rows"
	opBorrowedRows = "BorrowedRows"
)

var opRowsPage = &operation{name: opRows, task: wire.TaskMultiGet}

// Rows returns the entries of a hash key that sel selects, to range over:
//
//	for row, err := range t.Rows(ctx, user, pegasus.Select{Prefix: []byte("cart/")}) {
//		if err != nil {
//			return err
//		}
//		...
//	}
//
// Each range is a scan of its own. An error comes once, with a zero Row, and is the last
// that comes; leaving the loop ends the scan. Rows are the caller's; those of a batch share
// memory, so clone what is kept for long.
// hashKey: must not be empty.
//
// Entries come in batches, of which the next one is fetched while one is consumed. Each
// batch is of one point in time; what is written meanwhile may be in later ones. Lost
// connections, moves and splits are seen to, without an entry missing or coming twice. ctx
// ends the loop, also between entries that are there already; if it has no deadline, each
// batch has Config.OperationTimeout. In ErrRepartitioned the table is another one meanwhile.
//
// Reverse with WithExpiry costs two requests a batch.
func (t *Table) Rows(ctx context.Context, hashKey []byte, sel Select) iter.Seq2[Row, error] {
	return t.rows(ctx, opRows, hashKey, sel, owned)
}

// BorrowedRows is Rows with bytes that are lent: HashKey, SortKey and Value are valid until
// the loop asks for the next row or ends, and must not be changed. Copy what is to be kept:
// their memory is used again for other rows. So there is no allocation for a row, and none
// that grows with a batch, except with Reverse.
//
// In tests with pegasustest what was lent is overwritten when the step is over.
func (t *Table) BorrowedRows(ctx context.Context, hashKey []byte, sel Select) iter.Seq2[Row, error] {
	return t.rows(ctx, opBorrowedRows, hashKey, sel, lent)
}

func (t *Table) rows(ctx context.Context, op string, hashKey []byte, sel Select, terms terms) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		rows, err := t.openRows(op, hashKey, sel, terms)
		if err != nil {
			yield(Row{}, err)
			return
		}
		defer rows.close()
		yield = terms.of(yield)
		for n := 0; sel.Limit <= 0 || n < sel.Limit; n++ {
			row, ok, err := rows.next(ctx)
			if err != nil {
				yield(Row{}, err)
				return
			}
			if !ok || !yield(row, nil) {
				return
			}
		}
	}
}

// rowSource gives the rows of a hash key one by one.
type rowSource interface {
	next(ctx context.Context) (row Row, ok bool, err error)
	close()
}

func (t *Table) openRows(op string, hashKey []byte, sel Select, terms terms) (rowSource, error) {
	err := validateRowKey(hashKey, nil)
	if err == nil {
		err = sel.validate()
	}
	if err == nil {
		err = t.ended()
	}
	if err != nil {
		return nil, t.refuse(&operation{name: op}, err)
	}
	hashKey = slices.Clone(hashKey)
	if sel.Reverse {
		return &backward{table: t, op: op, hashKey: hashKey, sel: sel, left: sel.bounds()}, nil
	}
	rows := t.forward(op, hashKey, sel, sel.bounds())
	rows.scanner.cursor.lend = terms == lent
	return rows, nil
}

// forward gives rows in ascending order, by a scan.
type forward struct {
	scanner *scanner
	expiry  bool
}

func (t *Table) forward(op string, hashKey []byte, sel Select, b bounds) *forward {
	q := sel.scanRequest(hashKey, b)
	var parts []part
	if !emptyRange(&q) {
		parts = []part{{start: q.StartKey.Raw, inclusive: q.StartInclusive}}
	}
	return &forward{newScanner(t, op, q, keyTarget(hashKey), parts), sel.WithExpiry}
}

func (f *forward) next(ctx context.Context) (row Row, ok bool, err error) {
	s := f.scanner
	s.mu.Lock()
	defer s.mu.Unlock()
	completed := false
	if err = s.ended(ctx); err == nil && len(s.rows) == 0 {
		completed, err = s.refill(ctx)
	}
	if completed || err != nil {
		return Row{}, false, err
	}
	kv := &s.rows[0]
	if f.expiry && !kv.HasExpireTS {
		return Row{}, false, s.table.refuse(s.op, ErrExpiryUnknown)
	}
	s.rows = s.rows[1:]
	row, err = s.row(kv)
	return row, err == nil, err
}

func (f *forward) close() { f.scanner.Close() }

// backward gives rows in descending order. There is no scan in that order: it asks for the
// last rows of what is left, again and again.
type backward struct {
	table   *Table
	op      string
	hashKey []byte
	sel     Select
	left    bounds
	rows    []Row // ascending; the last one is next
	done    bool
	appID   int32
}

// backwardRows and backwardBytes bound a batch.
const (
	backwardRows  = 500
	backwardBytes = 512 << 10
)

func (b *backward) close() {}

func (b *backward) next(ctx context.Context) (row Row, ok bool, err error) {
	if ctx.Err() != nil {
		return Row{}, false, b.table.refuse(opRowsPage, rpc.ContextError(ctx))
	}
	for len(b.rows) == 0 {
		if b.done || b.left.empty() {
			return Row{}, false, nil
		}
		if err := b.fetch(ctx); err != nil {
			return Row{}, false, err
		}
	}
	last := len(b.rows) - 1
	row, b.rows = b.rows[last], b.rows[:last]
	return row, true, nil
}

// fetch gets the last rows of what is left.
func (b *backward) fetch(ctx context.Context) error {
	ctx, cancel := b.table.client.bound(ctx)
	defer cancel()
	q := wire.MultiGetRequest{
		HashKey: b.hashKey, StartSortKey: b.left.from, StartInclusive: !b.left.fromExclusive,
		StopSortKey: b.left.to, StopInclusive: b.left.toInclusive,
		MaxKVCount: backwardRows, MaxKVSize: backwardBytes, NoValue: b.sel.KeysOnly || b.sel.WithExpiry,
		FilterType: int32(b.sel.Filter.Type), FilterPattern: b.sel.Filter.Pattern, Reverse: true,
	}
	if b.sel.Limit > 0 {
		q.MaxKVCount = int32(min(b.sel.Limit, backwardRows))
	}
	x := exchange{op: &operation{name: b.op, task: wire.TaskMultiGet}, target: keyTarget(b.hashKey)}
	x.appID = b.appID
	var resp wire.MultiGetResponse
	err := b.table.do(ctx, &x, func(dst []byte) []byte { return wire.AppendArgument(dst, q) }, func(r *wire.Reader) wire.Status {
		resp.Read(r)
		if resp.Error == wire.StatusIncomplete {
			return wire.StatusOK
		}
		return resp.Error
	})
	if err != nil {
		return err
	}
	b.appID = x.partition.AppID
	b.done = resp.Error == wire.StatusOK
	if len(resp.KVs) == 0 {
		if b.done {
			return nil
		}
		// The server has spent its limit on records that have expired or do not match, and
		// does not say how far it got. A scan gets past them.
		return b.fetchForward(ctx, b.left)
	}
	span := b.left
	span.from, span.fromExclusive = resp.KVs[0].Key, false
	b.leave(resp.KVs[0].Key)
	if b.sel.WithExpiry {
		return b.fetchSpan(ctx, span, b.done)
	}
	for _, kv := range resp.KVs {
		value, err := b.table.restore(kv.Value)
		if err != nil {
			return b.table.failure(&x, err)
		}
		b.rows = append(b.rows, Row{HashKey: slices.Clone(b.hashKey), SortKey: kv.Key, Value: value})
	}
	return nil
}

// leave leaves what is before a sort key. Before the empty one there is nothing.
func (b *backward) leave(sortKey []byte) {
	b.left.to, b.left.toInclusive = slices.Clone(sortKey), false // rows are the caller's
	b.done = b.done || len(sortKey) == 0
}

// fetchSpan gets all rows of a span, which are few, by a scan.
func (b *backward) fetchSpan(ctx context.Context, span bounds, done bool) error {
	rows := b.table.forward(b.op, b.hashKey, b.noLimit(), span)
	defer rows.close()
	for {
		row, ok, err := rows.next(ctx)
		if err != nil {
			b.rows, b.done, b.left.to, b.left.toInclusive = nil, false, span.to, span.toInclusive
			return err
		}
		if !ok {
			b.done = done
			return nil
		}
		b.rows = append(b.rows, row)
	}
}

// fetchForward gets the last rows of a span that takes the server long, by a scan of all of
// it.
func (b *backward) fetchForward(ctx context.Context, span bounds) error {
	rows := b.table.forward(b.op, b.hashKey, b.noLimit(), span)
	defer rows.close()
	b.done = true
	for {
		row, ok, err := rows.next(ctx)
		if err != nil {
			b.rows, b.done = nil, false // those at the end are not known
			return err
		}
		if !ok {
			if len(b.rows) > 0 {
				b.leave(b.rows[0].SortKey)
			}
			return nil
		}
		if len(b.rows) == backwardRows {
			b.rows = slices.Delete(b.rows, 0, backwardRows/2)
			b.done = false // there is more before them
		}
		b.rows = append(b.rows, row)
	}
}

func (b *backward) noLimit() Select {
	sel := b.sel
	sel.Limit = 0
	return sel
}

var (
	opGetRow    = &operation{name: "GetRow", task: wire.TaskGetScanner}
	opGetRowTTL = &operation{name: "GetRow", task: wire.TaskTTL, take: takeTTL}
)

// GetRow retrieves an entry together with its expiry, in one request. found reports whether
// there is one. A server that is too old to do that (before Pegasus 2.3) is asked twice.
// hashKey: must not be empty. sortKey: nil counts as empty.
func (t *Table) GetRow(ctx context.Context, hashKey, sortKey []byte) (row Row, found bool, err error) {
	if err := validateRowKey(hashKey, sortKey); err != nil {
		return Row{}, false, t.refuse(opGetRow, err)
	}
	sel := Select{From: sortKey, To: sortKey, ToInclusive: true, WithExpiry: true, Limit: 2}
	b := sel.bounds()
	if len(sortKey) == 0 {
		b.to = []byte{0} // no bound would be everything
		b.toInclusive = false
	}
	q := sel.scanRequest(hashKey, b)
	x := exchange{op: opGetRow, target: keyTarget(hashKey)}
	var resp wire.ScanResponse
	err = t.do(ctx, &x, func(dst []byte) []byte { return wire.AppendArgument(dst, q) }, func(r *wire.Reader) wire.Status {
		resp.Read(r)
		return resp.Error
	})
	if err != nil || len(resp.KVs) == 0 {
		return Row{}, false, err
	}
	kv := &resp.KVs[0]
	row = Row{HashKey: slices.Clone(hashKey), SortKey: append([]byte{}, sortKey...)}
	if row.Value, err = t.restore(kv.Value); err != nil {
		return Row{}, false, t.failure(&x, err)
	}
	if kv.HasExpireTS {
		row.Expires = expiryTime(kv.ExpireTS)
		return row, true, nil
	}
	ttl, err := t.ttl(ctx, opGetRowTTL, hashKey, row.SortKey)
	switch {
	case err != nil:
		return Row{}, false, err
	case ttl == ttlAbsent:
		return Row{}, false, nil
	case ttl != ttlNone:
		row.Expires = t.client.clock().Add(time.Duration(ttl) * time.Second).Truncate(time.Second)
	}
	return row, true, nil
}
