package main

import (
	"context"
	"fmt"
	"sync"

	pegasus "github.com/pegasus-go/pegasus"
)

// The variants of a batch with as many concurrent calls in its place, and with one call,
// which is what any batch takes at least.
const (
	withSingles = "+singles"
	withOne     = "+one"
)

var manyVariants = []string{"null", "null" + withSingles, "null" + withOne}

// manySize is the number of entries in a batch. The keys are always the same: those that
// the null server answers.
const manySize = 100

// manyWork returns a batch, or as many concurrent calls in goroutines that are started for
// it, as a program without batches has them, or one call.
func manyWork(c *testCase, tc pegasus.TableConnector, in string) (work, error) {
	t, ok := tc.(*pegasus.Table)
	if !ok {
		return nil, fmt.Errorf("%T is no *pegasus.Table", tc)
	}
	value := make([]byte, c.value)
	puts, keys := make([]pegasus.Put, manySize), make([]pegasus.CompositeKey, manySize)
	for i := range manySize {
		puts[i] = pegasus.Put{HashKey: hashKeys[i], SortKey: sortKey, Value: value}
		keys[i] = pegasus.CompositeKey{HashKey: hashKeys[i], SortKey: sortKey}
	}
	batch := func(ctx context.Context) error {
		out, err := t.SetMany(ctx, puts)
		if err == nil {
			err = out.Err()
		}
		return err
	}
	one := func(ctx context.Context, i int) error { return t.Set(ctx, hashKeys[i], sortKey, value) }
	if c.op == "getmany" {
		batch = func(ctx context.Context) error {
			res, err := t.GetMany(ctx, keys)
			if err == nil {
				err = res.Err()
			}
			if err == nil && len(res[manySize-1].Value) != c.value {
				err = fmt.Errorf("value of %d bytes, want %d", len(res[manySize-1].Value), c.value)
			}
			return err
		}
		one = func(ctx context.Context, i int) error {
			_, err := t.Get(ctx, hashKeys[i], sortKey)
			return err
		}
	}
	switch in {
	case withOne:
		return func(ctx context.Context, _, _ int) error { return one(ctx, 0) }, nil
	default:
		return func(ctx context.Context, _, _ int) error { return batch(ctx) }, nil
	case withSingles:
	}
	return func(ctx context.Context, _, _ int) error {
		var wg sync.WaitGroup
		errs := make([]error, manySize)
		for i := range manySize {
			wg.Go(func() { errs[i] = one(ctx, i) })
		}
		wg.Wait()
		for _, err := range errs {
			if err != nil {
				return err
			}
		}
		return nil
	}, nil
}

// noteMany says what share of the time of concurrent calls a batch takes.
func (r *result) noteMany() {
	batch, singles, one := r.index("null"), r.index("null"+withSingles), r.index("null"+withOne)
	if batch < 0 || singles < 0 || one < 0 {
		return
	}
	share := func(v int, of func(sample) float64) float64 {
		return 100 * r.Variants[v].ratio(&r.Variants[singles], of)
	}
	r.Notes = append(r.Notes, fmt.Sprintf("a batch of %d takes %.0f%% of the time of %d concurrent calls, and %.0f%% of their CPU time; one call alone takes %.0f%% of it",
		manySize, share(batch, nsPerOp), manySize, share(batch, cpuPerOp), share(one, nsPerOp)))
}
