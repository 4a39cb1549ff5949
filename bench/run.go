package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/pegasus-go/pegasus"
)

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
		plain, suffix, _ := strings.Cut(v, "+")
		var observers []pegasus.Observer
		if "+"+suffix == withObserver {
			observers = append(observers, countingObserver())
		}
		r, err := b.prepare(ctx, c, plain, "+"+suffix, observers...)
		if err != nil {
			return result{}, fmt.Errorf("%s %s: %w", c.name(), v, err)
		}
		if r == nil {
			continue
		}
		r.name = v
		switch "+" + suffix {
		case withDeadline:
			r.work = deadlines(r.work)
		case withContext:
			r.work = contexts(r.work)
		}
		runners = append(runners, r)
	}
	res := result{Case: c.name()}
	for _, r := range runners {
		res.Variants = append(res.Variants, variant{Name: r.name})
	}
	rounds, each := b.opts.rounds, b.opts.each
	if c.deadline || c.observed {
		// A difference of differences: the shorter the rounds, the less of what
		// else the machine does hits one variant alone.
		rounds, each = 6*rounds, each/6
	}
	for round := range rounds + 1 {
		for i := range runners {
			if (c.deadline || c.observed) && round%2 == 1 {
				i = len(runners) - 1 - i // who comes last has not always the same before it
			}
			r := runners[i]
			// A context that can be cancelled costs a call a select of two channels in
			// place of a receive; what a caller wants with its context is its own cost.
			s, err := measure(context.WithoutCancel(ctx), r.callers, each, r.work)
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
	if c.deadline {
		res.noteShares()
	}
	if c.observed {
		res.noteObserver()
	}
	if c.many {
		res.noteMany()
	}
	return res, nil
}

// prepare starts what a variant needs. It returns nil for one that cannot be
// measured here, and says so once.
func (b *bench) prepare(ctx context.Context, c *testCase, v, in string, observers ...pegasus.Observer) (*runner, error) {
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
	tables, stop, err := openTables(ctx, meta, names, observers...)
	if err != nil {
		return nil, err
	}
	var f work
	if c.many {
		f, err = manyWork(c, tables[0], in)
	} else {
		f, err = tableWork(ctx, c, tables, load)
	}
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
