package pegasus

import "time"

// Row is an entry of a table with its whole key.
type Row struct {
	HashKey, SortKey, Value []byte

	// Expires is when the entry expires, in whole seconds. It is the zero time if the
	// entry does not expire, and where nobody has asked for it.
	Expires time.Time
}

// clone returns a copy of r that shares no memory with it. Its slices are one allocation
// with capacities of their lengths.
func (r Row) clone() Row {
	buf := make([]byte, 0, len(r.HashKey)+len(r.SortKey)+len(r.Value))
	part := func(b []byte) []byte {
		start := len(buf)
		buf = append(buf, b...)
		return buf[start:len(buf):len(buf)]
	}
	return Row{HashKey: part(r.HashKey), SortKey: part(r.SortKey), Value: part(r.Value), Expires: r.Expires}
}
