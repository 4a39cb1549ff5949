package cli

import (
	"maps"
	"strings"
	"testing"
)

// Any value of --table is refused, or makes a table that the flag's text names.
func FuzzTableFlag(f *testing.F) {
	for _, s := range []string{"users", "users:16", "a:b:4", ":8", "x:", "x:-1", "x:99999999999", "", "a:8,b:4", "a,default_ttl=1d", "a:8,x=1,2,y==,z=", "a,=", "a,x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var tables, again tableFlag
		if tables.Set(s) != nil {
			return
		}
		if len(tables) != 1 || tables[0].Name == "" || tables[0].Partitions < 0 || !strings.HasPrefix(s, tables[0].Name) {
			t.Fatalf("%q is %+v", s, tables)
		}
		if err := again.Set(tables.String()); err != nil || again[0].Name != tables[0].Name || again[0].Partitions != tables[0].Partitions || !maps.Equal(again[0].Envs, tables[0].Envs) {
			t.Errorf("%q became %q: %+v, %v", s, tables.String(), again, err)
		}
	})
}
