package pegasus

import (
	"context"
	"fmt"

	"github.com/pegasus-go/pegasus/internal/wire"
)

var (
	opGetMany    = &operation{name: "GetMany", task: wire.TaskBatchGet, part: true}
	opGetManyOne = &operation{name: "GetMany", task: wire.TaskGet, take: takeValue, part: true, stored: true}
)

// Result is what GetMany has found for a key.
type Result struct {
	Value []byte // the caller's
	Found bool
	Err   error
}

// Results are in the order of the keys.
type Results []Result

// Err returns nil if all keys were read, else an error that says how many were not, with the
// first few of their errors.
func (r Results) Err() error {
	errs := make([]error, len(r))
	for i := range r {
		errs[i] = r[i].Err
	}
	return summary("key", errs)
}

// GetMany retrieves the values of any keys, as BatchGet does, and says of each what became
// of it: absent, empty and failed are three cases. The results are as many as keys, in
// their order; those that were not asked for have ErrNotAttempted. The error is for a bad
// argument or a closed table: nothing was tried then.
// Hash keys must not be empty; sort keys that are nil count as empty.
func (t *Table) GetMany(ctx context.Context, keys []CompositeKey) (Results, error) {
	size := 0
	for i := range keys {
		err := validateRowKey(keys[i].HashKey, keys[i].SortKey)
		if size += len(keys[i].HashKey) + len(keys[i].SortKey) + 32; err == nil {
			err = validateTotal("keys", size)
		}
		if err != nil {
			return nil, t.refuse(opGetMany, inElement(fmt.Sprintf("keys[%d]", i), err))
		}
	}
	if err := t.mayBegin(ctx); err != nil {
		return nil, t.refuse(opGetMany, err)
	}
	results := make(Results, len(keys))
	if len(keys) == 0 {
		return results, nil
	}
	b := t.batchGet(ctx, opGetMany, opGetManyOne, keys)
	for i := range results {
		if b.errs != nil && b.errs[i] != nil {
			results[i].Err = notAttempted(b.errs[i])
			continue
		}
		results[i].Value, results[i].Found = b.values[i], b.values[i] != nil
	}
	return results, nil
}
