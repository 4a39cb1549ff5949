package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/pegasus-go/pegasus/internal/cli/bench"
	"github.com/pegasus-go/pegasus/internal/cli/esc"
	"github.com/pegasus-go/pegasus/internal/cli/exit"
	"github.com/pegasus-go/pegasus/internal/cli/output"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// benchOptions are the flags of pegasus bench.
type benchOptions struct {
	workload         string
	rate             float64
	workers          int
	duration, warmup time.Duration
	distribution     string
	keys, rows       int
	valueSize        int
	reads            int // of 100
	partitions       int
	seed             uint64
	html             string
	yes, quiet       bool
}

func newBenchCommand(a *app) *cobra.Command {
	var o benchOptions
	cmd := &cobra.Command{
		Use:   "bench read|write|mixed|scan",
		Short: "Make load and measure latencies",
		Long: `Make load and measure latencies. read gets rows, write sets them, mixed does both, and scan
reads all rows of a hash key.

With --rate so many requests a second are due, and the latency of each is counted from
then, also if it had to wait behind a slow one. Without, --workers callers wait for their
answers before they go on, so that stalls are understated. What needs more callers than
there are does not begin in time, which is counted, too.

The load has a table of its own, bench_ and a number, which is dropped at the end, also
after an interrupt; its rows expire should that fail. With --table it is another one, in
which nothing but rows of its own, whose keys begin like that, is written and deleted.
PEGASUS_TABLE has no effect. --timeout is for each request. The status is 6 if some have
failed.

The output json has the histograms. --html writes a report with plots, to be read offline.`,
		Example: `  pegasus bench read
  pegasus bench mixed --rate 5000 --duration 1m --distribution zipfian --html report.html
  pegasus bench scan --rows 100 --workers 4 -o json > scan.json`,
		ValidArgs: []string{"read", "write", "mixed", "scan"},
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 2 {
				return exit.Errorf(exit.Usage, "%q is too much: bench has a table of its own, or that of --table", args[1])
			}
			return cobra.ExactArgs(1)(cmd, args)
		},
		Annotations: map[string]string{needsCluster: "yes"},
		RunE: func(cmd *cobra.Command, args []string) error {
			o.workload = args[0]
			if err := o.check(cmd); err != nil {
				return err
			}
			if a.format == output.Raw {
				return exit.Errorf(exit.Usage, "-o raw prints one value; bench has table, json, jsonl and csv")
			}
			return a.bench(cmd, o)
		},
	}
	f := cmd.Flags()
	f.Float64Var(&o.rate, "rate", 0, "`requests` per second that are due (default: as fast as the workers go)")
	f.IntVar(&o.workers, "workers", 16, "`number` of callers, the most requests at a time")
	f.DurationVar(&o.duration, "duration", 10*time.Second, "`time` that counts")
	f.DurationVar(&o.warmup, "warmup", time.Second, "`time` of load before that")
	f.StringVar(&o.distribution, "distribution", "uniform", "how keys are picked: `uniform` or zipfian, which has few that are picked often")
	f.IntVar(&o.keys, "keys", 10_000, "`number` of hash keys")
	f.IntVar(&o.rows, "rows", 0, "`number` of rows of a hash key (default 1, with scan 10)")
	f.IntVar(&o.valueSize, "value-size", 100, "`bytes` of a value")
	f.IntVar(&o.reads, "reads", 50, "`percent` of reads, with mixed")
	f.IntVar(&o.partitions, "partitions", 8, "`number` of partitions of the table")
	f.Uint64Var(&o.seed, "seed", 1, "`number` that decides which keys are picked")
	f.StringVar(&o.html, "html", "", "`file` for a report")
	f.BoolVar(&o.yes, "yes", false, "do not ask, with --table")
	f.BoolVar(&o.quiet, "quiet", false, "show no progress")
	cmd.AddCommand(newBenchCompareCommand(a))
	return changes(cmd)
}

func (o *benchOptions) check(cmd *cobra.Command) error {
	changed := cmd.Flags().Changed
	if o.rows == 0 && !changed("rows") {
		o.rows = map[string]int{"scan": 10}[o.workload]
		o.rows = max(1, o.rows)
	}
	switch o.workload {
	case "read", "write", "mixed", "scan":
	default:
		return exit.Errorf(exit.Usage, "%q is none of read, write, mixed, scan", o.workload)
	}
	for _, n := range []struct {
		flag               string
		value, least, most int
	}{
		{"workers", o.workers, 1, 10_000},
		{"keys", o.keys, 1, 10_000_000},
		{"rows", o.rows, 1, 1000},
		{"value-size", o.valueSize, 0, 1 << 20},
		{"reads", o.reads, 0, 100},
		{"partitions", o.partitions, 1, 1 << 16},
	} {
		if n.value < n.least || n.value > n.most {
			return exit.Errorf(exit.Usage, "--%s: %d is not from %d to %d", n.flag, n.value, n.least, n.most)
		}
	}
	switch {
	case changed("rate") && !(o.rate > 0 && o.rate <= 1e7):
		return exit.Errorf(exit.Usage, "--rate: %g is not above 0 and up to 10000000", o.rate)
	case o.duration < time.Second || o.duration > 24*time.Hour:
		return exit.Errorf(exit.Usage, "--duration: %s is not from 1s to 24h", o.duration)
	case o.warmup < 0:
		return exit.Errorf(exit.Usage, "--warmup: %s is negative", o.warmup)
	case o.distribution != "uniform" && o.distribution != "zipfian":
		return exit.Errorf(exit.Usage, "--distribution: %q is neither uniform nor zipfian", o.distribution)
	case changed("reads") && o.workload != "mixed":
		return exit.Errorf(exit.Usage, "--reads: is for mixed")
	case changed("partitions") && changed("table"):
		return exit.Errorf(exit.Usage, "--partitions: the table is there already")
	case changed("yes") && !changed("table"):
		return exit.Errorf(exit.Usage, "--yes: nothing is asked without --table")
	}
	if err := notEmpty(cmd, "html"); err != nil || o.html == "" {
		return err
	}
	return mayBecome("--html", o.html, "")
}

