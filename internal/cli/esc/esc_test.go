package esc

import (
	"bytes"
	"encoding/json"
	"slices"
	"testing"
	"unicode"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func TestFormat(t *testing.T) {
	for in, want := range map[string]string{
		"":               "",
		"user 7":         "user 7",
		"Zoë 漢字 😀":       "Zoë 漢字 😀",
		`a\b`:            `a\\b`,
		"\n\t\r":         `\n\t\r`,
		"\x00\x1b[31m":   `\x00\x1b[31m`,
		"\x7f":           `\x7f`,
		"\u0085\u009b":   `\xc2\x85\xc2\x9b`,           // C1
		"\u202eabc":      `\xe2\x80\xaeabc`,            // bidi
		"a\u200bb\ufeff": `a\xe2\x80\x8bb\xef\xbb\xbf`, // zero width
		"\u00a0\u3000":   `\xc2\xa0\xe3\x80\x80`,       // spaces
		"\ufe0f":         `\xef\xb8\x8f`,               // variation selector
		"\u3164":         `\xe3\x85\xa4`,               // Hangul filler
		"\xff\xc3":       `\xff\xc3`,
		"\xed\xa0\x80":   `\xed\xa0\x80`, // a surrogate
		"\ufffd":         "\ufffd",
	} {
		if got := Format([]byte(in)); got != want {
			t.Errorf("%q is %s, want %s", in, got, want)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for _, s := range []string{`\`, `a\`, `\x`, `\x0`, `\xg0`, `\x+1`, `\q`, `\0`, `\N`} {
		if b, err := Parse(s); err == nil {
			t.Errorf("%s is %q", s, b)
		}
	}
}

func FuzzFormat(f *testing.F) {
	for _, s := range []string{"", "a", `\x00`, "\x00\xff", "\u202e", "漢"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		s := Format(b)
		if got, err := Parse(s); err != nil || !bytes.Equal(got, b) {
			t.Fatalf("%q became %s, and that %q, %v", b, s, got, err)
		}
		if !utf8.ValidString(s) {
			t.Errorf("%q is not UTF-8", s)
		}
		for _, r := range s {
			if !unicode.IsPrint(r) {
				t.Errorf("%q has %U", s, r)
			}
		}
	})
}

// What is typed is taken or refused, and what is taken has one form.
func FuzzParse(f *testing.F) {
	for _, s := range []string{`\x00`, `\\`, `\`, "\xff", `\x+1`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		b, err := Parse(s)
		if err != nil {
			return
		}
		if again, err := Parse(Format(b)); err != nil || !bytes.Equal(again, b) {
			t.Errorf("%q is %q, and that %q, %v", s, b, again, err)
		}
	})
}

func TestMessage(t *testing.T) {
	for in, want := range map[string]string{
		"two\nlines, \"a\\x00\" quoted": "two\nlines, \"a\\x00\" quoted",
		"\x1b[31mred\r\u202e\xff":       `\x1b[31mred\r\xe2\x80\xae\xff`,
		"":                              "",
	} {
		if got := Message(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

// Strings of JSON mean the same, and drive no terminal.
func TestJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := []string{rapid.String().Draw(t, "text"), rapid.SampledFrom([]string{"", "\u009b31m", "\u202e", "\x7f", "\U000e0001", "漢\n"}).Draw(t, "unsafe")}
		b, err := json.MarshalIndent(want, "", " ")
		if err != nil {
			t.Fatal(err)
		}
		text := JSON(b)
		if Message(string(text)) != string(text) {
			t.Errorf("%q could drive a terminal", text)
		}
		var got []string
		if err := json.Unmarshal(text, &got); err != nil || !slices.Equal(got, want) {
			t.Errorf("%q became %q, %v", want, got, err)
		}
	})
}
