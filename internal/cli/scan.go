package cli

import (
	"context"
	"iter"
	"time"

	"github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/internal/cli/coding"
	"github.com/pegasus-go/pegasus/internal/cli/exit"
	"github.com/pegasus-go/pegasus/internal/cli/output"
	"github.com/spf13/cobra"
)

// scan is what the flags of the command say.
type scan struct {
	selection
	value             filterFlag
	limit             int
	reverse, keysOnly bool
}

func newScanCommand(a *app) *cobra.Command {
	s := scan{selection: selection{codings: coding.NewRow()}}
	cmd := &cobra.Command{
		Use:   "scan [TABLE] [HASHKEY]",
		Short: "Print the rows of a hash key, or of a whole table",
		Long: `Print the rows of a hash key in the order of their sort keys, or those of a whole
table in no order that means something.

It is no snapshot: what is written meanwhile may be there or not. --timeout is for
each request. The output jsonl ends with {"end":true,"rows":N}; without that line it
is not complete. raw has each value, or with --keys-only each sort key, and a newline.`,
		Example: `  pegasus scan users u1
  pegasus scan users u1 --prefix cart/ --limit 10 --reverse
  pegasus scan users --filter-hash prefix:u --keys-only -o jsonl`,
		Annotations: map[string]string{needsCluster: "yes"},
		RunE: func(cmd *cobra.Command, args []string) error {
			table, hash, whole, err := a.hashKeyOrTable(cmd, args, s.codings)
			if err != nil {
				return err
			}
			if s.limit < 0 {
				return exit.Errorf(exit.Usage, "--limit: %d is negative", s.limit)
			}
			if s.keysOnly && s.value.text != "" {
				return exit.Errorf(exit.Usage, "--filter-value: there are no values with --keys-only")
			}
			return a.withWholeTable(cmd.Context(), table, func(ctx context.Context, t *pegasus.Table) error {
				rows, err := s.rows(ctx, t, hash, whole)
				if err != nil {
					return err
				}
				return s.print(a.printer(), rows)
			})
		},
	}
	s.addFlags(cmd)
	f := cmd.Flags()
	f.Var(&s.value, flagValue, "`condition` for values")
	f.IntVar(&s.limit, "limit", 0, "the most `rows` (default: all)")
	f.BoolVar(&s.reverse, "reverse", false, "descending order, of a hash key")
	f.BoolVar(&s.keysOnly, "keys-only", false, "without values")
	return cmd
}

// rows begins the scan.
func (s *scan) rows(ctx context.Context, t *pegasus.Table, hash []byte, whole bool) (iter.Seq2[pegasus.Row, error], error) {
	limit := s.limit
	if s.value.text != "" {
		limit = 0 // print counts those that meet the condition
	}
	if !whole {
		sel, err := s.sel()
		sel.Reverse, sel.KeysOnly, sel.Limit, sel.WithExpiry = s.reverse, s.keysOnly, limit, true
		return t.Rows(ctx, hash, sel), err
	}
	o, err := s.options()
	if err != nil {
		return nil, err
	}
	o.KeysOnly, o.Limit, o.WithExpiry = s.keysOnly, limit, true
	scan, err := startScan(ctx, t, o)
	if err != nil {
		return nil, err
	}
	return scan.Rows(ctx), nil
}

func (s *scan) print(p output.Printer, rows iter.Seq2[pegasus.Row, error]) error {
	filter, err := s.value.filter(flagValue, s.codings.Value)
	if err != nil {
		return err
	}
	columns := []string{"hk", "sk", "value", "expires"}
	if s.keysOnly {
		columns = []string{"hk", "sk", "expires"}
	}
	out := p.Stream(columns...)
	return out.End(s.printRows(out, filter, rows))
}

func (s *scan) printRows(out *output.Stream, filter pegasus.Filter, rows iter.Seq2[pegasus.Row, error]) error {
	n := 0
	for row, err := range rows {
		if err != nil {
			return err
		}
		if !matches(filter, row.Value) {
			continue
		}
		if err := s.printRow(out, row); err != nil {
			return err
		}
		if n++; n == s.limit {
			break
		}
	}
	return nil
}

func (s *scan) printRow(out *output.Stream, row pegasus.Row) error {
	codings, parts := []coding.Coding{s.codings.Hash, s.codings.Sort, s.codings.Value}, [][]byte{row.HashKey, row.SortKey, row.Value}
	if s.keysOnly {
		parts = parts[:2]
	}
	values := make([]any, 0, len(codings)+1)
	for i, b := range parts {
		text, err := codings[i].Format(b)
		if err != nil {
			return err
		}
		values = append(values, output.Escaped(text))
	}
	return out.Row(parts[len(parts)-1], append(values, expiry(row.Expires))...)
}

// expiry is when a row expires as it is printed, nil if it does not.
func expiry(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UTC().Format(time.RFC3339)
}
