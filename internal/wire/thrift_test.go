package wire

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"testing"
)

// cat joins strings and single bytes.
func cat(parts ...any) []byte {
	var b []byte
	for _, p := range parts {
		switch p := p.(type) {
		case string:
			b = append(b, p...)
		case []byte:
			b = append(b, p...)
		case byte:
			b = append(b, p)
		case int:
			b = append(b, byte(p))
		}
	}
	return b
}

// A reader is a message that can be read.
type reader interface {
	Message
	Read(r *Reader)
}

func TestReaderRefuses(t *testing.T) {
	skip := func(typ byte) func(*Reader) { return func(r *Reader) { r.Skip(typ) } }
	read := func(c reader) func(*Reader) { return c.Read }
	for _, tc := range []struct {
		name string
		in   string
		read func(*Reader)
		want string
	}{
		{"nothing", "", func(r *Reader) { r.Byte() }, "1 bytes wanted, 0 left"},
		{"short i16", "\x01", func(r *Reader) { r.I16() }, "2 bytes wanted, 1 left"},
		{"short i32", "\x01\x02\x03", func(r *Reader) { r.I32() }, "4 bytes wanted, 3 left"},
		{"short i64", "\x01\x02\x03", func(r *Reader) { r.I64() }, "8 bytes wanted, 3 left"},
		{"negative blob", "\xff\xff\xff\xff", func(r *Reader) { r.Blob() }, "-1 bytes wanted"},
		{"blob beyond the input", "\x7f\xff\xff\xffabc", func(r *Reader) { r.Blob() }, "2147483647 bytes wanted, 3 left"},
		{"no field header", "", func(r *Reader) { r.Field() }, "field header missing"},
		{"short field header", "\x08\x00", func(r *Reader) { r.Field() }, "3 bytes wanted, 2 left"},
		{"negative list", "\x08\x80\x00\x00\x00", func(r *Reader) { r.List(TypeI32, 4) }, "list of -2147483648 elements"},
		{"list beyond the input", "\x08\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00", func(r *Reader) { r.List(TypeI32, 4) }, "list of 2 elements in 7 bytes"},
		{"list of another type", "\x0b\x00\x00\x00\x01\x00\x00\x00\x00", func(r *Reader) { r.List(TypeI32, 4) }, "list of type 11 where 8 was expected"},
		{"list without a count", "\x0b\x00\x00", func(r *Reader) { r.List(TypeI32, 4) }, "4 bytes wanted"},
		{"skip: negative list", "\x08\xff\xff\xff\xff", skip(TypeList), "-1 elements"},
		{"skip: set beyond the input", "\x02\x00\x00\x00\x03\x01\x01", skip(TypeSet), "3 elements in 2 bytes"},
		{"skip: map beyond the input", "\x02\x02\x7f\xff\xff\xff\x01\x01", skip(TypeMap), "2147483647 elements in 2 bytes"},
		{"skip: string beyond the input", "\x00\x00\x00\x02a", skip(TypeString), "2 bytes wanted, 1 left"},
		{"skip: struct", "\x00", skip(TypeStruct), "unknown field of type struct"},
		{"skip: list of structs", "\x0c\x00\x00\x00\x01\x00", skip(TypeList), "unknown field of type struct"},
		{"skip: map of structs", "\x08\x0c\x00\x00\x00\x01\x00\x00\x00\x00\x00", skip(TypeMap), "unknown field of type struct"},
		{"skip: void", "\x00", skip(1), "unknown type 1"},
		{"skip: UUID", strings.Repeat("u", 16), skip(16), "unknown type 16"},
		{"skip: too deep", strings.Repeat("\x0f\x00\x00\x00\x01", maxSkipDepth+1), skip(TypeList), "nested too deeply"},
		{"element without fields", "\x0f\x00\x02\x0c\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00\x00\x00", read(&MultiPutRequest{}), "list of 2 elements in 9 bytes"},
		{"node without fields", "\x0f\x00\x02\x0c\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00\x00\x00", read(Of(&ListNodesResponse{})), "list of 2 elements in 9 bytes"},
		{"unknown struct in a list", "\x0f\x00\x02\x0c\x00\x00\x00\x01\x0c\x00\x63\x00\x00\x00\x00\x00\x00\x00\x00", read(&ScanResponse{}), "unknown field of type struct"},
		{"unknown struct in a nested struct", "\x0c\x00\x02\x0c\x00\x63\x00\x00\x00\x00", read(Of(&CreateAppRequest{})), "unknown field of type struct"},
		{"map beyond the input", "\x0d\x00\x03\x08\x08\x00\x00\x00\x09\x00\x00\x00\x00", read(Of(&QueryPartitionSplitResponse{})), "map of 9 entries in 4 bytes"},
		{"negative map", "\x0d\x00\x03\x08\x08\xff\xff\xff\xff\x00", read(Of(&QueryPartitionSplitResponse{})), "map of -1 entries"},
		{"map without a count", "\x0d\x00\x03\x08\x08\x00", read(Of(&QueryPartitionSplitResponse{})), "4 bytes wanted"},
		{"map cut in an entry", "\x0d\x00\x03\x08\x08\x00\x00\x00\x01\x00\x00\x00\x01\x00", read(Of(&QueryPartitionSplitResponse{})), "4 bytes wanted, 1 left"},
		{"list cut in an element", "\x0f\x00\x02\x0c\x00\x00\x00\x01\x08\x00\x01\x00\x00\x00\x01\x0c\x00\x02", read(Of(&ListNodesResponse{})), "8 bytes wanted, 0 left"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := NewReader([]byte(tc.in))
			tc.read(&r)
			if err := r.Err(); !errors.Is(err, ErrMalformed) || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got error %v, want %q", err, tc.want)
			}
		})
	}
}

