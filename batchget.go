package pegasus

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/pegasus-go/pegasus/internal/route"
	"github.com/pegasus-go/pegasus/internal/schema"
	"github.com/pegasus-go/pegasus/internal/wire"
)

var (
	opBatchGet    = &operation{name: "BatchGet", task: wire.TaskBatchGet}
	opBatchGetOne = &operation{name: "BatchGet", task: wire.TaskGet}
)

const (
	// batchGetParallel is the number of requests that one BatchGet has under way.
	batchGetParallel = 32
	// batchGetKeys is the number of keys in a request: servers have no limit for
	// the size of the answer.
	batchGetKeys = 200
)

func (t *table) BatchGet(ctx context.Context, keys []CompositeKey) ([][]byte, error) {
	if err := validateBatchGet(keys); err != nil {
		return nil, t.refuse(opBatchGet, err)
	}
	if err := t.ended(); err != nil {
		return nil, t.refuse(opBatchGet, err)
	}
	b := &batchGet{table: t, keys: keys, values: make([][]byte, len(keys))}
	groups := b.groups()
	errs := make([]error, len(groups))
	if len(groups) == 1 {
		errs[0] = b.get(ctx, groups[0])
		return b.values, b.failure(errs)
	}
	slots := make(chan struct{}, batchGetParallel)
	var wg sync.WaitGroup
	for i, g := range groups {
		slots <- struct{}{}
		wg.Go(func() {
			errs[i] = b.get(ctx, g)
			<-slots
		})
	}
	wg.Wait()
	return b.values, b.failure(errs)
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

// batchGet is one BatchGet under way. Its groups have no key in common, so
// that they write to values at the same time.
type batchGet struct {
	table  *table
	keys   []CompositeKey
	values [][]byte
}

// failure joins the errors of the groups: the error itself if there is only one.
func (b *batchGet) failure(errs []error) error {
	switch errs = slices.DeleteFunc(errs, func(err error) bool { return err == nil }); len(errs) {
	case 0:
		return nil
	case 1:
		return errs[0]
	}
	return b.table.refuse(opBatchGet, errors.Join(errs...))
}

// group is keys of one partition, by their index.
type group struct {
	share route.Range // that the partition has
	keys  []int
}

// groups divides the keys by their partition.
func (b *batchGet) groups() []group {
	snap := b.table.route.Snapshot()
	at := make(map[*route.Partition]int)
	var groups []group
	for i := range b.keys {
		p := snap.Locate(schema.Hash(b.keys[i].HashKey))
		g, ok := at[p]
		if !ok || len(groups[g].keys) == batchGetKeys {
			g = len(groups)
			at[p] = g
			groups = append(groups, group{share: snap.Share(p)})
		}
		groups[g].keys = append(groups[g].keys, i)
	}
	return groups
}

func (b *batchGet) get(ctx context.Context, g group) error {
	if len(g.keys) == 1 || b.table.client.noBatchGet.Load() {
		return b.getEach(ctx, g)
	}
	q := wire.BatchGetRequest{Keys: make([]wire.FullKey, len(g.keys))}
	for i, k := range g.keys {
		q.Keys[i] = wire.FullKey(b.keys[k])
	}
	x := exchange{op: opBatchGet, target: shareTarget(g.share, 0), bulk: true}
	var data []wire.FullData
	err := b.table.do(ctx, &x, func(dst []byte) []byte { return wire.AppendArgument(dst, q) }, func(r *wire.Reader) wire.Status {
		var resp wire.BatchGetResponse
		resp.Read(r)
		data = resp.Data
		return resp.Error
	})
	switch {
	case errors.Is(err, ErrHandlerNotFound):
		b.table.client.noBatchGet.Store(true)
		return b.getEach(ctx, g)
	case errors.Is(err, errDivided), errors.Is(err, ErrReplyTooLarge):
		return b.getEach(ctx, g)
	case err != nil:
		return err
	}
	return b.fill(g, &x, data)
}

// fill assigns the records of an answer, which come in the order of the
// request without those that do not exist.
func (b *batchGet) fill(g group, x *exchange, data []wire.FullData) error {
	for _, k := range g.keys {
		if len(data) == 0 {
			return nil
		}
		if key := b.keys[k]; bytes.Equal(key.HashKey, data[0].HashKey) && bytes.Equal(key.SortKey, data[0].SortKey) {
			b.values[k] = data[0].Value
			if b.values[k] == nil {
				b.values[k] = []byte{}
			}
			data = data[1:]
		}
	}
	if len(data) > 0 {
		err := fmt.Errorf("%w: record %q, %q was not asked for", ErrMalformed, data[0].HashKey, data[0].SortKey)
		return b.table.failure(x, err)
	}
	return nil
}

// getEach reads the keys of a group one by one.
func (b *batchGet) getEach(ctx context.Context, g group) error {
	var errs []error
	for _, k := range g.keys {
		v, err := b.table.get(ctx, opBatchGetOne, b.keys[k].HashKey, b.keys[k].SortKey)
		b.values[k] = v
		if err != nil {
			errs = append(errs, err)
			if ctx.Err() != nil {
				break
			}
		}
	}
	return b.failure(errs)
}
