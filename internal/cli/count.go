package cli

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"sync/atomic"

	"github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/admin"
	"github.com/pegasus-go/pegasus/internal/cli/coding"
	"github.com/pegasus-go/pegasus/internal/cli/exit"
	"github.com/pegasus-go/pegasus/internal/cli/output"
	"github.com/pegasus-go/pegasus/internal/cli/progress"
	"github.com/spf13/cobra"
)

func newCountCommand(a *app) *cobra.Command {
	s := selection{codings: coding.NewRow()}
	var exact, distinct bool
	var told talk
	cmd := &cobra.Command{
		Use:   "count [TABLE] [HASHKEY]",
		Short: "Print how many rows a hash key or a table has",
		Long: `Print how many rows a hash key has, or a whole table.

For a table it is an estimate of its servers, which is there at once; it has rows that
were overwritten, were deleted or have expired until they are compacted. With --exact
or a filter the servers count, row by row, and --timeout is for each request. --distinct
counts hash keys; the servers send all keys for that.`,
		Example: `  pegasus count users
  pegasus count users --exact -o raw
  pegasus count users --distinct
  pegasus count users u1 --prefix cart/`,
		Annotations: map[string]string{needsCluster: "yes"},
		RunE: func(cmd *cobra.Command, args []string) error {
			table, hash, whole, err := a.hashKeyOrTable(cmd, args, s.codings)
			if err != nil {
				return err
			}
			switch {
			case !whole && exact:
				return exit.Errorf(exit.Usage, "--exact: the rows of a hash key are always counted")
			case !whole && distinct:
				return exit.Errorf(exit.Usage, "--distinct: it counts hash keys, and there is one")
			}
			long := whole && (exact || distinct || s.hash.text != "" || s.sort.text != "")
			for _, flag := range []string{"progress", "quiet"} {
				if !long && cmd.Flags().Changed(flag) {
					return exit.Errorf(exit.Usage, "--%s: it is for counting the rows of a table", flag)
				}
			}
			if distinct {
				return a.withWholeTable(cmd.Context(), table, func(ctx context.Context, t *pegasus.Table) error {
					n, err := s.countHashKeys(ctx, a, t, told)
					text := strconv.FormatInt(n, 10)
					return a.printOr(err, text, []byte(text), output.Field{Name: "hash_keys", Value: n}, output.Field{Name: "exact", Value: true})
				})
			}
			if whole && !long {
				return a.withAdmin(cmd.Context(), func(ctx context.Context, c *admin.Client) error {
					n, err := estimate(ctx, c, table)
					return a.printCount(err, n, false)
				})
			}
			return a.withWholeTable(cmd.Context(), table, func(ctx context.Context, t *pegasus.Table) error {
				n, err := s.count(ctx, a, t, hash, whole, told)
				return a.printCount(err, n, true)
			})
		},
	}
	s.addFlags(cmd)
	cmd.Flags().BoolVar(&exact, "exact", false, "count the rows of the table")
	told.addFlags(cmd)
	cmd.Flags().BoolVar(&distinct, "distinct", false, "count hash keys, exactly")
	return cmd
}

func (a *app) printCount(err error, n int64, exact bool) error {
	text := strconv.FormatInt(n, 10)
	shown := text
	if !exact {
		shown = "~" + text
	}
	return a.printOr(err, shown, []byte(text), output.Field{Name: "rows", Value: n}, output.Field{Name: "exact", Value: exact})
}

func (s *selection) count(ctx context.Context, a *app, t *pegasus.Table, hash []byte, whole bool, told talk) (int64, error) {
	if !whole {
		sel, err := s.sel()
		if err != nil {
			return 0, err
		}
		return t.Count(ctx, hash, sel)
	}
	o, err := s.options()
	if err != nil {
		return 0, err
	}
	return a.countShares(ctx, t, told, func(ctx context.Context, share pegasus.Share, sum *atomic.Int64) error {
		o := o
		o.Share, o.Parallel = share, 1
		scan, err := t.Scan(ctx, o)
		if err != nil {
			return err
		}
		n, err := scan.Count(ctx)
		sum.Add(n)
		return err
	})
}

