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

// testCase is one operation under one load. Its variants are measured side by
// side.
type testCase struct {
	op         string
	value      int // bytes
	callers    int // goroutines
	partitions int
	tables     int // that the keys are spread over
	variants   []string
}

func (c *testCase) name() string {
	name := fmt.Sprintf("%s/%dB/g%d/p%d", c.op, c.value, c.callers, c.partitions)
	if c.tables > 1 {
		name += fmt.Sprintf("/t%d", c.tables)
	}
	return name
}

var (
	pointVariants  = []string{"wire", "floor", "null", "mem", "os", "sync", "fsync", "redis"}
	oneboxVariants = []string{"mem", "os", "sync"}
)

// cases returns the cases of a run: those that the targets are about, or the
// full matrix.
func cases(full bool) []testCase {
	var cs []testCase
	point := func(op string, value, callers, partitions int, variants []string) {
		cs = append(cs, testCase{op, value, callers, partitions, 1, variants})
	}
	callers := []int{1, 64, 256, 1024}
	values := []int{100}
	partitions := []int{1}
	if full {
		callers = []int{1, 16, 64, 256, 1024}
		values = []int{16, 100, 1000, 64 << 10}
		partitions = []int{1, 64}
	}
	for _, op := range []string{"get", "set"} {
		for _, v := range values {
			for _, p := range partitions {
				for _, g := range callers {
					point(op, v, g, p, pointVariants)
				}
			}
		}
	}
	for _, op := range []string{"multiget", "multiset", "incr", "batchget", "hashscan"} {
		for _, g := range callers {
			point(op, 100, g, 1, oneboxVariants)
			if full {
				point(op, 100, g, 64, oneboxVariants)
			}
		}
	}
	// Cost stays flat: many partitions, many tables, very many goroutines.
	point("get", 100, 256, 1024, []string{"null", "mem"})
	cs = append(cs, testCase{"get", 100, 256, 1, manyTables, []string{"null", "mem"}})
	point("get", 100, 10000, 1, []string{"floor", "null", "mem"})
	return cs
}

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
		r, err := b.runFullScan(ctx, *scan)
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

// manyTables is the number of tables of the case with many: bench1 and others.
const manyTables = 64

func manyName(i int) string { return fmt.Sprintf("many%d", i) }

func intersect(a, b []string) []string {
	return slices.DeleteFunc(slices.Clone(a), func(s string) bool { return !slices.Contains(b, s) })
}

