package wire

import (
	"bufio"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// An idlField is a field as testdata/structs.txt declares it.
type idlField struct {
	id       int16
	name     string
	typ      string
	optional bool
}

// key is the name of the field in a tree.
func (f idlField) key() string { return strconv.Itoa(int(f.id)) + ":" + f.name }

// idl returns the fields of the structs by name.
func idl(t testing.TB) map[string][]idlField {
	t.Helper()
	structs, err := readIDL()
	if err != nil {
		t.Fatal(err)
	}
	return structs
}

var readIDL = sync.OnceValues(func() (map[string][]idlField, error) {
	f, err := os.Open("testdata/structs.txt")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	structs := make(map[string][]idlField)
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		name, rest, ok := strings.Cut(lines.Text(), ":")
		if !ok || strings.HasPrefix(name, "#") {
			continue
		}
		structs[name] = nil
		for field := range strings.SplitSeq(rest, ", ") {
			words := strings.Fields(field)
			if len(words) == 0 {
				continue
			}
			id, err := strconv.ParseInt(words[0], 10, 16)
			if err != nil {
				return nil, err
			}
			typ, optional := strings.CutSuffix(words[2], "?")
			structs[name] = append(structs[name], idlField{int16(id), words[1], typ, optional})
		}
	}
	return structs, lines.Err()
})

// container splits list<T>, set<T> and map<K,V>.
func container(typ string) (kind, key, elem string) {
	kind, elem, _ = strings.Cut(strings.TrimSuffix(typ, ">"), "<")
	if kind == "map" {
		key, elem, _ = strings.Cut(elem, ",")
	}
	return kind, key, elem
}
