package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Thrift binary type codes.
const (
	TypeStop   byte = 0x00
	TypeBool   byte = 0x02
	TypeByte   byte = 0x03
	TypeDouble byte = 0x04
	TypeI16    byte = 0x06
	TypeI32    byte = 0x08
	TypeI64    byte = 0x0a
	TypeString byte = 0x0b
	TypeStruct byte = 0x0c
	TypeMap    byte = 0x0d
	TypeSet    byte = 0x0e
	TypeList   byte = 0x0f
)

// fieldHeaderSize is a type and an id.
const fieldHeaderSize = 3

// maxSkipDepth bounds the nesting of values that are skipped unread.
const maxSkipDepth = 16

// ErrMalformed is wrapped by every error about bytes that do not follow the
// protocol.
var ErrMalformed = errors.New("malformed message")

func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrMalformed, fmt.Sprintf(format, args...))
}

func appendI32(dst []byte, v int32) []byte { return binary.BigEndian.AppendUint32(dst, uint32(v)) }
func appendI64(dst []byte, v int64) []byte { return binary.BigEndian.AppendUint64(dst, uint64(v)) }

func appendBool(dst []byte, v bool) []byte {
	if v {
		return append(dst, 1)
	}
	return append(dst, 0)
}

// appendBlob appends a length and the bytes: the form of a string, and of the
// custom types blob, error_code and task_code.
func appendBlob[B ~[]byte | ~string](dst []byte, v B) []byte {
	return append(appendI32(dst, int32(len(v))), v...)
}

// AppendField appends a field header.
func AppendField(dst []byte, typ byte, id int16) []byte {
	return append(dst, typ, byte(id>>8), byte(id))
}

func appendI32Field(dst []byte, id int16, v int32) []byte {
	return appendI32(AppendField(dst, TypeI32, id), v)
}

func appendI64Field(dst []byte, id int16, v int64) []byte {
	return appendI64(AppendField(dst, TypeI64, id), v)
}

func appendBoolField(dst []byte, id int16, v bool) []byte {
	return appendBool(AppendField(dst, TypeBool, id), v)
}

// appendBlobField appends a field of the custom type blob, whose type code is
// that of a struct although no struct follows.
func appendBlobField(dst []byte, id int16, v []byte) []byte {
	n := len(v) // one append for what precedes the bytes: there are many blobs in a batch
	dst = append(dst, TypeStruct, byte(id>>8), byte(id), byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
	return append(dst, v...)
}

func appendStringField[B ~[]byte | ~string](dst []byte, id int16, v B) []byte {
	return appendBlob(AppendField(dst, TypeString, id), v)
}

func appendListField(dst []byte, id int16, elem byte, n int) []byte {
	return appendI32(append(AppendField(dst, TypeList, id), elem), int32(n))
}

// Reader decodes Thrift binary values from a byte slice. After the first
// malformed value every read returns a zero value and Err reports the cause,
// so that a message is decoded without a check per field.
type Reader struct {
	b   []byte
	pos int
	err error
	// lists is one more than the elements that lists may still have; 0: any number.
	lists int
}

// NewReader returns a Reader of b. What it returns aliases b.
func NewReader(b []byte) Reader { return Reader{b: b} }

// Err returns the first error met, or nil.
func (r *Reader) Err() error { return r.err }

// Rest returns the bytes not read yet.
func (r *Reader) Rest() []byte { return r.b[r.pos:] }

func (r *Reader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = malformed("%s at byte %d", fmt.Sprintf(format, args...), r.pos)
	}
	r.pos = len(r.b)
}

// take returns the next n bytes, or nil after an error.
func (r *Reader) take(n int) []byte {
	if n < 0 || n > len(r.b)-r.pos {
		r.fail("%d bytes wanted, %d left", n, len(r.b)-r.pos)
		return nil
	}
	p := r.pos
	r.pos += n
	return r.b[p:r.pos:r.pos]
}

// Field reads a field header. The type is TypeStop at the end of the struct
// and after an error.
func (r *Reader) Field() (typ byte, id int16) {
	if r.pos >= len(r.b) {
		r.fail("field header missing")
		return TypeStop, 0
	}
	typ = r.b[r.pos]
	if typ == TypeStop {
		r.pos++
		return TypeStop, 0
	}
	h := r.take(fieldHeaderSize)
	if h == nil {
		return TypeStop, 0
	}
	return typ, int16(binary.BigEndian.Uint16(h[1:]))
}

