package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/pegasus-go/pegasus"
)

// worker makes calls at random and compares the results with its ledger.
type worker struct {
	s      *soak
	ledger *ledger
	rng    *rand.Rand
	table  pegasus.TableConnector
}

// patience is the time that most calls have. More than any fault lasts.
const patience = 12 * time.Second

// run makes calls until ctx ends. Those under way are finished.
func (w *worker) run(ctx context.Context) {
	for ctx.Err() == nil {
		limit := patience
		if w.rng.IntN(50) == 0 { // someone in a hurry
			limit = time.Duration(1+w.rng.IntN(20)) * time.Millisecond
		}
		call, cancel := context.WithTimeout(context.Background(), limit)
		op := w.choose()
		w.s.report.call(op.name, op.do(call), limit < patience)
		cancel()
	}
}

type op struct {
	name string
	do   func(ctx context.Context) error
}

func (w *worker) choose() op {
	full := w.ledger.full()
	switch n := w.rng.IntN(100); {
	case n < 20 && !full:
		return op{"Set", w.setNew}
	case n < 25 && !full:
		return op{"SetTTL", w.setTTL}
	case n < 32 && !full:
		return op{"MultiSet", w.multiSetNew}
	case n < 40:
		return op{"overwrite", w.overwrite}
	case n < 50:
		return op{"delete", w.remove}
	case n < 65:
		return op{"Get", w.get}
	case n < 73:
		return op{"MultiGet", w.multiGet}
	case n < 76:
		return op{"BatchGet", w.batchGet}
	case n < 78:
		return op{"TTL", w.ttl}
	case n < 90:
		return op{"Incr", w.incr}
	default:
		return op{"CheckAndSet", w.checkAndSet}
	}
}

// write changes e to v by f.
func (w *worker) write(e *entry, v version, f func() error) error {
	w.ledger.begin(e, v)
	err := f()
	applied := yes
	switch {
	case errors.Is(err, pegasus.ErrInDoubt):
		applied = perhaps
	case err != nil:
		applied = no
	}
	w.ledger.end(e, applied)
	return err
}

func (w *worker) setNew(ctx context.Context) error {
	e := w.ledger.add(1, time.Time{})
	return w.write(e, 1, func() error { return w.set(ctx, e, 1) })
}

func (w *worker) set(ctx context.Context, e *entry, v version) error {
	return w.table.Set(ctx, []byte(e.hashKey), []byte(e.sortKeys[0]), value(e.hashKey, e.sortKeys[0], v))
}

func (w *worker) setTTL(ctx context.Context) error {
	ttl := time.Duration(1+w.rng.IntN(24)) * time.Hour
	e := w.ledger.add(1, time.Now().Add(ttl))
	return w.write(e, 1, func() error {
		return w.table.SetTTL(ctx, []byte(e.hashKey), []byte(e.sortKeys[0]), value(e.hashKey, e.sortKeys[0], 1), ttl)
	})
}

func (w *worker) multiSetNew(ctx context.Context) error {
	e := w.ledger.add(2+w.rng.IntN(maxRows-1), time.Time{})
	return w.write(e, 1, func() error { return w.multiSet(ctx, e, 1) })
}

func (w *worker) multiSet(ctx context.Context, e *entry, v version) error {
	var values [][]byte
	for _, k := range e.sortKeys {
		values = append(values, value(e.hashKey, k, v))
	}
	return w.table.MultiSet(ctx, []byte(e.hashKey), allBytes(e.sortKeys), values)
}

func allBytes(keys []string) [][]byte {
	var all [][]byte
	for _, k := range keys {
		all = append(all, []byte(k))
	}
	return all
}

func (w *worker) overwrite(ctx context.Context) error {
	e := w.ledger.pick(w.rng, true)
	if e == nil || !e.expires.IsZero() {
		return w.get(ctx)
	}
	v := e.is + 1
	return w.write(e, v, func() error {
		if len(e.sortKeys) == 1 {
			return w.set(ctx, e, v)
		}
		return w.multiSet(ctx, e, v)
	})
}

func (w *worker) remove(ctx context.Context) error {
	e := w.ledger.pick(w.rng, true)
	if e == nil {
		return w.multiGet(ctx)
	}
	return w.write(e, 0, func() error {
		switch {
		case len(e.sortKeys) == 1:
			return w.table.Del(ctx, []byte(e.hashKey), []byte(e.sortKeys[0]))
		case w.rng.IntN(2) == 0:
			return w.table.MultiDel(ctx, []byte(e.hashKey), allBytes(e.sortKeys))
		}
		return w.table.DelRange(ctx, []byte(e.hashKey), nil, nil)
	})
}

// judge reports a value that e must not have.
func (w *worker) judge(what string, e *entry, sortKey string, got []byte) {
	is, or := w.ledger.mayBe(e)
	if !bytes.Equal(got, value(e.hashKey, sortKey, is)) && !bytes.Equal(got, value(e.hashKey, sortKey, or)) {
		w.s.report.lost("%s of %s/%s: %d bytes, want version %d or %d", what, e.hashKey, sortKey, len(got), is, or)
	}
}

