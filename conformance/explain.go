package conformance

import "fmt"

// Field is a value inside a message, with the path of names that leads to it.
type Field struct {
	Path string // such as "kvs[3].value"; "" for a message that is a single value
	Type string // as the interface has it
	// Name is that of an enum's value, "" for other types and unknown values.
	Name string
	// Value is a bool, int64, string, []byte, GPID, Address or HostPort.
	Value any
}

// Fields returns what the argument of a decoded request consists of, in the order of the
// interface.
func (q *Request) Fields() []Field {
	if def := iface.rpcs[q.Code]; def != nil {
		name := ""
		if def.arg.kind != kindStruct {
			name = def.argName
		}
		return appendFields(nil, name, def.arg, q.Arg)
	}
	return nil
}

// Fields returns what the result of a decoded response consists of.
func (p *Response) Fields() []Field {
	if def := iface.rpcs[p.Code]; def != nil && p.Result != nil {
		return appendFields(nil, "", def.result, p.Result)
	}
	return nil
}

func appendFields(fields []Field, path string, t *typ, v any) []Field {
	switch v := v.(type) {
	case Struct:
		for _, f := range t.def.fields {
			if value, ok := v[f.name]; ok {
				fields = appendFields(fields, join(path, f.name), f.typ, value)
			}
		}
		return fields
	case []any:
		for i, e := range v {
			fields = appendFields(fields, fmt.Sprintf("%s[%d]", path, i), t.elem, e)
		}
		return fields
	case []Pair:
		for i, p := range v {
			fields = appendFields(fields, fmt.Sprintf("%s[%d].key", path, i), t.key, p.Key)
			fields = appendFields(fields, fmt.Sprintf("%s[%d].value", path, i), t.elem, p.Value)
		}
		return fields
	}
	f := Field{Path: path, Type: t.name, Value: v}
	if n, ok := v.(int64); ok {
		f.Name = t.enum[n]
	}
	return append(fields, f)
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}
