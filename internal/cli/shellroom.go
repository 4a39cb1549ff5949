package cli

import (
	"fmt"
	"io"
	"strings"

	width "github.com/jedib0t/go-pretty/v6/text"
)

// room keeps rows free below the cursor. The line editor moves the cursor down and up again,
// and loses its place where there is no row below: it does not know where the screen ends,
// since what is typed while it asks the terminal would be lost.
type room struct {
	w    io.Writer
	size func() (columns, rows int)
	rows int // that are free below the row of the prompt
}

// begin makes room for a prompt and a line.
func (r *room) begin() {
	r.rows = 0
	r.make(1)
}

// display makes room for a line before the editor draws it, which is as it is.
func (r *room) display(line []rune) string {
	rows := 1
	columns, _ := r.size()
	for part := range strings.SplitSeq(string(line), "\n") {
		rows += 1 + (maxPrompt+width.StringWidthWithoutEscSequences(part))/columns
	}
	r.make(rows)
	return string(line)
}

// maxPrompt is how wide prompts are, at most and as a rule.
const maxPrompt = 60

// make scrolls the screen where its end is near.
func (r *room) make(rows int) {
	_, screen := r.size()
	if rows = min(rows, screen-1); rows > r.rows {
		r.rows = rows
		fmt.Fprintf(r.w, "%s\x1b[%dA", strings.Repeat("\n", rows), rows)
	}
}
