package pegasus

import (
	"bytes"
	"context"
	"math"
	"slices"
	"time"

	"github.com/pegasus-go/pegasus/internal/rpc"
	"github.com/pegasus-go/pegasus/internal/wire"
)

var (
	opMultiGet      = &operation{name: "MultiGet", task: wire.TaskMultiGet}
	opMultiGetRange = &operation{name: "MultiGetRange", task: wire.TaskMultiGet}
	opMultiSet      = &operation{name: "MultiSet", task: wire.TaskMultiPut, kind: idempotent, take: takeStatus}
	opMultiDelCount = &operation{name: "MultiDelCount", task: wire.TaskMultiRemove, kind: idempotent, take: takeRemoved}
	opMultiDel      = &operation{name: "MultiDel", task: wire.TaskMultiRemove, kind: idempotent, take: takeStatus}
)

// MultiGet is MultiGetOpt with DefaultMultiGetOptions.
func (t *Table) MultiGet(ctx context.Context, hashKey []byte, sortKeys [][]byte) ([]*KeyValue, bool, error) {
	return t.MultiGetOpt(ctx, hashKey, sortKeys, nil)
}

// MultiGetOpt retrieves entries of a hash key: see TableConnector.
func (t *Table) MultiGetOpt(ctx context.Context, hashKey []byte, sortKeys [][]byte, options *MultiGetOptions) ([]*KeyValue, bool, error) {
	if err := validateList("sortKeys", sortKeys); err != nil {
		return nil, false, t.refuse(opMultiGet, err)
	}
	kvs, all, err := t.multiGet(ctx, opMultiGet, hashKey, options, func(q *wire.MultiGetRequest) {
		q.SortKeys = sortKeys
		if len(sortKeys) == 0 {
			// All entries, whatever the options say of the bounds.
			q.StartInclusive = true
		}
	})
	// The server answers in the order of sortKeys.
	byKey := func(a, b *KeyValue) int { return bytes.Compare(a.SortKey, b.SortKey) }
	if len(sortKeys) > 0 && !slices.IsSortedFunc(kvs, byKey) {
		slices.SortStableFunc(kvs, byKey)
	}
	return kvs, all, err
}

// MultiGetRange is MultiGetRangeOpt with DefaultMultiGetOptions.
func (t *Table) MultiGetRange(ctx context.Context, hashKey, startSortKey, stopSortKey []byte) ([]*KeyValue, bool, error) {
	return t.MultiGetRangeOpt(ctx, hashKey, startSortKey, stopSortKey, nil)
}

// MultiGetRangeOpt retrieves a range of entries of a hash key: see
// TableConnector.
func (t *Table) MultiGetRangeOpt(ctx context.Context, hashKey, startSortKey, stopSortKey []byte, options *MultiGetOptions) ([]*KeyValue, bool, error) {
	if err := validateBounds(startSortKey, stopSortKey); err != nil {
		return nil, false, t.refuse(opMultiGetRange, err)
	}
	return t.multiGet(ctx, opMultiGetRange, hashKey, options, func(q *wire.MultiGetRequest) {
		q.StartSortKey = startSortKey
		q.StopSortKey = stopSortKey
		if len(startSortKey) == 0 {
			q.StartInclusive = true // "from the first entry", an empty sort key included
		}
	})
}

func validateBounds(startSortKey, stopSortKey []byte) error {
	if err := validateSize("startSortKey", startSortKey); err != nil {
		return err
	}
	return validateSize("stopSortKey", stopSortKey)
}

