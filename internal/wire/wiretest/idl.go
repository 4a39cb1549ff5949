package wiretest

import (
	_ "embed"
	"fmt"
	"strconv"
	"strings"
	"sync"
)

// Field is a field as structs.txt declares it.
type Field struct {
	ID       int16
	Name     string
	Type     string // such as "i32", "blob", "list<gpid>" or the name of a struct
	Optional bool
}

// Key is the name of the field in a tree.
func (f Field) Key() string { return strconv.Itoa(int(f.ID)) + ":" + f.Name }

//go:embed structs.txt
var declarations string

// IDL returns the fields of the structs by name.
var IDL = sync.OnceValue(func() map[string][]Field {
	structs := make(map[string][]Field)
	for line := range strings.Lines(declarations) {
		name, rest, ok := strings.Cut(line, ":")
		if !ok || strings.HasPrefix(name, "#") {
			continue
		}
		structs[name] = nil
		for declared := range strings.SplitSeq(rest, ", ") {
			words := strings.Fields(declared)
			if len(words) == 0 {
				continue
			}
			id, err := strconv.ParseInt(words[0], 10, 16)
			if err != nil {
				panic(fmt.Sprintf("structs.txt: %s: %v", name, err))
			}
			typ, optional := strings.CutSuffix(words[2], "?")
			structs[name] = append(structs[name], Field{int16(id), words[1], typ, optional})
		}
	}
	return structs
})

// Container splits list<T>, set<T> and map<K,V>; kind is the type itself if it is
// none of them.
func Container(typ string) (kind, key, elem string) {
	kind, elem, _ = strings.Cut(strings.TrimSuffix(typ, ">"), "<")
	if kind == "map" {
		key, elem, _ = strings.Cut(elem, ",")
	}
	return kind, key, elem
}
