package reliability

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pegasus-go/pegasus"
)

// writers are goroutines that write to a table with every kind of write, and
// know what must be stored afterwards: what was acknowledged, and perhaps the
// one write of each that was under way when they were stopped.
type writers struct {
	t   *testing.T
	all []*writer
	// clock is that of the client, so that it is known which expiry it sends.
	clock time.Time

	acknowledged atomic.Int64
	shared       sum           // a counter that all writers count
	results      map[int64]int // what Incr of it has returned; by how many
	mu           sync.Mutex    // guards results

	round  sync.WaitGroup
	stop   context.CancelFunc
	broken atomic.Bool // from now on writes may fail
}

func newWriters(t *testing.T, n int) *writers {
	w := &writers{t: t, clock: time.Now(), results: make(map[int64]int)}
	for i := range n {
		w.all = append(w.all, &writer{set: w, hashKey: fmt.Appendf(nil, "writer%d", i)})
	}
	return w
}

// client returns a client whose clock is w's.
func (w *writers) client(cfg pegasus.Config) pegasus.Client {
	cfg.Clock = func() time.Time { return w.clock }
	return pegasus.NewClient(cfg)
}

// start makes all writers write, each until a write of it fails or finish is
// called. It returns when n more writes are acknowledged, or a writer has
// failed.
func (w *writers) start(table pegasus.TableConnector, n int64) {
	ctx, stop := context.WithCancel(context.Background())
	w.stop = stop
	w.broken.Store(false)
	enough := make(chan struct{})
	end := sync.OnceFunc(func() { close(enough) })
	target := w.acknowledged.Load() + n
	for _, one := range w.all {
		w.round.Go(func() {
			err := one.run(ctx, table, func() {
				if w.acknowledged.Add(1) == target {
					end()
				}
			})
			end()
			if !w.broken.Load() {
				w.t.Error(err)
			}
		})
	}
	<-enough
}

// finish waits for the writers. Calls that are still tried are given up.
func (w *writers) finish() {
	w.stop()
	w.round.Wait()
}

// trust takes what is in doubt for what was not carried out.
func (w *writers) trust() {
	w.shared.doubt.Store(0)
	for _, one := range w.all {
		for _, c := range []*cell{&one.log, &one.rows, &one.ttl, &one.swapped} {
			c.or = c.is
		}
		one.counter.doubt.Store(0)
	}
}

// check compares what is stored with what the writers know, and goes on with it.
// It returns how many values it has compared.
func (w *writers) check(table pegasus.TableConnector) int {
	w.t.Helper()
	n := 0
	for _, one := range w.all {
		n += one.check(table)
	}
	stored, err := table.Incr(context.Background(), sharedKey, sharedKey, 0)
	if err != nil {
		w.t.Fatal(err)
	}
	w.shared.settle(w.t, "the shared counter", stored)
	for result, times := range w.results {
		if times != 1 || result > stored {
			w.t.Errorf("Incr has returned %d, %d times; the counter is %d", result, times, stored)
		}
	}
	return n + 1
}

// writer is one goroutine of writers. What it has written is under its hash key.
type writer struct {
	set     *writers
	hashKey []byte

	log     cell // how many entries there are, each written once
	rows    cell // version of rows that are written and deleted together
	ttl     cell // version of an entry that expires
	swapped cell // integer that CheckAndSet counts
	counter sum
}

// cell is the version of something, 0 if there is none.
type cell struct {
	is int64 // acknowledged
	or int64 // perhaps, if it is another one
}

// write makes c become v by f.
func (c *cell) write(v int64, f func() error) error {
	c.or = v
	err := f()
	switch {
	case err == nil:
		c.is = v
	case !errors.Is(err, pegasus.ErrInDoubt):
		c.or = c.is
	}
	return err
}

func (c *cell) settle(t *testing.T, what string, stored int64) {
	t.Helper()
	if stored != c.is && stored != c.or {
		t.Errorf("%s: version %d is stored, want %d or %d", what, stored, c.is, c.or)
	}
	c.is, c.or = stored, stored
}

// sum is a counter.
type sum struct{ is, doubt atomic.Int64 }

func (s *sum) add(f func() error) error {
	err := f()
	switch {
	case err == nil:
		s.is.Add(1)
	case errors.Is(err, pegasus.ErrInDoubt):
		s.doubt.Add(1)
	}
	return err
}

func (s *sum) settle(t *testing.T, what string, stored int64) {
	t.Helper()
	if least, most := s.is.Load(), s.is.Load()+s.doubt.Load(); stored < least || stored > most {
		t.Errorf("%s is %d, want %d to %d", what, stored, least, most)
	}
	s.is.Store(stored)
	s.doubt.Store(0)
}

const (
	rows      = 6
	valueSize = 1000 // so that memtables fill up, and are flushed and compacted
)

var (
	sharedKey  = []byte("shared")
	counterKey = []byte("count")
	swappedKey = []byte("swapped")
	ttlKey     = []byte("ttl")
)

func logKey(i int64) []byte { return fmt.Appendf(nil, "log%08d", i) }

func versioned(v int64) []byte {
	return append(fmt.Appendf(nil, "%d ", v), bytes.Repeat([]byte{'x'}, valueSize)...)
}

// version is the inverse of versioned, and -1 for a value that it did not make.
func version(value []byte) int64 {
	if value == nil {
		return 0
	}
	text, _, _ := bytes.Cut(value, []byte(" "))
	v, err := strconv.ParseInt(string(text), 10, 64)
	if err != nil || !bytes.Equal(value, versioned(v)) {
		return -1
	}
	return v
}

func rowSet(v int64) (sortKeys, values [][]byte) {
	for i := range rows {
		sortKeys, values = append(sortKeys, fmt.Appendf(nil, "row%d", i)), append(values, versioned(v))
	}
	return sortKeys, values
}