func (t *Table) multiGet(ctx context.Context, o *operation, hashKey []byte, options *MultiGetOptions, what func(*wire.MultiGetRequest)) ([]*KeyValue, bool, error) {
	if options == nil {
		options = defaultMultiGetOptions()
	}
	if err := validateHashKey(hashKey); err != nil {
		return nil, false, t.refuse(o, err)
	}
	if err := validateFilter("options.SortKeyFilter", &options.SortKeyFilter); err != nil {
		return nil, false, t.refuse(o, err)
	}
	q := wire.MultiGetRequest{
		HashKey:        hashKey,
		MaxKVCount:     limit(options.MaxFetchCount),
		MaxKVSize:      limit(options.MaxFetchSize),
		NoValue:        options.NoValue,
		StartInclusive: options.StartInclusive,
		StopInclusive:  options.StopInclusive,
		FilterType:     int32(options.SortKeyFilter.Type),
		FilterPattern:  options.SortKeyFilter.Pattern,
		Reverse:        options.Reverse,
	}
	what(&q)
	if h := t.hedgeOf(ctx); h != nil {
		x := multiGetExchange(o, nil, &q)
		res, err := hedged(ctx, t, h, o, x.hash, x.lane(), func(ctx context.Context, o *operation, secondary *rpc.Node) (res multiGetResult, err error) {
			res.kvs, res.all, err = t.multiGetFrom(ctx, o, secondary, &q)
			return res, err
		})
		return res.kvs, res.all, err
	}
	return t.multiGetFrom(ctx, o, nil, &q)
}

type multiGetResult struct {
	kvs []*KeyValue
	all bool
}

func multiGetExchange(o *operation, secondary *rpc.Node, q *wire.MultiGetRequest) exchange {
	return exchange{
		op: o, secondary: secondary, target: keyTarget(q.HashKey),
		bulk: q.MaxKVSize == 0 || q.MaxKVSize > bulkAnswer, large: total(q.SortKeys) > bulkRequest,
	}
}

// multiGetFrom asks the primary, or a secondary.
func (t *Table) multiGetFrom(ctx context.Context, o *operation, secondary *rpc.Node, q *wire.MultiGetRequest) ([]*KeyValue, bool, error) {
	x := multiGetExchange(o, secondary, q)
	var kvs []*KeyValue
	all := true
	err := t.do(ctx, &x, func(dst []byte) []byte { return wire.AppendArgument(dst, *q) }, func(r *wire.Reader) wire.Status {
		var resp wire.MultiGetResponse
		resp.Read(r)
		kvs = keyValues(resp.KVs)
		x.undecodable = t.loadAll(kvs)
		if resp.Error == wire.StatusIncomplete {
			all = false
			return wire.StatusOK
		}
		return resp.Error
	})
	if err != nil {
		return nil, false, err
	}
	return kvs, all, nil
}

// loadAll replaces what is stored by values.
func (t *Table) loadAll(kvs []*KeyValue) (err error) {
	if t.values == nil {
		return nil
	}
	for _, kv := range kvs {
		if kv.Value, err = t.restore(kv.Value); err != nil {
			return err
		}
	}
	return nil
}

// total returns the number of bytes in a list.
func total(list [][]byte) int {
	n := 0
	for _, b := range list {
		n += len(b)
	}
	return n
}

// bulkAnswer is the limit from which on an answer is bulk.
const bulkAnswer = 1 << 20

// limit converts an option to the wire's form, in which 0 is no limit.
func limit(n int) int32 { return int32(min(max(n, 0), math.MaxInt32)) }

// keyValues converts with two allocations, however many there are.
func keyValues(in []wire.KeyValue) []*KeyValue {
	if len(in) == 0 {
		return nil
	}
	kvs := make([]KeyValue, len(in))
	out := make([]*KeyValue, len(in))
	for i := range in {
		kvs[i] = KeyValue{SortKey: in[i].Key, Value: in[i].Value}
		out[i] = &kvs[i]
	}
	return out
}

// MultiSet sets entries of a hash key: see TableConnector.
func (t *Table) MultiSet(ctx context.Context, hashKey []byte, sortKeys, values [][]byte) error {
	return t.MultiSetOpt(ctx, hashKey, sortKeys, values, 0)
}

