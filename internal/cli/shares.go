package cli

import (
	"bytes"
	"cmp"
	"context"
	"sync"

	"github.com/pegasus-go/pegasus"
)

// sharesAtOnce is how many partitions are worked on at the same time.
const sharesAtOnce = 4

// eachPartition calls f for the share of each partition of a table, for several at the same
// time. The first error ends all.
func eachPartition(ctx context.Context, t *pegasus.Table, f func(context.Context, pegasus.Share) error) error {
	info, err := t.Info(ctx)
	if err != nil {
		return err
	}
	return eachShare(ctx, info.Partitions, f)
}

// eachShare is eachPartition for a number of shares.
func eachShare(ctx context.Context, of int, f func(context.Context, pegasus.Share) error) error {
	all := make([]int, of)
	for i := range all {
		all[i] = i
	}
	return someShares(ctx, all, of, f)
}

// someShares is eachShare for those of some indexes.
func someShares(ctx context.Context, some []int, of int, f func(context.Context, pegasus.Share) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	todo := make(chan int, len(some))
	for _, i := range some {
		todo <- i
	}
	close(todo)
	var first error
	var once sync.Once
	var wg sync.WaitGroup
	for range min(len(some), sharesAtOnce) {
		wg.Go(func() {
			for i := range todo {
				if err := f(ctx, pegasus.Share{Index: i, Of: of}); err != nil {
					once.Do(func() { first = err })
					cancel()
					return
				}
			}
		})
	}
	wg.Wait()
	return first
}

// compareKeys compares two rows in the order that a partition has them in: by the length of
// the hash key, the hash key and the sort key.
func compareKeys(a, b pegasus.Row) int {
	return cmp.Or(cmp.Compare(len(a.HashKey), len(b.HashKey)), bytes.Compare(a.HashKey, b.HashKey), bytes.Compare(a.SortKey, b.SortKey))
}
