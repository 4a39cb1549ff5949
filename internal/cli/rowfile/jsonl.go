package rowfile

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"unicode/utf8"

	"github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/internal/cli/coding"
)

// jsonl is JSON Lines: a header {"v":1,...}, a line for each row as scan prints it, and a
// footer {"end":true,...}. A file without a header is one of scan.
type jsonl struct {
	codings rowCodings
	lines   *lines
	first   []byte // a line that was read and is no header
}

// jsonLine has the fields of all lines. Which are there tells what a line is.
type jsonLine struct {
	V          *int    `json:"v,omitempty"`
	Rows       *int64  `json:"rows,omitempty"`
	Table      *string `json:"table,omitempty"`
	TableID    *int    `json:"table_id,omitempty"`
	Partitions *int    `json:"partitions,omitempty"`
	Enc        *string `json:"enc,omitempty"`
	Time       *string `json:"time,omitempty"`
	HK         *string `json:"hk,omitempty"`
	SK         *string `json:"sk,omitempty"`
	Value      *string `json:"value,omitempty"`
	Expires    *string `json:"expires,omitempty"`
	End        *bool   `json:"end,omitempty"`
	Sum        *string `json:"sum,omitempty"`
}

func (j *jsonl) header(dst []byte, h *Header) []byte {
	v, enc, at := Version, h.Codings.String(), timeText(h.Time)
	b, _ := json.Marshal(jsonLine{V: &v, Table: &h.Table, TableID: &h.TableID, Partitions: &h.Partitions, Enc: &enc, Time: &at}) // text and numbers
	return append(append(dst, b...), '\n')
}

func (j *jsonl) row(dst []byte, r *pegasus.Row) ([]byte, error) {
	texts, err := j.codings.format(r)
	if err != nil {
		return dst, err
	}
	dst = appendString(append(dst, `{"hk":`...), texts[0])
	dst = appendString(append(dst, `,"sk":`...), texts[1])
	dst = appendString(append(dst, `,"value":`...), texts[2])
	if r.Expires.IsZero() {
		return append(dst, ",\"expires\":null}\n"...), nil
	}
	dst = append(dst, `,"expires":"`...)
	return append(dst, timeText(r.Expires)+"\"}\n"...), nil
}

// appendString appends UTF-8 text as JSON.
func appendString(dst []byte, s string) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c < ' ' || c == 0x7f:
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		default:
			dst = append(dst, c)
		}
	}
	return append(dst, '"')
}

func (j *jsonl) footer(dst []byte, f Footer) []byte {
	return fmt.Appendf(dst, "{\"end\":true,\"rows\":%d,\"sum\":\"%016x\"}\n", f.Rows, f.Sum)
}

func newJSONL(r io.Reader, codings coding.Row) decoder {
	return &jsonlReader{jsonl{codings: rowCodings{codings}, lines: newLines(r)}}
}

type jsonlReader struct{ jsonl }

func (j *jsonlReader) header() (*Header, error) {
	text, err := j.lines.next()
	if err == io.EOF {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	line, err := parseLine(text)
	if err != nil {
		if err = j.lines.wrap(text, err); errors.As(err, new(*RowError)) {
			j.first, err = bytes.Clone(text), nil // a row like others
		}
		return nil, err
	}
	if line.V == nil {
		j.first = bytes.Clone(text)
		return nil, nil
	}
	if *line.V != Version {
		return nil, fmt.Errorf("it is of version %d, which this program does not know", *line.V)
	}
	if line.Enc == nil || line.HK != nil || line.End != nil {
		return nil, j.lines.wrap(text, errors.New("this is no header"))
	}
	h := &Header{Codings: coding.NewRow()}
	if err := h.Codings.Set(*line.Enc); err != nil {
		return nil, j.lines.wrap(text, err)
	}
	if line.Table != nil {
		h.Table = *line.Table
	}
	if line.TableID != nil {
		h.TableID = *line.TableID
	}
	if line.Partitions != nil {
		h.Partitions = *line.Partitions
	}
	j.codings = rowCodings{h.Codings}
	return h, nil
}

// parseLine refuses what would be read as something else than it says.
func parseLine(text []byte) (*jsonLine, error) {
	if !utf8.Valid(text) {
		return nil, errors.New("it is not UTF-8")
	}
	var line jsonLine
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&line); err != nil {
		return nil, err
	}
	if d.More() {
		return nil, errors.New("there is more behind the object")
	}
	return &line, nil
}

func (j *jsonlReader) next(row *pegasus.Row) (*Footer, error) {
	text := j.first
	j.first = nil
	if text == nil {
		var err error
		if text, err = j.lines.next(); err != nil {
			return nil, err
		}
	}
	f, err := j.parse(row, text)
	return f, j.lines.wrap(text, err)
}

func (j *jsonlReader) parse(row *pegasus.Row, text []byte) (*Footer, error) {
	if texts, expires, ok := quick(text); ok && utf8.Valid(text) {
		return nil, j.codings.parse(row, texts, expires)
	}
	line, err := parseLine(text)
	if err != nil {
		return nil, err
	}
	isRow := line.HK != nil && line.SK != nil && line.Value != nil
	switch {
	case line.V != nil || line.Table != nil || line.TableID != nil || line.Partitions != nil || line.Enc != nil || line.Time != nil:
		return nil, errors.New("a header in the middle")
	case isRow && line.End == nil && line.Rows == nil && line.Sum == nil:
		expires := ""
		if line.Expires != nil {
			expires = *line.Expires
			if expires == "" {
				return nil, errors.New("expires: is empty; null is none")
			}
		}
		return nil, j.codings.parse(row, [3]string{*line.HK, *line.SK, *line.Value}, expires)
	case line.End == nil || !*line.End || line.HK != nil || line.SK != nil || line.Value != nil || line.Expires != nil:
		return nil, errors.New(`a row has "hk", "sk" and "value"`)
	case line.Rows == nil:
		return nil, errors.New(`the footer lacks "rows"`)
	}
	f := &Footer{Rows: *line.Rows}
	if line.Sum == nil { // of scan
		return f, errNoSum
	}
	if f.Sum, err = strconv.ParseUint(*line.Sum, 16, 64); err != nil || len(*line.Sum) != 16 {
		return nil, fmt.Errorf("%w: the checksum is %q", ErrDamaged, *line.Sum)
	}
	return f, nil
}

// errNoSum comes with a footer that has the number of rows only.
var errNoSum = errors.New("the footer has no checksum")
