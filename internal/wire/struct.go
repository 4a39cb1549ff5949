package wire

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// The codec of the messages that are not on the hot path. A message is a Go
// struct; the tag `thrift:"3"` gives a field its id. The Go type gives the
// Thrift type:
//
//	bool, int8, int16, int32, int64   the same (enums are named int32 types)
//	string                            string
//	Blob, ErrorCode                   custom types with the type code of a struct
//	GPID, Address, HostPort           likewise
//	struct                            struct
//	[]T, map[K]V, map[K]struct{}      list, map, set
//	*T                                T, optional: left out when nil
//
// Fields without a pointer are always written; when reading, every field may
// be missing, and an ErrorCode that is missing is ErrOK.

// Struct makes a Message of a pointer to such a struct.
type Struct[T any] struct{ V *T }

// Of returns the Message of v.
func Of[T any](v *T) Struct[T] { return Struct[T]{v} }

// ThriftType returns TypeStruct.
func (Struct[T]) ThriftType() byte { return TypeStruct }

// AppendValue appends the struct.
func (s Struct[T]) AppendValue(dst []byte) []byte {
	return appendValue(dst, reflect.ValueOf(s.V).Elem())
}

// Read decodes the struct. Unknown fields are passed over.
func (s Struct[T]) Read(r *Reader) {
	readStruct(r, reflect.ValueOf(s.V).Elem(), true)
}

type structField struct {
	id    int16
	index int
	typ   byte
}

var structFields sync.Map // reflect.Type -> []structField, ascending by id

func fieldsOf(t reflect.Type) []structField {
	if f, ok := structFields.Load(t); ok {
		return f.([]structField)
	}
	var fields []structField
	for i := range t.NumField() {
		tag, ok := t.Field(i).Tag.Lookup("thrift")
		if !ok {
			continue
		}
		id, err := strconv.ParseInt(strings.TrimSpace(tag), 10, 16)
		if err != nil {
			panic(fmt.Sprintf("wire: tag of %v.%s: %v", t, t.Field(i).Name, err))
		}
		fields = append(fields, structField{int16(id), i, thriftType(t.Field(i).Type)})
	}
	slices.SortFunc(fields, func(a, b structField) int { return int(a.id) - int(b.id) })
	f, _ := structFields.LoadOrStore(t, fields)
	return f.([]structField)
}

var (
	blobType      = reflect.TypeFor[Blob]()
	errorCodeType = reflect.TypeFor[ErrorCode]()
	gpidType      = reflect.TypeFor[GPID]()
	addressType   = reflect.TypeFor[Address]()
	hostPortType  = reflect.TypeFor[HostPort]()
)

func thriftType(t reflect.Type) byte {
	switch t {
	case blobType, errorCodeType, gpidType, addressType, hostPortType:
		return TypeStruct
	}
	switch t.Kind() {
	case reflect.Pointer:
		return thriftType(t.Elem())
	case reflect.Bool:
		return TypeBool
	case reflect.Int8:
		return TypeByte
	case reflect.Int16:
		return TypeI16
	case reflect.Int32:
		return TypeI32
	case reflect.Int64:
		return TypeI64
	case reflect.String:
		return TypeString
	case reflect.Struct:
		return TypeStruct
	case reflect.Slice:
		return TypeList
	case reflect.Map:
		if isSet(t) {
			return TypeSet
		}
		return TypeMap
	}
	panic(fmt.Sprintf("wire: %v has no Thrift type", t))
}

func isSet(t reflect.Type) bool { return t.Elem().Kind() == reflect.Struct && t.Elem().NumField() == 0 }

func appendValue(dst []byte, v reflect.Value) []byte {
	switch v.Type() {
	case blobType:
		return appendBlob(dst, v.Bytes())
	case errorCodeType:
		code := v.String()
		if code == "" {
			code = string(ErrOK)
		}
		return appendBlob(dst, code)
	case gpidType:
		return appendI64(dst, v.Interface().(GPID).pack())
	case addressType:
		return appendI64(dst, int64(v.Uint()))
	case hostPortType:
		h := v.Interface().(HostPort)
		dst = appendBlob(dst, h.Host)
		return append(dst, byte(h.Port>>8), byte(h.Port), h.Type)
	}
	switch v.Kind() {
	case reflect.Pointer:
		return appendValue(dst, v.Elem())
	case reflect.Bool:
		return appendBool(dst, v.Bool())
	case reflect.Int8:
		return append(dst, byte(v.Int()))
	case reflect.Int16:
		return append(dst, byte(v.Int()>>8), byte(v.Int()))
	case reflect.Int32:
		return appendI32(dst, int32(v.Int()))
	case reflect.Int64:
		return appendI64(dst, v.Int())
	case reflect.String:
		return appendBlob(dst, v.String())
	case reflect.Slice:
		dst = appendI32(append(dst, thriftType(v.Type().Elem())), int32(v.Len()))
		for i := range v.Len() {
			dst = appendValue(dst, v.Index(i))
		}
		return dst
	case reflect.Map:
		return appendMap(dst, v)
	}
	for _, f := range fieldsOf(v.Type()) {
		fv := v.Field(f.index)
		if fv.Kind() == reflect.Pointer && fv.IsNil() {
			continue
		}
		dst = appendValue(AppendField(dst, f.typ, f.id), fv)
	}
	return append(dst, TypeStop)
}

