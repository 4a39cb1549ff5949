package pegasus_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"io/ioutil" //lint:ignore SA1019 the page uses it
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/onebox"
	"github.com/pegasus-go/pegasus/pegasustest"
)

// The programs on the page, word for word. TestPagePrograms checks that.

func pageArguments() pegasus.Client {
	cfg := &pegasus.Config{
		MetaServers: []string{"0.0.0.0:34601", "0.0.0.0:34601"},
	}
	c := pegasus.NewClient(*cfg)
	return c
}

func pageFile() {
	cfgPath, _ := filepath.Abs("./example/pegasus-client-config.json")
	rawCfg, err := ioutil.ReadFile(cfgPath)
	if err != nil {
		fmt.Println(err)
		return
	}
	cfg := &pegasus.Config{}
	json.Unmarshal(rawCfg, cfg)
	c := pegasus.NewClient(*cfg)
	c.Close()
}

// protocol are the numbers of the enumerations that the page's constants name.
var protocol = map[string]int{
	"FilterType_FT_NO_FILTER": 0, "FilterType_FT_MATCH_ANYWHERE": 1, "FilterType_FT_MATCH_PREFIX": 2, "FilterType_FT_MATCH_POSTFIX": 3,
	"CasCheckType_CT_NO_CHECK": 0, "CasCheckType_CT_VALUE_NOT_EXIST": 1, "CasCheckType_CT_VALUE_NOT_EXIST_OR_EMPTY": 2,
	"CasCheckType_CT_VALUE_EXIST": 3, "CasCheckType_CT_VALUE_NOT_EMPTY": 4, "CasCheckType_CT_VALUE_MATCH_ANYWHERE": 5,
	"CasCheckType_CT_VALUE_MATCH_PREFIX": 6, "CasCheckType_CT_VALUE_MATCH_POSTFIX": 7, "CasCheckType_CT_VALUE_BYTES_LESS": 8,
	"CasCheckType_CT_VALUE_BYTES_LESS_OR_EQUAL": 9, "CasCheckType_CT_VALUE_BYTES_EQUAL": 10,
	"CasCheckType_CT_VALUE_BYTES_GREATER_OR_EQUAL": 11, "CasCheckType_CT_VALUE_BYTES_GREATER": 12,
	"CasCheckType_CT_VALUE_INT_LESS": 13, "CasCheckType_CT_VALUE_INT_LESS_OR_EQUAL": 14, "CasCheckType_CT_VALUE_INT_EQUAL": 15,
	"CasCheckType_CT_VALUE_INT_GREATER_OR_EQUAL": 16, "CasCheckType_CT_VALUE_INT_GREATER": 17,
}

// api is what a set of declarations declares, each thing in one line of text.
type api struct {
	methods map[string]string   // of interfaces, and functions, by name
	structs map[string][]string // fields by type
	consts  map[string]string   // values
}

func newAPI() api {
	return api{map[string]string{}, map[string][]string{}, map[string]string{}}
}

func text(n any) string {
	var b strings.Builder
	format.Node(&b, token.NewFileSet(), n)
	return b.String()
}

// signature leaves out how parameters of one type are put together.
func signature(f *ast.FuncType) string {
	list := func(fields *ast.FieldList) string {
		var all []string
		if fields != nil {
			for _, f := range fields.List {
				for range max(1, len(f.Names)) {
					all = append(all, text(f.Type))
				}
			}
		}
		return strings.Join(all, ", ")
	}
	return "(" + list(f.Params) + ") (" + list(f.Results) + ")"
}

func (a api) add(file *ast.File) {
	for _, d := range file.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			if d.Recv == nil {
				a.methods[d.Name.Name] = signature(d.Type)
			}
		case *ast.GenDecl:
			for _, s := range d.Specs {
				switch s := s.(type) {
				case *ast.ValueSpec:
					if d.Tok == token.CONST && len(s.Values) == 1 {
						a.consts[s.Names[0].Name] = text(s.Values[0])
					}
				case *ast.TypeSpec:
					a.addType(s)
				}
			}
		}
	}
}

