package pegasus_test

import (
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/admin"
)

// What docs/migrating.md names in place of methods of other clients are methods that
// there are.
func TestMigratingNamesMethods(t *testing.T) {
	doc, err := os.ReadFile("docs/migrating.md")
	if err != nil {
		t.Fatal(err)
	}
	methods := map[string]bool{"New": true}
	for _, typ := range []reflect.Type{
		reflect.TypeFor[*pegasus.Table](), reflect.TypeFor[*pegasus.Cluster](), reflect.TypeFor[*admin.Client](),
	} {
		for i := range typ.NumMethod() {
			methods[typ.Method(i).Name] = true
		}
	}
	_, table, ok := strings.Cut(string(doc), "| Java | here | |\n|---|---|---|\n")
	table, _, _ = strings.Cut(table, "\n\n")
	rows := strings.Split(table, "\n")
	if !ok || len(rows) < 30 {
		t.Fatalf("%d rows", len(rows))
	}
	name := regexp.MustCompile("`([^`]*)`")
	for _, row := range rows {
		for _, m := range name.FindAllStringSubmatch(strings.Split(row, "|")[2], -1) {
			if !methods[m[1]] {
				t.Errorf("there is no method %s: %s", m[1], row)
			}
		}
	}
}