// appendMap appends a map or a set, in the order of the keys, as servers do.
func appendMap(dst []byte, v reflect.Value) []byte {
	dst = append(dst, thriftType(v.Type().Key()))
	set := isSet(v.Type())
	if !set {
		dst = append(dst, thriftType(v.Type().Elem()))
	}
	dst = appendI32(dst, int32(v.Len()))
	keys := v.MapKeys()
	slices.SortFunc(keys, compareKeys)
	for _, k := range keys {
		dst = appendValue(dst, k)
		if !set {
			dst = appendValue(dst, v.MapIndex(k))
		}
	}
	return dst
}

func compareKeys(a, b reflect.Value) int {
	switch a.Kind() {
	case reflect.String:
		return cmp.Compare(a.String(), b.String())
	case reflect.Struct:
		x, y := a.Interface().(GPID), b.Interface().(GPID)
		return cmp.Or(cmp.Compare(x.AppID, y.AppID), cmp.Compare(x.PartitionIndex, y.PartitionIndex))
	}
	return cmp.Compare(a.Int(), b.Int())
}

func readStruct(r *Reader, v reflect.Value, outer bool) {
	fields := fieldsOf(v.Type())
	for _, f := range fields {
		if fv := v.Field(f.index); fv.Type() == errorCodeType {
			fv.SetString(string(ErrOK))
		}
	}
	for {
		typ, id := r.Field()
		if typ == TypeStop {
			return
		}
		i := slices.IndexFunc(fields, func(f structField) bool { return f.id == id && f.typ == typ })
		switch {
		case i >= 0:
			readValue(r, v.Field(fields[i].index))
		case outer:
			r.SkipOuter(typ)
		default:
			r.Skip(typ)
		}
	}
}

func readValue(r *Reader, v reflect.Value) {
	switch v.Type() {
	case blobType:
		v.SetBytes(r.Blob())
		return
	case errorCodeType:
		v.SetString(string(errorCode(r.Blob())))
		return
	case gpidType:
		*v.Addr().Interface().(*GPID) = unpackGPID(r.I64())
		return
	case addressType:
		v.SetUint(uint64(r.I64()))
		return
	case hostPortType:
		*v.Addr().Interface().(*HostPort) = HostPort{Host: string(r.Blob()), Port: uint16(r.I16()), Type: r.Byte()}
		return
	case partitionType:
		v.Addr().Interface().(*PartitionConfiguration).read(r)
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		readValue(r, v.Elem())
	case reflect.Bool:
		v.SetBool(r.Bool())
	case reflect.Int8:
		v.SetInt(int64(int8(r.Byte())))
	case reflect.Int16:
		v.SetInt(int64(r.I16()))
	case reflect.Int32:
		v.SetInt(int64(r.I32()))
	case reflect.Int64:
		v.SetInt(r.I64())
	case reflect.String:
		v.SetString(string(r.Blob()))
	case reflect.Slice:
		readList(r, v)
	case reflect.Map:
		readMap(r, v)
	default:
		readStruct(r, v, false)
	}
}

func readList(r *Reader, v reflect.Value) {
	t := v.Type()
	n := r.List(thriftType(t.Elem()), minSize(t.Elem()))
	const first = 64
	v.Set(reflect.MakeSlice(t, 0, min(n, first)))
	start := r.pos
	for i := range n {
		if i == first {
			// The rest is as large as what has been read, on average: memory for what a
			// length claims is made only for bytes that are there.
			v.Grow(min(n-i, i*(len(r.b)-r.pos)/(r.pos-start)+1))
		} else if i == v.Cap() {
			v.Grow(1)
		}
		v.SetLen(i + 1)
		if readValue(r, v.Index(i)); r.err != nil {
			return
		}
	}
}

// minSize is the least that a list element of type t takes.
func minSize(t reflect.Type) int {
	switch t {
	case blobType, errorCodeType:
		return 4
	case gpidType, addressType:
		return 8
	case hostPortType:
		return 4 + 2 + 1
	}
	switch t.Kind() {
	case reflect.Int32, reflect.String:
		return 4
	case reflect.Int64:
		return 8
	case reflect.Struct:
		return minElement
	}
	return 1
}

// readMap reads a map or a set. One of other types is passed over: the
// replicas of a DiskInfo were mere counts before servers 2.2.
func readMap(r *Reader, v reflect.Value) {
	t, set := v.Type(), isSet(v.Type())
	types := []byte{r.Byte()}
	known := types[0] == thriftType(t.Key())
	if !set {
		types = append(types, r.Byte())
		known = known && types[1] == thriftType(t.Elem())
	}
	n := int(r.I32())
	switch {
	case r.err != nil:
		return
	case n < 0 || n > len(r.Rest()):
		r.fail("map of %d entries in %d bytes", n, len(r.Rest()))
		return
	case n > 0 && !known:
		r.skipN(n, maxSkipDepth, types...)
		return
	}
	v.Set(reflect.MakeMap(t))
	for range n {
		k, e := reflect.New(t.Key()).Elem(), reflect.New(t.Elem()).Elem()
		readValue(r, k)
		if !set {
			readValue(r, e)
		}
		if r.err != nil {
			return
		}
		v.SetMapIndex(k, e)
	}
}
