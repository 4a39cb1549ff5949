// Command quickstart shows every method of the Pegasus client at work on data
// that every Go machine has, the source of the Go standard library, and checks
// each answer against the files.
//
//	go run ./examples/quickstart                          # on an onebox in this process
//	go run ./examples/quickstart -meta 10.0.0.1:34601     # on a real cluster
//
// It creates a table, loads the files (the hash key is the path of the package,
// the sort key the name of the file, the value its content), works with them,
// and drops the table. It ends with status 1 if anything read back differs from
// what is on disk.
//
// Where to look: cluster.go connects, load.go writes, scan.go reads the table
// back, read.go, atomic.go and remove.go have the other methods. source.go and
// print.go are about files and output only.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/pegasus-go/pegasus"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	status := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(status)
}

// options are the flags.
type options struct {
	meta  string // "" starts an onebox
	table string
	src   string // "" is that of the Go installation
}

// run is the program: it returns the exit status, which is 2 for bad flags.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	var o options
	fs := flag.NewFlagSet("quickstart", flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.StringVar(&o.meta, "meta", "", "`host:port` of a meta server of the cluster to use; several are separated by commas\n(default an onebox in this process)")
	fs.StringVar(&o.table, "table", "quickstart", "`name` of the table, which must not exist; it is dropped at the end")
	fs.StringVar(&o.src, "src", "", "`directory` with the files to load (default GOROOT/src)")
	switch err := fs.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return 2
	case fs.NArg() > 0:
		fmt.Fprintf(stderr, "quickstart: unexpected argument %q\n", fs.Arg(0))
		return 2
	}
	if err := quickstart(ctx, o, newPrinter(stdout)); err != nil {
		fmt.Fprintln(stderr, "quickstart:", err)
		return 1
	}
	return 0
}

// tour is what the steps work with.
type tour struct {
	table pegasus.TableConnector
	src   *source
	out   *printer
}

func quickstart(ctx context.Context, o options, out *printer) (err error) {
	start := time.Now()
	src, err := readSource(ctx, o.src)
	if err != nil {
		return err
	}
	c, err := connect(ctx, o, out)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.close()) }()
	table, err := c.createTable(ctx, o.table)
	if err != nil {
		return err
	}
	defer table.Close()

	t := &tour{table: table, src: src, out: out}
	for _, step := range []struct {
		title string
		run   func(context.Context) error
	}{
		{"Load all files: Set, MultiSet", t.load},
		{"Read the whole table back: GetUnorderedScanners", t.scanAll},
		{"Biggest packages: SortKeyCount", t.count},
		{"Single entries: Get, Exist, TTL, BatchGet", t.single},
		{"Some files of a package: MultiGet, MultiGetOpt with a filter", t.filter},
		{"A package page by page: MultiGetRangeOpt", t.pages},
		{"A range within a package: GetScanner", t.scanRange},
		{"Files in parts: MultiGetRange", t.parts},
		{"Counters: Incr", t.counters},
		{"A lock: CheckAndSet", t.lock},
		{"Time to live: SetTTL, MultiSetOpt", t.expiry},
		{"Delete: Del, MultiDel, DelRange, DelRangeOpt", t.remove},
		{"Errors", t.errors},
	} {
		out.title(step.title)
		if err := step.run(ctx); err != nil {
			return fmt.Errorf("%s: %w", step.title, err)
		}
	}
	out.title("All answers agree with the files")
	out.line("%d files, %s, in %s", len(src.files), size(src.bytes), since(start))
	return nil
}

// errDiffers is the cause when an answer is not what it should be.
var errDiffers = errors.New("differs from what was written")

func differs(format string, args ...any) error {
	return fmt.Errorf("%w: %s", errDiffers, fmt.Sprintf(format, args...))
}
