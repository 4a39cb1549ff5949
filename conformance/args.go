package conformance

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"time"
)

// epoch is the Pegasus epoch, 2016-01-01 UTC, in Unix seconds.
const epoch = 1451606400

// scope is what the texts of a case may refer to.
type scope struct {
	vars     map[string]any // saved response fields, "$APP_ID"
	replicas int64          // $REPLICAS
	table    string         // $TABLE
	prefix   string         // put before every table name of a case, so that the run meets no table of others
}

// tableName returns the name that a case's table has in this run.
func (s *scope) tableName(name string) string {
	switch {
	case name == "$TABLE":
		return s.table
	case name == "": // "the old name", or a name no table has
		return ""
	}
	return s.prefix + name
}

// isTableName reports whether a field of a meta RPC holds a table name.
func isTableName(field string) bool {
	return field == "app_name" || field == "old_app_name" || field == "new_app_name"
}

// value converts v, as a case file writes it, to the dynamic form of type t.
func (s *scope) value(t *typ, v any) (any, error) {
	switch t.kind {
	case kindBool:
		if b, ok := v.(bool); ok {
			return b, nil
		}
	case kindI32, kindI64, kindEnum:
		return s.integer(v)
	case kindString:
		if text, ok := v.(string); ok {
			return text, nil
		}
	case kindBlob:
		return bytesOf(v)
	case kindList:
		return s.list(t, v)
	case kindMap:
		return textPairs(v)
	case kindStruct:
		if m, ok := v.(map[string]any); ok {
			return s.structure(t.def, m)
		}
	}
	return nil, fmt.Errorf("%v cannot be a %s", v, t.name)
}

// structure builds a request struct: missing fields get their defaults, as an official writer would send them.
func (s *scope) structure(def *structDef, m map[string]any) (Struct, error) {
	out := Struct{}
	for name, v := range m {
		i, ok := def.byName[name]
		if !ok {
			return nil, fmt.Errorf("%s has no field %s", def.name, name)
		}
		f := def.fields[i]
		var err error
		switch text, isText := v.(string); {
		case isText && isTableName(name):
			out[name] = s.tableName(text)
		case f.name == "start_key" || f.name == "stop_key":
			out[name], err = scanBound(v)
		default:
			out[name], err = s.value(f.typ, v)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return completed(def, out), nil
}

// integer resolves a number, an enum value's name, a variable, $REPLICAS or {"now": n}.
func (s *scope) integer(v any) (int64, error) {
	switch v := v.(type) {
	case json.Number:
		return v.Int64()
	case string:
		if v == "$REPLICAS" {
			return s.replicas, nil
		}
		if n, ok := iface.enums[v]; ok {
			return n, nil
		}
	case map[string]any:
		if name, ok := v["var"].(string); ok {
			if n, ok := s.vars[name].(int64); ok {
				return n, nil
			}
			return 0, fmt.Errorf("variable %s is not a saved number", name)
		}
		if n, ok := v["now"].(json.Number); ok {
			offset, err := n.Int64()
			return time.Now().Unix() - epoch + offset, err
		}
	}
	return 0, fmt.Errorf("%v is not an integer", v)
}

func (s *scope) list(t *typ, v any) (any, error) {
	elems, ok := v.([]any)
	if g, isObject := v.(map[string]any); isObject {
		var err error
		if elems, err = generated(t.elem, g); err != nil {
			return nil, err
		}
	} else if !ok {
		return nil, fmt.Errorf("%v is not a list", v)
	}
	out := []any{}
	for i, e := range elems {
		ev, err := s.value(t.elem, e)
		if err != nil {
			return nil, fmt.Errorf("element %d: %w", i, err)
		}
		out = append(out, ev)
	}
	return out, nil
}

// generated writes out {"gen": n, "key": pattern, ...}: n elements, each pattern formatted with the element's number.
func generated(elem *typ, g map[string]any) ([]any, error) {
	number, ok := g["gen"].(json.Number)
	n, err := number.Int64()
	if !ok || err != nil {
		return nil, fmt.Errorf("%v generates no list", g)
	}
	elems := []any{}
	for i := int64(0); i < n; i++ {
		e := map[string]any{}
		for name, pattern := range g {
			if text, isText := pattern.(string); isText {
				if strings.Contains(text, "%") {
					text = fmt.Sprintf(text, i)
				}
				e[name] = text
			}
		}
		if elem.kind == kindBlob {
			elems = append(elems, e["key"])
		} else {
			elems = append(elems, e)
		}
	}
	return elems, nil
}

// bytesOf resolves a byte string: text, {"hex": "00ff"} or {"rep": "x", "n": 3}.
func bytesOf(v any) ([]byte, error) {
	switch v := v.(type) {
	case string:
		return []byte(v), nil
	case map[string]any:
		if digits, ok := v["hex"].(string); ok {
			return hex.DecodeString(digits)
		}
		if text, ok := v["rep"].(string); ok {
			number, _ := v["n"].(json.Number)
			n, err := number.Int64()
			if err != nil || n < 0 || n > math.MaxInt32 {
				return nil, fmt.Errorf("cannot repeat %v times", v["n"])
			}
			return []byte(strings.Repeat(text, int(n))), nil
		}
	}
	return nil, fmt.Errorf("%v is not a byte string", v)
}

// scanBound resolves a bound of get_scanner: a key, raw bytes, or the end of a hash key.
func scanBound(v any) ([]byte, error) {
	m, ok := v.(map[string]any)
	switch {
	case ok && m["raw"] != nil:
		return bytesOf(m["raw"])
	case ok && m["after_hash_key"] != nil:
		hashKey, err := bytesOf(m["after_hash_key"])
		return nextKey(rawKey(hashKey, nil)), err
	case ok && m["hash_key"] != nil:
		return keyOf(m)
	}
	return nil, fmt.Errorf("%v is not a bound of a scan", v)
}

// keyOf builds the raw key of {"hash_key", "sort_key"} or {"raw_key"}.
func keyOf(m map[string]any) ([]byte, error) {
	if raw, ok := m["raw_key"]; ok {
		return bytesOf(raw)
	}
	hashKey, err := bytesOf(m["hash_key"])
	if err != nil {
		return nil, fmt.Errorf("hash_key: %w", err)
	}
	sortKey, err := bytesOf(m["sort_key"])
	if err != nil {
		return nil, fmt.Errorf("sort_key: %w", err)
	}
	return rawKey(hashKey, sortKey), nil
}

// textPairs resolves an object of texts, the only map requests have.
func textPairs(v any) ([]Pair, error) {
	m, ok := v.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("%v is not an object", v)
	}
	pairs := []Pair{}
	for name, value := range m {
		pairs = append(pairs, Pair{Key: name, Value: value})
	}
	return pairs, nil
}
