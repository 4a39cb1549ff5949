package cli

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

func TestPager(t *testing.T) {
	var out, talk bytes.Buffer
	keys := ""
	p := &pager{w: &out, talk: &talk, size: func() (int, int) { return 10, 4 }, key: func() byte {
		k := keys[0] // too many questions panic
		keys = keys[1:]
		return k
	}}
	show := func(text string, answers string) (string, error) {
		out.Reset()
		talk.Reset()
		keys = answers
		p.prompt()
		_, err := p.Write([]byte(text))
		if keys != "" || strings.Count(talk.String(), moreText) != len(answers) {
			t.Errorf("%q: asked %q, and %q was not needed", text, &talk, keys)
		}
		return out.String(), err
	}
	for _, tc := range []struct{ text, answers, want string }{
		{"1\n2\n3\n", "", "1\n2\n3\n"},
		{"1\n2\n3\n4", " ", "1\n2\n3\n4"},
		// Behind a line without an end.
		{"1\n2\n3\n4\n5\n6\n7\n", " \r", "\n1\n2\n3\n4\n5\n6\n7\n"},
		// Lines of two rows.
		{"123456789012345\n12345678901234567890\n3\n", " ", "123456789012345\n12345678901234567890\n3\n"},
		{"1\n2\n3\n4\n5\n", "q", "1\n2\n3\n"},
		{"1\n2\n3\n4\n5\n", "\x03", "1\n2\n3\n"},
		{"after that\n", "", "after that\n"},
	} {
		got, err := show(tc.text, tc.answers)
		if got != tc.want {
			t.Errorf("%q: %q, want %q", tc.text, got, tc.want)
		}
		if stopped := strings.ContainsAny(tc.answers, "q\x03"); errors.Is(err, errNoReader) != stopped {
			t.Errorf("%q: %v", tc.text, err)
		}
	}
	if _, err := show("1\n2\n3\n4\n", "q"); err == nil {
		t.Error("no error")
	}
	if n, err := p.Write([]byte("more\n")); n != 0 || !errors.Is(err, errNoReader) {
		t.Errorf("after the end: %d, %v", n, err)
	}
}

// Rows are made once for each line, and no more than there are.
func TestRoom(t *testing.T) {
	var out bytes.Buffer
	r := &room{w: &out, size: func() (int, int) { return 100, 5 }}
	for _, tc := range []struct{ line, want string }{
		{"", "\n\n\x1b[2A"},
		{"get a b", ""},
		{strings.Repeat("x", 50), "\n\n\n\x1b[3A"},
		{strings.Repeat("x\n", 50), "\n\n\n\n\x1b[4A"},
		{strings.Repeat("x\n", 60), ""},
	} {
		if r.display([]rune(tc.line)) != tc.line || out.String() != tc.want {
			t.Errorf("%.20q: %q, want %q", tc.line, &out, tc.want)
		}
		out.Reset()
	}
	if r.begin(); out.String() != "\n\x1b[1A" {
		t.Errorf("at the beginning %q", &out)
	}
}
