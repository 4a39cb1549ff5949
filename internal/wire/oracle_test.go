package wire

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
)

// structs has a constructor for every struct of testdata/structs.txt that is a
// message; the others are parts of these.
var structs = map[string]func() codec{
	"update_request":           hand[UpdateRequest],
	"update_response":          hand[UpdateResponse],
	"read_response":            hand[ReadResponse],
	"ttl_response":             hand[TTLResponse],
	"count_response":           hand[CountResponse],
	"multi_put_request":        hand[MultiPutRequest],
	"multi_remove_request":     hand[MultiRemoveRequest],
	"multi_remove_response":    hand[MultiRemoveResponse],
	"multi_get_request":        hand[MultiGetRequest],
	"multi_get_response":       hand[MultiGetResponse],
	"batch_get_request":        hand[BatchGetRequest],
	"batch_get_response":       hand[BatchGetResponse],
	"incr_request":             hand[IncrRequest],
	"incr_response":            hand[IncrResponse],
	"check_and_set_request":    hand[CheckAndSetRequest],
	"check_and_mutate_request": hand[CheckAndMutateRequest],
	"check_response":           hand[CheckResponse],
	"get_scanner_request":      hand[GetScannerRequest],
	"scan_request":             hand[ScanRequest],
	"scan_response":            hand[ScanResponse],

	"query_cfg_request":               tagged[QueryConfigRequest],
	"query_cfg_response":              tagged[QueryConfigResponse],
	"create_app_request":              tagged[CreateAppRequest],
	"create_app_response":             tagged[CreateAppResponse],
	"drop_app_request":                tagged[DropAppRequest],
	"drop_app_response":               tagged[DropAppResponse],
	"recall_app_request":              tagged[RecallAppRequest],
	"recall_app_response":             tagged[RecallAppResponse],
	"rename_app_request":              tagged[RenameAppRequest],
	"hint_response":                   tagged[HintResponse],
	"optional_hint_response":          tagged[OptionalHintResponse],
	"err_response":                    tagged[ErrResponse],
	"app_name_request":                tagged[AppNameRequest],
	"list_apps_request":               tagged[ListAppsRequest],
	"list_apps_response":              tagged[ListAppsResponse],
	"list_nodes_request":              tagged[ListNodesRequest],
	"list_nodes_response":             tagged[ListNodesResponse],
	"cluster_info_request":            tagged[ClusterInfoRequest],
	"cluster_info_response":           tagged[ClusterInfoResponse],
	"control_meta_request":            tagged[ControlMetaRequest],
	"control_meta_response":           tagged[ControlMetaResponse],
	"update_app_env_request":          tagged[UpdateAppEnvRequest],
	"start_manual_compact_request":    tagged[StartManualCompactRequest],
	"query_manual_compact_response":   tagged[QueryManualCompactResponse],
	"query_duplication_response":      tagged[QueryDuplicationResponse],
	"duplication_entry":               tagged[DuplicationEntry],
	"max_replica_count_response":      tagged[MaxReplicaCountResponse],
	"set_max_replica_count_request":   tagged[SetMaxReplicaCountRequest],
	"start_partition_split_request":   tagged[StartPartitionSplitRequest],
	"query_partition_split_response":  tagged[QueryPartitionSplitResponse],
	"control_partition_split_request": tagged[ControlPartitionSplitRequest],
	"balancer_request":                tagged[BalancerRequest],
	"diagnose_request":                tagged[DiagnoseRequest],
	"diagnose_response":               tagged[DiagnoseResponse],
	"query_app_info_request":          tagged[QueryAppInfoRequest],
	"query_app_info_response":         tagged[QueryAppInfoResponse],
	"query_replica_info_request":      tagged[QueryReplicaInfoRequest],
	"query_replica_info_response":     tagged[QueryReplicaInfoResponse],
	"query_disk_info_request":         tagged[QueryDiskInfoRequest],
	"query_disk_info_response":        tagged[QueryDiskInfoResponse],
	"command":                         tagged[Command],
	"negotiation":                     tagged[Negotiation],
}