// MultiSetOpt is MultiSet with an expiry: see TableConnector.
func (t *Table) MultiSetOpt(ctx context.Context, hashKey []byte, sortKeys, values [][]byte, ttl time.Duration) error {
	expire, err := t.validateMultiSet(hashKey, sortKeys, values, ttl)
	if err != nil {
		return t.refuse(opMultiSet, err)
	}
	values, err = t.storeAll(values)
	if err != nil {
		return t.refuse(opMultiSet, err)
	}
	kvs := make([]wire.KeyValue, len(sortKeys))
	for i := range kvs {
		kvs[i] = wire.KeyValue{Key: sortKeys[i], Value: values[i]}
	}
	x := exchange{op: opMultiSet, target: keyTarget(hashKey), large: total(sortKeys)+total(values) > bulkRequest}
	return t.do(ctx, &x, func(dst []byte) []byte {
		return wire.AppendArgument(dst, wire.MultiPutRequest{HashKey: hashKey, KVs: kvs, ExpireTS: expire})
	}, nil)
}

func (t *Table) validateMultiSet(hashKey []byte, sortKeys, values [][]byte, ttl time.Duration) (expire int32, err error) {
	if err := validateHashKey(hashKey); err != nil {
		return 0, err
	}
	if err := validateNotEmpty("sortKeys", sortKeys); err != nil {
		return 0, err
	}
	if err := validateNotEmpty("values", values); err != nil {
		return 0, err
	}
	if len(sortKeys) != len(values) {
		return 0, argumentError("values", "has %d elements for %d sort keys", len(values), len(sortKeys))
	}
	return t.client.expireTS("ttl", ttl)
}

// MultiDel deletes entries of a hash key: see TableConnector.
func (t *Table) MultiDel(ctx context.Context, hashKey []byte, sortKeys [][]byte) error {
	err := validateHashKey(hashKey)
	if err == nil {
		err = validateNotEmpty("sortKeys", sortKeys)
	}
	if err != nil {
		return t.refuse(opMultiDel, err)
	}
	return t.multiDel(ctx, opMultiDel, keyTarget(hashKey), hashKey, sortKeys)
}

// MultiDelCount is MultiDel that returns how many sort keys the server has deleted. It
// does not look whether there was an entry: the number is that of sortKeys, duplicates
// included.
// hashKey, sortKeys: must not be empty. sortKeys[i]: nil counts as empty.
func (t *Table) MultiDelCount(ctx context.Context, hashKey []byte, sortKeys [][]byte) (int64, error) {
	err := validateRowKey(hashKey, nil)
	switch {
	case err != nil:
	case len(sortKeys) == 0:
		err = argumentError("sortKeys", "must not be empty")
	default:
		err = validateTotal("sortKeys", total(sortKeys)+32*len(sortKeys))
	}
	if err != nil {
		return 0, t.refuse(opMultiDelCount, err)
	}
	x := exchange{op: opMultiDelCount, target: keyTarget(hashKey), large: total(sortKeys) > bulkRequest}
	err = t.do(ctx, &x, func(dst []byte) []byte {
		return wire.AppendArgument(dst, wire.MultiRemoveRequest{HashKey: hashKey, SortKeys: sortKeys})
	}, nil)
	if err != nil {
		return 0, err
	}
	return x.number, nil
}

func takeRemoved(a *rpc.Answer, r *wire.Reader) {
	var resp wire.MultiRemoveResponse
	resp.Read(r)
	a.Status, a.Number = resp.Error, resp.Count
}

func (t *Table) multiDel(ctx context.Context, o *operation, tg target, hashKey []byte, sortKeys [][]byte) error {
	x := exchange{op: o, target: tg, large: total(sortKeys) > bulkRequest}
	return t.do(ctx, &x, func(dst []byte) []byte {
		return wire.AppendArgument(dst, wire.MultiRemoveRequest{HashKey: hashKey, SortKeys: sortKeys})
	}, nil)
}
