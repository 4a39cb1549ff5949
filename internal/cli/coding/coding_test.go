package coding

import (
	"bytes"
	"strings"
	"testing"

	"github.com/pegasus-go/pegasus/internal/cli/esc"
	"pgregory.net/rapid"
)

// What a coding shows of bytes stands for these bytes.
func TestRoundTrip(t *testing.T) {
	for _, c := range All {
		rapid.Check(t, func(t *rapid.T) {
			b := rapid.SliceOf(rapid.Byte()).Draw(t, "bytes")
			switch c.Name {
			case "utf8":
				b = []byte(rapid.StringMatching(`[a-zé漢 \\]*`).Draw(t, "text"))
			case "json", "zstd":
				return // have tests of their own
			case "int32":
				b = rapid.SliceOfN(rapid.Byte(), 4, 4).Draw(t, "bytes")
			case "int64":
				b = rapid.SliceOfN(rapid.Byte(), 8, 8).Draw(t, "bytes")
			}
			s, err := c.Format(b)
			if err != nil {
				t.Fatal(err)
			}
			if again, err := c.Parse(s); err != nil || !bytes.Equal(again, b) {
				t.Fatalf("%s: %q became %q, and that %q, %v", c.Name, b, s, again, err)
			}
		})
	}
}

func TestRefused(t *testing.T) {
	for _, tc := range []struct{ name, text string }{
		{"esc", `\q`},
		{"utf8", "\xff"},
		{"hex", "0"},
		{"hex", "zz"},
		{"base64", "a"},
		{"int32", "2147483648"},
		{"int32", ""},
		{"json", ""},
		{"json", "{} {}"},
		{"json", "\"\xff\""},
		{"javabytes", "128"},
		{"javabytes", "1,,2"},
		{"javabytes", "[1"},
		{"zstd", `\q`},
		{"int64", "1.5"},
		{"int64", "9223372036854775808"},
	} {
		c, err := named(tc.name)
		if err != nil {
			t.Fatal(err)
		}
		if b, err := c.Parse(tc.text); err == nil {
			t.Errorf("%s: %q is %q", tc.name, tc.text, b)
		}
	}
	utf8, _ := named("utf8")
	for _, text := range []string{"a\nb", "\x1b[31m", "\u202e"} {
		if s, err := utf8.Format([]byte(text)); err == nil {
			t.Errorf("utf8: %q is shown as %q", text, s)
		}
	}
	for _, name := range []string{"int32", "int64"} {
		c, _ := named(name)
		if s, err := c.Format([]byte("abc")); err == nil {
			t.Errorf("%s: three bytes are %q", name, s)
		}
	}
}

func TestRow(t *testing.T) {
	r := NewRow()
	if err := r.Set("value=hex,hash=int64"); err != nil || r.String() != "hash=int64,sort=esc,value=hex" {
		t.Errorf("%s, %v", r.String(), err)
	}
	for _, s := range []string{"", "hex", "hash=", "hash=rot13", "key=hex", "hash=hex,hash=hex", "hash=hex,"} {
		if err := r.Set(s); err == nil {
			t.Errorf("%q is %s", s, r.String())
		}
	}
	if r.String() != "hash=int64,sort=esc,value=hex" {
		t.Errorf("a refused text left %s", r.String())
	}
}

// These stand for the same document, and the same bytes compressed.
func TestMeaning(t *testing.T) {
	for _, tc := range []struct{ name, text, shown string }{
		{"json", " {\"b\": [1.0, null],\n\"a\":\"é\"} ", `{"b":[1.0,null],"a":"é"}`},
		{"json", "\"\u202e\U000e0001\u007f\\n\"", `"\u202e\udb40\udc01\u007f\n"`},
		{"zstd", `a\x00` + strings.Repeat("b", 100), `a\x00` + strings.Repeat("b", 100)},
		{"javabytes", "[1, -2]", "1,-2"},
		{"javabytes", "[]", ""},
	} {
		c, err := named(tc.name)
		if err != nil {
			t.Fatal(err)
		}
		for text := range strings.SplitSeq(tc.text+"\a"+tc.shown, "\a") { // what is shown can be typed
			b, err := c.Parse(text)
			if err != nil {
				t.Errorf("%s: %s: %v", tc.name, text, err)
			}
			if got, err := c.Format(b); got != tc.shown || err != nil {
				t.Errorf("%s: %s is shown as %s, %v", tc.name, text, got, err)
			}
		}
	}
}

// Bytes of any kind are shown in a form that is safe, or refused.
func FuzzFormat(f *testing.F) {
	f.Add([]byte(`{"a":"\u202e"}`))
	f.Add([]byte("\x28\xb5\x2f\xfd\x20\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, c := range All {
			s, err := c.Format(b)
			if err != nil {
				s = err.Error()
			}
			if esc.Message(s) != s {
				t.Errorf("%s shows %q of %q", c.Name, s, b)
			}
		}
	})
}
