package typed

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"time"
)

// Order is a codec of keys that keeps order: if a is before b, the bytes of a are before those
// of b. Encodings are self-delimiting, no one is the beginning of another, so that they can
// follow each other in a key.
type Order[T any] interface {
	// Append appends the encoding of v. It fails for what cannot be encoded.
	Append(dst []byte, v T) ([]byte, error)
	// Read decodes what b begins with, and returns the rest. It fails with ErrEncoding.
	Read(b []byte) (v T, rest []byte, err error)
}

// funcs is an Order of two functions.
type funcs[T any] struct {
	append func(dst []byte, v T) ([]byte, error)
	read   func(b []byte) (T, []byte, error)
}

func (f funcs[T]) Append(dst []byte, v T) ([]byte, error) { return f.append(dst, v) }
func (f funcs[T]) Read(b []byte) (T, []byte, error)       { return f.read(b) }

func short[T any](what string) (v T, rest []byte, err error) {
	return v, nil, fmt.Errorf("%w: %s is cut short", ErrEncoding, what)
}

// The orders of simple types. Integers are big-endian, signed ones with the sign bit turned
// over. Times are nanoseconds since 1970, from 1677 to 2262, and come back in UTC.
var (
	Uint64 Order[uint64] = unsigned[uint64](8)
	Uint32 Order[uint32] = unsigned[uint32](4)
	Uint16 Order[uint16] = unsigned[uint16](2)
	Uint8  Order[uint8]  = unsigned[uint8](1)
	Int64  Order[int64]  = signed[int64](8)
	Int32  Order[int32]  = signed[int32](4)
	Int16  Order[int16]  = signed[int16](2)
	Int8   Order[int8]   = signed[int8](1)
	Int    Order[int]    = signed[int](8)

	Bool    Order[bool]      = funcs[bool]{appendBool, readBool}
	Float64 Order[float64]   = funcs[float64]{appendFloat, readFloat}
	Time    Order[time.Time] = funcs[time.Time]{appendTime, readTime}

	// Bytes escapes: a zero byte is 00 ff, and the end is 00 01.
	Bytes Order[[]byte] = funcs[[]byte]{func(dst, v []byte) ([]byte, error) { return appendBytes(dst, v), nil }, readBytes}
	// String is like Bytes. Any string will do, UTF-8 or not.
	String Order[string] = funcs[string]{func(dst []byte, v string) ([]byte, error) { return appendBytes(dst, []byte(v)), nil }, readString}
)

func appendUint(dst []byte, v uint64, size int) []byte {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], v)
	return append(dst, b[8-size:]...)
}

func readUint(b []byte, size int) (v uint64, ok bool) {
	if len(b) < size {
		return 0, false
	}
	for _, c := range b[:size] {
		v = v<<8 | uint64(c)
	}
	return v, true
}

func unsigned[T ~uint8 | ~uint16 | ~uint32 | ~uint64](size int) Order[T] {
	return funcs[T]{
		func(dst []byte, v T) ([]byte, error) { return appendUint(dst, uint64(v), size), nil },
		func(b []byte) (T, []byte, error) {
			v, ok := readUint(b, size)
			if !ok {
				return short[T]("an integer")
			}
			return T(v), b[size:], nil
		},
	}
}

func signed[T ~int | ~int8 | ~int16 | ~int32 | ~int64](size int) Order[T] {
	sign := uint64(1) << (8*size - 1)
	return funcs[T]{
		func(dst []byte, v T) ([]byte, error) { return appendUint(dst, uint64(int64(v))^sign, size), nil },
		func(b []byte) (T, []byte, error) {
			v, ok := readUint(b, size)
			if !ok {
				return short[T]("an integer")
			}
			n := int64((v^sign)<<(64-8*size)) >> (64 - 8*size)
			if int64(T(n)) != n { // an int of 32 bits
				return 0, nil, fmt.Errorf("%w: %d does not fit", ErrEncoding, n)
			}
			return T(n), b[size:], nil
		},
	}
}

func appendBool(dst []byte, v bool) ([]byte, error) {
	if v {
		return append(dst, 1), nil
	}
	return append(dst, 0), nil
}

func readBool(b []byte) (bool, []byte, error) {
	switch {
	case len(b) == 0:
		return short[bool]("a bool")
	case b[0] > 1:
		return false, nil, fmt.Errorf("%w: a bool of %d", ErrEncoding, b[0])
	}
	return b[0] == 1, b[1:], nil
}

