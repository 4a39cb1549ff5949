package conformance

import (
	_ "embed"
	"fmt"
	"strconv"
	"strings"
)

// kind is how a type looks on the wire.
type kind int

const (
	kindBool kind = iota
	kindI32
	kindI64
	kindString
	kindBlob      // length and bytes, announced as a struct
	kindErrorCode // length and name, announced as a struct
	kindGPID      // one i64, announced as a struct
	kindAddress   // one i64, announced as a struct
	kindHostPort  // string, i16, byte without field headers, announced as a struct
	kindEnum
	kindStruct
	kindList
	kindSet
	kindMap
)

// typ is a type of the interface.
type typ struct {
	kind kind
	name string           // as written in the IDL
	elem *typ             // of a list or set; value of a map
	key  *typ             // of a map
	def  *structDef       // of a struct
	enum map[int64]string // of an enum: the names of its values
}

type structDef struct {
	name   string
	fields []field // in the order of their ids
	byID   map[int16]int
	byName map[string]int
}

type field struct {
	id       int16
	name     string
	typ      *typ
	optional bool
}

// rpcDef describes one remote procedure.
type rpcDef struct {
	code    string // task code, the name on the wire
	argName string
	arg     *typ
	result  *typ // nil: never answered
}

// idl is the parsed interface.
type idl struct {
	types map[string]*typ
	rpcs  map[string]*rpcDef
	enums map[string]int64 // value name -> number, over all enumerations
}

//go:embed pegasus.idl
var idlText string

// iface is the interface that codecs and runners use. It is read only.
var iface = mustParseIDL(idlText)

func mustParseIDL(text string) *idl {
	d, err := parseIDL(text)
	if err != nil {
		panic("conformance: " + err.Error()) // the text is compiled in
	}
	return d
}

func parseIDL(text string) (*idl, error) {
	d := &idl{types: map[string]*typ{}, rpcs: map[string]*rpcDef{}, enums: map[string]int64{}}
	for name, k := range map[string]kind{
		"bool": kindBool, "i32": kindI32, "i64": kindI64, "string": kindString,
		"blob": kindBlob, "error_code": kindErrorCode, "gpid": kindGPID, "rpc_address": kindAddress, "host_port": kindHostPort,
	} {
		d.types[name] = &typ{kind: k, name: name}
	}
	var current *structDef
	for i, line := range strings.Split(text, "\n") {
		words := strings.Fields(line)
		if len(words) == 0 || strings.HasPrefix(words[0], "#") {
			continue
		}
		var err error
		switch {
		case line[0] == ' ':
			err = d.parseField(current, words)
		case words[0] == "struct" && len(words) == 2:
			current = &structDef{name: words[1], byID: map[int16]int{}, byName: map[string]int{}}
			err = d.define(&typ{kind: kindStruct, name: words[1], def: current})
		case words[0] == "enum" && len(words) > 2:
			err = d.parseEnum(words[1], words[2:])
		case words[0] == "rpc" && len(words) == 5:
			err = d.parseRPC(words[1:])
		default:
			err = fmt.Errorf("unknown declaration %q", words[0])
		}
		if err != nil {
			return nil, fmt.Errorf("idl line %d: %w", i+1, err)
		}
	}
	return d, nil
}

func (d *idl) define(t *typ) error {
	if d.types[t.name] != nil {
		return fmt.Errorf("type %s is defined twice", t.name)
	}
	d.types[t.name] = t
	return nil
}

func (d *idl) parseField(s *structDef, words []string) error {
	if s == nil || len(words) != 3 {
		return fmt.Errorf("misplaced or malformed field %q", strings.Join(words, " "))
	}
	id, err := strconv.ParseInt(words[0], 10, 16)
	if err != nil {
		return err
	}
	typeName, optional := strings.CutSuffix(words[1], "?")
	t, err := d.typeNamed(typeName)
	if err != nil {
		return err
	}
	if n := len(s.fields); n > 0 && s.fields[n-1].id >= int16(id) {
		return fmt.Errorf("field %s.%s is out of order", s.name, words[2])
	}
	s.byID[int16(id)], s.byName[words[2]] = len(s.fields), len(s.fields)
	s.fields = append(s.fields, field{id: int16(id), name: words[2], typ: t, optional: optional})
	return nil
}

func (d *idl) parseEnum(name string, values []string) error {
	names := make(map[int64]string)
	for _, v := range values {
		valueName, number, _ := strings.Cut(v, "=")
		n, err := strconv.ParseInt(number, 10, 32)
		if err != nil {
			return err
		}
		if _, dup := d.enums[valueName]; dup {
			return fmt.Errorf("enum value %s is defined twice", valueName)
		}
		d.enums[valueName], names[n] = n, valueName
	}
	return d.define(&typ{kind: kindEnum, name: name, enum: names})
}

func (d *idl) parseRPC(words []string) error {
	arg, err := d.typeNamed(words[2])
	if err != nil {
		return err
	}
	r := &rpcDef{code: words[0], argName: words[1], arg: arg}
	if words[3] != "none" {
		if r.result, err = d.typeNamed(words[3]); err != nil {
			return err
		}
	}
	d.rpcs[r.code] = r
	return nil
}

// typeNamed returns the type written as s: a defined name, list<T>, set<T> or map<K,V>.
func (d *idl) typeNamed(s string) (*typ, error) {
	if t := d.types[s]; t != nil {
		return t, nil
	}
	generic, rest, ok := strings.Cut(s, "<")
	inner, closed := strings.CutSuffix(rest, ">")
	if !ok || !closed {
		return nil, fmt.Errorf("unknown type %q", s)
	}
	t := &typ{name: s}
	switch generic {
	case "list":
		t.kind = kindList
	case "set":
		t.kind = kindSet
	case "map":
		t.kind = kindMap
		keyName, valueName, _ := strings.Cut(inner, ",") // keys are never generic
		key, err := d.typeNamed(keyName)
		if err != nil {
			return nil, err
		}
		t.key, inner = key, valueName
	default:
		return nil, fmt.Errorf("unknown type %q", s)
	}
	elem, err := d.typeNamed(inner)
	if err != nil {
		return nil, err
	}
	t.elem = elem
	d.types[s] = t
	return t, nil
}

// shortNames are the RPC names that case files and transcripts use where they differ from the task code in lower case
// without its prefix.
var shortNames = map[string]string{
	"meta.query_cfg":            "RPC_CM_QUERY_PARTITION_CONFIG_BY_INDEX",
	"meta.query_manual_compact": "RPC_CM_QUERY_MANUAL_COMPACT_STATUS",
}

// rpcNamed returns the procedure that case files and transcripts call name, for example "multi_get" or
// "meta.create_app", or nil.
func rpcNamed(name string) *rpcDef {
	if code, ok := shortNames[name]; ok {
		return iface.rpcs[code]
	}
	if meta, ok := strings.CutPrefix(name, "meta."); ok {
		return iface.rpcs["RPC_CM_"+strings.ToUpper(meta)]
	}
	return iface.rpcs["RPC_RRDB_RRDB_"+strings.ToUpper(name)]
}
