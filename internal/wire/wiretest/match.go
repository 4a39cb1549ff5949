package wiretest

import (
	"encoding/hex"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/pegasus-go/pegasus/internal/wire"
)

// A decoded message as a tree, the form that vectors.json has:
//
//	struct       map[string]any, the keys are "3:expire_ts_seconds"
//	list         []any
//	map          map[string]any, the keys are printed
//	set          []any of printed values
//	blob         map[string]any{"blob_hex": ...}
//	rpc_address  map[string]any{"raw_hex": ...}
//	gpid         "2.5"
//	host_port    "localhost:34801"
//	integers     a number or a decimal string; an enum may be "NAME(3)"
//
// Mismatch compares one with a Go value by the names of the fields and returns
// the differences. A field that is not in the tree must have its default.
func Mismatch(path string, want any, got reflect.Value) []string {
	differ := func() []string {
		return []string{fmt.Sprintf("%s: got %v, want %v", path, got, want)}
	}
	switch g := got.Interface().(type) {
	case wire.Key:
		return Mismatch(path, want, reflect.ValueOf(g.Raw))
	case wire.Blob:
		return Mismatch(path, want, reflect.ValueOf([]byte(g)))
	case []byte:
		if w, ok := want.(map[string]any); ok && w["blob_hex"] == hex.EncodeToString(g) || want == string(g) {
			return nil
		}
		return differ()
	case wire.Address:
		if w, ok := want.(map[string]any); ok && w["raw_hex"] == fmt.Sprintf("%016x", uint64(g)) {
			return nil
		}
		return differ()
	case wire.GPID:
		if want == g.String() {
			return nil
		}
		return differ()
	case wire.HostPort:
		if want == fmt.Sprintf("%s:%d", g.Host, g.Port) && g.Type == 1 {
			return nil
		}
		return differ()
	}
	switch got.Kind() {
	case reflect.Pointer:
		if got.IsNil() {
			return differ()
		}
		return Mismatch(path, want, got.Elem())
	case reflect.Struct:
		return mismatchStruct(path, want.(map[string]any), got)
	case reflect.Slice:
		w := want.([]any)
		if len(w) != got.Len() {
			return differ()
		}
		var all []string
		for i := range w {
			all = append(all, Mismatch(fmt.Sprintf("%s[%d]", path, i), w[i], got.Index(i))...)
		}
		return all
	case reflect.Map:
		return mismatchMap(path, want, got)
	case reflect.Int32, reflect.Int64:
		text := fmt.Sprint(want)
		if _, number, ok := strings.Cut(text, "("); ok {
			text = strings.TrimSuffix(number, ")")
		}
		if text != fmt.Sprint(got.Int()) {
			return differ()
		}
		return nil
	}
	if fmt.Sprint(want) != fmt.Sprint(got) {
		return differ()
	}
	return nil
}

func mismatchMap(path string, want any, got reflect.Value) []string {
	if set, ok := want.([]any); ok {
		var g []string
		for _, k := range got.MapKeys() {
			g = append(g, fmt.Sprint(k))
		}
		var w []string
		for _, e := range set {
			w = append(w, fmt.Sprint(e))
		}
		slices.Sort(g)
		slices.Sort(w)
		if !slices.Equal(g, w) {
			return []string{fmt.Sprintf("%s: got %v, want %v", path, g, w)}
		}
		return nil
	}
	w := want.(map[string]any)
	if len(w) != got.Len() {
		return []string{fmt.Sprintf("%s: got %v, want %v", path, got, want)}
	}
	var all []string
	for it := got.MapRange(); it.Next(); {
		key := fmt.Sprint(it.Key())
		e, ok := w[key]
		if !ok {
			all = append(all, fmt.Sprintf("%s: got unknown key %q", path, key))
			continue
		}
		all = append(all, Mismatch(path+"["+key+"]", e, it.Value())...)
	}
	return all
}

func mismatchStruct(path string, want map[string]any, got reflect.Value) []string {
	var all []string
	seen := make(map[string]bool)
	for key, w := range want {
		_, name, _ := strings.Cut(key, ":")
		goName := goFieldName(got.Type(), name)
		f := got.FieldByNameFunc(func(n string) bool { return strings.EqualFold(n, goName) })
		if !f.IsValid() {
			all = append(all, fmt.Sprintf("%s: no field %s in %v", path, name, got.Type()))
			continue
		}
		seen[strings.ToLower(goName)] = true
		all = append(all, Mismatch(path+"."+name, w, f)...)
	}
	for _, sf := range reflect.VisibleFields(got.Type()) {
		if sf.Anonymous || seen[strings.ToLower(sf.Name)] {
			continue
		}
		f := got.FieldByIndex(sf.Index)
		if sf.Name == "HasExpireTS" && f.Bool() == seen["expirets"] || isDefault(f) {
			continue
		}
		all = append(all, fmt.Sprintf("%s.%s: got %v, want the default", path, sf.Name, f))
	}
	return all
}

// isDefault reports whether v is what a decoded message has for a field that
// was missing.
func isDefault(v reflect.Value) bool {
	switch v := v.Interface().(type) {
	case wire.ErrorCode:
		return v == wire.ErrOK
	case wire.Key:
		return v.Raw != nil && len(v.Raw) == 0 && v.HashKey == nil && v.SortKey == nil
	}
	return v.IsZero()
}

// goFieldName returns the name in Go of the field that the IDL calls name, in
// any case.
func goFieldName(t reflect.Type, name string) string {
	if t == reflect.TypeFor[wire.MultiGetRequest]() {
		switch name {
		case "sort_key_filter_type":
			return "FilterType"
		case "sort_key_filter_pattern":
			return "FilterPattern"
		}
	}
	switch name {
	case "expire_ts_seconds":
		return "ExpireTS"
	case "set_expire_ts_seconds":
		return "SetExpireTS"
	case "mutate_list":
		return "Mutates"
	case "hash_key_filter_type", "hash_key_filter_pattern", "sort_key_filter_type", "sort_key_filter_pattern":
		name = strings.Replace(name, "_key", "", 1)
	case "hint_message", "hint_msg":
		return "Hint"
	case "old_max_replica_count":
		return "MaxReplicaCount"
	case "parent_pidx":
		return "ParentIndex"
	case "gpid":
		return "PID"
	case "node1":
		return "Node"
	case "hp_node1":
		return "HPNode"
	}
	return strings.ReplaceAll(name, "_", "")
}
