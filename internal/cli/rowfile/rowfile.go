// Package rowfile is files of rows: JSON Lines, CSV and a compact binary form, plain or
// compressed. A file begins with a header and ends with a footer that has the number of rows
// and a checksum of them, so that a reader knows whether it has all.
package rowfile

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc64"
	"math"
	"strings"
	"time"

	"github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/internal/cli/coding"
)

// Version is that of the files that are written.
const Version = 1

// Header says where rows are from.
type Header struct {
	Table      string
	TableID    int
	Partitions int
	Time       time.Time
	Codings    coding.Row // of JSON Lines and CSV
}

// Footer says what a file has. Sum is that of Sums.
type Footer struct {
	Rows int64
	Sum  uint64
}

var (
	// ErrTruncated: the file ends without a footer, or amid a row.
	ErrTruncated = errors.New("it has no footer, so that rows may be missing")
	// ErrCutLine is ErrTruncated for a file that ends amid a line, which was not read.
	ErrCutLine = fmt.Errorf("%w: the last line has no end", ErrTruncated)
	// ErrDamaged: the rows are not those that were written.
	ErrDamaged = errors.New("it is damaged")
)

// The longest keys and values that are read.
const (
	maxHashKey = 1<<16 - 1
	maxPart    = 1 << 30
)

var table = crc64.MakeTable(crc64.ECMA)

// sums is the checksum of rows in their order, whatever the form of the file.
type sums struct {
	footer  Footer
	bytes   int64 // of keys and values
	scratch []byte
}

// add takes a row into account.
func (s *sums) add(r *pegasus.Row) {
	s.scratch = appendRow(s.scratch[:0], r)
	s.footer.Rows++
	s.footer.Sum = crc64.Update(s.footer.Sum, table, s.scratch)
	s.bytes += int64(len(r.HashKey) + len(r.SortKey) + len(r.Value))
}

// appendRow is the binary form of a row.
func appendRow(b []byte, r *pegasus.Row) []byte {
	expires := uint64(0)
	if !r.Expires.IsZero() {
		expires = uint64(r.Expires.Unix())
	}
	b = binary.AppendUvarint(b, expires)
	for _, part := range [][]byte{r.HashKey, r.SortKey, r.Value} {
		b = append(binary.AppendUvarint(b, uint64(len(part))), part...)
	}
	return b
}

// Format is a form of rows.
type Format string

// The forms.
const (
	JSONL  Format = "jsonl"
	CSV    Format = "csv"
	Binary Format = "pgx"
)

// Set takes the name of a form.
func (f *Format) Set(s string) error {
	switch Format(s) {
	case JSONL, CSV, Binary:
		*f = Format(s)
		return nil
	}
	return fmt.Errorf("%q is none of jsonl, csv, pgx", s)
}

// Type names the kind of value in the help.
func (f *Format) Type() string { return "jsonl|csv|pgx" }

// String returns what Set takes.
func (f *Format) String() string { return string(*f) }

// Compression is how a file is compressed.
type Compression string

// The compressions.
const (
	Plain Compression = ""
	Zstd  Compression = "zst"
	Gzip  Compression = "gz"
)

// ByName returns what a file is by the end of its name; an empty Format for one that says
// nothing.
func ByName(name string) (Format, Compression) {
	c := Plain
	for _, known := range []Compression{Zstd, Gzip} {
		if rest, ok := strings.CutSuffix(name, "."+string(known)); ok {
			name, c = rest, known
			break
		}
	}
	for _, f := range []Format{JSONL, CSV, Binary} {
		if strings.HasSuffix(name, "."+string(f)) {
			return f, c
		}
	}
	return "", c
}

// encoder appends the parts of a file.
type encoder interface {
	header(dst []byte, h *Header) []byte
	row(dst []byte, r *pegasus.Row) ([]byte, error)
	footer(dst []byte, f Footer) []byte
}

// decoder reads them. next fills row, whose bytes are valid until the next call, or returns
// the footer; io.EOF if there is none.
type decoder interface {
	header() (*Header, error)
	next(row *pegasus.Row) (*Footer, error)
}

// checkRow refuses what can be no row of a table.
func checkRow(r *pegasus.Row) error {
	switch {
	case len(r.HashKey) == 0:
		return errors.New("the hash key is empty")
	case len(r.HashKey) > maxHashKey:
		return fmt.Errorf("the hash key has %d bytes, the limit is %d", len(r.HashKey), maxHashKey)
	}
	return nil
}

// rowCodings turns the parts of a row into text and back.
type rowCodings struct{ coding.Row }

// format returns the text of the three parts. What would not be read as the same bytes is an
// error, of codings that are not for all bytes.
func (c rowCodings) format(r *pegasus.Row) (texts [3]string, err error) {
	for i, p := range c.parts(r) {
		if texts[i], err = p.coding.Format(*p.bytes); err != nil {
			return texts, fmt.Errorf("%s: %w", p.name, err)
		}
		if p.coding.Name == coding.All[0].Name {
			continue
		}
		if back, err := p.coding.Parse(texts[i]); err != nil || string(back) != string(*p.bytes) {
			return texts, fmt.Errorf("%s: %s cannot be written as %s and read again: use esc", p.name, texts[i], p.coding.Name)
		}
	}
	return texts, nil
}

// parse fills a row.
func (c rowCodings) parse(r *pegasus.Row, texts [3]string, expires string) (err error) {
	for i, p := range c.parts(r) {
		if *p.bytes, err = p.coding.Parse(texts[i]); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
	}
	r.Expires = time.Time{}
	if expires != "" {
		if r.Expires, err = time.Parse(time.RFC3339, expires); err != nil {
			return fmt.Errorf("expires: %q is no time such as 2026-01-02T03:04:05Z", expires)
		}
		if at := r.Expires.Unix(); at <= 0 || at > math.MaxUint32 || r.Expires.Nanosecond() != 0 {
			return fmt.Errorf("expires: %q is no whole second from 1970 to 2106", expires)
		}
	}
	return checkRow(r)
}

type part struct {
	name   string
	coding *coding.Coding
	bytes  *[]byte
}

func (c *rowCodings) parts(r *pegasus.Row) [3]part {
	return [3]part{{"hk", &c.Hash, &r.HashKey}, {"sk", &c.Sort, &r.SortKey}, {"value", &c.Value, &r.Value}}
}

// timeText is a time as it is written, "" for none.
func timeText(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}
