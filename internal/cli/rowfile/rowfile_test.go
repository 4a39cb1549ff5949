package rowfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/internal/cli/coding"
)

var (
	formats      = []Format{JSONL, CSV, Binary}
	compressions = []Compression{Plain, Zstd, Gzip}
)

func b(s string) []byte { return []byte(s) }

// some are rows with all that is difficult.
func some(n int) []pegasus.Row {
	rows := []pegasus.Row{
		{HashKey: b("#end"), SortKey: b(""), Value: b("")},
		{HashKey: b("\x00\xff\r\n\t\\"), SortKey: b("a,b\"c\""), Value: b("\x1b[31m"), Expires: time.Unix(2_000_000_000, 0)},
		{HashKey: b("漢字 é\u202e"), SortKey: b("{\"hk\":1}"), Value: b(" ")},
	}
	r := rand.New(rand.NewPCG(1, 2))
	for len(rows) < n {
		value := make([]byte, r.IntN(200))
		for i := range value {
			value[i] = byte(r.Uint32())
		}
		row := pegasus.Row{HashKey: fmt.Appendf(nil, "h%d", r.IntN(100)), SortKey: fmt.Appendf(nil, "s%d", len(rows)), Value: value}
		if r.IntN(2) == 0 {
			row.Expires = time.Unix(int64(1_800_000_000+r.IntN(1e8)), 0)
		}
		rows = append(rows, row)
	}
	return rows
}

func header(c coding.Row) Header {
	return Header{Table: "users", TableID: 7, Partitions: 8, Time: time.Unix(1_800_000_000, 0), Codings: c}
}

// file writes rows, in parts.
func file(t testing.TB, f Format, c Compression, codings coding.Row, rows []pegasus.Row, parts int) []byte {
	t.Helper()
	var out bytes.Buffer
	var at Position
	for i := range parts {
		w, err := NewWriter(&out, f, c, header(codings), at)
		if err != nil {
			t.Fatal(err)
		}
		if here, err := w.Position(); err != nil || i > 0 && here != at || here.Offset != int64(out.Len()) {
			t.Fatalf("%+v, %v, was %+v", here, err, at) // asking for it changes nothing
		}
		for _, row := range rows[i*len(rows)/parts : (i+1)*len(rows)/parts] {
			if err := w.Write(&row); err != nil {
				t.Fatal(err)
			}
		}
		if i == parts-1 {
			at, err = w.Close()
		} else {
			at, err = w.Position()
		}
		if err != nil || at.Offset != int64(out.Len()) {
			t.Fatalf("%+v, %v, and %d bytes", at, err, out.Len())
		}
	}
	return out.Bytes()
}

// read returns the rows of a file, and how it ends.
func read(in []byte) (rows []pegasus.Row, err error) {
	r, err := NewReader(bytes.NewReader(in), coding.NewRow())
	if err != nil {
		return nil, err
	}
	defer r.Close()
	for {
		var row pegasus.Row
		if err := r.Read(&row); err != nil {
			return rows, err
		}
		row.HashKey, row.SortKey, row.Value = bytes.Clone(row.HashKey), bytes.Clone(row.SortKey), bytes.Clone(row.Value)
		rows = append(rows, row)
	}
}

func same(a, b []pegasus.Row) bool {
	return slices.EqualFunc(a, b, func(a, b pegasus.Row) bool {
		return bytes.Equal(a.HashKey, b.HashKey) && bytes.Equal(a.SortKey, b.SortKey) && bytes.Equal(a.Value, b.Value) && a.Expires.Equal(b.Expires)
	})
}