func exitOn(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// bench holds the peers that serve several cases.
type bench struct {
	opts  options
	peers map[string]*peer
	noted map[string]bool
}

func (b *bench) close() {
	for _, p := range b.peers {
		p.stop()
	}
}

func (b *bench) peer(kind string, args ...string) (*peer, error) {
	name := strings.Join(append([]string{kind}, args...), " ")
	if p := b.peers[name]; p != nil {
		return p, nil
	}
	p, err := startPeer(kind, args...)
	if err != nil {
		return nil, err
	}
	b.keep(name, p)
	return p, nil
}

func (b *bench) keep(name string, p *peer) {
	if b.peers == nil {
		b.peers = make(map[string]*peer)
	}
	b.peers[name] = p
}

// runner is a variant that is ready to be measured.
type runner struct {
	name    string
	work    work
	callers int
	scale   float64 // operations per call of work
	close   func()
}

// run measures the variants of a case in turns.
func (b *bench) run(ctx context.Context, c *testCase) (result, error) {
	var runners []*runner
	defer func() {
		for _, r := range runners {
			r.close()
		}
	}()
	for _, v := range c.variants {
		r, err := b.prepare(ctx, c, v)
		if err != nil {
			return result{}, fmt.Errorf("%s %s: %w", c.name(), v, err)
		}
		if r != nil {
			runners = append(runners, r)
		}
	}
	res := result{Case: c.name()}
	for _, r := range runners {
		res.Variants = append(res.Variants, variant{Name: r.name})
	}
	for round := range b.opts.rounds + 1 {
		for i, r := range runners {
			// A context that can be cancelled costs a call a select of two channels in
			// place of a receive; what a caller wants with its context is its own cost.
			s, err := measure(context.WithoutCancel(ctx), r.callers, b.opts.each, r.work)
			if err != nil {
				return result{}, fmt.Errorf("%s %s: %w", c.name(), r.name, err)
			}
			if round == 0 {
				continue // warming up
			}
			s.Ops = int64(float64(s.Ops) * r.scale)
			s.NsPerOp /= r.scale
			s.CPUNsPerOp /= r.scale
			res.Variants[i].Samples = append(res.Variants[i].Samples, s)
		}
	}
	if i, base := res.index("sync"), res.index("fsync"); i >= 0 && base >= 0 {
		res.Notes = append(res.Notes, fmt.Sprintf("sync has %.1f times the throughput of one writer that syncs each write",
			res.Variants[i].ratio(&res.Variants[base], throughput)))
	}
	return res, nil
}

// prepare starts what a variant needs. It returns nil for one that cannot be
// measured here, and says so once.
func (b *bench) prepare(ctx context.Context, c *testCase, v string) (*runner, error) {
	request, reply := c.frameSizes()
	switch v {
	case "wire", "floor":
		p, err := b.peer("fixed", fmt.Sprint(request), fmt.Sprint(reply))
		if err != nil {
			return nil, err
		}
		if v == "wire" {
			// As many in flight as there are callers, within the socket's buffers.
			depth := max(1, min(c.callers, (128<<10)/max(request, reply)))
			f, stop, err := wireWork(p.addr, request, reply, depth)
			if err != nil {
				return nil, err
			}
			return &runner{name: v, work: f, callers: 1, scale: float64(depth), close: stop}, nil
		}
		conn, err := dialFloor(p.addr, request, reply)
		if err != nil {
			return nil, err
		}
		return &runner{name: v, work: conn.work(c.callers), callers: c.callers, scale: 1, close: conn.close}, nil
	case "fsync":
		if c.op != "set" {
			return nil, nil
		}
		f, stop, err := fsyncWork(b.opts.dir, request)
		if err != nil {
			return nil, err
		}
		return &runner{name: v, work: f, callers: 1, scale: 1, close: stop}, nil
	case "redis":
		p := b.peers["redis"]
		if p == nil && !b.noted["redis"] {
			var err error
			if p, err = startRedis(); err != nil {
				return nil, err
			}
			if p == nil {
				fmt.Print("redis: skipped, redis-server is not installed\n\n")
				b.noted = map[string]bool{"redis": true}
			} else {
				b.keep("redis", p)
			}
		}
		if p == nil {
			return nil, nil
		}
		f, stop, err := redisWork(ctx, c, p.addr)
		if err != nil {
			return nil, err
		}
		return &runner{name: v, work: f, callers: c.callers, scale: 1, close: stop}, nil
	}
	meta, table, load, err := b.cluster(c, v)
	if err != nil {
		return nil, err
	}
	names := []string{table}
	for i := 1; i < c.tables; i++ {
		names = append(names, manyName(i))
	}
	tables, stop, err := openTables(ctx, meta, names)
	if err != nil {
		return nil, err
	}
	f, err := tableWork(ctx, c, tables, load)
	if err != nil {
		stop()
		return nil, err
	}
	return &runner{name: v, work: f, callers: c.callers, scale: 1, close: stop}, nil
}

// cluster returns where a variant of the client goes.
func (b *bench) cluster(c *testCase, v string) (meta, table string, load bool, err error) {
	var p *peer
	switch v {
	case "external":
		return b.opts.meta, b.opts.table, true, nil
	case "null":
		p, err = b.peer("null", fmt.Sprint(c.partitions), fmt.Sprint(c.value))
	case "mem":
		p, err = b.peer("onebox", "mem", "-")
	default:
		p, err = b.peer("onebox", v, b.opts.dir+"/"+v)
	}
	if err != nil {
		return "", "", false, err
	}
	table = fmt.Sprintf("bench%d", c.partitions)
	return p.addr, table, v != "null", nil
}

func (r *result) index(name string) int {
	return slices.IndexFunc(r.Variants, func(v variant) bool { return v.Name == name })
}