// After an error nothing is read and the error stays.
func TestReaderKeepsTheFirstError(t *testing.T) {
	r := NewReader([]byte("\xff\xff\xff\xff\x01\x01\x01\x01\x01\x01\x01\x01"))
	r.Blob()
	first := r.Err()
	if r.Bool() || r.Byte() != 0 || r.I16() != 0 || r.I32() != 0 || r.I64() != 0 || len(r.Blob()) > 0 || r.List(TypeI32, 1) != 0 {
		t.Error("a value after an error")
	}
	if typ, _ := r.Field(); typ != TypeStop {
		t.Error("a field after an error")
	}
	r.Skip(99)
	r.SkipOuter(99)
	if first == nil || !errors.Is(r.Err(), first) || len(r.Rest()) > 0 {
		t.Errorf("error %v, at first %v, rest %x", r.Err(), first, r.Rest())
	}
}

// Appending to a value that was read must not write into the frame.
func TestValuesHaveNoRoomToGrow(t *testing.T) {
	r := NewReader([]byte("\x00\x00\x00\x01abc"))
	if b := r.Blob(); len(b) != 1 || cap(b) != 1 {
		t.Errorf("length %d, capacity %d", len(b), cap(b))
	}
}

func TestSkip(t *testing.T) {
	for _, tc := range []struct {
		typ byte
		in  string
	}{
		{TypeBool, "\x01"},
		{TypeByte, "\x01"},
		{TypeDouble, "12345678"},
		{TypeI16, "12"},
		{TypeI32, "1234"},
		{TypeI64, "12345678"},
		{TypeString, "\x00\x00\x00\x03abc"},
		{TypeString, "\x00\x00\x00\x00"},
		{TypeList, "\x0c\x00\x00\x00\x00"},
		{TypeList, "\x06\x00\x00\x00\x02aabb"},
		{TypeSet, "\x0b\x00\x00\x00\x01\x00\x00\x00\x01a"},
		{TypeMap, "\x0b\x02\x00\x00\x00\x02\x00\x00\x00\x01a\x01\x00\x00\x00\x01b\x00"},
		{TypeList, strings.Repeat("\x0f\x00\x00\x00\x01", maxSkipDepth-1) + "\x02\x00\x00\x00\x00"},
	} {
		r := NewReader([]byte(tc.in + "rest"))
		r.Skip(tc.typ)
		if r.Err() != nil || string(r.Rest()) != "rest" {
			t.Errorf("type %d, %x: error %v, rest %q", tc.typ, tc.in, r.Err(), r.Rest())
		}
	}
}

