package pegasus

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/pegasus-go/pegasus/internal/route"
	"github.com/pegasus-go/pegasus/internal/schema"
	"github.com/pegasus-go/pegasus/internal/wire"
)

var (
	opBatchGet    = &operation{name: "BatchGet", task: wire.TaskBatchGet, part: true}
	opBatchGetOne = &operation{name: "BatchGet", task: wire.TaskGet, take: takeValue, part: true, stored: true}
)

const (
	// batchGetParallel is the number of requests that one BatchGet has under way.
	batchGetParallel = 32
	// batchGetKeys is the number of keys in a request: servers have no limit for
	// the size of the answer.
	batchGetKeys = 200
)

// BatchGet retrieves the values of any keys: see TableConnector.
func (t *Table) BatchGet(ctx context.Context, keys []CompositeKey) ([][]byte, error) {
	err := validateBatchGet(keys)
	if err == nil {
		err = t.mayBegin(ctx)
	}
	if err != nil {
		return make([][]byte, len(keys)), t.refuse(opBatchGet, err)
	}
	b := t.batchGet(ctx, opBatchGet, opBatchGetOne, keys)
	return b.values, b.failure()
}

// batchGet reads keys; one is the operation for a single key.
func (t *Table) batchGet(ctx context.Context, many, one *operation, keys []CompositeKey) (b *batchGet) {
	ctx, run := t.client.begin(ctx, many, t.name, t.counters)
	defer func() { run.end(ctx, b.failure()) }()
	ctx, cancel := t.client.bound(ctx)
	defer cancel()
	for {
		b = &batchGet{table: t, ctx: ctx, many: many, one: one, keys: keys, values: make([][]byte, len(keys))}
		x := exchange{op: many}
		snap, err := t.snapshot(ctx, &x)
		if err != nil {
			b.fail(group{keys: b.all()}, t.failure(&x, err))
			return b
		}
		b.appID = snap.AppID
		if b.run(snap); !b.replaced {
			return b
		}
	}
}

func validateBatchGet(keys []CompositeKey) error {
	if len(keys) == 0 {
		return argumentError("keys", "must not be nil or empty")
	}
	size := 0
	for i := range keys {
		if err := validateKey(keys[i].HashKey, keys[i].SortKey); err != nil {
			return inElement(fmt.Sprintf("keys[%d]", i), err)
		}
		size += len(keys[i].HashKey) + len(keys[i].SortKey) + 32
		if err := validateTotal("keys", size); err != nil {
			return err
		}
	}
	return nil
}

// inElement names the element of a list that err, an *ArgumentError, is about.
func inElement(element string, err error) error {
	var ae *ArgumentError
	if errors.As(err, &ae) {
		return argumentError(element+"."+ae.Name, "%s", ae.Reason)
	}
	return err
}

// batchGet reads keys from the table of one id. Its groups have no key in common,
// so that they write to values at the same time.
type batchGet struct {
	table  *Table
	ctx    context.Context
	keys   []CompositeKey
	values [][]byte
	errs   []error // of each key, nil while none has failed
	appID  int32

	many, one *operation

	wg       sync.WaitGroup
	mu       sync.Mutex
	todo     []group
	workers  int
	replaced bool // the name leads to another table by now
	failures []keysFailed
}

// group is keys of one partition, by their index.
type group struct {
	share route.Range // that the partition has
	keys  []int
}

// run reads all keys, or as many as can be read.
func (b *batchGet) run(snap *route.Snapshot) {
	b.workers = 1 // this goroutine
	b.add(b.divide(snap, b.all()))
	b.work()
	b.wg.Wait()
}

// all returns the indexes of all keys.
func (b *batchGet) all() []int {
	all := make([]int, len(b.keys))
	for i := range all {
		all[i] = i
	}
	return all
}

// divide groups keys by their partition.
func (b *batchGet) divide(snap *route.Snapshot, keys []int) []group {
	at := make(map[*route.Partition]int)
	var groups []group
	for _, k := range keys {
		p := snap.Locate(schema.Hash(b.keys[k].HashKey))
		g, ok := at[p]
		if !ok || len(groups[g].keys) == batchGetKeys {
			g = len(groups)
			at[p] = g
			groups = append(groups, group{share: snap.Share(p)})
			if g == 0 { // which has all keys of a table with one partition
				groups[0].keys = make([]int, 0, min(len(keys), batchGetKeys))
			}
		}
		groups[g].keys = append(groups[g].keys, k)
	}
	return groups
}

