// Package oracle lets the Thrift library of Apache check package wire. It is a
// module of its own so that who uses the client keeps the Thrift that they have.
package oracle

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/apache/thrift/lib/go/thrift"
	"pgregory.net/rapid"

	"github.com/pegasus-go/pegasus/internal/wire"
	"github.com/pegasus-go/pegasus/internal/wire/wiretest"
)

// TestOracle lets the Thrift library of Apache write random messages for us to
// read, and read what we write of them.
func TestOracle(t *testing.T) {
	for _, name := range slices.Sorted(maps.Keys(wiretest.Structs)) {
		newCodec := wiretest.Structs[name]
		t.Run(name, func(t *testing.T) {
			g := generator{structs: wiretest.IDL()}
			rapid.Check(t, func(t *rapid.T) {
				tree := g.draw(t, name)
				c := readTree(t, g.structs, newCodec, name, tree)
				for _, d := range wiretest.Mismatch(name, tree, wiretest.ValueOf(c)) {
					t.Error(d)
				}
				back := thriftRead(t, g.structs, name, c.AppendValue(nil))
				if !reflect.DeepEqual(back, tree) {
					t.Errorf("the library reads\n     %v\nwant %v", back, tree)
				}
			})
		})
	}
}

// TestOracleLenient does the same with fields that are missing, unknown or in
// another order.
func TestOracleLenient(t *testing.T) {
	for _, name := range slices.Sorted(maps.Keys(wiretest.Structs)) {
		newCodec := wiretest.Structs[name]
		t.Run(name, func(t *testing.T) {
			g := generator{structs: wiretest.IDL(), lenient: true}
			rapid.Check(t, func(t *rapid.T) {
				tree := g.draw(t, name)
				c := readTree(t, g.structs, newCodec, name, tree)
				for _, d := range wiretest.Mismatch(name, tree, wiretest.ValueOf(c)) {
					t.Error(d)
				}
			})
		})
	}
}

func readTree(t *rapid.T, structs map[string][]wiretest.Field, newCodec func() wiretest.Codec, name string, tree any) wiretest.Codec {
	b := thriftWrite(t, structs, name, tree)
	c := newCodec()
	r := wire.NewReader(b)
	c.Read(&r)
	if r.Err() != nil || len(r.Rest()) > 0 {
		t.Fatalf("%x: %v, left over: %x", b, r.Err(), r.Rest())
	}
	return c
}

// generator draws trees: the form of wiretest.Mismatch, where integers are int64.
type generator struct {
	structs map[string][]wiretest.Field
	lenient bool
}

var smallBytes = rapid.SliceOfN(rapid.Byte(), 0, 20)

func (g generator) draw(t *rapid.T, typ string) any {
	switch typ {
	case "bool":
		return rapid.Bool().Draw(t, typ)
	case "i32":
		return int64(rapid.Int32().Draw(t, typ))
	case "i64":
		return rapid.Int64().Draw(t, typ)
	case "string":
		return string(smallBytes.Draw(t, typ))
	case "blob":
		return map[string]any{"blob_hex": hex.EncodeToString(smallBytes.Draw(t, typ))}
	case "error_code":
		return rapid.SampledFrom([]string{"ERR_OK", "ERR_BUSY", "ERR_NEVER_HEARD_OF"}).Draw(t, typ)
	case "gpid":
		return fmt.Sprintf("%d.%d", rapid.Int32().Draw(t, "app"), rapid.Int32().Draw(t, "index"))
	case "rpc_address":
		return map[string]any{"raw_hex": fmt.Sprintf("%016x", rapid.Uint64().Draw(t, typ))}
	case "host_port":
		return fmt.Sprintf("%s:%d", rapid.StringMatching(`[a-z.]{0,9}`).Draw(t, "host"), rapid.Uint16().Draw(t, "port"))
	}
	kind, key, elem := wiretest.Container(typ)
	n := 0
	if strings.Contains(typ, "<") {
		n = rapid.IntRange(0, 3).Draw(t, "length")
	}
	switch kind {
	case "list":
		list := []any{}
		for range n {
			list = append(list, g.drawElement(t, elem))
		}
		return list
	case "set":
		set := []any{}
		for range n {
			if e := g.draw(t, elem); !slices.Contains(set, e) {
				set = append(set, e)
			}
		}
		sortSet(set)
		return set
	case "map":
		m := make(map[string]any)
		for range n {
			m[fmt.Sprint(g.draw(t, key))] = g.draw(t, elem)
		}
		return m
	}
	m := make(map[string]any)
	for _, f := range g.structs[typ] {
		if (f.Optional || g.lenient) && rapid.Bool().Draw(t, "leave out") {
			continue
		}
		m[f.Key()] = g.draw(t, f.Type)
	}
	return m
}

