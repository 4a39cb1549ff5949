package coding

import (
	"bytes"
	"testing"

	"pgregory.net/rapid"
)

// What a coding shows of bytes stands for these bytes.
func TestRoundTrip(t *testing.T) {
	for _, c := range All {
		rapid.Check(t, func(t *rapid.T) {
			b := rapid.SliceOf(rapid.Byte()).Draw(t, "bytes")
			switch c.Name {
			case "utf8":
				b = []byte(rapid.StringMatching(`[a-zé漢 ]*`).Draw(t, "text"))
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