// add adds to what is to be done, and sees to it that there are workers.
func (b *batchGet) add(groups []group) {
	if len(groups) == 0 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.todo = append(b.todo, groups...)
	// Who calls this has its hands free for one of them.
	for range min(len(b.todo)-1, batchGetParallel-b.workers) {
		b.workers++
		b.wg.Go(b.work)
	}
}

// work does what is to be done, until there is nothing.
func (b *batchGet) work() {
	for {
		b.mu.Lock()
		last := len(b.todo) - 1
		if last < 0 || b.replaced {
			b.workers--
			b.mu.Unlock()
			return
		}
		g := b.todo[last]
		b.todo = b.todo[:last]
		b.mu.Unlock()
		more, err := b.get(g)
		b.add(more)
		if err != nil {
			b.fail(g, err)
		}
	}
}

// get reads the keys of a group, or says in which groups they can be read.
func (b *batchGet) get(g group) (more []group, err error) {
	if len(g.keys) == 1 {
		return nil, b.getOne(g.keys[0])
	}
	t := b.table
	x := exchange{op: b.many, target: shareTarget(g.share, b.appID), bulk: true}
	if snap := t.route.Snapshot(); snap != nil {
		if p, err := x.locate(snap); err == nil && t.client.noBatchGet.has(p.Primary) {
			return g.split(1), nil
		}
	}
	err = b.getMany(&x, g)
	switch {
	case errors.Is(err, ErrHandlerNotFound) && x.partition != nil && x.partition.Primary != nil: // not of a meta server
		t.client.noBatchGet.add(x.partition.Primary)
		return g.split(1), nil
	case errors.Is(err, ErrReplyTooLarge):
		return g.split((len(g.keys) + 1) / 2), nil
	case errors.Is(err, errDivided):
		snap, err := t.snapshot(b.ctx, &x)
		if err != nil {
			return nil, t.failure(&x, err)
		}
		return b.divide(snap, g.keys), nil
	case err != nil:
		return nil, err
	}
	b.restore(g, &x)
	return nil, nil
}

// split divides the group into such of up to n keys.
func (g group) split(n int) []group {
	groups := make([]group, 0, (len(g.keys)+n-1)/n)
	for len(g.keys) > 0 {
		n = min(n, len(g.keys))
		groups = append(groups, group{g.share, g.keys[:n]})
		g.keys = g.keys[n:]
	}
	return groups
}

func (b *batchGet) getOne(k int) (err error) {
	key := b.keys[k]
	x := exchange{op: b.one, target: keyTarget(key.HashKey)}
	x.appID = b.appID
	b.values[k], err = b.table.get(b.ctx, &x, key.HashKey, key.SortKey)
	return err
}

// getMany reads the keys of a group with one request. What it has found is in values if it
// succeeds, as it is stored.
func (b *batchGet) getMany(x *exchange, g group) error {
	q := wire.BatchGetOf{N: len(g.keys), Key: func(i int) wire.FullKey { return wire.FullKey(b.keys[g.keys[i]]) }}
	left := g.keys
	var stray error
	resp := wire.BatchGetResponse{Each: func(d *wire.FullData) {
		if left = b.found(left, d); left == nil && stray == nil {
			stray = fmt.Errorf("%w: record %q, %q was not asked for", ErrMalformed, d.HashKey, d.SortKey)
		}
	}}
	err := b.table.do(b.ctx, x, func(dst []byte) []byte { return wire.AppendArgument(dst, q) }, func(r *wire.Reader) wire.Status {
		resp.Read(r)
		return resp.Error
	})
	if err == nil && stray != nil {
		err = b.table.failure(x, stray)
	}
	if err != nil {
		for _, k := range g.keys {
			b.values[k] = nil
		}
	}
	return err
}

// found assigns a record to the first of the keys that are left that it is about: records
// come in the order of the request, without those that do not exist. It returns the keys
// behind that one, nil if the record is about none.
func (b *batchGet) found(left []int, d *wire.FullData) []int {
	for i, k := range left {
		if key := &b.keys[k]; bytes.Equal(key.HashKey, d.HashKey) && bytes.Equal(key.SortKey, d.SortKey) {
			if b.values[k] = d.Value; d.Value == nil {
				b.values[k] = []byte{}
			}
			return left[i+1:]
		}
	}
	return nil
}

// restore makes values of what is stored.
func (b *batchGet) restore(g group, x *exchange) {
	if b.table.values == nil {
		return
	}
	for _, k := range g.keys {
		if b.values[k] == nil {
			continue
		}
		value, err := b.table.restore(b.values[k])
		if err != nil {
			b.fail(group{keys: []int{k}}, b.table.failure(x, err))
		}
		b.values[k] = value // nil if it has failed
	}
}
