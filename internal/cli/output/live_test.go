package output

import (
	"bytes"
	"strings"
	"testing"
)

func TestLive(t *testing.T) {
	for _, tc := range []struct {
		format   Format
		terminal bool
		want     string
	}{
		{Table, true, "WHO     N  WHAT\na       1  x\n\\x1b    -  \"\"\n"},
		{Table, false, "who\tn\twhat\na\t1\tx\n\\x1b\t-\t\"\"\n"},
		{CSV, false, "who,n,what\na,1,x\n\\x1b,,\n"},
		{JSONL, true, "{\"who\":\"a\",\"n\":1,\"what\":\"x\"}\n{\"who\":\"\\u001b\",\"n\":null,\"what\":\"\"}\n"},
	} {
		var b bytes.Buffer
		l, err := Printer{Out: &b, Format: tc.format, Terminal: tc.terminal}.Live(Column{Name: "who", Width: 5}, Column{Name: "n", Width: 2, Right: true}, Column{Name: "what"})
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range [][]any{{"a", 1, "x"}, {"\x1b", nil, ""}} {
			if err := l.Row(row...); err != nil {
				t.Fatal(err)
			}
		}
		if b.String() != tc.want {
			t.Errorf("%s: %q, want %q", tc.format, b.String(), tc.want)
		}
	}
	for _, f := range []Format{JSON, Raw} {
		if _, err := (Printer{Format: f}).Live(); err == nil {
			t.Errorf("%s has no end and was not refused", f)
		}
	}
}

// On a terminal the head comes again before it has gone.
func TestLiveHead(t *testing.T) {
	var b bytes.Buffer
	l, _ := Printer{Out: &b, Format: Table, Terminal: true}.Live(Column{Name: "n", Width: 3})
	for i := range 2*headEvery + 1 {
		_ = l.Row(i)
	}
	if n := strings.Count(b.String(), "N\n"); n != 3 {
		t.Errorf("%d heads, want 3", n)
	}
}
