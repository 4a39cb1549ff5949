package conformance

import (
	"encoding/binary"
	"fmt"
	"math"
)

// Thrift binary type codes.
const (
	tStop   = 0x00
	tBool   = 0x02
	tI32    = 0x08
	tI64    = 0x0a
	tString = 0x0b
	tStruct = 0x0c
	tMap    = 0x0d
	tSet    = 0x0e
	tList   = 0x0f
)

// wireCode returns the type byte that announces a value of type t. The custom types are declared as empty structs in the
// interface, so they are announced as structs although their bytes are none.
func wireCode(t *typ) byte {
	switch t.kind {
	case kindBool:
		return tBool
	case kindI32, kindEnum:
		return tI32
	case kindI64:
		return tI64
	case kindString:
		return tString
	case kindMap:
		return tMap
	case kindSet:
		return tSet
	case kindList:
		return tList
	default:
		return tStruct
	}
}

// appendValue appends v, which must be the dynamic form of type t.
func appendValue(dst []byte, t *typ, v any) ([]byte, error) {
	switch t.kind {
	case kindBool:
		if b, ok := v.(bool); ok {
			return append(dst, boolByte(b)), nil
		}
	case kindI32, kindI64, kindEnum:
		if n, ok := v.(int64); ok {
			return appendInt(dst, t, n)
		}
	case kindString, kindErrorCode:
		if s, ok := v.(string); ok {
			return appendString(dst, s), nil
		}
	case kindBlob:
		if b, ok := v.([]byte); ok {
			return appendString(dst, string(b)), nil
		}
	case kindGPID:
		if g, ok := v.(GPID); ok {
			return binary.BigEndian.AppendUint64(dst, uint64(uint32(g.PartitionIndex))<<32|uint64(uint32(g.AppID))), nil
		}
	case kindAddress:
		if a, ok := v.(Address); ok {
			return binary.BigEndian.AppendUint64(dst, uint64(a)), nil
		}
	case kindHostPort:
		if h, ok := v.(HostPort); ok {
			dst = appendString(dst, h.Host)
			return append(binary.BigEndian.AppendUint16(dst, h.Port), h.Type), nil
		}
	case kindStruct:
		if s, ok := v.(Struct); ok {
			return appendStruct(dst, t.def, s)
		}
	case kindList, kindSet:
		if list, ok := v.([]any); ok {
			return appendList(dst, t.elem, list)
		}
	case kindMap:
		if pairs, ok := v.([]Pair); ok {
			return appendMap(dst, t, pairs)
		}
	}
	return dst, fmt.Errorf("%T cannot be written as %s", v, t.name)
}

func appendInt(dst []byte, t *typ, n int64) ([]byte, error) {
	switch {
	case t.kind == kindI64:
		return binary.BigEndian.AppendUint64(dst, uint64(n)), nil
	case n == int64(int32(n)):
		return binary.BigEndian.AppendUint32(dst, uint32(n)), nil
	}
	return dst, fmt.Errorf("%d does not fit in %s", n, t.name)
}

func appendString(dst []byte, s string) []byte {
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(s)))
	return append(dst, s...)
}

func appendStruct(dst []byte, def *structDef, s Struct) ([]byte, error) {
	written := 0
	var err error
	for _, f := range def.fields {
		v, ok := s[f.name]
		if !ok {
			continue
		}
		dst = append(dst, wireCode(f.typ), byte(f.id>>8), byte(f.id))
		if dst, err = appendValue(dst, f.typ, v); err != nil {
			return dst, fmt.Errorf("%s.%s: %w", def.name, f.name, err)
		}
		written++
	}
	if written != len(s) {
		for name := range s {
			if _, known := def.byName[name]; !known {
				return dst, fmt.Errorf("%s has no field %s", def.name, name)
			}
		}
	}
	return append(dst, tStop), nil
}

func appendList(dst []byte, elem *typ, list []any) ([]byte, error) {
	dst = append(dst, wireCode(elem))
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(list)))
	var err error
	for i, v := range list {
		if dst, err = appendValue(dst, elem, v); err != nil {
			return dst, fmt.Errorf("element %d: %w", i, err)
		}
	}
	return dst, nil
}

func appendMap(dst []byte, t *typ, pairs []Pair) ([]byte, error) {
	dst = append(dst, wireCode(t.key), wireCode(t.elem))
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(pairs)))
	var err error
	for _, p := range pairs {
		if dst, err = appendValue(dst, t.key, p.Key); err != nil {
			return dst, fmt.Errorf("key %v: %w", p.Key, err)
		}
		if dst, err = appendValue(dst, t.elem, p.Value); err != nil {
			return dst, fmt.Errorf("value of %v: %w", p.Key, err)
		}
	}
	return dst, nil
}

