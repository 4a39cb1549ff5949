package console

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/admin"
	"github.com/pegasus-go/pegasus/internal/schema"
)

const (
	pageRows     = 100
	batchRows    = 10 // of a table that are in memory with their values at once, about
	minChunk     = 4  // rows of a hash key likewise: as many as are small enough
	maxChunk     = 50
	chunkBytes   = 512 << 10
	readers      = 2       // pages of rows that are read at a time
	previewBytes = 4 << 10 // of a value, in a list
	pageTime     = 2 * time.Second
	stallTime    = 5 * time.Second // a page that comes nowhere in it fails
)

// Row is a row as the page gets it.
type Row struct {
	Hash  Bytes `json:"hash"`
	Sort  Bytes `json:"sort"`
	Value Bytes `json:"value"`
	// Size is that of the value, of which Value may be the beginning.
	Size int `json:"size"`
	// TTL is the time until it expires in seconds, -1 for never.
	TTL float64 `json:"ttl"`
	// Sum identifies the value. A change says which one it is about.
	Sum Bytes `json:"sum"`
}

func (c *Console) row(r *pegasus.Row, limit int) *Row {
	sum := sha256.Sum256(r.Value)
	v := &Row{Hash: r.HashKey, Sort: r.SortKey, Value: r.Value, Size: len(r.Value), TTL: -1, Sum: sum[:16]}
	if len(v.Value) > limit {
		v.Value = append([]byte(nil), v.Value[:limit]...) // the rest can go
	}
	if !r.Expires.IsZero() {
		v.TTL = max(0, r.Expires.Sub(c.opts.Clock()).Seconds())
	}
	return v
}

func (c *Console) addRowCalls() {
	c.calls["rows"] = CallOf(c.listRows)
	c.calls["row"] = CallOf(c.oneRow)
	c.calls["where"] = CallOf(c.where)
	c.calls["row-set"] = c.changing(CallOf(c.setRow))
	c.calls["row-delete"] = c.changing(CallOf(c.deleteRow))
}

// table opens a table, by the name that it has now, for a call, which closes it.
func (c *Console) table(ctx context.Context, name string) (*pegasus.Table, error) {
	return c.client.Open(ctx, name)
}

// rowsQuery asks for rows of a hash key, or without one for those of a table.
type rowsQuery struct {
	Table    string `json:"table"`
	ByHash   bool   `json:"by_hash"`
	Hash     Bytes  `json:"hash"`     // with ByHash the hash key, else what hash keys begin with
	From     Bytes  `json:"from"`     // sort keys from this one on, with ByHash
	To       Bytes  `json:"to"`       // and before this one
	Prefix   Bytes  `json:"prefix"`   // what sort keys begin with
	Reverse  bool   `json:"reverse"`  // descending, with ByHash
	KeysOnly bool   `json:"no_value"` // without values
	Cursor   string `json:"cursor"`   // of the page before
}

// rowsPage is a page of rows.
type rowsPage struct {
	Rows []*Row `json:"rows"`
	// Cursor is where the next page begins, "" at the end. A page may have no rows and a
	// Cursor: none were found in the part that was looked at.
	Cursor string `json:"cursor"`
	// Done is the share of the table that this page has looked through since its cursor.
	Done float64 `json:"done"`
}