// ttlOf is the time to live of a version.
func ttlOf(v int64) time.Duration { return time.Duration(1+v%20) * time.Hour }

// run writes until a write fails, and calls acknowledged after each that does
// not.
func (w *writer) run(ctx context.Context, table pegasus.TableConnector, acknowledged func()) error {
	for v := int64(1); ; v++ {
		for _, write := range []func(context.Context, pegasus.TableConnector) error{
			w.append, w.setRows, w.setTTL, w.swap, w.count, w.countShared,
		} {
			if err := write(ctx, table); err != nil {
				return err
			}
			acknowledged()
		}
	}
}

func (w *writer) append(ctx context.Context, table pegasus.TableConnector) error {
	v := w.log.is + 1
	return w.log.write(v, func() error { return table.Set(ctx, w.hashKey, logKey(v), versioned(v)) })
}

// setRows writes all rows, and every few times deletes them.
func (w *writer) setRows(ctx context.Context, table pegasus.TableConnector) error {
	sortKeys, values := rowSet(w.log.is)
	if w.rows.is != 0 && w.log.is%4 == 0 {
		return w.rows.write(0, func() error { return table.MultiDel(ctx, w.hashKey, sortKeys) })
	}
	return w.rows.write(w.log.is, func() error { return table.MultiSet(ctx, w.hashKey, sortKeys, values) })
}

func (w *writer) setTTL(ctx context.Context, table pegasus.TableConnector) error {
	v := w.ttl.is + 1
	return w.ttl.write(v, func() error { return table.SetTTL(ctx, w.hashKey, ttlKey, versioned(v), ttlOf(v)) })
}

func (w *writer) swap(ctx context.Context, table pegasus.TableConnector) error {
	old := w.swapped.is
	check, operand := pegasus.CheckTypeIntEqual, strconv.AppendInt(nil, old, 10)
	if old == 0 {
		check, operand = pegasus.CheckTypeValueNotExist, nil
	}
	return w.swapped.write(old+1, func() error {
		res, err := table.CheckAndSet(ctx, w.hashKey, swappedKey, check, operand, swappedKey, strconv.AppendInt(nil, old+1, 10), nil)
		if err == nil && !res.SetSucceed {
			w.set.t.Errorf("%s: %d is not what CheckAndSet has found", w.hashKey, old)
		}
		return err
	})
}

func (w *writer) count(ctx context.Context, table pegasus.TableConnector) error {
	return w.counter.add(func() error {
		_, err := table.Incr(ctx, w.hashKey, counterKey, 1)
		return err
	})
}

func (w *writer) countShared(ctx context.Context, table pegasus.TableConnector) error {
	return w.set.shared.add(func() error {
		n, err := table.Incr(ctx, sharedKey, sharedKey, 1)
		if err == nil {
			w.set.mu.Lock()
			w.set.results[n]++
			w.set.mu.Unlock()
		}
		return err
	})
}

// check compares everything under the hash key.
func (w *writer) check(table pegasus.TableConnector) int {
	t := w.set.t
	t.Helper()
	stored, err := readAll(table, w.hashKey)
	if err != nil {
		t.Fatal(err)
	}
	n := len(stored)
	take := func(sortKey []byte) []byte {
		value := stored[string(sortKey)]
		delete(stored, string(sortKey))
		return value
	}

	entries := int64(0)
	for version(take(logKey(entries+1))) == entries+1 {
		entries++
	}
	w.log.settle(t, string(w.hashKey)+"'s entries", entries)

	sortKeys, _ := rowSet(0)
	first := version(take(sortKeys[0]))
	for _, k := range sortKeys[1:] {
		if v := version(take(k)); v != first {
			t.Errorf("%s: rows of versions %d and %d", w.hashKey, first, v)
		}
	}
	w.rows.settle(t, string(w.hashKey)+"'s rows", first)

	w.ttl.settle(t, string(w.hashKey)+"'s entry that expires", version(take(ttlKey)))
	w.checkTTL(table)
	w.swapped.settle(t, string(w.hashKey)+"'s swapped number", number(take(swappedKey)))
	w.counter.settle(t, string(w.hashKey)+"'s counter", number(take(counterKey)))
	for k := range stored {
		t.Errorf("%s/%s is stored, and was not written", w.hashKey, k)
	}
	return n
}

// checkTTL compares the expiry, which has whole seconds.
func (w *writer) checkTTL(table pegasus.TableConnector) {
	t := w.set.t
	t.Helper()
	if w.ttl.is == 0 {
		return
	}
	before := time.Now()
	seconds, err := table.TTL(context.Background(), w.hashKey, ttlKey)
	if err != nil {
		t.Fatal(err)
	}
	expires := w.set.clock.Add(ttlOf(w.ttl.is))
	got := time.Duration(seconds) * time.Second
	if most, least := expires.Sub(before)+2*time.Second, time.Until(expires)-2*time.Second; got < least || got > most {
		t.Errorf("%s: %v to live, want %v to %v", w.hashKey, got, least, most)
	}
}

// number returns 0 for no value, and -1 for one that is no number.
func number(value []byte) int64 {
	if value == nil {
		return 0
	}
	n, err := strconv.ParseInt(string(value), 10, 64)
	if err != nil {
		return -1
	}
	return n
}

// readAll returns all entries of a hash key.
func readAll(table pegasus.TableConnector, hashKey []byte) (map[string][]byte, error) {
	s, err := table.GetScanner(context.Background(), hashKey, nil, nil, nil)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	found := make(map[string][]byte)
	for {
		done, _, sortKey, value, err := s.Next(context.Background())
		if done || err != nil {
			return found, err
		}
		found[string(sortKey)] = value
	}
}
