// Package output prints what a command has found: as a table, as JSON, as CSV or
// as it is.
package output

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	width "github.com/jedib0t/go-pretty/v6/text"
	"github.com/pegasus-go/pegasus/internal/cli/esc"
	"github.com/pegasus-go/pegasus/internal/cli/exit"
)

// Format is the value of --output.
type Format string

// The formats. Table is text for people; where Out is no terminal its columns
// are separated by tabs.
const (
	Table Format = "table"
	JSON  Format = "json"
	JSONL Format = "jsonl"
	CSV   Format = "csv"
	Raw   Format = "raw"
)

// Set takes the name of a format.
func (f *Format) Set(s string) error {
	switch Format(s) {
	case Table, JSON, JSONL, CSV, Raw:
		*f = Format(s)
		return nil
	}
	return fmt.Errorf("%q is none of table, json, jsonl, csv, raw", s)
}

// Type names the kind of value in the help.
func (f *Format) Type() string { return "table|json|jsonl|csv|raw" }

// String returns what Set takes.
func (f *Format) String() string { return string(*f) }

// Printer prints in a format.
type Printer struct {
	Out      io.Writer
	Format   Format
	Terminal bool // whether Out is one
}

// Escaped is text that is fit for a screen already, such as a value in a coding.
type Escaped string

// Field is a named value of a record: a string, an Escaped, a number, a bool,
// or nil for what is not known.
type Field struct {
	Name  string
	Value any
}

// One prints a record with one main value: text is what a table shows of it, and
// raw what Raw prints, with nothing behind it.
func (p Printer) One(text string, raw []byte, fields ...Field) error {
	switch p.Format {
	case Table:
		return p.write([]byte(text + "\n"))
	case Raw:
		if p.Terminal && esc.Format(raw) != string(raw) {
			return exit.Errorf(exit.Refused, "the value could drive the terminal: leave -o raw out, or send it to a file")
		}
		return p.write(raw)
	case CSV:
		names, values := make([]string, len(fields)), make([]any, len(fields))
		for i, f := range fields {
			names[i], values[i] = f.Name, f.Value
		}
		return p.csv(names, [][]any{values})
	}
	b, err := object(fields)
	if err != nil {
		return err
	}
	return p.write(append(b, '\n'))
}

// List prints records with the same columns. Raw is not for it.
func (p Printer) List(columns []string, rows [][]any) error {
	switch p.Format {
	case CSV:
		return p.csv(columns, rows)
	case JSON, JSONL:
		return p.objects(columns, rows)
	case Raw:
		return exit.Errorf(exit.Usage, "-o raw prints one value; a list has table, json, jsonl and csv")
	}
	if !p.Terminal {
		var s strings.Builder
		s.WriteString(strings.Join(columns, "\t") + "\n")
		for _, row := range rows {
			s.WriteString(strings.Join(cells(row), "\t") + "\n")
		}
		return p.write([]byte(s.String()))
	}
	w := table.NewWriter()
	style := table.StyleDefault
	style.Options = table.OptionsNoBordersAndSeparators
	style.Box.PaddingLeft, style.Box.PaddingRight = "", "  "
	w.SetStyle(style)
	w.SuppressTrailingSpaces()
	w.AppendHeader(tableRow(columns))
	for _, row := range rows {
		w.AppendRow(tableRow(cells(row)))
	}
	return p.write([]byte(w.Render() + "\n"))
}

// Stream prints records as they come. End ends it.
type Stream struct {
	p       Printer
	columns []string
	rows    int64
	first   [][]string // of a table on a terminal, until the widths are known
	widths  []int
	buf     []byte
}

// Records of a table on a terminal that its widths are of, and bytes that are written at
// once where nobody watches.
const (
	widthRows  = 500
	streamSize = 32 << 10
)

// Stream returns a Stream of records with these columns.
func (p Printer) Stream(columns ...string) *Stream {
	s := &Stream{p: p, columns: columns}
	switch {
	case p.Format == CSV:
		s.buf = csvRecord(s.buf, columns)
	case p.Format == JSON:
		s.buf = append(s.buf, '[')
	case p.Format == Table && !p.Terminal:
		s.buf = append(s.buf, strings.Join(columns, "\t")+"\n"...)
	}
	return s
}

// Row adds a record. raw is what Raw prints of it, with a newline.
func (s *Stream) Row(raw []byte, values ...any) error {
	s.rows++
	switch s.p.Format {
	case Raw:
		if s.p.Terminal && esc.Format(raw) != string(raw) {
			return exit.Errorf(exit.Refused, "a value could drive the terminal: leave -o raw out, or send it to a file")
		}
		s.buf = append(append(s.buf, raw...), '\n')
	case CSV:
		record := make([]string, len(values))
		for i, v := range values {
			record[i] = text(v)
		}
		s.buf = csvRecord(s.buf, record)
	case JSON, JSONL:
		if err := s.object(values); err != nil {
			return err
		}
	default:
		s.tableRow(cells(values))
	}
	if len(s.buf) > 0 && (s.p.Terminal || len(s.buf) >= streamSize) {
		return s.flush()
	}
	return nil
}