func (c *Console) listRows(ctx context.Context, q rowsQuery) (any, error) {
	select {
	case c.rows <- struct{}{}:
		defer func() { <-c.rows }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	t, err := c.table(ctx, q.Table)
	if err != nil {
		return nil, err
	}
	defer t.Close()
	if q.ByHash {
		return c.pageOfHashKey(ctx, t, &q)
	}
	if len(q.From)+len(q.To) > 0 || q.Reverse {
		return nil, Refuse("a range and an order need a hash key")
	}
	return c.pageOfTable(ctx, t, &q)
}

func (c *Console) pageOfHashKey(ctx context.Context, t *pegasus.Table, q *rowsQuery) (any, error) {
	sel := pegasus.Select{From: q.From, To: q.To, Prefix: q.Prefix, Reverse: q.Reverse, KeysOnly: q.KeysOnly, WithExpiry: true}
	page := rowsPage{Rows: []*Row{}, Cursor: q.Cursor}
	end := time.Now().Add(pageTime)
	size := minChunk
	for len(page.Rows) < pageRows {
		chunk, err := t.Page(ctx, q.Hash, sel, pegasus.Cursor(page.Cursor), min(size, pageRows-len(page.Rows)))
		if err != nil {
			return nil, err
		}
		bytes := 0
		for i := range chunk.Rows {
			bytes += len(chunk.Rows[i].Value)
			page.Rows = append(page.Rows, c.row(&chunk.Rows[i], previewBytes))
		}
		if size = min(2*size, maxChunk); bytes > chunkBytes {
			size = 1
		}
		page.Cursor = string(chunk.Next)
		if page.Cursor == "" || time.Now().After(end) {
			break
		}
	}
	return page, nil
}

// cutShort ends a scan when it has had its time and has come somewhere: without that the next page
// would begin where this one has. It returns a function that ends the watch.
func cutShort(scan *pegasus.TableScan, cancel func()) (done func()) {
	begin := scan.Cursor()
	stop, watch := make(chan struct{}), sync.WaitGroup{}
	watch.Go(func() {
		wait := time.NewTimer(pageTime)
		defer wait.Stop()
		for {
			select {
			case <-wait.C:
			case <-stop:
				return
			}
			if scan.Cursor() != begin || scan.Progress().Done > 0 {
				cancel()
				return
			}
			wait.Reset(pageTime / 20)
		}
	})
	return func() { close(stop); watch.Wait() }
}

func (c *Console) pageOfTable(parent context.Context, t *pegasus.Table, q *rowsQuery) (any, error) {
	o := pegasus.ScanOptions{KeysOnly: q.KeysOnly, WithExpiry: true, Parallel: 1, BatchSize: batchRows, Limit: pageRows, Resume: pegasus.Cursor(q.Cursor)}
	if len(q.Hash) > 0 {
		o.HashKeyFilter = pegasus.Filter{Type: pegasus.FilterTypeMatchPrefix, Pattern: q.Hash}
	}
	if len(q.Prefix) > 0 {
		o.SortKeyFilter = pegasus.Filter{Type: pegasus.FilterTypeMatchPrefix, Pattern: q.Prefix}
	}
	scan, err := t.Scan(parent, o)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(parent, stallTime)
	defer cancel()
	defer cutShort(scan, cancel)()
	page := rowsPage{Rows: []*Row{}}
	for row, err := range scan.Rows(ctx) {
		if err != nil && errors.Is(context.Cause(ctx), context.Canceled) && parent.Err() == nil {
			break // it goes on with the next page
		}
		if err != nil {
			return nil, err
		}
		page.Rows = append(page.Rows, c.row(&row, previewBytes))
	}
	page.Cursor = string(scan.Cursor())
	page.Done = scan.Progress().Done
	return page, nil
}

// rowKey names a row.
type rowKey struct {
	Table string `json:"table"`
	Hash  Bytes  `json:"hash"`
	Sort  Bytes  `json:"sort"`
}

// oneRow returns a row with its whole value, nil if there is none.
func (c *Console) oneRow(ctx context.Context, k rowKey) (any, error) {
	t, err := c.table(ctx, k.Table)
	if err != nil {
		return nil, err
	}
	defer t.Close()
	row, found, err := t.GetRow(ctx, k.Hash, k.Sort)
	if err != nil || !found {
		return nil, err
	}
	return c.row(&row, len(row.Value)), nil
}

// rowChange sets or deletes a row.
type rowChange struct {
	rowKey
	Value Bytes `json:"value"`
	// TTL is in seconds: 0 for none, -1 keeps the one that the row has.
	TTL float64 `json:"ttl"`
	// Saw is Row.Sum of what the page has shown, empty if there was no row. The change is
	// made only if that is still so.
	Saw Bytes `json:"saw"`
}

const (
	minTTL = 1                    // seconds
	maxTTL = 50 * 365 * 24 * 3600 // servers count to 2084
)

func (ch *rowChange) ttl() (time.Duration, error) {
	switch {
	case ch.TTL == -1:
		return pegasus.KeepTTL, nil
	case ch.TTL == 0:
		return pegasus.NoTTL, nil
	case ch.TTL < minTTL || ch.TTL > maxTTL:
		return 0, Refuse("a time to live of %v seconds is not in %d to %d", ch.TTL, minTTL, maxTTL)
	}
	return time.Duration(ch.TTL * float64(time.Second)), nil
}

// current returns the row that a change is about, if it is still what the page has shown.
func (c *Console) current(ctx context.Context, t *pegasus.Table, ch *rowChange) (row pegasus.Row, found bool, err error) {
	row, found, err = t.GetRow(ctx, ch.Hash, ch.Sort)
	if err != nil {
		return row, found, err
	}
	if !found && len(ch.Saw) == 0 {
		return row, false, nil
	}
	if !found {
		return row, found, &conflict{}
	}
	if now := c.row(&row, len(row.Value)); string(now.Sum) != string(ch.Saw) {
		return row, found, &conflict{now}
	}
	return row, true, nil
}

// setRow compares and writes in one step of the server, so that nobody's write is lost.
func (c *Console) setRow(ctx context.Context, ch rowChange) (any, error) {
	ttl, err := ch.ttl()
	if err != nil {
		return nil, err
	}
	t, err := c.table(ctx, ch.Table)
	if err != nil {
		return nil, err
	}
	defer t.Close()
	row, found, err := c.current(ctx, t, &ch)
	if err != nil {
		return nil, err
	}
	var done bool
	if found {
		if ttl == pegasus.KeepTTL {
			ttl = pegasus.NoTTL
			if !row.Expires.IsZero() {
				ttl = max(time.Second, row.Expires.Sub(c.opts.Clock()))
			}
		}
		done, err = t.CompareAndSwap(ctx, ch.Hash, ch.Sort, row.Value, ch.Value, ttl)
	} else {
		if ttl == pegasus.KeepTTL {
			return nil, Refuse("there is no row any more whose time to live could be kept: choose one")
		}
		done, err = t.SetIfAbsent(ctx, ch.Hash, ch.Sort, ch.Value, ttl)
	}
	return c.changed(ctx, t, &ch, done, err)
}

func (c *Console) deleteRow(ctx context.Context, ch rowChange) (any, error) {
	t, err := c.table(ctx, ch.Table)
	if err != nil {
		return nil, err
	}
	defer t.Close()
	row, found, err := c.current(ctx, t, &ch)
	if err != nil || !found {
		return nil, err
	}
	done, err := t.DelIfEqual(ctx, ch.Hash, ch.Sort, row.Value)
	return c.changed(ctx, t, &ch, done, err)
}

// changed returns the row as it is after a change, or the conflict that has kept it
// from being made.
func (c *Console) changed(ctx context.Context, t *pegasus.Table, ch *rowChange, done bool, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	row, found, err := t.GetRow(ctx, ch.Hash, ch.Sort)
	if err != nil {
		return nil, err
	}
	var now *Row
	if found {
		now = c.row(&row, len(row.Value))
	}
	if !done {
		return nil, &conflict{now}
	}
	return now, nil
}

// Place is where a key is.
type Place struct {
	HashValue  string   `json:"hash_value"` // of 64 bits, in hexadecimal
	Partition  int      `json:"partition"`
	Partitions int      `json:"partitions"` // of the table
	GPID       string   `json:"gpid"`
	Primary    string   `json:"primary"`
	Secondary  []string `json:"secondaries"`
	Ballot     int64    `json:"ballot"`
}

func (c *Console) where(ctx context.Context, k rowKey) (any, error) {
	all, err := c.admin.Partitions(ctx, k.Table)
	if err != nil {
		return nil, err
	}
	hash := schema.PartitionHash(k.Hash, k.Sort)
	p := servedBy(all, hash)
	return Place{
		HashValue: fmt.Sprintf("%016x", hash), Partition: p.Index, Partitions: len(all), GPID: p.String(),
		Primary: p.Primary, Secondary: p.Secondaries, Ballot: p.Ballot,
	}, nil
}

// servedBy returns the partition with the keys of a hash: while it is split off
// another one, that other one.
func servedBy(all []admin.Partition, hash uint64) admin.Partition {
	n := uint64(len(all))
	p := all[hash%n]
	if p.Ballot < 0 {
		p = all[hash%(n/2)]
	}
	return p
}
