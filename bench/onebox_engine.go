package main

import (
	"context"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/sstable"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/pegasus-go/pegasus/internal/schema"
)

// engine is Pebble without anything around it, with the records of a case and
// with the options that a onebox in memory uses.
type engine struct {
	db   *pebble.DB
	c    *testCase
	out  []byte // where what is read is copied to
	rows [][]byte
}

func openEngine(c *testCase) (*engine, error) {
	o := &pebble.Options{
		FS:           vfs.NewMem(),
		CacheSize:    8 << 20,
		MemTableSize: 2 << 20,
		DisableWAL:   true,
		Logger:       silent{},
	}
	for i := range o.Levels {
		o.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
		o.Levels[i].Compression = func() *sstable.CompressionProfile { return sstable.NoCompression }
	}
	db, err := pebble.Open("", o)
	if err != nil {
		return nil, err
	}
	e := &engine{db: db, c: c, rows: make([][]byte, rowCount)}
	value := make([]byte, 4+c.value)
	for caller := range 16 {
		if err := e.multiSet(caller, value); err != nil {
			return nil, err
		}
	}
	for i := range keyCount {
		if err := db.Set(e.key(nil, hashKeys[i], sortKey), value, pebble.NoSync); err != nil {
			return nil, err
		}
	}
	return e, nil
}

// silent is a logger that nobody reads.
type silent struct{}

// Infof implements pebble.Logger.
func (silent) Infof(string, ...any) {}

// Errorf implements pebble.Logger.
func (silent) Errorf(string, ...any) {}

// Fatalf implements pebble.Logger.
func (silent) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }

func (e *engine) close() { e.db.Close() }

// enginePrefix is as long as what a onebox has in front of a key.
var enginePrefix = make([]byte, 9)

func (e *engine) key(dst, hashKey, sortKey []byte) []byte {
	return schema.AppendKey(append(dst[:0], enginePrefix...), hashKey, sortKey)
}

func (e *engine) multiSet(n int, value []byte) error {
	b := e.db.NewBatch()
	for i, row := range rowKeys {
		e.rows[i] = e.key(e.rows[i], multiKey(e.c, 0, n), row)
		if err := b.Set(e.rows[i], value, nil); err != nil {
			return err
		}
	}
	if err := e.db.Apply(b, pebble.NoSync); err != nil {
		return err
	}
	return b.Close()
}

// work returns what an operation of a case comes down to.
func (e *engine) work(op string) work {
	value := make([]byte, 4+e.c.value)
	var lower, upper []byte
	switch op {
	case "multiset":
		return func(_ context.Context, _, n int) error { return e.multiSet(n, value) }
	case "multiget":
		return func(_ context.Context, _, n int) error {
			lower = e.key(lower, multiKey(e.c, 0, n), nil)
			upper = schema.AppendNext(upper[:0], lower)
			return e.iterate(lower, upper)
		}
	case "batchget":
		return func(_ context.Context, _, n int) error { return e.gets(n, rowCount) }
	case "get":
		return func(_ context.Context, _, n int) error { return e.gets(n, 1) }
	case "set":
		return func(_ context.Context, _, n int) error {
			lower = e.key(lower, hashKeys[pick(0, n)], sortKey)
			return e.db.Set(lower, value, pebble.NoSync)
		}
	}
	panic("no such operation: " + op)
}

func (e *engine) iterate(lower, upper []byte) error {
	it, err := e.db.NewIter(&pebble.IterOptions{LowerBound: lower, UpperBound: upper})
	if err != nil {
		return err
	}
	rows := 0
	e.out = e.out[:0]
	for valid := it.First(); valid; valid = it.Next() {
		v, err := it.ValueAndErr()
		if err != nil {
			return err
		}
		e.out = append(append(e.out, it.Key()...), v...)
		rows++
	}
	if rows != rowCount {
		return fmt.Errorf("%d rows", rows)
	}
	return it.Close()
}

func (e *engine) gets(n, count int) error {
	e.out = e.out[:0]
	for i := range count {
		e.rows[0] = e.key(e.rows[0], hashKeys[pick(0, n+i)], sortKey)
		v, closer, err := e.db.Get(e.rows[0])
		if err != nil {
			return err
		}
		e.out = append(append(e.out, e.rows[0]...), v...)
		if err := closer.Close(); err != nil {
			return err
		}
	}
	return nil
}
