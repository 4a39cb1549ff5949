package pegasus

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/pegasus-go/pegasus/internal/rpc"
	"github.com/pegasus-go/pegasus/internal/wire"
)

var opCount = &operation{name: "Count"}

// Count returns the number of entries of a hash key that sel selects. The server counts, and
// sends numbers only (before Pegasus 2.4 it sends the keys). For all entries of a hash key
// SortKeyCount is one request, which gives up if it takes long; Count is as many as it takes,
// and all of it has the time of one operation.
// hashKey: must not be empty.
func (t *Table) Count(ctx context.Context, hashKey []byte, sel Select) (int64, error) {
	err := validateRowKey(hashKey, nil)
	if err == nil {
		err = sel.validate()
	}
	if err == nil {
		err = t.mayBegin(ctx)
	}
	if err != nil {
		return 0, t.refuse(opCount, err)
	}
	most := sel.Limit
	sel.KeysOnly, sel.WithExpiry, sel.Limit = true, false, 0
	q := sel.scanRequest(hashKey, sel.bounds())
	var parts []part
	if !emptyRange(&q) {
		parts = []part{{start: q.StartKey.Raw, inclusive: q.StartInclusive}}
	}
	ctx, cancel := t.client.bound(ctx)
	defer cancel()
	n, err := t.count(ctx, opCount.name, q, keyTarget(hashKey), parts)
	if err == nil && most > 0 {
		n = min(n, int64(most))
	}
	return n, err
}

// count counts the records of parts of a table.
func (t *Table) count(ctx context.Context, op string, q wire.GetScannerRequest, tg target, parts []part) (int64, error) {
	yes := true
	q.OnlyReturnCount, q.NoValue, q.BatchSize = &yes, true, defaultBatchSize
	c := newCursor(t, &operation{name: op, task: wire.TaskGetScanner}, q, tg, parts)
	f := t.newFeed(ctx)
	defer f.close()
	if err := f.start(c); err != nil {
		return 0, err
	}
	for {
		b, ok := f.next(ctx)
		switch {
		case !ok:
			return 0, t.failure(c.progress.last(), rpc.ContextError(ctx))
		case b.err != nil:
			return 0, b.err
		case b.completed:
			return c.counts.total(), nil
		}
		b.release() // rows of a server that cannot count
	}
}

// Count returns the number of entries that Rows would give from here on, Limit included. The
// servers count, and send numbers only (before Pegasus 2.4 they send the keys). The scan stays
// where it is. A partition that moves meanwhile is counted anew.
func (s *TableScan) Count(ctx context.Context) (int64, error) {
	s.mu.Lock()
	var todo [][]part
	for _, share := range s.shares {
		if parts := s.left(share); len(parts) > 0 {
			todo = append(todo, slices.Clone(parts))
		}
	}
	s.mu.Unlock()
	counting, cancel := context.WithCancel(ctx)
	defer cancel()
	var sum, next atomic.Int64
	var once sync.Once
	var first error
	var wg sync.WaitGroup
	for range min(len(todo), s.options.Parallel) {
		wg.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(todo)); i = next.Add(1) - 1 {
				n, err := s.table.count(counting, opScan.name, s.request, target{fixed: true, appID: s.appID}, todo[i])
				if err != nil {
					once.Do(func() { first = err })
					cancel()
					return
				}
				sum.Add(n)
			}
		})
	}
	wg.Wait()
	if first != nil {
		return 0, first
	}
	n := sum.Load()
	if s.options.Limit > 0 {
		n = min(n, int64(s.options.Limit))
	}
	return n, nil
}
