package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/pegasus-go/pegasus/admin"
	"github.com/pegasus-go/pegasus/internal/cli/coding"
	"github.com/pegasus-go/pegasus/internal/cli/exit"
	"github.com/pegasus-go/pegasus/internal/cli/output"
	"github.com/pegasus-go/pegasus/internal/schema"
	"github.com/spf13/cobra"
)

func newLocateCommand(a *app) *cobra.Command {
	codings := coding.NewRow()
	cmd := &cobra.Command{
		Use:   "locate [TABLE] HASHKEY",
		Short: "Print which partition and which servers have a hash key",
		Long: `Print which partition and which servers have a hash key. There may be rows with
it or not: the place follows from the key alone.

raw is the address of the primary. If the partition has none the status is 5.`,
		Example: `  pegasus locate users u1
  pegasus locate counters 42 --encoding hash=int64 -o json`,
		Annotations: map[string]string{needsCluster: "yes"},
		RunE: func(cmd *cobra.Command, args []string) error {
			table, args, err := a.arguments(cmd, args, "HASHKEY")
			if err != nil {
				return err
			}
			key, err := codings.Hash.Parse(args[0])
			switch {
			case err != nil:
				return exit.Errorf(exit.Usage, "HASHKEY: %w", err)
			case len(key) == 0:
				return exit.Errorf(exit.Usage, "HASHKEY: must not be empty: rows without one are anywhere, by their sort keys")
			case len(key) > schema.MaxHashKeyLen:
				return exit.Errorf(exit.Usage, "HASHKEY: has %d bytes, the most are %d", len(key), schema.MaxHashKeyLen)
			}
			return a.withAdmin(cmd.Context(), func(ctx context.Context, c *admin.Client) error {
				partitions, err := c.Partitions(ctx, table)
				if err != nil {
					return err
				}
				return a.printPlace(partitions, key)
			})
		},
	}
	encodingFlag(cmd, &codings)
	return cmd
}

func (a *app) printPlace(partitions []admin.Partition, key []byte) error {
	if len(partitions) == 0 {
		return errors.New("the meta server knows no partition of the table")
	}
	hash := schema.PartitionHash(key, nil)
	p := partitions[hash%uint64(len(partitions))]
	splitting := p.Ballot < 0
	if splitting { // the one that it is split off has its keys until then
		p = partitions[hash%uint64(len(partitions)/2)]
	}
	var b strings.Builder
	line := func(name, value string) { fmt.Fprintf(&b, "%-12s %s\n", name, value) }
	line("hash", fmt.Sprintf("%016x", hash))
	line("partition", fmt.Sprintf("%d of %d, gpid %s", p.Index, len(partitions), p))
	line("primary", orUnknown(p.Primary))
	line("secondaries", orUnknown(strings.Join(p.Secondaries, " ")))
	line("ballot", fmt.Sprint(p.Ballot))
	if splitting {
		line("split", "under way: its keys go to another partition when it ends")
	}
	var primary any
	if p.Primary != "" {
		primary = p.Primary
	}
	err := a.printer().One(strings.TrimSuffix(b.String(), "\n"), []byte(p.Primary),
		output.Field{Name: "hash", Value: fmt.Sprintf("%016x", hash)}, output.Field{Name: "partition", Value: p.Index},
		output.Field{Name: "partitions", Value: len(partitions)}, output.Field{Name: "gpid", Value: p.String()},
		output.Field{Name: "primary", Value: primary}, output.Field{Name: "secondaries", Value: strings.Join(p.Secondaries, " ")},
		output.Field{Name: "ballot", Value: p.Ballot}, output.Field{Name: "splitting", Value: splitting})
	if err == nil && p.Primary == "" {
		return exit.Errorf(exit.Unhealthy, "partition %s has no primary", p)
	}
	return err
}