// An unknown field of type struct ends the outermost struct, because nobody
// can tell how long it is, and keeps what was read before it.
func TestUnknownStructEndsTheMessage(t *testing.T) {
	unknown := "\x0c\x00\x63\x00\x00\x00\x07unknown"
	var resp ReadResponse
	r := NewReader([]byte("\x08\x00\x01\x00\x00\x00\x01\x0c\x00\x02\x00\x00\x00\x01v" + unknown))
	resp.Read(&r)
	if r.Err() != nil || resp.Error != 1 || string(resp.Value) != "v" {
		t.Errorf("got %+v, %v", resp, r.Err())
	}

	var apps ListAppsResponse
	r = NewReader([]byte("\x0b\x00\x03\x00\x00\x00\x04hint" + unknown))
	Of(&apps).Read(&r)
	if r.Err() != nil || apps.Hint == nil || *apps.Hint != "hint" || apps.Err != ErrOK {
		t.Errorf("got %+v, %v", apps, r.Err())
	}
}

// Servers of the development branch send each other update requests with the
// fields 4 to 7.
func TestNewerUpdateRequest(t *testing.T) {
	want := UpdateRequest{Key: Key{Raw: []byte("\x00\x01hs")}, Value: []byte("v"), ExpireTS: 7}
	b := want.AppendValue(nil)
	b = append(b[:len(b)-1], "\x08\x00\x04\x00\x00\x00\x01\x02\x00\x05\x01\x02\x00\x06\x00\x0c\x00\x07\x00\x00\x00\x02cv\x00"...)
	var got UpdateRequest
	r := NewReader(b)
	got.Read(&r)
	if r.Err() != nil || !bytes.Equal(got.AppendValue(nil), want.AppendValue(nil)) {
		t.Errorf("got %+v, %v", got, r.Err())
	}
}

// Before servers 2.2 the replicas of a disk were numbers by table.
func TestOldDiskInfo(t *testing.T) {
	in := cat(
		TypeMap, 0, 5, TypeI32, TypeI32, 0, 0, 0, 2, "aaaabbbbccccdddd",
		TypeMap, 0, 6, TypeI32, TypeI32, 0, 0, 0, 0,
		TypeString, 0, 1, 0, 0, 0, 3, "ssd",
		TypeStop)
	var got DiskInfo
	r := NewReader(in)
	Of(&got).Read(&r)
	if r.Err() != nil || got.Tag != "ssd" || len(got.HoldingPrimaryReplicas) > 0 {
		t.Errorf("got %+v, %v", got, r.Err())
	}
}

// A field that comes with another type than ours is passed over.
func TestFieldOfAnotherType(t *testing.T) {
	var got IncrResponse
	r := NewReader(cat(TypeI32, 0, 2, 0, 0, 0, 9, TypeI32, 0, 1, 0, 0, 0, 4, TypeStop))
	got.Read(&r)
	if r.Err() != nil || got.NewValue != 0 || got.Error != 4 {
		t.Errorf("got %+v, %v", got, r.Err())
	}
}

func appendValueOf(v any) []byte { return appendValue(nil, reflect.ValueOf(v)) }

// Equal maps have equal bytes: those of a server, whose keys ascend.
func TestMapsAscend(t *testing.T) {
	b := appendValueOf(map[string]string{"b": "", "aa": "", "": ""})
	if want := cat(TypeString, TypeString, 0, 0, 0, 3, "\x00\x00\x00\x00", 0, 0, 0, 0, "\x00\x00\x00\x02aa", 0, 0, 0, 0, "\x00\x00\x00\x01b", 0, 0, 0, 0); !bytes.Equal(b, want) {
		t.Errorf("strings: %x, want %x", b, want)
	}
	b = appendValueOf(map[int32]struct{}{1: {}, -1: {}, 256: {}})
	if want := cat(TypeI32, 0, 0, 0, 3, "\xff\xff\xff\xff", 0, 0, 0, 1, 0, 0, 1, 0); !bytes.Equal(b, want) {
		t.Errorf("integers: %x, want %x", b, want)
	}
	b = appendValueOf(map[GPID]struct{}{{2, 0}: {}, {1, 1}: {}, {1, 0}: {}})
	if want := cat(TypeStruct, 0, 0, 0, 3, "\x00\x00\x00\x00\x00\x00\x00\x01", "\x00\x00\x00\x01\x00\x00\x00\x01", "\x00\x00\x00\x00\x00\x00\x00\x02"); !bytes.Equal(b, want) {
		t.Errorf("gpids: %x, want %x", b, want)
	}
}