// What is written is read, in all forms, also by several writers one after the other.
func TestRoundTrip(t *testing.T) {
	rows := some(3000)
	hex := coding.NewRow()
	if err := hex.Set("hash=hex,value=base64"); err != nil {
		t.Fatal(err)
	}
	for _, f := range formats {
		for _, c := range compressions {
			for _, codings := range []coding.Row{coding.NewRow(), hex} {
				for _, parts := range []int{1, 3} {
					in := file(t, f, c, codings, rows, parts)
					got, err := read(in)
					if err != io.EOF || !same(got, rows) {
						t.Errorf("%s %q %s in %d parts: %d rows, %v", f, c, &codings, parts, len(got), err)
					}
				}
			}
		}
	}
	for _, f := range formats {
		if got, err := read(file(t, f, Plain, coding.NewRow(), nil, 1)); len(got) > 0 || err != io.EOF {
			t.Errorf("an empty %s: %v", f, err)
		}
	}
	r, err := NewReader(bytes.NewReader(file(t, Binary, Zstd, coding.NewRow(), nil, 1)), coding.NewRow())
	if err != nil || r.Header.Table != "users" || r.Header.TableID != 7 || r.Header.Partitions != 8 {
		t.Errorf("%+v, %v", r.Header, err)
	}
	r.Close()
}

// step leaves out some bytes of compressed files, whose decoders take long to make.
func step(c Compression) int {
	if c == Plain {
		return 1
	}
	return 5
}

// A file that is cut anywhere is not taken for a whole one.
func TestTruncated(t *testing.T) {
	rows := some(5)
	for _, f := range formats {
		for _, c := range compressions {
			in := file(t, f, c, coding.NewRow(), rows, 2)
			last := len(in)
			if f == JSONL && c == Plain {
				last-- // the newline
			}
			for n := 0; n < last; n += step(c) {
				if got, err := read(in[:n]); err == io.EOF || err == nil {
					t.Errorf("%s %q: %d of %d bytes have %d rows and an end", f, c, n, len(in), len(got))
				}
			}
		}
	}
	in := file(t, CSV, Plain, coding.NewRow(), rows, 1)
	end := bytes.Index(in, b("#end,5"))
	if got, err := read(in[:end]); !errors.Is(err, ErrTruncated) || !same(got, rows) {
		t.Errorf("without the footer: %d rows, %v", len(got), err)
	}
}

// A file that is changed anywhere is not taken for one with other rows.
func TestDamaged(t *testing.T) {
	rows := some(5)
	for _, f := range formats {
		for _, c := range compressions {
			in := file(t, f, c, coding.NewRow(), rows, 2)
			for n := 0; n < len(in); n += step(c) {
				changed := bytes.Clone(in)
				changed[n] ^= 1 << (n % 8)
				if got, err := read(changed); err == io.EOF && !same(got, rows) {
					t.Errorf("%s %q: byte %d changed gives %d other rows", f, c, n, len(got))
				}
			}
		}
	}
	for _, f := range formats {
		in := file(t, f, Plain, coding.NewRow(), rows, 1)
		if _, err := read(append(bytes.Clone(in), "more"...)); err == io.EOF {
			t.Errorf("%s with more behind its footer", f)
		}
	}
}

