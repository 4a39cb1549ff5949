package pegasus

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"hash/fnv"

	"github.com/pegasus-go/pegasus/internal/route"
)

// Cursor is a place in the entries of a hash key, or in a scan of a table: text that may be
// kept, and used by another process. It has sort keys and hash keys in it, so keep it like
// data. Its zero value is the beginning, and where Page returns it there is no more.
//
// Cursors of released versions stay readable by later ones.
type Cursor string

var (
	// ErrCursorDamaged: the text is no Cursor.
	ErrCursorDamaged = errors.New("the cursor is damaged")
	// ErrCursorMismatch: the Cursor is one of another query, or of another table than the
	// name leads to now, or of one that had more partitions.
	ErrCursorMismatch = errors.New("the cursor is one of another query or table")
	// ErrCursorTooNew: the Cursor was made by a later version of this package.
	ErrCursorTooNew = errors.New("the cursor was made by a later version")
)

// A cursor is the version, the kind, the fingerprint of the query, what the kind has, and a
// checksum, in base64url.
const (
	cursorVersion = 1

	cursorOfPage = 'p'
	cursorOfScan = 's'
)

// query is what a fingerprint is made of: everything that decides on which entries come, and
// in which order.
type query struct {
	hash interface {
		Write([]byte) (int, error)
		Sum64() uint64
	}
}

func newQuery(kind byte) query {
	h := fnv.New64a()
	h.Write([]byte{kind})
	return query{h}
}

func (q query) bytes(list ...[]byte) query {
	for _, b := range list {
		q.hash.Write(binary.AppendUvarint(nil, uint64(len(b))))
		q.hash.Write(b)
	}
	return q
}

func (q query) flags(list ...bool) query {
	for _, f := range list {
		b := byte(0)
		if f {
			b = 1
		}
		q.hash.Write([]byte{b})
	}
	return q
}

func (q query) filter(f *Filter) query {
	t, pattern := f.Type, f.Pattern
	if t == FilterTypeNoFilter || len(pattern) == 0 {
		t, pattern = FilterTypeNoFilter, nil
	}
	return q.bytes([]byte{byte(t)}, pattern)
}

func (q query) share(s Share) query {
	return q.bytes(binary.AppendUvarint(nil, uint64(s.Index)), binary.AppendUvarint(nil, uint64(s.Of)))
}

func encodeCursor(kind byte, q query, payload []byte) Cursor {
	b := append([]byte{cursorVersion, kind}, binary.BigEndian.AppendUint64(nil, q.hash.Sum64())...)
	b = append(b, payload...)
	b = binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
	return Cursor(base64.RawURLEncoding.EncodeToString(b))
}

// decode returns the payload.
func (c Cursor) decode(kind byte, q query) ([]byte, error) {
	const head, sum = 2 + 8, 4
	b, err := base64.RawURLEncoding.DecodeString(string(c))
	switch {
	case err != nil || len(b) < head+sum:
		return nil, ErrCursorDamaged
	case crc32.ChecksumIEEE(b[:len(b)-sum]) != binary.BigEndian.Uint32(b[len(b)-sum:]):
		return nil, ErrCursorDamaged
	case b[0] > cursorVersion:
		return nil, fmt.Errorf("%w: %d", ErrCursorTooNew, b[0])
	case b[0] != cursorVersion:
		return nil, ErrCursorDamaged
	case b[1] != kind || binary.BigEndian.Uint64(b[2:]) != q.hash.Sum64():
		return nil, ErrCursorMismatch
	}
	return b[head : len(b)-sum], nil
}

// appendParts encodes what is left of a scan of a table.
func appendParts(dst []byte, appID int32, parts []part) []byte {
	dst = binary.AppendUvarint(dst, uint64(appID))
	for _, p := range parts {
		dst = binary.AppendUvarint(dst, uint64(p.Index))
		dst = binary.AppendUvarint(dst, uint64(p.Modulus))
		begun := p.start
		if p.inclusive {
			begun = nil // from the beginning
		}
		dst = binary.AppendUvarint(dst, uint64(len(begun)))
		dst = append(dst, begun...)
	}
	return dst
}

func decodeParts(b []byte) (appID int32, parts []part, err error) {
	next := func(most uint64) uint64 {
		v, n := binary.Uvarint(b)
		if n <= 0 || v > most {
			err = ErrCursorDamaged
			return 0
		}
		b = b[n:]
		return v
	}
	const most = 1<<31 - 1
	appID = int32(next(most))
	for err == nil && len(b) > 0 {
		p := part{Range: route.Range{Index: int32(next(most)), Modulus: int32(next(most))}, start: firstKey, inclusive: true}
		n := next(uint64(len(b)))
		if err != nil || n > uint64(len(b)) || p.Modulus == 0 || p.Index >= p.Modulus {
			return 0, nil, ErrCursorDamaged
		}
		if n > 0 {
			p.start, p.inclusive = b[:n:n], false
		}
		b = b[n:]
		parts = append(parts, p)
	}
	if err != nil {
		return 0, nil, err
	}
	return appID, parts, nil
}
