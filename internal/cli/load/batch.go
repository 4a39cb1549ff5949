package load

import (
	"bytes"
	"encoding/binary"
	"slices"
	"time"

	"github.com/pegasus-go/pegasus"
)

// batch is rows of different keys, with their bytes.
type batch struct {
	rows  []pegasus.Row
	bytes []byte
	keys  map[string]struct{} // whole ones
	key   []byte
}

func newBatch() *batch { return &batch{keys: make(map[string]struct{})} }

// wholeKey returns the key of a row, valid until the next call.
func (b *batch) wholeKey(r *pegasus.Row) []byte {
	b.key = append(binary.AppendUvarint(b.key[:0], uint64(len(r.HashKey))), r.HashKey...)
	b.key = append(b.key, r.SortKey...)
	return b.key
}

// fits reports whether a row can be added to a batch of up to so many rows and bytes.
func (b *batch) fits(r *pegasus.Row, rows, bytes int) bool {
	if len(b.rows) == 0 {
		return true
	}
	if len(b.rows) >= rows || len(b.bytes)+len(r.HashKey)+len(r.SortKey)+len(r.Value) > bytes {
		return false
	}
	_, twice := b.keys[string(b.wholeKey(r))]
	return !twice
}

// add adds a copy of a row.
func (b *batch) add(r *pegasus.Row) {
	if len(b.rows) == 0 {
		b.bytes = slices.Grow(b.bytes, batchBytes) // so that it does not move
	}
	b.keys[string(b.wholeKey(r))] = struct{}{}
	b.rows = append(b.rows, pegasus.Row{HashKey: b.keep(r.HashKey), SortKey: b.keep(r.SortKey), Value: b.keep(r.Value), Expires: r.Expires})
}

func (b *batch) keep(part []byte) []byte {
	at := len(b.bytes)
	b.bytes = append(b.bytes, part...)
	return b.bytes[at:len(b.bytes):len(b.bytes)]
}

// reset makes the batch empty.
func (b *batch) reset() {
	b.rows, b.bytes = b.rows[:0], b.bytes[:0]
	if cap(b.bytes) > 4*batchBytes {
		b.bytes = nil // of a large row
	}
	clear(b.keys)
}

// dropExpired leaves out rows that nobody would see.
func (b *batch) dropExpired(now time.Time) {
	b.rows = slices.DeleteFunc(b.rows, func(r pegasus.Row) bool { return expired(&r, now) })
}

func expired(r *pegasus.Row, now time.Time) bool { return !r.Expires.IsZero() && !r.Expires.After(now) }

// groups divides rows into those that are alone with their hash key and expiry, and those that
// can be written together.
func (b *batch) groups() (single []pegasus.Put, several []pegasus.PutRows) {
	type group struct {
		hash string
		at   int64
	}
	var members map[group][]int
	var order []group
	for i := range b.rows {
		g := group{string(b.rows[i].HashKey), b.rows[i].Expires.Unix()}
		if members == nil {
			members = make(map[group][]int)
		}
		if members[g] == nil {
			order = append(order, g)
		}
		members[g] = append(members[g], i)
	}
	for _, g := range order {
		first := &b.rows[members[g][0]]
		if len(members[g]) == 1 {
			single = append(single, pegasus.Put{HashKey: first.HashKey, SortKey: first.SortKey, Value: first.Value, Expires: first.Expires})
			continue
		}
		p := pegasus.PutRows{HashKey: first.HashKey, Expires: first.Expires}
		for _, i := range members[g] {
			p.Rows = append(p.Rows, pegasus.KeyValue{SortKey: b.rows[i].SortKey, Value: b.rows[i].Value})
		}
		several = append(several, p)
	}
	return single, several
}

// same reports whether a value is that of a row.
func same(r *pegasus.Row, value []byte) bool { return bytes.Equal(r.Value, value) }
