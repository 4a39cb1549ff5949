package typed

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/pegasus-go/pegasus"
)

// Keys is how keys are stored: H is the hash key, S the sort key.
type Keys[H, S any] struct {
	Hash Order[H]
	Sort Order[S]
}

// Key returns the Keys of two orders.
func Key[H, S any](hash Order[H], sort Order[S]) Keys[H, S] { return Keys[H, S]{hash, sort} }

// Table is a table of values V under keys of H and S. It has no state of its own, and is safe
// for concurrent use. Errors are those of pegasus.Table, and ErrEncoding for what is stored
// and is no encoding.
type Table[H, S, V any] struct {
	table  *pegasus.Table
	keys   Keys[H, S]
	values Values[V]
}

// New returns a table of values. Other tables of the same pegasus.Table should have other hash
// keys; Pairs of a name and the key see to that.
func New[H, S, V any](table *pegasus.Table, keys Keys[H, S], values Values[V]) *Table[H, S, V] {
	return &Table[H, S, V]{table, keys, values}
}

// Row is an entry of a Table.
type Row[H, S, V any] struct {
	Hash  H
	Sort  S
	Value V
}

func (t *Table[H, S, V]) key(h H, s S) (hashKey, sortKey []byte, err error) {
	if hashKey, err = encode(t.keys.Hash, h); err == nil {
		sortKey, err = encode(t.keys.Sort, s)
	}
	return hashKey, sortKey, err
}

// Get returns the value of a key. found reports whether there is one.
func (t *Table[H, S, V]) Get(ctx context.Context, h H, s S) (v V, found bool, err error) {
	hashKey, sortKey, err := t.key(h, s)
	if err != nil {
		return v, false, err
	}
	b, found, err := t.table.AppendGet(ctx, nil, hashKey, sortKey)
	if !found || err != nil {
		return v, false, err
	}
	v, err = t.values.Decode(b)
	return v, err == nil, err
}

// Set sets the value of a key, with a time to live or pegasus.NoTTL.
func (t *Table[H, S, V]) Set(ctx context.Context, h H, s S, v V, ttl time.Duration) error {
	hashKey, sortKey, err := t.key(h, s)
	if err != nil {
		return err
	}
	b, err := t.values.Encode(v)
	if err != nil {
		return err
	}
	if b == nil {
		b = []byte{}
	}
	return t.table.SetTTL(ctx, hashKey, sortKey, b, ttl)
}

// Del deletes a key, if it is there.
func (t *Table[H, S, V]) Del(ctx context.Context, h H, s S) error {
	hashKey, sortKey, err := t.key(h, s)
	if err != nil {
		return err
	}
	return t.table.Del(ctx, hashKey, sortKey)
}

// Update changes the value of a key by a function, as pegasus.Table.Update does: change may be
// called many times, and may return pegasus.ErrSkip.
func (t *Table[H, S, V]) Update(ctx context.Context, h H, s S, ttl time.Duration, change func(old V, exists bool) (V, error)) (v V, err error) {
	hashKey, sortKey, err := t.key(h, s)
	if err != nil {
		return v, err
	}
	_, err = t.table.Update(ctx, hashKey, sortKey, ttl, func(cur pegasus.Current) ([]byte, error) {
		var old V
		if cur.Exists {
			var err error
			if old, err = t.values.Decode(cur.Value); err != nil {
				return nil, err
			}
		}
		next, err := change(old, cur.Exists)
		if errors.Is(err, pegasus.ErrSkip) {
			v = old
		}
		if err != nil {
			return nil, err
		}
		v = next
		return t.values.Encode(next)
	})
	return v, err
}

// Range is which sort keys are meant. Its zero value is all of them, in ascending order.
type Range[S any] struct {
	From, To *S // From is included, To is not; nil: no bound
	Reverse  bool
	Limit    int // <= 0: no limit
}

// Rows returns the entries of a hash key in the order of their sort keys, to range over. An
// error comes once and is the last that comes.
func (t *Table[H, S, V]) Rows(ctx context.Context, h H, r Range[S]) iter.Seq2[Row[H, S, V], error] {
	return func(yield func(Row[H, S, V], error) bool) {
		sel := pegasus.Select{Reverse: r.Reverse, Limit: r.Limit}
		hashKey, err := encode(t.keys.Hash, h)
		if err == nil && r.From != nil {
			sel.From, err = encode(t.keys.Sort, *r.From)
		}
		if err == nil && r.To != nil {
			sel.To, err = encode(t.keys.Sort, *r.To)
		}
		if err != nil {
			yield(Row[H, S, V]{}, err)
			return
		}
		for row, err := range t.table.Rows(ctx, hashKey, sel) {
			out := Row[H, S, V]{Hash: h}
			if err == nil {
				out.Sort, out.Value, err = t.decode(row)
			}
			if err != nil {
				yield(Row[H, S, V]{}, err)
				return
			}
			if !yield(out, nil) {
				return
			}
		}
	}
}

func (t *Table[H, S, V]) decode(row pegasus.Row) (s S, v V, err error) {
	if s, err = decode(t.keys.Sort, row.SortKey); err != nil {
		return s, v, fmt.Errorf("sort key %q: %w", row.SortKey, err)
	}
	v, err = t.values.Decode(bytes.Clone(row.Value))
	return s, v, err
}
