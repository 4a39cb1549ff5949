package cli

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/maphash"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/admin"
	"github.com/pegasus-go/pegasus/internal/cli/progress"
	"github.com/pegasus-go/pegasus/onebox"
)

// storeCopy is a copy of a onebox's directory, which nothing else has open.
type storeCopy struct {
	from, to string
	table    string // "" for all
	verify   bool
	seed     maphash.Seed
	meter    func(func() progress.Sample) *progress.Meter // tells how far it is
	reading  reading
}

// reading is how far the comparison is, which reads all tables on both sides.
type reading struct {
	mu         sync.Mutex
	rows       int64 // of the tables that were read
	tables, of int
	scan       *pegasus.TableScan // of the one that is read, nil if none is
}

// expect notes how many tables are to be read.
func (r *reading) expect(of int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.of = of
}

// begin notes that a table is read.
func (r *reading) begin(scan *pegasus.TableScan) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.scan = scan
}

// end notes that it was, and how many rows it had.
func (r *reading) end(rows int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.rows, r.tables, r.scan = r.rows+rows, r.tables+1, nil
}

func (r *reading) sample() progress.Sample {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := progress.Sample{Rows: r.rows, Note: "comparing"}
	tables := float64(r.tables)
	if r.scan != nil {
		p := r.scan.Progress()
		s.Rows, tables = s.Rows+p.Rows, tables+p.Done
	}
	s.Done = tables / float64(max(1, r.of))
	return s
}

// copying tells how far the copy is, of all tables by its size.
func (c *storeCopy) copying() progress.Sample {
	s := progress.Sample{Rows: -1, Bytes: sizeOf(c.to + ".partial"), Done: -1}
	if all := sizeOf(c.from); c.table == "" && all > 0 {
		s.Done = min(0.99, float64(s.Bytes)/float64(all))
	}
	return s
}

// sizeOf is the size of the files in a directory, as far as they can be looked at.
func sizeOf(dir string) (size int64) {
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		if info, err := e.Info(); err == nil {
			size += info.Size()
		}
	}
	return size
}

// copied is what was copied. Rows are counted when they are compared.
type copied struct {
	bytes  int64
	tables int
	rows   int64
}

// run makes the copy, which is there when it is complete, and leaves none that is not.
func (c *storeCopy) run(ctx context.Context) (copied, error) {
	source, err := c.open(c.from)
	if err != nil {
		return copied{}, err
	}
	done, err := c.copyAndCompare(ctx, source)
	return done, errors.Join(err, source.Close())
}

func (c *storeCopy) copyAndCompare(ctx context.Context, source *onebox.Server) (copied, error) {
	m := c.meter(c.copying)
	n, err := source.Backup(ctx, c.to, c.table)
	m.Stop()
	if errors.Is(err, onebox.ErrExists) {
		err = fmt.Errorf("%w; delete what a command that was killed has left", err)
	}
	if err != nil {
		return copied{}, err
	}
	done := copied{bytes: n}
	if !c.verify {
		return done, nil
	}
	c.seed = maphash.MakeSeed()
	m = c.meter(c.reading.sample)
	defer m.Stop()
	if done.tables, done.rows, err = c.compare(ctx, source); err != nil {
		return copied{}, errors.Join(err, os.RemoveAll(c.to)) // it is ours, and not to be trusted
	}
	return done, nil
}

// open starts a onebox that reads a directory and changes nothing. Its clock stands, so
// that no row expires while the copy is compared with it.
func (*storeCopy) open(dir string) (*onebox.Server, error) {
	now := time.Now()
	s, err := onebox.Start(onebox.Options{Dir: dir, ReadOnly: true, Clock: func() time.Time { return now }})
	if errors.Is(err, onebox.ErrLocked) {
		err = fmt.Errorf("%w; a backup of a onebox that runs is made without --dir", err)
	}
	return s, err
}

// compare reads all rows on both sides, and with them what the disk has of the copy.
func (c *storeCopy) compare(ctx context.Context, source *onebox.Server) (tables int, rows int64, err error) {
	target, err := c.open(c.to)
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, target.Close()) }()
	want, err := c.sums(ctx, source)
	if err != nil {
		return 0, 0, fmt.Errorf("%s: %w", c.from, err)
	}
	got, err := c.sums(ctx, target)
	if err != nil {
		return 0, 0, fmt.Errorf("%s: %w", c.to, err)
	}
	if len(got) != len(want) {
		return 0, 0, fmt.Errorf("the copy has %d tables, not %d", len(got), len(want))
	}
	for name, sum := range want {
		if got[name] != sum {
			return 0, 0, fmt.Errorf("table %q is not the same in the copy: it has %d rows, of %d", name, got[name].rows, sum.rows)
		}
		rows += sum.rows
	}
	return len(want), rows, nil
}

// tableSum is how many rows a table has, and a sum of their hashes, whatever their order.
type tableSum struct {
	rows int64
	sum  uint64
}

func (c *storeCopy) sums(ctx context.Context, s *onebox.Server) (map[string]tableSum, error) {
	administration, err := admin.New(admin.Config{MetaServers: s.MetaServers()})
	if err != nil {
		return nil, err
	}
	defer administration.Close()
	cluster, err := pegasus.New(pegasus.Config{MetaServers: s.MetaServers()})
	if err != nil {
		return nil, err
	}
	defer cluster.Close()
	tables, err := administration.Tables(ctx, admin.TableAvailable)
	if err != nil {
		return nil, err
	}
	tables = slices.DeleteFunc(tables, func(t admin.Table) bool { return c.table != "" && t.Name != c.table })
	c.reading.expect(2 * len(tables))
	sums := make(map[string]tableSum)
	for _, t := range tables {
		if sums[t.Name], err = c.sum(ctx, cluster, t.Name); err != nil {
			return nil, fmt.Errorf("table %q: %w", t.Name, err)
		}
	}
	return sums, nil
}

func (c *storeCopy) sum(ctx context.Context, cluster *pegasus.Cluster, name string) (tableSum, error) {
	table, err := cluster.Open(ctx, name)
	if err != nil {
		return tableSum{}, err
	}
	scan, err := table.Scan(ctx, pegasus.ScanOptions{WithExpiry: true})
	if err != nil {
		return tableSum{}, err
	}
	var s tableSum
	c.reading.begin(scan)
	defer func() { c.reading.end(s.rows) }()
	var h maphash.Hash
	h.SetSeed(c.seed)
	for row, err := range scan.BorrowedRows(ctx) {
		if err != nil {
			return tableSum{}, err
		}
		h.Reset()
		var head [24]byte
		binary.BigEndian.PutUint64(head[:], uint64(len(row.HashKey)))
		binary.BigEndian.PutUint64(head[8:], uint64(len(row.SortKey)))
		binary.BigEndian.PutUint64(head[16:], uint64(row.Expires.Unix()))
		for _, b := range [][]byte{head[:], row.HashKey, row.SortKey, row.Value} {
			_, _ = h.Write(b) // never fails
		}
		s.rows++
		s.sum += h.Sum64()
	}
	return s, nil
}
