package output

import (
	"strings"

	width "github.com/jedib0t/go-pretty/v6/text"
	"github.com/pegasus-go/pegasus/internal/cli/exit"
)

// Column is a column of a Live list, and its least width on a terminal. Numbers are at
// the right of it.
type Column struct {
	Name  string
	Width int
	Right bool
}

// Live prints records that go on until somebody stops it, each at once.
type Live struct {
	p       Printer
	columns []Column
	rows    int
}

// headEvery is how many records a head is repeated after on a terminal.
const headEvery = 20

// Live returns a Live list. It has no end that JSON could close an array at.
func (p Printer) Live(columns ...Column) (*Live, error) {
	switch p.Format {
	case JSON, Raw:
		return nil, exit.Errorf(exit.Usage, "-o %s is for what ends by itself; this has table, jsonl and csv", p.Format)
	}
	return &Live{p: p, columns: columns}, nil
}

// Row prints a record.
func (l *Live) Row(values ...any) error {
	var b []byte
	names := make([]string, len(l.columns))
	for i, c := range l.columns {
		names[i] = c.Name
	}
	switch l.p.Format {
	case JSONL:
		fields := make([]Field, len(values))
		for i, v := range values {
			fields[i] = Field{names[i], v}
		}
		o, err := object(fields)
		if err != nil {
			return err
		}
		b = append(o, '\n')
	case CSV:
		if l.rows == 0 {
			b = csvRecord(b, names)
		}
		record := make([]string, len(values))
		for i, v := range values {
			record[i] = text(v)
		}
		b = csvRecord(b, record)
	default:
		if l.rows == 0 || l.p.Terminal && l.rows%headEvery == 0 {
			b = l.line(b, names, true)
		}
		b = l.line(b, cells(values), false)
	}
	l.rows++
	return l.p.write(b)
}

func (l *Live) line(b []byte, cells []string, head bool) []byte {
	if !l.p.Terminal {
		return append(b, strings.Join(cells, "\t")+"\n"...)
	}
	var line strings.Builder
	for i, c := range cells {
		if head {
			c = strings.ToUpper(c)
		}
		pad := strings.Repeat(" ", max(0, l.columns[i].Width-width.StringWidthWithoutEscSequences(c)))
		if l.columns[i].Right {
			line.WriteString(pad + c + "  ")
		} else {
			line.WriteString(c + pad + "  ")
		}
	}
	return append(b, strings.TrimRight(line.String(), " ")+"\n"...)
}