func (s *Stream) object(values []any) error {
	fields := make([]Field, len(values))
	for i, v := range values {
		fields[i] = Field{s.columns[i], v}
	}
	b, err := object(fields)
	if err != nil {
		return err
	}
	if s.p.Format == JSON && s.rows > 1 {
		s.buf = append(s.buf, ",\n "...)
	}
	s.buf = append(s.buf, b...)
	if s.p.Format == JSONL {
		s.buf = append(s.buf, '\n')
	}
	return nil
}

func (s *Stream) tableRow(cells []string) {
	switch {
	case !s.p.Terminal:
		s.buf = append(s.buf, strings.Join(cells, "\t")+"\n"...)
	case s.widths != nil:
		s.line(cells)
	default:
		if s.first = append(s.first, cells); len(s.first) == widthRows {
			s.head()
		}
	}
}

// head prints what has waited for the widths.
func (s *Stream) head() {
	head := make([]string, len(s.columns))
	for i, c := range s.columns {
		head[i] = strings.ToUpper(c)
	}
	lines := append([][]string{head}, s.first...)
	s.widths = make([]int, len(head))
	for _, cells := range lines {
		for i, c := range cells {
			s.widths[i] = max(s.widths[i], width.StringWidthWithoutEscSequences(c))
		}
	}
	for _, cells := range lines {
		s.line(cells)
	}
	s.first = nil
}

func (s *Stream) line(cells []string) {
	var b strings.Builder
	for i, c := range cells {
		b.WriteString(width.Pad(c, s.widths[i], ' ') + "  ")
	}
	s.buf = append(s.buf, strings.TrimRight(b.String(), " ")+"\n"...)
}

// End ends the output of a command that ends with err. If that is nil it prints the end,
// too: JSONL has a line that says how many records there were, without which a reader knows
// that some are missing, as JSON without its bracket does. more is what else that line says. What
// has waited is shown either way.
func (s *Stream) End(err error, more ...Field) error {
	if err == nil {
		return s.close(more)
	}
	if len(s.first) > 0 {
		s.head()
	}
	return errors.Join(err, s.flush())
}

// close prints what is left, and the end.
func (s *Stream) close(more []Field) error {
	switch {
	case s.p.Format == JSON:
		s.buf = append(s.buf, "]\n"...)
	case s.p.Format == JSONL:
		b, err := object(append([]Field{{"end", true}, {"rows", s.rows}}, more...))
		if err != nil {
			return err
		}
		s.buf = append(append(s.buf, b...), '\n')
	case s.p.Format == Table && s.p.Terminal && s.widths == nil:
		s.head()
	}
	return s.flush()
}

// flush prints what was added.
func (s *Stream) flush() error {
	b := s.buf
	s.buf = s.buf[:0]
	return s.p.write(b)
}

func csvRecord(b []byte, record []string) []byte {
	var buf bytes.Buffer
	w := csv.NewWriter(&buf)
	_ = w.Write(record) // into memory
	w.Flush()
	return append(b, buf.Bytes()...)
}

func tableRow(cells []string) table.Row {
	row := make(table.Row, len(cells))
	for i, c := range cells {
		row[i] = c
	}
	return row
}

// cells returns what a screen shows of values: "-" for what is not known.
func cells(values []any) []string {
	s := make([]string, len(values))
	for i, v := range values {
		switch s[i] = text(v); {
		case v == nil:
			s[i] = "-"
		case s[i] == "":
			s[i] = `""`
		}
	}
	return s
}

// text returns a value in a form that drives no terminal; "" for nil.
func text(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case Escaped:
		return string(v)
	}
	return esc.Text(fmt.Sprint(v))
}

func (p Printer) csv(columns []string, rows [][]any) error {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	_ = w.Write(columns) // into memory
	for _, row := range rows {
		record := make([]string, len(row))
		for i, v := range row {
			record[i] = text(v)
		}
		_ = w.Write(record)
	}
	w.Flush()
	return p.write(b.Bytes())
}

// objects prints an array of objects, or with JSONL a line for each.
func (p Printer) objects(columns []string, rows [][]any) error {
	lines := make([][]byte, len(rows))
	for i, row := range rows {
		fields := make([]Field, len(row))
		for j, v := range row {
			fields[j] = Field{columns[j], v}
		}
		var err error
		if lines[i], err = object(fields); err != nil {
			return err
		}
	}
	if p.Format == JSON {
		return p.write([]byte("[" + string(bytes.Join(lines, []byte(",\n "))) + "]\n"))
	}
	var b []byte
	for _, line := range lines {
		b = append(append(b, line...), '\n')
	}
	return p.write(b)
}

// object returns a JSON object whose fields are in their order.
func object(fields []Field) ([]byte, error) {
	b := []byte{'{'}
	for i, f := range fields {
		if i > 0 {
			b = append(b, ',')
		}
		for j, v := range []any{f.Name, f.Value} {
			if j > 0 {
				b = append(b, ':')
			}
			var text bytes.Buffer
			e := json.NewEncoder(&text)
			e.SetEscapeHTML(false)
			if err := e.Encode(v); err != nil {
				return nil, err
			}
			b = append(b, esc.JSON(bytes.TrimSpace(text.Bytes()))...)
		}
	}
	return append(b, '}'), nil
}

func (p Printer) write(b []byte) error {
	_, err := p.Out.Write(b)
	return err
}