// countShares calls count, which adds to sum, for the share of each partition, returns the sum
// and tells meanwhile how far it is.
func (a *app) countShares(ctx context.Context, t *pegasus.Table, told talk, count func(ctx context.Context, share pegasus.Share, sum *atomic.Int64) error) (int64, error) {
	var sum, done, of atomic.Int64
	m := a.meter(told, "count "+t.Name(), func() progress.Sample {
		return progress.Sample{Rows: sum.Load(), Done: float64(done.Load()) / float64(max(1, of.Load()))}
	})
	defer m.Stop()
	err := eachPartition(ctx, t, func(ctx context.Context, share pegasus.Share) error {
		of.Store(int64(share.Of))
		defer done.Add(1)
		return count(ctx, share, &sum)
	})
	return sum.Load(), err
}

// countHashKeys counts the hash keys of a table. In a partition the rows of one come after
// each other. Those of an empty one are in the partitions of their sort keys.
func (s *selection) countHashKeys(ctx context.Context, a *app, t *pegasus.Table, told talk) (int64, error) {
	o, err := s.options()
	if err != nil {
		return 0, err
	}
	o.KeysOnly = true
	var empty atomic.Int64 // hash keys, one or none
	n, err := a.countShares(ctx, t, told, func(ctx context.Context, share pegasus.Share, sum *atomic.Int64) error {
		o := o
		o.Share, o.Parallel = share, 1
		scan, err := t.Scan(ctx, o)
		if err != nil {
			return err
		}
		var last pegasus.Row
		for row, err := range scan.Rows(ctx) {
			if err != nil {
				return err
			}
			if len(row.HashKey) == 0 {
				empty.Store(1)
				continue
			}
			counted := bytes.Equal(row.HashKey, last.HashKey)
			if compareKeys(row, last) < 0 {
				if counted, err = s.hasBefore(ctx, t, row); err != nil {
					return err
				}
			}
			if !counted {
				sum.Add(1)
			}
			last = row
		}
		return nil
	})
	return n + empty.Load(), err
}

// hasBefore reports whether a hash key has rows before one. After a split in the middle of a
// scan the new partition comes behind the old one, and may begin amid a hash key, whose rows
// before that have come from the old one.
func (s *selection) hasBefore(ctx context.Context, t *pegasus.Table, row pegasus.Row) (bool, error) {
	if len(row.SortKey) == 0 {
		return false, nil
	}
	filter, err := s.sort.filter(flagSort, s.codings.Sort)
	if err != nil {
		return false, err
	}
	for _, err := range t.Rows(ctx, row.HashKey, pegasus.Select{To: row.SortKey, Filter: filter, KeysOnly: true, Limit: 1}) {
		return err == nil, err
	}
	return false, nil
}

// estimate adds up what the primaries of a table say of their partitions.
func estimate(ctx context.Context, c *admin.Client, table string) (int64, error) {
	partitions, err := c.Partitions(ctx, table)
	if err != nil {
		return 0, err
	}
	counters := make(map[string]map[string]float64) // of each node
	var sum float64
	for _, p := range partitions {
		if p.Primary == "" {
			return 0, fmt.Errorf("partition %d has no primary, so there is no estimate", p.Index)
		}
		name := fmt.Sprintf("replica*app.pegasus*rdb.estimate_num_keys@%d.", p.TableID)
		if counters[p.Primary] == nil {
			told, err := c.Counters(ctx, p.Primary, name)
			if err != nil {
				return 0, err
			}
			counters[p.Primary] = make(map[string]float64)
			for _, e := range told.Values {
				counters[p.Primary][e.Name] = e.Value
			}
		}
		n, ok := counters[p.Primary][name+strconv.Itoa(p.Index)]
		if !ok {
			return 0, fmt.Errorf("%s has no estimate for partition %d: use --exact", p.Primary, p.Index)
		}
		sum += n
	}
	return int64(sum), nil
}
