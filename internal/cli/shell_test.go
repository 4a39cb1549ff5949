package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pegasus-go/pegasus/internal/cli/output"
	"github.com/pegasus-go/pegasus/internal/cli/ui"
	"github.com/pegasus-go/pegasus/onebox"
)

func TestSplitWords(t *testing.T) {
	for line, want := range map[string][]string{
		"":                      nil,
		"  \t ":                 nil,
		"# all of it":           nil,
		"get temp  h s":         {"get", "temp", "h", "s"},
		`set 'a b' "c d"e''`:    {"set", "a b", "c de"},
		`'' ""`:                 {"", ""},
		`k\x00 \\ '\n' "\t"`:    {`k\x00`, `\\`, `\n`, `\t`},
		`"a\"b" "\\" "\\\"" 'x`: nil,
		`"a\"b" "\\" "\\\""`:    {`a"b`, `\\`, `\\"`},
		"a#b # c":               {"a#b"},
		"a 'b":                  nil,
		"漢 é\r":                 {"漢", "é"},
	} {
		got, err := splitWords(line)
		bad := strings.HasSuffix(line, "'x") || strings.HasSuffix(line, "'b")
		if !slices.Equal(got, want) || (err != nil) != bad {
			t.Errorf("%q: %q, %v, want %q", line, got, err, want)
		}
	}
}

func FuzzSplitWords(f *testing.F) {
	for _, s := range []string{"", "a b", `'a "b`, "\\", "#", "a'b\"c"} {
		f.Add(s, s)
	}
	f.Fuzz(func(t *testing.T, line, word string) {
		words, err := splitWords(line)
		if err == nil && strings.Count(line, " ")+strings.Count(line, "\t")+strings.Count(line, "\r")+1 < len(words) {
			t.Errorf("%q: %d words", line, len(words))
		}
		if got, err := splitWords("x " + quoteWord(word) + " y"); err != nil || !slices.Equal(got, []string{"x", word, "y"}) {
			t.Errorf("%q is quoted as %q, which is %q, %v", word, quoteWord(word), got, err)
		}
	})
}

// A history that others could read is theirs no longer.
func TestHistoryIsPrivate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "history")
	for lines, mode := range map[int]fs.FileMode{1: 0o644, 3 * historyLines: 0o660} { // that is made shorter, too
		for _, name := range []string{path, path + ".part"} { // one that was left behind
			if err := os.WriteFile(name, []byte(strings.Repeat("get a b\n", lines)), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(name, mode); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := openHistory(path); err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%d lines: %v, %v", lines, info.Mode(), err)
		}
	}
}

func TestHistory(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state", "pegasus", "history")
	h, err := openHistory(path)
	if err != nil || h.Len() != 0 {
		t.Fatal(h.Len(), err)
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Error("a file before there is something in it")
	}
	for _, line := range []string{"get a b", "get a b", " secret", strings.Repeat("x", historyLineSize+1), "", "one\ntwo\n"} {
		if _, err := h.Write(line); err != nil {
			t.Fatal(err)
		}
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm()&0o077 != 0 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if h, err = openHistory(path); err != nil || fmt.Sprint(h.Dump()) != "[get a b one two]" {
		t.Errorf("%v, %v", h.Dump(), err)
	}
	if s, err := h.GetLine(1); s != "one" || err != nil {
		t.Errorf("line 1 is %q, %v", s, err)
	}
	if s, err := h.GetLine(3); err == nil {
		t.Errorf("line 3 is %q", s)
	}
	for i := range 2 * historyLines {
		_, _ = h.Write(fmt.Sprint(i))
	}
	for range 2 { // as it was made shorter, and as it is then
		if h, err = openHistory(path); err != nil || h.Len() != historyLines || h.lines[historyLines-1] != fmt.Sprint(2*historyLines-1) {
			t.Errorf("%d lines, %v", h.Len(), err)
		}
	}
	if b, _ := os.ReadFile(path); strings.Count(string(b), "\n") != historyLines {
		t.Errorf("the file has %d lines", strings.Count(string(b), "\n"))
	}
	none, err := openHistory("")
	if _, err2 := none.Write("x"); err != nil || err2 != nil || none.Len() != 1 {
		t.Error("a history that is not kept", err, err2)
	}
}

func TestHistoryPath(t *testing.T) {
	for want, env := range map[string]map[string]string{
		"":                                       {},
		filepath.Join("s", "pegasus", "history"): {"XDG_STATE_HOME": "s", "HOME": "h"},
		filepath.Join("h", ".local", "state", "pegasus", "history"): {"HOME": "h"},
	} {
		if got := historyPath(func(name string) string { return env[name] }); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// What completes in a shell is what completes elsewhere, and its own commands; tables that
// were seen need no cluster.
func TestShellCompletion(t *testing.T) {
	srv, err := onebox.Start(onebox.Options{Tables: []onebox.Table{{Name: "temp"}, {Name: "other"}}})
	if err != nil {
		t.Fatal(err)
	}
	defer srv.Close()
	s := &session{meta: setting{strings.Join(srv.MetaServers(), ","), "test"}, format: output.Table}
	check := func(line string, want ...string) {
		t.Helper()
		var got []string
		for _, c := range s.complete(t.Context(), line, ui.Streams{}) {
			got = append(got, c.value)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", line, got, want)
		}
	}
	check("us", "use ")
	check("use t", "temp ")
	srv.Close()
	check("get ", "temp", "other")
	s.tablesAt = time.Now().Add(time.Hour) // or else a slow machine forgets them
	check("table sh", "show ")
	check("pegasus table sh", "show ")
	check("get temp h s --enc", "--encoding ")
	check("get temp h s --encoding value=ja", "value=javabytes ")
	check("get temp ")
	check("get 'te")
	s.table = setting{"temp", "use"}
	check("get ")
	check("use ", "temp", "other")
	check("get --table ", "temp", "other")
	check("get --table o", "other ")
	check("get --encoding v", "value=")
	check("get --encodinghash=")
	check("got ")
	check("get --no-such-flag ")
}

func TestPrompt(t *testing.T) {
	env := map[string]string{}
	streams := ui.Streams{Env: func(name string) string { return env[name] }}
	s := &session{}
	if got := s.prompt(streams); got != localOnebox+"> " {
		t.Errorf("%q", got)
	}
	file := filepath.Join(t.TempDir(), "config.toml")
	if err := os.WriteFile(file, []byte("[cluster.prod]\nmeta = [\"10.0.0.1:1\"]\ndanger = true\ntable = \"orders\""), 0o600); err != nil {
		t.Fatal(err)
	}
	env["PEGASUS_CONFIG"], env["PEGASUS_CLUSTER"] = file, "prod"
	if got := s.prompt(streams); got != "prod! orders> " {
		t.Errorf("%q", got)
	}
	env["PEGASUS_CLUSTER"] = "gone"
	if got := s.prompt(streams); got != "? > " {
		t.Errorf("%q", got)
	}
}

func TestPasted(t *testing.T) {
	for in, want := range map[string]string{
		"get a\tb\nget c\n":             "get a b\nget c",
		"\x1b[31mred\x1b[201~\u202e\\x": `[31mred[201~\x`,
		"\n\n":                          "",
	} {
		if got := pasted(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}