// drawElement draws a list element. A struct has at least its first field
// there, see minElement.
func (g generator) drawElement(t *rapid.T, typ string) any {
	v := g.draw(t, typ)
	if fields := g.structs[typ]; len(fields) > 0 {
		if m := v.(map[string]any); m[fields[0].Key()] == nil {
			m[fields[0].Key()] = g.draw(t, fields[0].Type)
		}
	}
	return v
}

func sortSet(set []any) {
	slices.SortFunc(set, func(a, b any) int { return strings.Compare(a.(string), b.(string)) })
}

var thriftTypes = map[string]thrift.TType{
	"bool": thrift.BOOL, "i32": thrift.I32, "i64": thrift.I64, "string": thrift.STRING,
	"list": thrift.LIST, "set": thrift.SET, "map": thrift.MAP,
}

func thriftTypeOf(typ string) thrift.TType {
	kind, _, _ := wiretest.Container(typ)
	if t, ok := thriftTypes[kind]; ok {
		return t
	}
	return thrift.STRUCT // the custom types too
}

// oracle is one value on its way through the Thrift library.
type oracle struct {
	*thrift.TBinaryProtocol
	t       *rapid.T
	structs map[string][]wiretest.Field
}

func newOracle(t *rapid.T, structs map[string][]wiretest.Field, b []byte) (oracle, *thrift.TMemoryBuffer) {
	m := &thrift.TMemoryBuffer{Buffer: bytes.NewBuffer(b)}
	return oracle{thrift.NewTBinaryProtocolConf(m, nil), t, structs}, m
}

func (o oracle) must(err error) {
	if err != nil {
		o.t.Fatalf("thrift: %v", err)
	}
}

var ctx = context.Background()

func thriftWrite(t *rapid.T, structs map[string][]wiretest.Field, typ string, tree any) []byte {
	o, m := newOracle(t, structs, nil)
	o.write(typ, tree)
	o.must(o.Flush(ctx))
	return m.Bytes()
}

func (o oracle) write(typ string, v any) {
	switch typ {
	case "bool":
		o.must(o.WriteBool(ctx, v.(bool)))
	case "i32":
		o.must(o.WriteI32(ctx, int32(v.(int64))))
	case "i64":
		o.must(o.WriteI64(ctx, v.(int64)))
	case "string", "error_code":
		o.must(o.WriteString(ctx, v.(string)))
	case "blob":
		b, err := hex.DecodeString(v.(map[string]any)["blob_hex"].(string))
		o.must(err)
		o.must(o.WriteBinary(ctx, b))
	case "gpid":
		var app, index int32
		_, err := fmt.Sscanf(v.(string), "%d.%d", &app, &index)
		o.must(err)
		o.must(o.WriteI64(ctx, int64(index)<<32|int64(uint32(app))))
	case "rpc_address":
		raw, err := strconv.ParseUint(v.(map[string]any)["raw_hex"].(string), 16, 64)
		o.must(err)
		o.must(o.WriteI64(ctx, int64(raw)))
	case "host_port":
		host, port, _ := strings.Cut(v.(string), ":")
		p, err := strconv.ParseUint(port, 10, 16)
		o.must(err)
		o.must(o.WriteString(ctx, host))
		o.must(o.WriteI16(ctx, int16(p)))
		o.must(o.WriteByte(ctx, 1))
	default:
		o.writeContainer(typ, v)
	}
}

func (o oracle) writeContainer(typ string, v any) {
	kind, key, elem := wiretest.Container(typ)
	switch kind {
	case "list":
		o.must(o.WriteListBegin(ctx, thriftTypeOf(elem), len(v.([]any))))
	case "set":
		o.must(o.WriteSetBegin(ctx, thriftTypeOf(elem), len(v.([]any))))
	case "map":
		o.must(o.WriteMapBegin(ctx, thriftTypeOf(key), thriftTypeOf(elem), len(v.(map[string]any))))
		for k, e := range v.(map[string]any) {
			if key == "i32" {
				n, err := strconv.ParseInt(k, 10, 32)
				o.must(err)
				o.write(key, n)
			} else {
				o.write(key, k)
			}
			o.write(elem, e)
		}
		return
	default:
		o.writeStruct(typ, v.(map[string]any))
		return
	}
	for _, e := range v.([]any) {
		o.write(elem, e)
	}
}