// Bool reads one byte; any value but 0 is true.
func (r *Reader) Bool() bool { return r.Byte() != 0 }

// Byte reads one byte.
func (r *Reader) Byte() byte {
	if b := r.take(1); b != nil {
		return b[0]
	}
	return 0
}

// I16 reads a 16-bit integer.
func (r *Reader) I16() int16 {
	if b := r.take(2); b != nil {
		return int16(binary.BigEndian.Uint16(b))
	}
	return 0
}

// I32 reads a 32-bit integer.
func (r *Reader) I32() int32 {
	if b := r.take(4); b != nil {
		return int32(binary.BigEndian.Uint32(b))
	}
	return 0
}

// I64 reads a 64-bit integer.
func (r *Reader) I64() int64 {
	if b := r.take(8); b != nil {
		return int64(binary.BigEndian.Uint64(b))
	}
	return 0
}

// Blob reads a length and that many bytes. The result is never nil, unless
// the input is bad.
func (r *Reader) Blob() []byte { return r.take(int(r.I32())) }

// List reads a list header and returns the number of elements. Elements of
// another type than elem, and counts that the remaining bytes cannot hold, are
// errors. minSize is the least an element takes, at least 1.
func (r *Reader) List(elem byte, minSize int) int {
	typ, n := r.Byte(), int(r.I32())
	switch {
	case r.err != nil:
		return 0
	case n < 0 || n > (len(r.b)-r.pos)/minSize:
		r.fail("list of %d elements in %d bytes", n, len(r.b)-r.pos)
		return 0
	case n > 0 && typ != elem:
		r.fail("list of type %d where %d was expected", typ, elem)
		return 0
	case r.lists > 0 && n >= r.lists:
		r.fail("list of %d elements, %d were announced", n, r.lists-1)
		return 0
	case r.lists > 0:
		r.lists -= n
	}
	return n
}

// LimitLists makes it an error if all lists that are read have more than n elements:
// what ListLen has told must not be less than what is decoded.
func (r *Reader) LimitLists(n int) { r.lists = n + 1 }

// ListLen returns how many elements the first list among the fields of the
// struct in r claims to have, 0 if there is none before a field of another kind
// than requests have.
func ListLen(r Reader) int {
	for {
		switch typ, _ := r.Field(); typ {
		case TypeStop:
			return 0
		case TypeList:
			r.Byte()
			if n := int(r.I32()); r.err == nil && n >= 0 && n <= len(r.b)-r.pos {
				return n
			}
			return 0
		case TypeStruct: // the custom type blob
			r.Blob()
		default:
			r.Skip(typ)
		}
	}
}

// Skip passes over a value. A value with the type code of a struct cannot be
// skipped: blob, gpid and others share that code without having its form, so
// that the reader would lose its place; it is an error.
func (r *Reader) Skip(typ byte) { r.skip(typ, maxSkipDepth) }

func (r *Reader) skip(typ byte, depth int) {
	if depth == 0 {
		r.fail("nested too deeply")
		return
	}
	switch typ {
	case TypeBool, TypeByte:
		r.take(1)
	case TypeI16:
		r.take(2)
	case TypeI32:
		r.take(4)
	case TypeI64, TypeDouble:
		r.take(8)
	case TypeString:
		r.Blob()
	case TypeList, TypeSet:
		elem := r.Byte()
		r.skipN(int(r.I32()), depth, elem)
	case TypeMap:
		k, v := r.Byte(), r.Byte()
		r.skipN(int(r.I32()), depth, k, v)
	case TypeStruct:
		r.fail("unknown field of type struct")
	default:
		r.fail("unknown type %d", typ)
	}
}

func (r *Reader) skipN(n, depth int, types ...byte) {
	if n < 0 || n > len(r.b)-r.pos {
		r.fail("%d elements in %d bytes", n, len(r.b)-r.pos)
	}
	for ; n > 0 && r.err == nil; n-- {
		for _, t := range types {
			r.skip(t, depth-1)
		}
	}
}

// SkipOuter passes over an unknown field of the outermost struct of a
// message. An unknown field of type struct there comes from a newer peer and
// follows the fields known here: reading ends without an error.
func (r *Reader) SkipOuter(typ byte) {
	if typ == TypeStruct {
		r.b, r.pos = stopped, 0
		return
	}
	r.Skip(typ)
}

// stopped is what is left to read after SkipOuter ended a struct.
var stopped = []byte{TypeStop}