func (a api) addType(s *ast.TypeSpec) {
	switch t := s.Type.(type) {
	case *ast.InterfaceType:
		for _, m := range t.Methods.List {
			if f, ok := m.Type.(*ast.FuncType); ok {
				name := m.Names[0].Name
				if name == "Close" || name == "Next" { // of more than one interface
					name = s.Name.Name + "." + name
				}
				a.methods[name] = signature(f)
			}
		}
	case *ast.StructType:
		fields := []string{}
		for _, f := range t.Fields.List {
			for _, name := range f.Names {
				line := name.Name + " " + text(f.Type)
				if f.Tag != nil {
					line += " " + f.Tag.Value
				}
				fields = append(fields, line)
			}
		}
		a.structs[s.Name.Name] = fields
	}
}

// page returns the code blocks of the page, and what they declare.
func page(t *testing.T) (blocks []string, declared api) {
	t.Helper()
	md, err := os.ReadFile("testdata/go-client-api.md")
	if err != nil {
		t.Fatal(err)
	}
	declared = newAPI()
	for _, m := range regexp.MustCompile("(?s)``` ?go\n(.*?)```").FindAllStringSubmatch(string(md), -1) {
		block := m[1]
		blocks = append(blocks, block)
		if strings.Contains(block, ":=") {
			continue // a program
		}
		// Signatures of methods come without their interface.
		methods, decls := splitBlock(block)
		src := "package p\n" + decls + "\ntype Table interface {\n" + methods + "\n}\n"
		f, err := parser.ParseFile(token.NewFileSet(), "", src, parser.SkipObjectResolution)
		if err != nil {
			t.Fatalf("%v in\n%s", err, src)
		}
		declared.add(f)
	}
	return blocks, declared
}

// splitBlock divides the lines of a block into methods and declarations, which
// end with a closing brace or parenthesis in the first column.
func splitBlock(block string) (methods, decls string) {
	inside := false
	for line := range strings.Lines(block) {
		begins := strings.HasPrefix(line, "type ") || strings.HasPrefix(line, "const ")
		switch {
		case begins || inside:
			decls += line
			inside = !strings.HasPrefix(line, "}") && !strings.HasPrefix(line, ")")
		case strings.HasPrefix(line, "func "):
			decls += line
		default:
			methods += line
		}
	}
	return methods, decls
}

func ours(t *testing.T) api {
	t.Helper()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	a := newAPI()
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		a.add(f)
	}
	return a
}

func TestPageSignatures(t *testing.T) {
	_, want := page(t)
	got := ours(t)
	names := []string{
		"NewClient", "OpenTable", "Get", "Set", "SetTTL", "Del", "MultiGet", "MultiGetOpt", "MultiGetRange", "MultiGetRangeOpt",
		"MultiSet", "MultiSetOpt", "MultiDel", "DelRange", "DelRangeOpt", "TTL", "Exist", "GetScanner", "GetUnorderedScanners",
		"Scanner.Next", "Scanner.Close", "CheckAndSet", "SortKeyCount", "Incr", "BatchGet",
	}
	slices.Sort(names)
	if found := slices.Sorted(maps.Keys(want.methods)); !slices.Equal(found, names) {
		t.Errorf("the page has %q, the test expects %q", found, names)
	}
	for name, sig := range want.methods {
		if got.methods[name] != sig {
			t.Errorf("%s%s, on the page %s", name, got.methods[name], sig)
		}
	}
}

func TestPageTypes(t *testing.T) {
	_, want := page(t)
	got := ours(t)
	names := []string{
		"CheckAndSetOptions", "CheckAndSetResult", "Config", "DelRangeOptions", "Filter", "MultiGetOptions", "ScannerOptions",
	}
	if found := slices.Sorted(maps.Keys(want.structs)); !slices.Equal(found, names) {
		t.Errorf("the page has %q, the test expects %q", found, names)
	}
	for name, fields := range want.structs {
		have := got.structs[name]
		if name == "Config" { // has more fields, with defaults
			have = have[:min(len(fields), len(have))]
		}
		if !slices.Equal(have, fields) {
			t.Errorf("%s has %q, on the page %q", name, have, fields)
		}
	}
}

