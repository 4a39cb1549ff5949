package conformance

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// missing stands for a response field that was not on the wire.
type missing struct{}

// matchFields compares the listed fields of an expectation with a response struct.
func (s *scope) matchFields(want map[string]any, got Struct) error {
	for name, w := range want {
		if err := s.match(name, w, derived(name, got)); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// derived returns a field of a response struct, or what case files derive from one: xxx_len, partitions_pid and
// partitions_all.
func derived(name string, got Struct) any {
	if v, ok := got[name]; ok {
		return v
	}
	if list, ok := got[strings.TrimSuffix(name, "_len")].([]any); ok {
		return int64(len(list))
	}
	partitions, ok := got["partitions"].([]any)
	switch {
	case ok && name == "partitions_all":
		return partitions
	case ok && name == "partitions_pid":
		indices := []any{}
		for _, p := range partitions {
			indices = append(indices, int64(p.(Struct)["pid"].(GPID).PartitionIndex))
		}
		return indices
	}
	return missing{}
}

// match compares one expected value, a predicate included, with the value of the response field called name.
func (s *scope) match(name string, want, got any) error {
	if m, ok := want.(map[string]any); ok {
		if name == "partitions_all" {
			m = map[string]any{"all": m}
		}
		return s.matchObject(m, got)
	}
	switch got := got.(type) {
	case missing:
		return fmt.Errorf("not in the response")
	case []byte:
		if w, err := bytesOf(want); err == nil {
			return equalBytes(w, got)
		}
	case string:
		w, ok := want.(string)
		if ok && isTableName(name) {
			w = s.tableName(w)
		}
		if ok && w == got {
			return nil
		}
	case bool:
		if want == got {
			return nil
		}
	case int64:
		if n, err := s.integer(want); err == nil && n == got {
			return nil
		}
	case []any:
		if w, ok := want.([]any); ok {
			return s.matchList(w, got)
		}
	}
	return fmt.Errorf("got %v, want %v", show(got), want)
}

func equalBytes(want, got []byte) error {
	if bytes.Equal(want, got) {
		return nil
	}
	return fmt.Errorf("got %s, want %s", show(got), show(want))
}

func (s *scope) matchList(want, got []any) error {
	if len(want) != len(got) {
		return fmt.Errorf("got %d elements %s, want %d", len(got), show(got), len(want))
	}
	for i := range want {
		if err := s.match("", want[i], got[i]); err != nil {
			return fmt.Errorf("element %d: %w", i, err)
		}
	}
	return nil
}

// matchObject compares a value with a JSON object, which is a predicate, a byte string, a map or a partial struct.
func (s *scope) matchObject(want map[string]any, got any) error {
	switch g := got.(type) {
	case Struct:
		return s.matchFields(want, g)
	case []Pair:
		return equalTexts(want, g)
	case []byte:
		if w, err := bytesOf(want); err == nil {
			return equalBytes(w, g)
		}
	case int64:
		if _, ok := want["var"]; ok {
			n, err := s.integer(want)
			if err == nil && n != g {
				err = fmt.Errorf("got %d, want %d", g, n)
			}
			return err
		}
	}
	if len(want) == 0 {
		return fmt.Errorf("got %s, want {}", show(got))
	}
	for predicate, w := range want {
		ok, err := s.holds(predicate, w, got)
		if err == nil && !ok {
			err = fmt.Errorf("got %s, want %s %v", show(got), predicate, w)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// holds evaluates one predicate.
func (s *scope) holds(predicate string, w, got any) (bool, error) {
	if predicate == "absent" {
		_, absent := got.(missing)
		return absent == w, nil
	}
	if _, absent := got.(missing); absent {
		return false, nil
	}
	switch predicate {
	case "gt", "ge", "lt", "le", "ne", "eq":
		n, ok := got.(int64)
		limit, err := s.integer(w)
		return ok && compares(predicate, n, limit), err
	case "live":
		n, ok := got.(int64)
		return ok && isLive(n) == w, nil
	case "nonempty":
		return (got != "" && got != Address(0)) == w, nil
	case "in":
		list, _ := w.([]any)
		for _, e := range list {
			if s.match("", e, got) == nil {
				return true, nil
			}
		}
		return false, nil
	case "contains", "not_contains", "all":
		list, ok := got.([]any)
		matching := 0
		for _, e := range list {
			if s.match("", w, e) == nil {
				matching++
			}
		}
		switch predicate {
		case "contains":
			return matching > 0, nil
		case "not_contains":
			return ok && matching == 0, nil
		}
		return ok && matching == len(list), nil
	}
	return false, fmt.Errorf("unknown predicate %q", predicate)
}

func compares(predicate string, a, b int64) bool {
	switch predicate {
	case "gt":
		return a > b
	case "ge":
		return a >= b
	case "lt":
		return a < b
	case "le":
		return a <= b
	case "ne":
		return a != b
	}
	return a == b
}

// isLive reports whether a context id can be scanned on.
func isLive(contextID int64) bool { return contextID != 0 && contextID != -1 && contextID != -2 }

func equalTexts(want map[string]any, got []Pair) error {
	for _, p := range got {
		if name, _ := p.Key.(string); want[name] != p.Value {
			return fmt.Errorf("got %v, want %v", got, want)
		}
	}
	if len(got) != len(want) {
		return fmt.Errorf("got %v, want %v", got, want)
	}
	return nil
}

// show prints a value for a person, cut if it is long.
func show(v any) string {
	const most = 300
	var text string
	switch v := v.(type) {
	case missing:
		text = "nothing"
	case []byte:
		text = fmt.Sprintf("%q", v)
	case string, json.Number:
		text = fmt.Sprintf("%q", v)
	case []any:
		parts := make([]string, 0, len(v))
		for i, e := range v {
			if i == 20 {
				parts = append(parts, fmt.Sprintf("... (%d)", len(v)))
				break
			}
			parts = append(parts, show(e))
		}
		text = "[" + strings.Join(parts, " ") + "]"
	case Struct:
		parts := make([]string, 0, len(v))
		for _, name := range slices.Sorted(maps.Keys(v)) {
			parts = append(parts, name+":"+show(v[name]))
		}
		text = "{" + strings.Join(parts, " ") + "}"
	default:
		text = fmt.Sprint(v)
	}
	if len(text) > most {
		return text[:most] + "..."
	}
	return text
}