// TestOracle lets the Thrift library of Apache write random messages for us to
// read, and read what we write of them.
func TestOracle(t *testing.T) {
	for _, name := range slices.Sorted(maps.Keys(structs)) {
		newCodec := structs[name]
		t.Run(name, func(t *testing.T) {
			g := generator{structs: idl(t)}
			rapid.Check(t, func(t *rapid.T) {
				tree := g.draw(t, name)
				c := readTree(t, g.structs, newCodec, name, tree)
				for _, d := range mismatch(name, tree, valueOf(c)) {
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
	for _, name := range slices.Sorted(maps.Keys(structs)) {
		newCodec := structs[name]
		t.Run(name, func(t *testing.T) {
			g := generator{structs: idl(t), lenient: true}
			rapid.Check(t, func(t *rapid.T) {
				tree := g.draw(t, name)
				c := readTree(t, g.structs, newCodec, name, tree)
				for _, d := range mismatch(name, tree, valueOf(c)) {
					t.Error(d)
				}
			})
		})
	}
}

func TestStructsAreAllCovered(t *testing.T) {
	parts := make(map[string]bool)
	var visit func(typ string)
	visit = func(typ string) {
		if strings.Contains(typ, "<") {
			_, _, elem := container(typ)
			visit(elem)
			return
		}
		parts[typ] = true
		for _, f := range idl(t)[typ] {
			visit(f.typ)
		}
	}
	covered := make(map[reflect.Type]bool)
	for name, newCodec := range structs {
		visit(name)
		covered[valueOf(newCodec()).Type()] = true
	}
	for name := range idl(t) {
		if !parts[name] {
			t.Errorf("%s is in no test", name)
		}
	}
	for task, rpc := range rpcs {
		for _, newCodec := range []func() codec{rpc.arg, rpc.result} {
			if newCodec == nil {
				continue
			}
			if typ := valueOf(newCodec()).Type(); typ.Kind() == reflect.Struct && !covered[typ] {
				t.Errorf("%v of %s is in no test", typ, task)
			}
		}
	}
}

func readTree(t *rapid.T, structs map[string][]idlField, newCodec func() codec, name string, tree any) codec {
	b := thriftWrite(t, structs, name, tree)
	c := newCodec()
	r := NewReader(b)
	c.Read(&r)
	if r.Err() != nil || len(r.Rest()) > 0 {
		t.Fatalf("%x: %v, left over: %x", b, r.Err(), r.Rest())
	}
	return c
}

// generator draws trees: the form of mismatch, where integers are int64.
type generator struct {
	structs map[string][]idlField
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
	kind, key, elem := container(typ)
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
		if (f.optional || g.lenient) && rapid.Bool().Draw(t, "leave out") {
			continue
		}
		m[f.key()] = g.draw(t, f.typ)
	}
	return m
}

// drawElement draws a list element. A struct has at least its first field
// there, see minElement.
func (g generator) drawElement(t *rapid.T, typ string) any {
	v := g.draw(t, typ)
	if fields := g.structs[typ]; len(fields) > 0 {
		if m := v.(map[string]any); m[fields[0].key()] == nil {
			m[fields[0].key()] = g.draw(t, fields[0].typ)
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
	kind, _, _ := container(typ)
	if t, ok := thriftTypes[kind]; ok {
		return t
	}
	return thrift.STRUCT // the custom types too
}

// oracle is one value on its way through the Thrift library.
type oracle struct {
	*thrift.TBinaryProtocol
	t       *rapid.T
	structs map[string][]idlField
}

func newOracle(t *rapid.T, structs map[string][]idlField, b []byte) (oracle, *thrift.TMemoryBuffer) {
	m := &thrift.TMemoryBuffer{Buffer: bytes.NewBuffer(b)}
	return oracle{thrift.NewTBinaryProtocolConf(m, nil), t, structs}, m
}

func (o oracle) must(err error) {
	if err != nil {
		o.t.Fatalf("thrift: %v", err)
	}
}

var ctx = context.Background()

func thriftWrite(t *rapid.T, structs map[string][]idlField, typ string, tree any) []byte {
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
	kind, key, elem := container(typ)
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
		complete = complete && (f.optional || m[f.key()] != nil)
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
		if v, ok := m[f.key()]; ok {
			o.must(o.WriteFieldBegin(ctx, f.name, thriftTypeOf(f.typ), f.id))
			o.write(f.typ, v)
		}
	}
	o.must(o.WriteFieldStop(ctx))
}

func thriftRead(t *rapid.T, structs map[string][]idlField, typ string, b []byte) any {
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
	kind, key, elem := container(typ)
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
		i := slices.IndexFunc(o.structs[typ], func(f idlField) bool { return f.id == id })
		if i < 0 {
			o.t.Fatalf("%s has no field %d", typ, id)
		}
		f := o.structs[typ][i]
		if ft != thriftTypeOf(f.typ) {
			o.t.Fatalf("%s.%s is of type %v", typ, f.name, ft)
		}
		m[f.key()] = o.read(f.typ)
	}
}