func boolByte(b bool) byte {
	if b {
		return 1
	}
	return 0
}

// reader takes values off the front of b. The first error sticks; after it every method returns zero values.
//
// It is strict where the readers of real peers are lenient: a field that the interface does not have, a field that comes
// twice, or one of another type is an error, because the suite wants to know.
type reader struct {
	b   []byte
	err error
}

func (r *reader) failf(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf(format, args...)
	}
}

// bytes returns the next n bytes; they alias the input.
func (r *reader) bytes(n int) []byte {
	if r.err == nil && (n < 0 || n > len(r.b)) {
		r.failf("%d bytes wanted, %d left", n, len(r.b))
	}
	if r.err != nil {
		return nil
	}
	b := r.b[:n:n]
	r.b = r.b[n:]
	return b
}

func (r *reader) byte() byte {
	if b := r.bytes(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *reader) uint16() uint16 {
	if b := r.bytes(2); b != nil {
		return binary.BigEndian.Uint16(b)
	}
	return 0
}

func (r *reader) uint32() uint32 {
	if b := r.bytes(4); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

func (r *reader) uint64() uint64 {
	if b := r.bytes(8); b != nil {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}

// length reads a length or count; no element is smaller than one byte, so more than what is left is nonsense.
func (r *reader) length() int {
	n := r.uint32()
	if n > math.MaxInt32 || int(n) > len(r.b) {
		r.failf("length %d, %d bytes left", int32(n), len(r.b))
		return 0
	}
	return int(n)
}

func (r *reader) string() string { return string(r.bytes(r.length())) }

// value reads one value of type t.
func (r *reader) value(t *typ) any {
	switch t.kind {
	case kindBool:
		switch b := r.byte(); b {
		case 0, 1:
			return b == 1
		default:
			r.failf("bool is %d", b)
			return false
		}
	case kindI32, kindEnum:
		return int64(int32(r.uint32()))
	case kindI64:
		return int64(r.uint64())
	case kindString, kindErrorCode:
		return r.string()
	case kindBlob:
		return append([]byte{}, r.bytes(r.length())...)
	case kindGPID:
		v := r.uint64()
		return GPID{AppID: int32(v), PartitionIndex: int32(v >> 32)}
	case kindAddress:
		return Address(r.uint64())
	case kindHostPort:
		return HostPort{Host: r.string(), Port: r.uint16(), Type: r.byte()}
	case kindStruct:
		return r.structure(t.def)
	case kindMap:
		return r.pairs(t)
	default:
		return r.list(t.elem)
	}
}

func (r *reader) structure(def *structDef) Struct {
	s := Struct{}
	for r.err == nil {
		code := r.byte()
		if code == tStop {
			break
		}
		id := int16(r.uint16())
		i, known := def.byID[id]
		if r.err != nil {
			break
		}
		if !known {
			r.failf("%s has an unknown field %d of type %#x", def.name, id, code)
			break
		}
		f := def.fields[i]
		if code != wireCode(f.typ) {
			r.failf("%s.%s has type %#x, want %#x", def.name, f.name, code, wireCode(f.typ))
			break
		}
		if _, dup := s[f.name]; dup {
			r.failf("%s.%s comes twice", def.name, f.name)
			break
		}
		s[f.name] = r.value(f.typ)
		if r.err != nil {
			r.err = fmt.Errorf("%s.%s: %w", def.name, f.name, r.err)
		}
	}
	return s
}

func (r *reader) list(elem *typ) []any {
	if code := r.byte(); r.err == nil && code != wireCode(elem) {
		r.failf("elements have type %#x, want %#x", code, wireCode(elem))
	}
	n := r.length()
	list := []any{}
	for i := 0; i < n && r.err == nil; i++ {
		list = append(list, r.value(elem))
	}
	return list
}

func (r *reader) pairs(t *typ) []Pair {
	keyCode, valueCode := r.byte(), r.byte()
	n := r.length()
	// An empty map may be written without its types.
	if r.err == nil && n > 0 && (keyCode != wireCode(t.key) || valueCode != wireCode(t.elem)) {
		r.failf("map of %#x to %#x, want %s", keyCode, valueCode, t.name)
	}
	pairs := []Pair{}
	for i := 0; i < n && r.err == nil; i++ {
		k := r.value(t.key)
		pairs = append(pairs, Pair{Key: k, Value: r.value(t.elem)})
	}
	return pairs
}
