package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	pegasus "github.com/pegasus-go/pegasus"
)

// runOnebox measures what the onebox does for one request beside others, and
// beside what the engine under it takes for the same work. Each case is two
// variants that take turns; what counts is the median of the rounds' ratios.
func (b *bench) runOnebox(ctx context.Context, only *regexp.Regexp) error {
	for _, c := range []struct {
		name string
		run  func(context.Context) (string, error)
	}{
		{"onebox/get-beside-sync", b.getBesideSync},
		{"onebox/get-beside-slow", b.getBesideSlow},
		{"onebox/multiget", func(ctx context.Context) (string, error) { return b.besideEngine(ctx, "multiget", 16, "wanted: 2") }},
		{"onebox/multiset", func(ctx context.Context) (string, error) { return b.besideEngine(ctx, "multiset", 16, "wanted: 1.5") }},
		{"onebox/batchget", func(ctx context.Context) (string, error) { return b.besideEngine(ctx, "batchget", 16, "wanted: 1.5") }},
		{"onebox/get", func(ctx context.Context) (string, error) { return b.besideEngine(ctx, "get", 256, "for comparison") }},
		{"onebox/set", func(ctx context.Context) (string, error) { return b.besideEngine(ctx, "set", 256, "for comparison") }},
	} {
		if !only.MatchString(c.name) {
			continue
		}
		text, err := c.run(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
		fmt.Printf("%s\n  %s\n\n", c.name, text)
	}
	return nil
}

// besideRounds is how many times the rounds of other cases these have: what the
// machine does besides hits single callers harder.
const besideRounds = 3

// beside runs f, repeatedly from a number of goroutines, while main runs.
func beside(ctx context.Context, goroutines int, f func(ctx context.Context, i int) error, main func() error) error {
	ctx, cancel := context.WithCancel(ctx)
	failed := make(chan error, 1)
	go func() {
		failed <- parallel(goroutines, goroutines, func(i int) error {
			for ctx.Err() == nil {
				if err := f(ctx, i); err != nil && ctx.Err() == nil {
					return err
				}
			}
			return nil
		})
	}()
	err := main()
	cancel()
	if other := <-failed; err == nil {
		err = other
	}
	return err
}

// getBesideSync measures the Gets of one caller beside two writers whose writes
// are synced: of the same client, and of another one.
func (b *bench) getBesideSync(ctx context.Context) (string, error) {
	p, err := b.peer("onebox", "sync", filepath.Join(b.opts.dir, "sync"))
	if err != nil {
		return "", err
	}
	var tables [2]pegasus.TableConnector
	for i := range tables {
		t, stop, err := openTable(ctx, p.addr, "bench1")
		if err != nil {
			return "", err
		}
		defer stop()
		tables[i] = t
	}
	value := make([]byte, 100)
	if err := tables[0].Set(ctx, hashKeys[0], sortKey, value); err != nil {
		return "", err
	}
	get := func(ctx context.Context, _, _ int) error {
		_, err := tables[0].Get(ctx, hashKeys[0], sortKey)
		return err
	}
	var same, other, ratios []float64
	for range b.opts.rounds * besideRounds {
		var rate [2]float64
		for i, writers := range tables {
			err := beside(ctx, 2, func(ctx context.Context, i int) error {
				return writers.Set(ctx, hashKeys[1+i], sortKey, value)
			}, func() error {
				s, err := measure(context.WithoutCancel(ctx), 1, b.opts.each, get)
				rate[i] = 1e9 / s.NsPerOp
				return err
			})
			if err != nil {
				return "", err
			}
		}
		same, other = append(same, rate[0]), append(other, rate[1])
		ratios = append(ratios, rate[0]/rate[1])
	}
	s, _ := median(same)
	o, _ := median(other)
	ratio, _ := median(ratios)
	return fmt.Sprintf("%.0f Gets/s beside sync writers of the same client, %.0f beside those of another: %.0f %% (wanted: 80 %%)", s, o, 100*ratio), nil
}

// slowRows is the number of rows that a slow read counts.
const slowRows = 100_000

// getBesideSlow measures the Gets of one caller, alone and beside 12 reads of the
// same client that take long.
func (b *bench) getBesideSlow(ctx context.Context) (string, error) {
	p, err := b.peer("onebox", "mem", "-")
	if err != nil {
		return "", err
	}
	t, stop, err := openTable(ctx, p.addr, "bench1")
	if err != nil {
		return "", err
	}
	defer stop()
	value := make([]byte, 10)
	values := make([][]byte, 1000)
	for i := range values {
		values[i] = value
	}
	err = parallel(8, slowRows/len(values), func(i int) error {
		keys := make([][]byte, len(values))
		for j := range keys {
			keys[j] = fmt.Appendf(nil, "%08d", i*len(values)+j)
		}
		return t.MultiSet(ctx, []byte("slow"), keys, values)
	})
	if err != nil {
		return "", err
	}
	if err := t.Set(ctx, hashKeys[0], sortKey, value); err != nil {
		return "", err
	}
	get := func(ctx context.Context, _, _ int) error {
		_, err := t.Get(ctx, hashKeys[0], sortKey)
		return err
	}
	count := func(ctx context.Context, _ int) error {
		_, err := t.SortKeyCount(ctx, []byte("slow"))
		return err
	}
	var alone, beside12, ratios []float64
	for range b.opts.rounds * besideRounds {
		a, err := measure(context.WithoutCancel(ctx), 1, b.opts.each, get)
		if err != nil {
			return "", err
		}
		var s sample
		err = beside(ctx, 12, count, func() (err error) {
			s, err = measure(context.WithoutCancel(ctx), 1, b.opts.each, get)
			return err
		})
		if err != nil {
			return "", err
		}
		alone, beside12 = append(alone, float64(a.P50)), append(beside12, float64(s.P50))
		ratios = append(ratios, float64(s.P50)/float64(a.P50))
	}
	a, _ := median(alone)
	s, _ := median(beside12)
	ratio, _ := median(ratios)
	return fmt.Sprintf("p50 of a Get %v, beside 12 slow reads %v: %.1f times (wanted: 3)", time.Duration(a), time.Duration(s), ratio), nil
}

// besideEngine measures the CPU time that the process of a onebox takes for an
// operation, and that of the engine alone for the same work. It is the CPU time
// because the client is on the same machine.
func (b *bench) besideEngine(ctx context.Context, op string, callers int, wanted string) (string, error) {
	p, err := b.peer("onebox", "mem", "-")
	if err != nil {
		return "", err
	}
	c := &testCase{op: op, value: 100, callers: callers, partitions: 1}
	tables, stop, err := openTables(ctx, p.addr, []string{"bench1"})
	if err != nil {
		return "", err
	}
	defer stop()
	work, err := tableWork(ctx, c, tables, true)
	if err != nil {
		return "", err
	}
	e, err := openEngine(c)
	if err != nil {
		return "", err
	}
	defer e.close()
	var server, engine, client, ratios []float64
	for range b.opts.rounds * besideRounds {
		before := p.cpu()
		s, err := measure(context.WithoutCancel(ctx), c.callers, b.opts.each, work)
		if err != nil {
			return "", err
		}
		perOp := float64(p.cpu()-before) / float64(s.Ops)
		client = append(client, s.CPUNsPerOp)
		s, err = measure(context.WithoutCancel(ctx), 1, b.opts.each, e.work(op))
		if err != nil {
			return "", err
		}
		server, engine = append(server, perOp), append(engine, s.CPUNsPerOp)
		ratios = append(ratios, perOp/s.CPUNsPerOp)
	}
	in := func(values []float64) time.Duration {
		mid, _ := median(values)
		return time.Duration(mid)
	}
	ratio, spread := median(ratios)
	return fmt.Sprintf("CPU time of an operation: onebox %v, the engine alone %v: %.2f times ± %.0f %% (%s); the client %v",
		in(server), in(engine), ratio, 100*spread, wanted, in(client)), nil
}

// cpu returns the CPU time that the peer has used, 0 if unknown.
func (p *peer) cpu() time.Duration {
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", p.pid))
	if err != nil {
		return 0
	}
	var sum int64
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			continue // the thread has ended
		}
		if fields := strings.Fields(string(data)); len(fields) > 0 {
			ns, _ := strconv.ParseInt(fields[0], 10, 64)
			sum += ns
		}
	}
	return time.Duration(sum)
}