// What scan prints can be read, and says what is wrong with it.
func TestByHand(t *testing.T) {
	for _, tc := range []struct {
		in   string
		rows int
		err  string // part of it
	}{
		{`{"hk":"a","sk":"","value":"1","expires":null}` + "\n" + `{"end":true,"rows":1}` + "\n", 1, "EOF"},
		{`{"hk":"a","sk":"","value":"1","expires":null}` + "\n" + `{"end":true,"rows":2}` + "\n", 1, "it has 1 rows, and had 2"},
		{`{"hk":"a","sk":"b","value":"1"}` + "\n", 1, "no footer"},
		{`{"hk":"a","sk":"b"}` + "\n", 0, `line 1: a row has "hk", "sk" and "value"`},
		{`{"hk":"","sk":"b","value":""}` + "\n", 0, "line 1: the hash key is empty"},
		{`{"hk":"a","sk":"b","value":"","ttl":5}` + "\n", 0, "ttl"},
		{`{"hk":"a","sk":"b","value":"","expires":""}` + "\n", 0, "null is none"},
		{`{"hk":"a","sk":"b","value":"","expires":"soon"}` + "\n", 0, `"soon" is no time`},
		{`{"hk":"a","sk":"b","value":"","expires":"2026-01-01T00:00:00.5Z"}` + "\n", 0, `no whole second`},
		{`{"hk":"a","sk":"b","value":"` + "\xff" + `"}` + "\n", 0, "not UTF-8"},
		{`{"hk":"a","sk":"b","value":"\\q"}` + "\n", 0, `value: \q stands for nothing`},
		{`{"hk":"a","sk":"b","value":"1"}{}` + "\n", 0, "more behind"},
		{`{"hk":"a","sk":"b","value":"1"}` + "\n" + `{"v":1,"enc":"hash=esc"}` + "\n", 1, "line 2: a header in the middle"},
		{`{"v":2,"enc":"hash=esc"}` + "\n", 0, "version 2"},
		{`{"v":1,"enc":"hash=rot13"}` + "\n", 0, "rot13"},
		{`{"v":1}` + "\n", 0, "no header"},
		{`{"hk":"a","sk":"b"` + "\n" + `{"hk":"a","sk":"b","value":"1"}` + "\n", 0, "line 1: the object has no end"},
		{`{"hk":"a","sk":"b","value":"1"}` + "\n" + `{"hk":"a"`, 1, "no footer"},
		{"nonsense\n", 0, "names the columns"},
		{`{"end":true}` + "\n", 0, `lacks "rows"`},
		{"hk,sk,value,expires\na,b,1,\n#end,1,0000000000000000\n", 1, "checksum"},
		{"hk,sk,value,expires\na,b,1\n", 0, "line 2: there are 3 fields"},
		{"hk,sk,value,expires\na,b,1,2026-01-01T00:00:00Z\na,b,1,2026", 1, "the last line has no end"},
		{"hk,sk,value,expires\n#end,x,y\n", 0, "footer"},
		{"hk,sk,value,expires\n\"a,b,1,\n", 0, "line 2"},
		{"hash,sort,value\n", 0, "names the columns, hk,sk,value,expires"},
		{"hk:hex,sk,value,expires\n6g,b,1,\n", 0, "line 2: hk: "},
		{"hk:none,sk,value,expires\n", 0, "none"},
		{"", 0, "no footer"},
		{magicName + "\x02", 0, "version 2"},
		{magic + "\x02{}r\x00\x00\x00\x00", 0, "row 1: the hash key is empty"},
		{magic + "\x02{}r\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 0, "overflow"},
		{magic + "\x02{}r\x00\xff\xff\xff\xff\x0f", 0, "a length of"},
		{magic + "\x02{}x", 0, "row 1: it begins with the byte 120"},
		{magic + "\x02{]", 0, "header"},
	} {
		rows, err := read([]byte(tc.in))
		if len(rows) != tc.rows || err == nil || !strings.Contains(err.Error(), tc.err) {
			t.Errorf("%q: %d rows, %v, want %d, %s", tc.in, len(rows), err, tc.rows, tc.err)
		}
	}
}

// Lines that are no rows can be left out, and are counted.
func TestReject(t *testing.T) {
	for _, in := range []string{
		`{"hk":"a"` + "\n" + `{"hk":"a","sk":"b","value":"1"}` + "\n" + `{"hk":"","sk":"b","value":"1"}` + "\n" + `{"end":true,"rows":3}` + "\n",
		"hk,sk,value,expires\na,b\na,b,1,\na,b,\\q,\n#end,3,5a7e5368d89ecf2d\n",
	} {
		for _, most := range []int{2, 1} {
			r, err := NewReader(strings.NewReader(in), coding.NewRow())
			if err != nil {
				t.Fatal(err)
			}
			var texts []string
			r.Reject = func(e *RowError) bool {
				texts = append(texts, e.Text)
				return len(texts) <= most
			}
			var row pegasus.Row
			rows := 0
			for err = r.Read(&row); err == nil; err = r.Read(&row) {
				rows++
			}
			if rows != 1 || len(texts) != 2 || (err == io.EOF) != (most == 2) || !strings.Contains(in, texts[0]+"\n") || !strings.Contains(in, texts[1]+"\n") {
				t.Errorf("%d rows, %q, %v", rows, texts, err)
			}
		}
	}
}

// What a coding cannot write and read again is refused.
func TestCodingThatLoses(t *testing.T) {
	c := coding.NewRow()
	if err := c.Set("value=utf8"); err != nil {
		t.Fatal(err)
	}
	for _, f := range []Format{JSONL, CSV} {
		w, err := NewWriter(io.Discard, f, Plain, header(c), Position{})
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Write(&pegasus.Row{HashKey: b("h"), Value: b(`plain é \`)}); err != nil {
			t.Error(err)
		}
		for _, v := range []string{"\xff", "a\nb"} {
			if err := w.Write(&pegasus.Row{HashKey: b("h"), Value: b(v)}); err == nil || !strings.Contains(err.Error(), "row 2: value: ") {
				t.Errorf("%s: %q: %v", f, v, err)
			}
		}
	}
}

// breaking fails once, as a disk that is full for a while.
type breaking struct {
	bytes.Buffer
	writes int
}

func (b *breaking) Write(p []byte) (int, error) {
	if b.writes++; b.writes == 2 {
		return 0, io.ErrShortWrite
	}
	return b.Buffer.Write(p)
}

// A writer that has failed has no position any more, since rows were lost.
func TestWriterThatFails(t *testing.T) {
	for _, c := range compressions {
		w, err := NewWriter(&breaking{}, Binary, c, header(coding.NewRow()), Position{})
		if err != nil {
			t.Fatal(err)
		}
		row := some(4)[3]
		_, first := w.Position()
		for range 5 {
			_ = w.Write(&row)
			_, err = w.Position()
		}
		if _, closed := w.Close(); err == nil || closed == nil {
			t.Errorf("%q: %v, %v, %v", c, first, err, closed)
		}
	}
}

func TestByName(t *testing.T) {
	type kind struct {
		f Format
		c Compression
	}
	for name, want := range map[string]kind{
		"a.jsonl": {JSONL, Plain}, "a.csv.gz": {CSV, Gzip}, "dir/a.b.pgx.zst": {Binary, Zstd}, "a.txt": {"", Plain}, "a.zst": {"", Zstd}, "jsonl": {"", Plain},
	} {
		if f, c := ByName(name); !reflect.DeepEqual(kind{f, c}, want) {
			t.Errorf("%s is %s %s", name, f, c)
		}
	}
	f := JSONL
	if f.Set("csv") != nil || f != CSV || f.Set("xml") == nil || f.String() != "csv" {
		t.Errorf("%s", f)
	}
}

// Any file is read without harm; one that is whole can be written again and is the same.
func FuzzReader(f *testing.F) {
	for _, format := range formats {
		for _, c := range compressions {
			f.Add(file(f, format, c, coding.NewRow(), some(4), 2))
		}
	}
	f.Add([]byte(`{"hk":"a","sk":"","value":"1","expires":null}` + "\n" + `{"end":true,"rows":1}` + "\n"))
	f.Add([]byte("hk:hex,sk,value:base64,expires\n61,b,MQ==,\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		rows, err := read(in)
		if err == nil {
			t.Fatal("no end")
		}
		if err != io.EOF {
			return
		}
		for _, format := range formats {
			if again, err := read(file(t, format, Plain, coding.NewRow(), rows, 1)); err != io.EOF || !same(again, rows) {
				t.Errorf("%s: %d of %d rows, %v", format, len(again), len(rows), err)
			}
		}
	})
}

// Where the quick way reads a line it reads what the other one does.
func FuzzQuick(f *testing.F) {
	for line := range bytes.Lines(file(f, JSONL, Plain, coding.NewRow(), some(5), 1)) {
		f.Add(string(bytes.TrimSpace(line)))
	}
	f.Add(`{"hk":"a\"\\","sk":"\u0041","value":"","expires":null}`)
	f.Add(`{"hk":"a","sk":"","value":"","expires":""}`)
	f.Fuzz(func(t *testing.T, text string) {
		texts, expires, ok := quick([]byte(text))
		if !ok || !utf8.ValidString(text) {
			return
		}
		line, err := parseLine([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if line.Expires == nil {
			line.Expires = new(string)
		}
		if *line.HK != texts[0] || *line.SK != texts[1] || *line.Value != texts[2] || *line.Expires != expires {
			t.Errorf("%q %q", texts, expires)
		}
	})
}
