package output

import (
	"bytes"
	"encoding/json"

	"github.com/pegasus-go/pegasus/internal/cli/esc"
	"github.com/pegasus-go/pegasus/internal/cli/exit"
)

// Document prints a report that is no list: text is what a table shows of it, JSON what v
// encodes to, and JSONL the same in one line. It has no other forms.
func (p Printer) Document(text string, v any) error {
	switch p.Format {
	case Table:
		return p.write([]byte(text))
	case JSON, JSONL:
		var b bytes.Buffer
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(false)
		if p.Format == JSON {
			e.SetIndent("", " ")
		}
		if err := e.Encode(v); err != nil {
			return err
		}
		return p.write(esc.JSON(b.Bytes()))
	}
	return exit.Errorf(exit.Usage, "-o %s is for rows; a report has table, json and jsonl", p.Format)
}