func (o oracle) writeStruct(typ string, m map[string]any) {
	fields := slices.Clone(o.structs[typ])
	complete := true
	for _, f := range fields {
		complete = complete && (f.Optional || m[f.Key()] != nil)
	}
	if !complete {
		// Something is missing: then let the rest be unusual as well.
		fields = rapid.Permutation(fields).Draw(o.t, "order")
		o.must(o.WriteFieldBegin(ctx, "unknown", thrift.LIST, 99))
		o.must(o.WriteListBegin(ctx, thrift.MAP, 1))
		o.must(o.WriteMapBegin(ctx, thrift.STRING, thrift.DOUBLE, 1))
		o.must(o.WriteString(ctx, "from the future"))
		o.must(o.WriteDouble(ctx, 1.5))
	}
	for _, f := range fields {
		if v, ok := m[f.Key()]; ok {
			o.must(o.WriteFieldBegin(ctx, f.Name, thriftTypeOf(f.Type), f.ID))
			o.write(f.Type, v)
		}
	}
	o.must(o.WriteFieldStop(ctx))
}

func thriftRead(t *rapid.T, structs map[string][]wiretest.Field, typ string, b []byte) any {
	o, m := newOracle(t, structs, b)
	v := o.read(typ)
	if m.Len() > 0 {
		t.Fatalf("left over: %x", m.Bytes())
	}
	return v
}

// get passes on what a method of the library returned.
func get[T any](o oracle) func(v T, err error) T {
	return func(v T, err error) T {
		o.must(err)
		return v
	}
}

func (o oracle) read(typ string) any {
	switch typ {
	case "bool":
		return get[bool](o)(o.ReadBool(ctx))
	case "i32":
		return int64(get[int32](o)(o.ReadI32(ctx)))
	case "i64":
		return get[int64](o)(o.ReadI64(ctx))
	case "string", "error_code":
		return get[string](o)(o.ReadString(ctx))
	case "blob":
		return map[string]any{"blob_hex": hex.EncodeToString(get[[]byte](o)(o.ReadBinary(ctx)))}
	case "gpid":
		v := get[int64](o)(o.ReadI64(ctx))
		return fmt.Sprintf("%d.%d", int32(v), int32(v>>32))
	case "rpc_address":
		b := binary.BigEndian.AppendUint64(nil, uint64(get[int64](o)(o.ReadI64(ctx))))
		return map[string]any{"raw_hex": hex.EncodeToString(b)}
	case "host_port":
		host := get[string](o)(o.ReadString(ctx))
		port := uint16(get[int16](o)(o.ReadI16(ctx)))
		if typ := get[int8](o)(o.ReadByte(ctx)); typ != 1 {
			o.t.Fatalf("host_port of type %d", typ)
		}
		return fmt.Sprintf("%s:%d", host, port)
	}
	kind, key, elem := wiretest.Container(typ)
	switch kind {
	case "list", "set":
		begin := o.ReadListBegin
		if kind == "set" {
			begin = o.ReadSetBegin
		}
		et, n, err := begin(ctx)
		o.must(err)
		if et != thriftTypeOf(elem) {
			o.t.Fatalf("%s of type %v", typ, et)
		}
		list := []any{}
		for range n {
			list = append(list, o.read(elem))
		}
		if kind == "set" {
			sortSet(list)
		}
		return list
	case "map":
		kt, et, n, err := o.ReadMapBegin(ctx)
		o.must(err)
		if kt != thriftTypeOf(key) || et != thriftTypeOf(elem) {
			o.t.Fatalf("%s of types %v, %v", typ, kt, et)
		}
		m := make(map[string]any)
		for range n {
			k := fmt.Sprint(o.read(key))
			m[k] = o.read(elem)
		}
		return m
	}
	return o.readStruct(typ)
}

func (o oracle) readStruct(typ string) any {
	m := make(map[string]any)
	for {
		_, ft, id, err := o.ReadFieldBegin(ctx)
		o.must(err)
		if ft == thrift.STOP {
			return m
		}
		i := slices.IndexFunc(o.structs[typ], func(f wiretest.Field) bool { return f.ID == id })
		if i < 0 {
			o.t.Fatalf("%s has no field %d", typ, id)
		}
		f := o.structs[typ][i]
		if ft != thriftTypeOf(f.Type) {
			o.t.Fatalf("%s.%s is of type %v", typ, f.Name, ft)
		}
		m[f.Key()] = o.read(f.Type)
	}
}
