package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"runtime"
	"runtime/pprof"
	"slices"
	"strings"
	"time"
)

type options struct {
	rounds int
	each   time.Duration
	meta   string
	table  string
	dir    string
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == "serve" {
		exitOn(serve(os.Args[2:]))
		return
	}
	var (
		o       options
		match   = flag.String("case", "", "only cases whose name matches this regular `expression`")
		against = flag.String("variants", "", "only these variants, such as floor,null")
		full    = flag.Bool("full", false, "the full matrix of sizes, callers and partitions")
		jsonOut = flag.String("json", "", "write all samples to this `file`, too")
		scan    = flag.Int("scan", 1_000_000, "records of the full-table scan, 0 = leave it out")
		start   = flag.Bool("start", false, "measure what it takes to start a onebox and to open tables instead")
		growth  = flag.String("growth", "", "measure Get on a durable onebox of these sizes instead, such as 10000,100000,1000000")
	)
	profile := flag.String("cpuprofile", "", "write a CPU profile of this process to this `file`")
	flag.IntVar(&o.rounds, "rounds", 5, "rounds of each variant")
	flag.DurationVar(&o.each, "time", 300*time.Millisecond, "length of a round")
	flag.StringVar(&o.meta, "meta", "", "measure the cluster with this meta server, `host:port`, and nothing else")
	flag.StringVar(&o.table, "table", "temp", "the table to use with -meta; it is written to")
	flag.Parse()
	only, err := regexp.Compile(*match)
	exitOn(err)

	if *profile != "" {
		f, err := os.Create(*profile)
		exitOn(err)
		exitOn(pprof.StartCPUProfile(f))
		defer pprof.StopCPUProfile()
	}
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt)
	defer cancel()
	o.dir, err = os.MkdirTemp("", "pegasus-bench-")
	exitOn(err)
	defer os.RemoveAll(o.dir)

	fmt.Printf("%s %s/%s, %d CPUs, %d rounds of %v\n\n", runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), o.rounds, o.each)
	if *start {
		exitOn(runStart(ctx, &o))
		return
	}
	if *growth != "" {
		exitOn(runGrowth(ctx, &o, *growth))
		return
	}
	b := &bench{opts: o}
	defer b.close()
	var results []result
	for _, c := range cases(*full) {
		if !only.MatchString(c.name()) {
			continue
		}
		if *against != "" {
			c.variants = intersect(c.variants, strings.Split(*against, ","))
		}
		if o.meta != "" {
			c.variants = []string{"external"}
			if c.deadline {
				c.variants = append(c.variants, "external"+withDeadline)
			}
		}
		if len(c.variants) == 0 {
			continue
		}
		r, err := b.run(ctx, &c)
		if ctx.Err() != nil {
			break
		}
		exitOn(err)
		r.print(os.Stdout)
		results = append(results, r)
	}
	if *scan > 0 && o.meta == "" && ctx.Err() == nil && only.MatchString("fullscan") {
		r, err := b.runFullScan(ctx, *scan, *against)
		exitOn(err)
		r.print(os.Stdout)
		results = append(results, r)
	}
	if o.meta == "" && *against == "" && ctx.Err() == nil {
		exitOn(b.runOnebox(ctx, only))
	}
	if *jsonOut != "" {
		data, err := json.MarshalIndent(results, "", "  ")
		exitOn(err)
		exitOn(os.WriteFile(*jsonOut, append(data, '\n'), 0o644))
	}
}

func intersect(a, b []string) []string {
	return slices.DeleteFunc(slices.Clone(a), func(s string) bool { return !slices.Contains(b, s) })
}

func exitOn(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}
