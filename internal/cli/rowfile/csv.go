package rowfile

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/internal/cli/coding"
)

// csvForm is CSV as scan prints it: the header names the columns, "hk:hex" one whose coding is
// not esc, and the footer is a record of three fields, "#end", the number of rows and the
// checksum.
type csvForm struct {
	codings rowCodings
	buf     bytes.Buffer
}

var csvColumns = [4]string{"hk", "sk", "value", "expires"}

const csvEnd = "#end"

func (c *csvForm) record(dst []byte, fields ...string) []byte {
	c.buf.Reset()
	w := csv.NewWriter(&c.buf)
	_ = w.Write(fields) // into memory
	w.Flush()
	return append(dst, c.buf.Bytes()...)
}

func (c *csvForm) header(dst []byte, h *Header) []byte {
	columns := csvColumns
	for i, p := range (&rowCodings{h.Codings}).parts(new(pegasus.Row)) {
		if p.coding.Name != coding.All[0].Name {
			columns[i] += ":" + p.coding.Name
		}
	}
	return c.record(dst, columns[:]...)
}

func (c *csvForm) row(dst []byte, r *pegasus.Row) ([]byte, error) {
	texts, err := c.codings.format(r)
	if err != nil {
		return dst, err
	}
	if i := strings.IndexByte(texts[0]+texts[1]+texts[2], '\r'); i >= 0 {
		return dst, errors.New("CSV has no carriage return in a field: use esc")
	}
	return c.record(dst, texts[0], texts[1], texts[2], timeText(r.Expires)), nil
}

func (c *csvForm) footer(dst []byte, f Footer) []byte {
	return c.record(dst, csvEnd, strconv.FormatInt(f.Rows, 10), fmt.Sprintf("%016x", f.Sum))
}

type csvReader struct {
	codings rowCodings
	r       *csv.Reader
	tail    *tail
}

// tail knows how a file ends.
type tail struct {
	r     io.Reader
	n     int64
	last  byte
	ended bool
}

func (t *tail) Read(b []byte) (int, error) {
	n, err := t.r.Read(b)
	if n > 0 {
		t.n, t.last = t.n+int64(n), b[n-1]
	}
	t.ended = t.ended || err == io.EOF
	return n, err
}

func newCSV(r io.Reader, codings coding.Row) decoder {
	t := &tail{r: r}
	c := &csvReader{rowCodings{codings}, csv.NewReader(t), t}
	c.r.FieldsPerRecord, c.r.ReuseRecord = -1, true
	return c
}

func (c *csvReader) header() (*Header, error) {
	record, err := c.r.Read()
	if err == io.EOF {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	h := &Header{Codings: coding.NewRow()}
	var enc []string
	for i, field := range record {
		name, code, coded := strings.Cut(field, ":")
		if len(record) != len(csvColumns) || name != csvColumns[i] || coded && i == 3 {
			return nil, c.wrap(fmt.Errorf("the first record names the columns, %s", strings.Join(csvColumns[:], ",")))
		}
		if coded {
			enc = append(enc, [3]string{"hash", "sort", "value"}[i]+"="+code)
		}
	}
	if len(enc) > 0 {
		if err := h.Codings.Set(strings.Join(enc, ",")); err != nil {
			return nil, c.wrap(err)
		}
		c.codings = rowCodings{h.Codings}
	}
	return h, nil
}

func (c *csvReader) next(row *pegasus.Row) (*Footer, error) {
	record, err := c.r.Read()
	if err != nil { // also a quote that nothing closes: it need not be in the last line
		return nil, err
	}
	if c.tail.ended && c.r.InputOffset() == c.tail.n && c.tail.last != '\n' {
		return nil, c.wrap(ErrCutLine)
	}
	if len(record) == 3 && record[0] == csvEnd {
		rows, err1 := strconv.ParseInt(record[1], 10, 64)
		sum, err2 := strconv.ParseUint(record[2], 16, 64)
		if err1 != nil || err2 != nil || len(record[2]) != 16 {
			return nil, c.wrap(fmt.Errorf("%w: the footer is %q", ErrDamaged, record))
		}
		return &Footer{Rows: rows, Sum: sum}, nil
	}
	if len(record) != len(csvColumns) {
		return nil, c.row(record, fmt.Errorf("there are %d fields, a row has %d", len(record), len(csvColumns)))
	}
	for _, field := range record {
		if !utf8.ValidString(field) {
			return nil, c.row(record, errors.New("it is not UTF-8"))
		}
	}
	if err := c.codings.parse(row, [3]string(record[:3]), record[3]); err != nil {
		return nil, c.row(record, err)
	}
	return nil, nil
}

func (c *csvReader) wrap(err error) error {
	line, _ := c.r.FieldPos(0)
	return fmt.Errorf("line %d: %w", line, err)
}

// row is the error of a record that is no row.
func (c *csvReader) row(record []string, err error) error {
	line, _ := c.r.FieldPos(0)
	return &RowError{int64(line), strings.TrimSuffix(string(new(csvForm).record(nil, record...)), "\n"), err}
}