func TestPageConstants(t *testing.T) {
	_, want := page(t)
	got := ours(t)
	if n := len(want.consts); n != 4+18 {
		t.Errorf("%d constants on the page", n)
	}
	value := regexp.MustCompile(`^(FilterType|CheckType)\(rrdb\.(\w+)\)$`)
	for name, expr := range want.consts {
		m := value.FindStringSubmatch(expr)
		if m == nil {
			t.Fatalf("%s = %s", name, expr)
		}
		number, known := protocol[m[2]]
		if name == "CheckTypeIntGreater" {
			// The page, and the official client, have the number of
			// BYTES_GREATER here, which compares bytes.
			number = protocol["CasCheckType_CT_VALUE_INT_GREATER"]
		}
		if !known || got.consts[name] != strconv.Itoa(number) {
			t.Errorf("%s = %s, want %d", name, got.consts[name], number)
		}
	}
	if pegasus.CheckTypeIntGreater != 17 {
		t.Errorf("CheckTypeIntGreater = %d", pegasus.CheckTypeIntGreater)
	}
}

// The programs of the page are in this file, which compiles.
func TestPagePrograms(t *testing.T) {
	src, err := os.ReadFile("contract_test.go")
	if err != nil {
		t.Fatal(err)
	}
	words := func(s string) string { return strings.Join(strings.Fields(s), " ") }
	all := words(string(src))
	blocks, _ := page(t)
	programs := 0
	for _, block := range blocks {
		if !strings.Contains(block, ":=") {
			continue
		}
		block = regexp.MustCompile(`(?m)^//.*$|^\.\.\.$`).ReplaceAllString(block, "\n\n")
		for _, part := range strings.Split(block, "\n\n") {
			if part = words(part); part != "" {
				programs++
				if !strings.Contains(all, part) {
					t.Errorf("not in contract_test.go: %s", part)
				}
			}
		}
	}
	if programs < 4 {
		t.Errorf("%d parts of programs on the page", programs)
	}
	c := pageArguments()
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	pageFile() // says that there is no such file, and returns
}

func TestDocumentedDefaults(t *testing.T) {
	if o := pegasus.DefaultMultiGetOptions; !o.StartInclusive || o.StopInclusive || o.MaxFetchCount != 100 || o.MaxFetchSize != 100000 ||
		o.NoValue || o.Reverse || o.SortKeyFilter.Type != pegasus.FilterTypeNoFilter {
		t.Errorf("MultiGet: %+v", o)
	}
	for _, o := range []*pegasus.ScannerOptions{pegasus.DefaultScannerOptions(), pegasus.NewScanOptions()} {
		if !o.StartInclusive || o.StopInclusive || o.BatchSize != 1000 || o.NoValue ||
			o.HashKeyFilter.Type != pegasus.FilterTypeNoFilter || o.SortKeyFilter.Type != pegasus.FilterTypeNoFilter {
			t.Errorf("scanners: %+v", o)
		}
		o.BatchSize = 1 // of the caller
	}
	if o := pegasus.DefaultDelRangeOptions; !o.StartInclusive || o.StopInclusive || o.SortKeyFilter.Type != pegasus.FilterTypeNoFilter {
		t.Errorf("DelRange: %+v", o)
	}
	byType := map[pegasus.OpType]bool{pegasus.OpGet: true}
	if op := (&pegasus.PError{Op: "Get"}).Op; !byType[op] {
		t.Errorf("operation %q", op)
	}
}

// The options of a package variable are shared, and nobody writes to them.
func TestSharedOptions(t *testing.T) {
	c := pegasustest.Start(t)
	ctx, h := t.Context(), []byte("h")
	if err := c.Table.MultiSet(ctx, h, [][]byte{[]byte("a"), []byte("b")}, [][]byte{{}, {}}); err != nil {
		t.Fatal(err)
	}
	c.Onebox().Intercept(func(r onebox.Request) onebox.Action {
		if r.Task == onebox.TaskMultiRemove {
			return onebox.Action{Error: "ERR_ACL_DENY"}
		}
		return onebox.Action{}
	})
	if err := c.Table.DelRangeOpt(ctx, h, nil, nil, pegasus.DefaultDelRangeOptions); !errors.Is(err, pegasus.ErrACLDeny) {
		t.Error(err)
	}
	if next := pegasus.DefaultDelRangeOptions.NextSortKey(); next != nil {
		t.Errorf("the next sort key of all callers is %q", next)
	}
	saved := *pegasus.DefaultMultiGetOptions
	defer func() { *pegasus.DefaultMultiGetOptions = saved }()
	pegasus.DefaultMultiGetOptions.MaxFetchCount = 1
	if kvs, _, err := c.Table.MultiGet(ctx, h, nil); len(kvs) != 2 || err != nil {
		t.Errorf("%d entries with the options of nil, %v", len(kvs), err)
	}
}