func (w *worker) get(ctx context.Context) error {
	e := w.ledger.pick(w.rng, false)
	if e == nil {
		return nil
	}
	k := e.sortKeys[w.rng.IntN(len(e.sortKeys))]
	got, err := w.table.Get(ctx, []byte(e.hashKey), []byte(k))
	if err == nil {
		w.judge("Get", e, k, got)
	}
	return err
}

// multiGet expects all rows of an entry in the same version.
func (w *worker) multiGet(ctx context.Context) error {
	e := w.ledger.pick(w.rng, false)
	if e == nil {
		return nil
	}
	kvs, _, err := w.table.MultiGetOpt(ctx, []byte(e.hashKey), nil, &pegasus.MultiGetOptions{StartInclusive: true})
	if err != nil {
		return err
	}
	got := make(map[string][]byte)
	for _, kv := range kvs {
		got[string(kv.SortKey)] = kv.Value
	}
	is, or := w.ledger.mayBe(e)
	if !e.holds(got, is) && !e.holds(got, or) {
		w.s.report.lost("MultiGet of %s: %d of %d rows, want version %d or %d, whole", e.hashKey, len(got), len(e.sortKeys), is, or)
	}
	return nil
}

// holds reports whether rows are those of version v.
func (e *entry) holds(rows map[string][]byte, v version) bool {
	if v == 0 {
		return len(rows) == 0
	}
	for _, k := range e.sortKeys {
		if !bytes.Equal(rows[k], value(e.hashKey, k, v)) {
			return false
		}
	}
	return len(rows) == len(e.sortKeys)
}

func (w *worker) batchGet(ctx context.Context) error {
	var entries []*entry
	var keys []pegasus.CompositeKey
	for range 10 {
		if e := w.ledger.pick(w.rng, false); e != nil {
			entries = append(entries, e)
			keys = append(keys, pegasus.CompositeKey{HashKey: []byte(e.hashKey), SortKey: []byte(e.sortKeys[0])})
		}
	}
	if len(keys) == 0 {
		return nil
	}
	values, err := w.table.BatchGet(ctx, keys)
	if err != nil {
		return err
	}
	for i, e := range entries {
		w.judge("BatchGet", e, e.sortKeys[0], values[i])
	}
	return nil
}

func (w *worker) ttl(ctx context.Context) error {
	e := w.ledger.pick(w.rng, false)
	if e == nil {
		return nil
	}
	before := time.Now()
	seconds, err := w.table.TTL(ctx, []byte(e.hashKey), []byte(e.sortKeys[0]))
	if err != nil {
		return err
	}
	is, or := w.ledger.mayBe(e)
	switch {
	case seconds == -2: // no entry
		if is != 0 && or != 0 {
			w.s.report.lost("TTL of %s: no entry", e.hashKey)
		}
	case e.expires.IsZero():
		if seconds != -1 {
			w.s.report.lost("TTL of %s: %d s, want none", e.hashKey, seconds)
		}
	default:
		// The client rounds up to a second, and so do the clocks in between.
		earliest := time.Until(e.expires) - 2*time.Second
		latest := e.expires.Sub(before) + 2*time.Second
		if got := time.Duration(seconds) * time.Second; got < earliest || got > latest {
			w.s.report.lost("TTL of %s: %v, want %v to %v", e.hashKey, got, earliest, latest)
		}
	}
	return nil
}

const counters = 8

func counterKey(kind string, i int) []byte { return fmt.Appendf(nil, "%s%d", kind, i) }

var counterSortKey = []byte("n")

func (w *worker) incr(ctx context.Context) error {
	i := w.rng.IntN(counters)
	c := &w.s.incrs[i]
	n, err := w.table.Incr(ctx, counterKey("incr", i), counterSortKey, 1)
	switch {
	case err == nil:
		c.done(n)
	case errors.Is(err, pegasus.ErrInDoubt):
		c.inDoubt()
	}
	return err
}

// checkAndSet counts up as one does without Incr.
func (w *worker) checkAndSet(ctx context.Context) error {
	i := w.rng.IntN(counters)
	c := &w.s.casses[i]
	key := counterKey("cas", i)
	old, err := w.table.Get(ctx, key, counterSortKey)
	if err != nil {
		return err
	}
	n := int64(0)
	check := pegasus.CheckTypeValueNotExist
	if old != nil {
		check = pegasus.CheckTypeIntEqual
		if n, err = strconv.ParseInt(string(old), 10, 64); err != nil {
			return err
		}
	}
	res, err := w.table.CheckAndSet(ctx, key, counterSortKey, check, old, counterSortKey, strconv.AppendInt(nil, n+1, 10), nil)
	switch {
	case errors.Is(err, pegasus.ErrInDoubt):
		c.inDoubt()
	case err == nil && res.SetSucceed:
		c.done(n + 1)
	}
	return err
}
