package pegasus

import "fmt"

// ValueCodec is another form in which values are stored: compressed, for example, as package
// zstd does. Encode is called once for a write, however often that is tried; Decode for every
// value that is read. An empty value is stored as it is and not given to either. Both are
// called concurrently, and must not change or keep what they are given.
type ValueCodec interface {
	Encode(value []byte) ([]byte, error)
	Decode(stored []byte) ([]byte, error)
}

// TableOptions change what the operations of a Table do: see Table.With.
type TableOptions struct {
	// Values is the form in which values are stored. nil is as they are.
	Values ValueCodec
	// Hedge, if not nil, hedges the reads of single hash keys: see Hedge.
	Hedge *Hedge
}

// With returns a Table with other options. It is the same open table: closing one closes
// both.
//
// With a ValueCodec, checks that compare values (all but those of existence and emptiness) are
// refused, because they compare what is stored; Update compares that by itself. Incr and
// IncrTTL work on what is stored, which has to be a number there.
func (t *Table) With(o TableOptions) *Table {
	return &Table{
		name: t.name, client: t.client, route: t.route, shared: t.shared, counters: t.counters, isClosed: t.isClosed, closed: t.closed,
		values: o.Values, hedge: o.Hedge, hedger: t.hedger,
	}
}

// store returns the form in which a value is stored.
func (t *Table) store(value []byte) ([]byte, error) {
	if t.values == nil || len(value) == 0 {
		return value, nil
	}
	return t.encode(value)
}

func (t *Table) encode(value []byte) ([]byte, error) {
	stored, err := t.values.Encode(value)
	if err == nil && len(stored) == 0 {
		err = fmt.Errorf("%d bytes became none", len(value))
	}
	if err != nil {
		return nil, fmt.Errorf("the value cannot be encoded: %w", err)
	}
	return stored, nil
}

// restore returns the value that is stored in a form.
func (t *Table) restore(stored []byte) ([]byte, error) {
	if t.values == nil || len(stored) == 0 {
		return stored, nil
	}
	value, err := t.values.Decode(stored)
	if err != nil {
		return nil, fmt.Errorf("the value cannot be decoded: %w", err)
	}
	if value == nil {
		value = []byte{}
	}
	return value, nil
}

// comparable refuses checks that compare stored values with an operand.
func (t *Table) comparable(name string, c CheckType) error {
	if t.values != nil && c > CheckTypeValueNotEmpty {
		return argumentError(name, "compares values as they are stored, which a ValueCodec changes")
	}
	return nil
}

// plain returns the table whose values are as they are stored.
func (t *Table) plain() *Table {
	if t.values == nil {
		return t
	}
	return t.With(TableOptions{Hedge: t.hedge})
}

// storeAll returns values in the form in which they are stored.
func (t *Table) storeAll(values [][]byte) ([][]byte, error) {
	if t.values == nil {
		return values, nil
	}
	stored := make([][]byte, len(values))
	for i, v := range values {
		var err error
		if stored[i], err = t.store(v); err != nil {
			return nil, err
		}
	}
	return stored, nil
}
