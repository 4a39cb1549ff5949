package cli

import (
	"fmt"
	"math"
	"os"
	"strings"

	"github.com/pegasus-go/pegasus/internal/cli/bench"
	"github.com/pegasus-go/pegasus/internal/cli/exit"
	"github.com/pegasus-go/pegasus/internal/cli/output"
	"github.com/spf13/cobra"
)

func newBenchCompareCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "compare A B",
		Short: "Print in what two runs differ beyond their noise",
		Long: `Print in what two runs differ, which are files with the output json of bench. A figure is
printed if the middle half of the seconds of one run lies outside that of the other; a and
b are medians of the seconds.`,
		Example:     "  pegasus bench read -o json > a.json\n  pegasus bench compare a.json b.json",
		Args:        cobra.ExactArgs(2),
		Annotations: map[string]string{prints: "yes"},
		RunE: func(_ *cobra.Command, args []string) error {
			if a.format == output.Raw {
				return exit.Errorf(exit.Usage, "-o raw prints one value; this prints a list")
			}
			var reports [2]*bench.Report
			for i, name := range args {
				b, err := os.ReadFile(name)
				if err != nil {
					return err
				}
				if reports[i], err = bench.ReadReport(b); err != nil {
					return fmt.Errorf("%s: %w", name, err)
				}
			}
			if unlike := bench.Unlike(reports[0], reports[1]); unlike != nil {
				fmt.Fprintln(a.streams.Err, "These are not the same loads:", strings.Join(unlike, ", "))
			}
			differences := bench.Compare(reports[0], reports[1])
			if differences == nil {
				fmt.Fprintln(a.streams.Err, "There is no difference beyond the noise.")
			}
			var rows [][]any
			for _, d := range differences {
				rows = append(rows, []any{d.Op, d.Figure, d.A, d.B, math.Round(d.Percent*10) / 10})
			}
			return a.printer().List([]string{"op", "figure", "a", "b", "change_percent"}, rows)
		},
	}
}