// appendFloat turns the sign bit over, or for what is negative all bits. There is one zero, and
// no NaN: it has no order.
func appendFloat(dst []byte, v float64) ([]byte, error) {
	if math.IsNaN(v) {
		return dst, fmt.Errorf("typed: NaN has no place in an order")
	}
	if v == 0 {
		v = 0 // not -0
	}
	n := math.Float64bits(v)
	if n>>63 == 1 {
		return appendUint(dst, ^n, 8), nil
	}
	return appendUint(dst, n|1<<63, 8), nil
}

func readFloat(b []byte) (float64, []byte, error) {
	n, ok := readUint(b, 8)
	if !ok {
		return short[float64]("a float")
	}
	if n>>63 == 1 {
		n &^= 1 << 63
	} else {
		n = ^n
	}
	v := math.Float64frombits(n)
	if math.IsNaN(v) || v == 0 && n != 0 {
		return 0, nil, fmt.Errorf("%w: a float of %x", ErrEncoding, b[:8])
	}
	return v, b[8:], nil
}

func appendTime(dst []byte, v time.Time) ([]byte, error) {
	n := v.UnixNano()
	if !time.Unix(0, n).Equal(v) {
		return dst, fmt.Errorf("typed: the time %v is not between 1677 and 2262", v)
	}
	return Int64.Append(dst, n)
}

func readTime(b []byte) (time.Time, []byte, error) {
	n, rest, err := Int64.Read(b)
	if err != nil {
		return time.Time{}, nil, err
	}
	return time.Unix(0, n).UTC(), rest, nil
}

func appendBytes(dst, v []byte) []byte {
	for {
		i := bytes.IndexByte(v, 0)
		if i < 0 {
			return append(append(dst, v...), 0, 1)
		}
		dst = append(append(dst, v[:i]...), 0, 0xff)
		v = v[i+1:]
	}
}

func readBytes(b []byte) (v, rest []byte, err error) {
	v = []byte{}
	for {
		i := bytes.IndexByte(b, 0)
		if i < 0 || i+1 == len(b) {
			return short[[]byte]("a string of bytes")
		}
		v = append(v, b[:i]...)
		switch b[i+1] {
		case 1:
			return v, b[i+2:], nil
		case 0xff:
			v = append(v, 0)
		default:
			return nil, nil, fmt.Errorf("%w: a zero byte before %#x", ErrEncoding, b[i+1])
		}
		b = b[i+2:]
	}
}

func readString(b []byte) (string, []byte, error) {
	v, rest, err := readBytes(b)
	return string(v), rest, err
}

// Desc is the order o the other way round: the encoding is the complement of that of o.
func Desc[T any](o Order[T]) Order[T] {
	return funcs[T]{
		func(dst []byte, v T) ([]byte, error) {
			start := len(dst)
			dst, err := o.Append(dst, v)
			complement(dst[min(start, len(dst)):])
			return dst, err
		},
		func(b []byte) (v T, rest []byte, err error) {
			turned := bytes.Clone(b)
			complement(turned)
			v, left, err := o.Read(turned)
			if err != nil {
				return v, nil, err
			}
			return v, b[len(b)-len(left):], nil
		},
	}
}

func complement(b []byte) {
	for i := range b {
		b[i] = ^b[i]
	}
}

// Pair is two values, of which the first decides on the order, and the second where the first
// are equal.
type Pair[A, B any] struct {
	First  A
	Second B
}

// Pairs is the order of pairs. Pairs of pairs are triples, and so on.
func Pairs[A, B any](first Order[A], second Order[B]) Order[Pair[A, B]] {
	return funcs[Pair[A, B]]{
		func(dst []byte, v Pair[A, B]) ([]byte, error) {
			dst, err := first.Append(dst, v.First)
			if err != nil {
				return dst, err
			}
			return second.Append(dst, v.Second)
		},
		func(b []byte) (v Pair[A, B], rest []byte, err error) {
			if v.First, rest, err = first.Read(b); err == nil {
				v.Second, rest, err = second.Read(rest)
			}
			return v, rest, err
		},
	}
}

// encode encodes one whole value.
func encode[T any](o Order[T], v T) ([]byte, error) { return o.Append(nil, v) }

// decode decodes one whole value.
func decode[T any](o Order[T], b []byte) (v T, err error) {
	v, rest, err := o.Read(b)
	if err == nil && len(rest) > 0 {
		err = fmt.Errorf("%w: %d bytes are left", ErrEncoding, len(rest))
	}
	return v, err
}
