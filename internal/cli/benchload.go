package cli

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/admin"
	"github.com/pegasus-go/pegasus/internal/cli/bench"
	"github.com/pegasus-go/pegasus/internal/cli/exit"
)

// benchLoad is the load of pegasus bench and the rows that it is about.
type benchLoad struct {
	benchOptions
	app     *app
	admin   *admin.Client
	cluster *pegasus.Cluster
	name    string // of the table that it makes, and what its hash keys begin with

	where  bench.Cluster
	table  *pegasus.Table
	made   bool   // the table, which is to be dropped
	rowsAt int    // hash keys whose rows may be there
	random []byte // what values are parts of
	ttl    time.Duration
}

// benchBatch is how many rows are written or deleted at once, before and after.
const benchBatch = 1000

func (l *benchLoad) run(ctx context.Context) (*bench.Report, error) {
	l.ttl = l.warmup + l.duration + time.Hour
	if err := l.app.reach(ctx, l.app.metaServers(), l.open); err != nil {
		return nil, err
	}
	if l.workload != "write" {
		if err := l.fill(ctx); err != nil {
			if ctx.Err() != nil {
				err = exit.Errorf(exit.Interrupted, "interrupted before the load has begun")
			}
			return nil, err
		}
	}
	l.rowsAt = l.keys
	live := benchProgress{streams: l.app.streams, quiet: l.quiet, of: l.duration}
	started := time.Now()
	res := bench.Run(ctx, bench.Load{
		Ops: l.ops(), Rate: l.rate, Workers: l.workers, Warmup: l.warmup, Duration: l.duration, Seed: l.seed,
		Do: l.request(), Nap: nap, Progress: live.show,
	})
	live.end()
	return l.report(res, started), nil
}

// open opens the table, and makes it if there is none.
func (l *benchLoad) open(ctx context.Context) error {
	opening, cancel := context.WithTimeout(ctx, l.app.timeout)
	defer cancel()
	nodes, err := l.admin.Nodes(opening)
	if err != nil {
		return err
	}
	for _, n := range nodes {
		if n.Alive {
			l.where.Nodes++
		}
	}
	l.where.Meta, l.where.Table = l.app.metaServers(), l.app.table
	if l.where.Table == "" {
		l.where.Table, l.made = l.name, true // also if it is not known whether it was
		if _, err := l.admin.CreateTable(opening, l.name, admin.CreateOptions{
			Partitions: l.partitions, Replicas: max(1, min(3, l.where.Nodes)),
			Envs: map[string]string{"default_ttl": strconv.Itoa(int(l.ttl.Seconds()))},
		}); err != nil {
			return err
		}
	}
	if l.table, err = l.cluster.Open(opening, l.where.Table); err != nil {
		return err
	}
	t, err := l.admin.Table(opening, l.where.Table)
	l.where.Partitions, l.where.Replicas = t.Partitions, t.Replicas
	return err
}

func (l *benchLoad) hashKey(i int) []byte { return fmt.Appendf(nil, "%s/%08d", l.name, i) }

func benchSortKey(i int) []byte { return fmt.Appendf(nil, "row%04d", i) }

// value returns a part of random bytes, which nothing can compress.
func (l *benchLoad) value(random *rand.Rand) []byte {
	at := random.IntN(len(l.random) - l.valueSize)
	return l.random[at : at+l.valueSize]
}

// fill writes the rows that are to be read.
func (l *benchLoad) fill(ctx context.Context) error {
	l.makeRandom()
	random := rand.New(rand.NewPCG(l.seed, 0))
	var puts []pegasus.Put
	for i := range l.keys {
		l.rowsAt = i + 1
		for j := range l.rows {
			puts = append(puts, pegasus.Put{HashKey: l.hashKey(i), SortKey: benchSortKey(j), Value: l.value(random), TTL: l.ttl})
		}
		if len(puts) < benchBatch && i < l.keys-1 {
			continue
		}
		out, err := l.table.SetMany(ctx, puts)
		if err := errors.Join(err, out.Err()); err != nil {
			return err
		}
		puts = puts[:0]
	}
	return nil
}

func (l *benchLoad) makeRandom() {
	l.random = make([]byte, 1<<20+l.valueSize)
	_, _ = rand.NewChaCha8([32]byte{byte(l.seed)}).Read(l.random) // never fails
}

// ops are the kinds of request of the workload.
func (l *benchLoad) ops() []string {
	if l.workload == "mixed" {
		return []string{"read", "write"}
	}
	return []string{l.workload}
}

// request returns a function that makes one.
func (l *benchLoad) request() func(context.Context, *rand.Rand) (op, rows int, err error) {
	if l.random == nil {
		l.makeRandom()
	}
	pick := bench.Uniform(l.keys)
	if l.distribution == "zipfian" {
		pick = bench.Zipfian(l.keys)
	}
	read := func(ctx context.Context, random *rand.Rand) error {
		v, err := l.table.Get(ctx, l.hashKey(pick(random)), benchSortKey(random.IntN(l.rows)))
		if err == nil && v == nil {
			err = errors.New("a row that was written is not there")
		}
		return err
	}
	write := func(ctx context.Context, random *rand.Rand) error {
		return l.table.SetTTL(ctx, l.hashKey(pick(random)), benchSortKey(random.IntN(l.rows)), l.value(random), l.ttl)
	}
	switch l.workload {
	case "read":
		return func(ctx context.Context, random *rand.Rand) (int, int, error) { return 0, 1, read(ctx, random) }
	case "write":
		return func(ctx context.Context, random *rand.Rand) (int, int, error) { return 0, 1, write(ctx, random) }
	case "mixed":
		return func(ctx context.Context, random *rand.Rand) (int, int, error) {
			if random.IntN(100) < l.reads {
				return 0, 1, read(ctx, random)
			}
			return 1, 1, write(ctx, random)
		}
	}
	return func(ctx context.Context, random *rand.Rand) (_, rows int, err error) {
		for _, err := range l.table.BorrowedRows(ctx, l.hashKey(pick(random)), pegasus.Select{}) {
			if err != nil {
				return 0, rows, err
			}
			rows++
		}
		if rows < l.rows {
			err = fmt.Errorf("a hash key has %d rows, of %d that were written", rows, l.rows)
		}
		return 0, rows, err
	}
}

// cleanUp drops the table, or deletes the rows in a table that is not the load's own. It
// ends with its own time, since ctx is that of a command that may have been interrupted.
func (l *benchLoad) cleanUp(ctx context.Context) error {
	if l.made {
		dropping, cancel := context.WithTimeout(ctx, max(l.app.timeout, defaultTimeout))
		defer cancel()
		err := l.admin.DropTable(dropping, l.name, time.Second)
		if errors.Is(err, pegasus.ErrTableNotFound) {
			return nil // it was not made
		}
		if err != nil {
			err = fmt.Errorf("the table %s is left, and its rows expire by themselves: %w", l.name, err)
		}
		return err
	}
	var keys []pegasus.CompositeKey
	for i := range l.rowsAt {
		for j := range l.rows {
			keys = append(keys, pegasus.CompositeKey{HashKey: l.hashKey(i), SortKey: benchSortKey(j)})
		}
		if len(keys) < benchBatch && i < l.rowsAt-1 {
			continue
		}
		out, err := l.table.DelMany(ctx, keys)
		if err := errors.Join(err, out.Err()); err != nil {
			return fmt.Errorf("rows of %s are left, whose hash keys begin with %s, and expire by themselves: %w", l.where.Table, l.name, err)
		}
		keys = keys[:0]
	}
	return nil
}
