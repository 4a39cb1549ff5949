package pegasus

import (
	"context"
	"fmt"
	"time"

	"github.com/pegasus-go/pegasus/internal/schema"
	"github.com/pegasus-go/pegasus/internal/wire"
)

var (
	opMultiGetMany = &operation{name: "MultiGetMany", task: wire.TaskMultiGet, part: true}
	opMultiSetMany = &operation{name: "MultiSetMany", task: wire.TaskMultiPut, kind: idempotent, take: takeStatus, part: true}
)

// HashKeyRows asks for entries of a hash key.
type HashKeyRows struct {
	HashKey  []byte
	SortKeys [][]byte // none: the first entries, in order
	Limit    int      // of entries; <= 0: the limit of the server
}

// RowsResult is the result of a HashKeyRows.
type RowsResult struct {
	Rows []KeyValue // in ascending order; of SortKeys, in their order
	// Complete is whether these are all that was asked for. If not, a limit was reached.
	Complete bool
	Err      error
}

// RowsResults are the results of a batch, in the order of what was asked for.
type RowsResults []RowsResult

// Err returns nil if all items succeeded, else an error that says how many failed, with the
// first few of their errors.
func (r RowsResults) Err() error {
	errs := make([]error, len(r))
	for i := range r {
		errs[i] = r[i].Err
	}
	return summary("item", errs)
}

// MultiGetMany retrieves entries of several hash keys. Each of them is read atomically, the
// whole is not. The requests to a server are sent together. All have the time of one
// operation.
//
// The results are as many as items, in their order; those that were not sent have
// ErrNotAttempted. The error is for a bad argument or a closed table: nothing was tried
// then. Hash keys must not be empty; sort keys that are nil count as empty.
func (t *Table) MultiGetMany(ctx context.Context, items []HashKeyRows) (RowsResults, error) {
	for i := range items {
		err := validateRowKey(items[i].HashKey, nil)
		if err == nil {
			err = validateTotal("SortKeys", total(items[i].SortKeys)+32*len(items[i].SortKeys))
		}
		if err != nil {
			return nil, t.refuse(opMultiGetMany, inElement(fmt.Sprintf("items[%d]", i), err))
		}
	}
	if err := t.mayBegin(ctx); err != nil {
		return nil, t.refuse(opMultiGetMany, err)
	}
	if len(items) == 0 {
		return nil, nil
	}
	results := make(RowsResults, len(items))
	b := &many{
		table: t, op: opMultiGetMany, n: len(items), bulk: true,
		hash: func(i int) uint64 { return schema.Hash(items[i].HashKey) },
		size: func(i int) int { return len(items[i].HashKey) + total(items[i].SortKeys) },
		encode: func(i int, dst []byte) []byte {
			return wire.AppendArgument(dst, wire.MultiGetRequest{
				HashKey: items[i].HashKey, SortKeys: items[i].SortKeys, MaxKVCount: limit(items[i].Limit), StartInclusive: true,
			})
		},
		decode: func(i int, r *wire.Reader) wire.Status {
			var resp wire.MultiGetResponse
			resp.Read(r)
			rows := make([]KeyValue, len(resp.KVs))
			for k, kv := range resp.KVs {
				rows[k].SortKey = kv.Key
				if rows[k].Value, results[i].Err = t.restore(kv.Value); results[i].Err != nil {
					break
				}
			}
			results[i].Rows, results[i].Complete = rows, resp.Error == wire.StatusOK
			if resp.Error == wire.StatusIncomplete {
				return wire.StatusOK
			}
			return resp.Error
		},
		check: func(i int) error { return results[i].Err },
	}
	for i, err := range b.run(ctx) {
		if results[i].Err = err; err != nil {
			results[i].Rows, results[i].Complete = nil, false
		}
	}
	return results, nil
}

// PutRows are entries of a hash key for MultiSetMany.
type PutRows struct {
	HashKey []byte
	Rows    []KeyValue // at least one
	TTL     time.Duration
	Expires time.Time // instead of TTL: see Put
}

// MultiSetMany sets entries of several hash keys. Those of one PutRows are set atomically,
// the whole is not; of two that have a key in common either may be last. Beside that it is
// like SetMany.
func (t *Table) MultiSetMany(ctx context.Context, items []PutRows) (Outcomes, error) {
	expires := make([]int32, len(items))
	sizes := make([]int, len(items))
	values := make([][][]byte, len(items))
	for i := range items {
		p := &items[i]
		err := validateRowKey(p.HashKey, nil)
		if err == nil && len(p.Rows) == 0 {
			err = argumentError("Rows", "must not be empty")
		}
		values[i] = make([][]byte, len(p.Rows))
		for k, kv := range p.Rows {
			if err == nil {
				values[i][k], err = t.store(kv.Value)
			}
			sizes[i] += len(kv.SortKey) + len(values[i][k])
		}
		if err == nil {
			err = validateTotal("Rows", sizes[i]+32*len(p.Rows))
		}
		if err == nil {
			expires[i], err = t.client.expiresTS(p.TTL, p.Expires)
		}
		if err != nil {
			return nil, t.refuse(opMultiSetMany, inElement(fmt.Sprintf("items[%d]", i), err))
		}
	}
	if err := t.mayBegin(ctx); err != nil {
		return nil, t.refuse(opMultiSetMany, err)
	}
	if len(items) == 0 {
		return nil, nil
	}
	b := &many{
		table: t, op: opMultiSetMany, n: len(items),
		hash: func(i int) uint64 { return schema.Hash(items[i].HashKey) },
		size: func(i int) int { return len(items[i].HashKey) + sizes[i] },
		encode: func(i int, dst []byte) []byte {
			kvs := make([]wire.KeyValue, len(items[i].Rows))
			for k, kv := range items[i].Rows {
				kvs[k] = wire.KeyValue{Key: kv.SortKey, Value: values[i][k]}
			}
			return wire.AppendArgument(dst, wire.MultiPutRequest{HashKey: items[i].HashKey, KVs: kvs, ExpireTS: expires[i]})
		},
	}
	return b.run(ctx), nil
}