// bench makes the load, tidies up, and prints the report.
func (a *app) bench(cmd *cobra.Command, o benchOptions) error {
	if a.table != "" || a.streams.Danger != "" {
		if err := a.streams.Confirm(cmd.Context(), "make load on the "+benchPlace(a), o.yes); err != nil {
			return err
		}
	}
	var page *os.File
	if o.html != "" {
		var err error
		if page, err = os.Create(o.html + ".part"); err != nil {
			return err // now, rather than after the load
		}
		defer func() {
			page.Close()
			_ = os.Remove(page.Name()) // or it has another name by now
		}()
	}
	report, tidied, err := a.benchReport(cmd, o)
	if err != nil {
		return err
	}
	report.Command = commandLine(cmd, o.workload)
	err = a.printBench(report)
	if page != nil {
		err = cmp.Or(savePage(report, page, o.html), err)
	}
	if err != nil {
		return err
	}
	_, failed, _ := report.Total()
	switch {
	case report.Interrupted:
		return exit.Errorf(exit.Interrupted, "interrupted; the figures are those until then")
	case tidied != nil:
		return exit.Errorf(exit.Partly, "the load is over, and not tidied up")
	case failed > 0:
		return exit.Errorf(exit.Partly, "%d requests have failed, the first with: %s", failed, firstError(report))
	}
	return nil
}

// savePage writes the report to a file, which gets its name then.
func savePage(r *bench.Report, page *os.File, name string) error {
	if err := r.HTML(page); err != nil {
		return err
	}
	if err := page.Close(); err != nil {
		return err
	}
	return os.Rename(page.Name(), name)
}

func benchPlace(a *app) string {
	if a.table != "" {
		return "table " + a.table
	}
	return "cluster " + a.streams.Danger
}

func firstError(r *bench.Report) string {
	for _, op := range r.Ops {
		if op.FirstError != nil {
			return *op.FirstError
		}
	}
	return ""
}

// commandLine returns what was typed, as far as it matters.
func commandLine(cmd *cobra.Command, workload string) string {
	words := []string{cmd.CommandPath(), workload}
	cmd.Flags().Visit(func(f *pflag.Flag) { words = append(words, "--"+f.Name+"="+quote(f.Value.String())) })
	return strings.Join(words, " ")
}

// benchReport has the load made with a table for it. That something of it is left, which
// it says, takes nothing away from the figures.
func (a *app) benchReport(cmd *cobra.Command, o benchOptions) (report *bench.Report, tidied, err error) {
	c, err := a.here().administer(0)
	if err != nil {
		return nil, nil, err
	}
	defer c.Close()
	cluster, err := a.here().open(a.timeout)
	if err != nil {
		return nil, nil, err
	}
	defer cluster.Close()
	l := &benchLoad{benchOptions: o, app: a, admin: c, cluster: cluster, name: fmt.Sprintf("bench_%08x", rand.Uint32())}
	report, err = l.run(cmd.Context())
	if tidied = l.cleanUp(context.WithoutCancel(cmd.Context())); tidied != nil {
		fmt.Fprintln(a.streams.Err, "pegasus: not tidied up:", esc.Message(tidied.Error()))
	}
	return report, tidied, err
}

// printBench prints the figures, and beside them what they mean.
func (a *app) printBench(r *bench.Report) error {
	if a.format == output.JSON || a.format == output.JSONL {
		b, err := json.Marshal(r)
		if err != nil {
			return err
		}
		_, err = data{a.streams.Out}.Write(append(esc.JSON(b), '\n'))
		return err
	}
	for _, s := range []string{r.Sentence(), r.Caution()} {
		if s != "" {
			fmt.Fprintln(a.streams.Err, esc.Message(s))
		}
	}
	var rows [][]any
	whole := func(x float64) int64 { return int64(math.Round(x)) }
	for _, op := range r.Ops {
		times := map[string]bench.Times{"latency": op.Latency, "service": op.Service}
		for _, from := range []string{"latency", "service"} {
			if t := times[from]; from == "latency" || r.RateWanted != nil { // without a rate they are the same
				rows = append(rows, []any{op.Op, from, op.Count, op.Errors, op.Timeouts, op.LateStarts, whole(op.Rate), whole(t.P50), whole(t.P90), whole(t.P99), whole(t.P999), whole(t.Max)})
			}
		}
	}
	return a.printer().List([]string{"op", "time", "count", "errors", "timeouts", "late", "rate_per_s", "p50_us", "p90_us", "p99_us", "p999_us", "max_us"}, rows)
}

// report says what the result is of.
func (l *benchLoad) report(res *bench.Result, started time.Time) *bench.Report {
	r := &bench.Report{
		V: 1, Version: version(), Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH, CPUs: runtime.NumCPU(), Started: started.UTC().Truncate(time.Second),
		Workload: l.workload, Distribution: l.distribution, Workers: l.workers, Keys: l.keys, RowsPerKey: l.rows, ValueBytes: l.valueSize,
		WarmupMs: l.warmup.Milliseconds(), Seed: l.seed, Cluster: l.where, Result: res,
	}
	if l.rate > 0 {
		r.RateWanted = &l.rate
	}
	if l.workload == "mixed" {
		r.ReadsPercent = l.reads
	}
	return r
}
