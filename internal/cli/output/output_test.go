package output

import (
	"bytes"
	"errors"
	"testing"

	"github.com/pegasus-go/pegasus/internal/cli/exit"
)

func TestList(t *testing.T) {
	columns := []string{"name", "parts", "owner"}
	rows := [][]any{{"users", 16, nil}, {"漢字", 8, "<a,b>"}, {"", 4, "\x1b[31m\u009b"}}
	for _, tc := range []struct {
		format   Format
		terminal bool
		want     string
	}{
		{Table, false, "name\tparts\towner\nusers\t16\t-\n漢字\t8\t<a,b>\n\"\"\t4\t\\x1b[31m\\xc2\\x9b\n"},
		{Table, true, "NAME   PARTS  OWNER\nusers  16     -\n漢字   8      <a,b>\n\"\"     4      \\x1b[31m\\xc2\\x9b\n"},
		{JSON, true, "[{\"name\":\"users\",\"parts\":16,\"owner\":null},\n {\"name\":\"漢字\",\"parts\":8,\"owner\":\"<a,b>\"},\n {\"name\":\"\",\"parts\":4,\"owner\":\"\\u001b[31m\\u009b\"}]\n"},
		{JSONL, false, "{\"name\":\"users\",\"parts\":16,\"owner\":null}\n{\"name\":\"漢字\",\"parts\":8,\"owner\":\"<a,b>\"}\n{\"name\":\"\",\"parts\":4,\"owner\":\"\\u001b[31m\\u009b\"}\n"},
		{CSV, false, "name,parts,owner\nusers,16,\n漢字,8,\"<a,b>\"\n,4,\\x1b[31m\\xc2\\x9b\n"},
	} {
		var out bytes.Buffer
		if err := (Printer{&out, tc.format, tc.terminal}).List(columns, rows); err != nil || out.String() != tc.want {
			t.Errorf("%s, terminal %v:\n%s\nwant\n%s\n%v", tc.format, tc.terminal, &out, tc.want, err)
		}
	}
	var out bytes.Buffer
	if err := (Printer{&out, Raw, false}).List(columns, rows); exit.Of(err) != exit.Usage || out.Len() > 0 {
		t.Errorf("raw: %v, %q", err, &out)
	}
	if err := (Printer{&out, JSON, false}).List(columns, nil); err != nil || out.String() != "[]\n" {
		t.Errorf("nothing: %q, %v", &out, err)
	}
}

func TestOne(t *testing.T) {
	for _, tc := range []struct {
		format   Format
		terminal bool
		raw      string
		want     string
		code     exit.Code
	}{
		{Table, true, "v", "text\n", exit.OK},
		{Raw, false, "v\x00\n", "v\x00\n", exit.OK},
		{Raw, true, "v", "v", exit.OK},
		{Raw, true, "\x1b[2J", "", exit.Refused},
		{JSON, false, "v", "{\"value\":\"v\",\"ttl_s\":-1}\n", exit.OK},
		{JSONL, false, "v", "{\"value\":\"v\",\"ttl_s\":-1}\n", exit.OK},
		{CSV, false, "v", "value,ttl_s\nv,-1\n", exit.OK},
	} {
		var out bytes.Buffer
		err := (Printer{&out, tc.format, tc.terminal}).One("text", []byte(tc.raw), Field{"value", "v"}, Field{"ttl_s", -1})
		if exit.Of(err) != tc.code || out.String() != tc.want {
			t.Errorf("%s %q: %q, %v", tc.format, tc.raw, &out, err)
		}
	}
}

func TestFormat(t *testing.T) {
	f := Table
	if err := f.Set("csv"); err != nil || f != CSV {
		t.Errorf("%s, %v", f, err)
	}
	if err := f.Set("xml"); err == nil || f != CSV {
		t.Errorf("%s, %v", f, err)
	}
}

func TestStream(t *testing.T) {
	for _, tc := range []struct {
		format   Format
		terminal bool
		want     string
	}{
		{Table, false, "sk\tvalue\na\t1\n\"\"\t-\n"},
		{Table, true, "SK  VALUE\na   1\n\"\"  -\n"},
		{JSON, true, "[{\"sk\":\"a\",\"value\":1},\n {\"sk\":\"\",\"value\":null}]\n"},
		{JSONL, false, "{\"sk\":\"a\",\"value\":1}\n{\"sk\":\"\",\"value\":null}\n{\"end\":true,\"rows\":2}\n"},
		{CSV, false, "sk,value\na,1\n,\n"},
		{Raw, false, "one\n\n"},
	} {
		var out bytes.Buffer
		s := (Printer{&out, tc.format, tc.terminal}).Stream("sk", "value")
		err := errors.Join(s.Row([]byte("one"), "a", 1), s.Row(nil, "", nil), s.End(nil))
		if err != nil || out.String() != tc.want {
			t.Errorf("%s, terminal %v:\n%s\nwant\n%s\n%v", tc.format, tc.terminal, &out, tc.want, err)
		}
	}
	s := (Printer{new(bytes.Buffer), Raw, true}).Stream("sk")
	if err := s.Row([]byte("\x1b[31m"), "a"); exit.Of(err) != exit.Refused {
		t.Errorf("raw bytes reach a terminal: %v", err)
	}
}

// More rows than the widths are taken from come as they are added.
func TestStreamOfManyRows(t *testing.T) {
	var out bytes.Buffer
	s := (Printer{&out, Table, true}).Stream("n")
	for i := range widthRows + 1 {
		if err := s.Row(nil, i); err != nil {
			t.Fatal(err)
		}
	}
	if lines := bytes.Count(out.Bytes(), []byte("\n")); lines != widthRows+2 {
		t.Errorf("%d lines before the end", lines)
	}
}

// What has waited when a command fails is shown, and has no end.
func TestStreamThatFails(t *testing.T) {
	failed := errors.New("failed")
	for _, tc := range []struct {
		format   Format
		terminal bool
		want     string
	}{
		{Table, false, "sk\na\n"},
		{Table, true, "SK\na\n"},
		{JSON, true, "[{\"sk\":\"a\"}"},
		{JSONL, false, "{\"sk\":\"a\"}\n"},
		{CSV, false, "sk\na\n"},
		{Raw, false, "one\n"},
	} {
		var out bytes.Buffer
		s := (Printer{&out, tc.format, tc.terminal}).Stream("sk")
		err := s.Row([]byte("one"), "a")
		if err != nil || !errors.Is(s.End(failed), failed) || out.String() != tc.want {
			t.Errorf("%s, terminal %v: %q, want %q; %v", tc.format, tc.terminal, &out, tc.want, err)
		}
	}
	var out bytes.Buffer
	if err := (Printer{&out, Table, true}).Stream("sk").End(failed); !errors.Is(err, failed) || out.Len() > 0 {
		t.Errorf("%v, %q", err, &out)
	}
}
