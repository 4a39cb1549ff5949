package pegasus

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/pegasus-go/pegasus/internal/route"
	"pgregory.net/rapid"
)

func testQuery() query {
	return newQuery(cursorOfScan).bytes([]byte("h"), nil).flags(true, false).filter(&Filter{Type: FilterTypeMatchPrefix, Pattern: []byte("p")})
}

func TestCursorParts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var parts []part
		for range rapid.IntRange(0, 4).Draw(t, "parts") {
			p := part{start: firstKey, inclusive: true}
			p.Modulus = rapid.Int32Range(1, 1<<20).Draw(t, "modulus")
			p.Index = rapid.Int32Range(0, p.Modulus-1).Draw(t, "index")
			if rapid.Bool().Draw(t, "begun") {
				p.start, p.inclusive = rapid.SliceOfN(rapid.Byte(), 2, 8).Draw(t, "start"), false
			}
			parts = append(parts, p)
		}
		id := rapid.Int32Range(1, 1<<31-1).Draw(t, "id")
		c := encodeCursor(cursorOfScan, testQuery(), appendParts(nil, id, parts))
		payload, err := c.decode(cursorOfScan, testQuery())
		if err != nil {
			t.Fatal(err)
		}
		appID, got, err := decodeParts(payload)
		if err != nil || appID != id || !slices.EqualFunc(got, parts, func(a, b part) bool {
			return a.Range == b.Range && string(a.start) == string(b.start) && a.inclusive == b.inclusive
		}) {
			t.Fatalf("%d %+v, %v; want %d %+v", appID, got, err, id, parts)
		}
		// Any other character is noticed.
		i := rapid.IntRange(0, len(c)-1).Draw(t, "character")
		other := []byte(c)
		other[i] = rapid.SampledFrom([]byte("Ab0_!")).Draw(t, "other")
		if string(other) != string(c) {
			if payload2, err := Cursor(other).decode(cursorOfScan, testQuery()); err == nil && string(payload2) != string(payload) {
				t.Fatalf("%q is taken for %q", other, c)
			}
		}
	})
}

// Cursors of the first version can be read for ever.
func TestCursorGolden(t *testing.T) {
	parts := []part{
		{Range: route.Range{Index: 1, Modulus: 4}, start: []byte("\x00\x01hs"), inclusive: false},
		{Range: route.Range{Index: 3, Modulus: 4}, start: firstKey, inclusive: true},
	}
	page := newQuery(cursorOfPage).bytes([]byte("h"), nil, nil, []byte("p")).flags(false, false, true).filter(&Filter{})
	want := string(encodeCursor(cursorOfScan, testQuery(), appendParts(nil, 7, parts))) + "\n" + string(encodeCursor(cursorOfPage, page, []byte("sort key"))) + "\n"
	const name = "testdata/cursors-v1.txt"
	got, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("cursors are %q, and were %q", want, got)
	}
	lines := strings.Fields(string(got))
	payload, err := Cursor(lines[0]).decode(cursorOfScan, testQuery())
	if err != nil {
		t.Fatal(err)
	}
	if appID, p, err := decodeParts(payload); appID != 7 || len(p) != 2 || string(p[0].start) != "\x00\x01hs" || err != nil {
		t.Errorf("%d %+v %v", appID, p, err)
	}
	if last, err := Cursor(lines[1]).decode(cursorOfPage, page); string(last) != "sort key" || err != nil {
		t.Errorf("%q, %v", last, err)
	}
}

func TestCursorTooNew(t *testing.T) {
	q := testQuery()
	c := encodeCursor(cursorOfScan, q, nil)
	raw := mustDecode(t, c)
	raw[0]++
	if _, err := seal(raw).decode(cursorOfScan, q); !errors.Is(err, ErrCursorTooNew) {
		t.Error(err)
	}
}

func FuzzCursor(f *testing.F) {
	f.Add(string(encodeCursor(cursorOfScan, testQuery(), appendParts(nil, 7, []part{{Range: route.Range{Index: 1, Modulus: 4}, start: []byte("\x00\x01hs")}}))))
	f.Fuzz(func(t *testing.T, text string) {
		payload, err := Cursor(text).decode(cursorOfScan, testQuery())
		if err == nil {
			_, _, err = decodeParts(payload)
		}
		if err != nil && !errors.Is(err, ErrCursorDamaged) && !errors.Is(err, ErrCursorMismatch) && !errors.Is(err, ErrCursorTooNew) {
			t.Error(err)
		}
		if _, parts, err := decodeParts([]byte(text)); err == nil {
			for _, p := range parts {
				if p.Modulus <= 0 || p.Index < 0 || p.Index >= p.Modulus {
					t.Errorf("%+v", p)
				}
			}
		}
	})
}

func mustDecode(t *testing.T, c Cursor) []byte {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(string(c))
	if err != nil {
		t.Fatal(err)
	}
	return b[:len(b)-4]
}

// seal makes a cursor of bytes without a checksum.
func seal(b []byte) Cursor {
	return Cursor(base64.RawURLEncoding.EncodeToString(binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b))))
}
