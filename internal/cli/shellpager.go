package cli

import (
	"bytes"
	"fmt"
	"io"
	"os"

	"golang.org/x/term"
)

// pager is standard output of commands at a terminal: it stops when the screen is full, until
// a key is pressed.
type pager struct {
	w, talk io.Writer
	size    func() (columns, rows int)
	key     func() byte

	rows    int  // of the screen that are full
	column  int  // bytes of the line that has no end yet
	stopped bool // nobody wants to see more
}

const (
	moreText  = "-- more: space, or q to stop --"
	eraseLine = "\r\x1b[K"
	ctrlC     = 3
)

// Write writes as much as somebody wants to see.
func (p *pager) Write(b []byte) (int, error) {
	columns, rows := p.size()
	written := 0
	for rest := b; len(rest) > 0; {
		if p.stopped {
			return written, errNoReader
		}
		line := rest
		if i := bytes.IndexByte(rest, '\n'); i >= 0 {
			line = rest[:i+1]
		}
		if p.column == 0 && p.rows >= rows-1 && !p.more() {
			continue
		}
		n, err := p.w.Write(line)
		written += n
		if err != nil {
			return written, err
		}
		rest = rest[len(line):]
		p.column += len(line)
		if line[len(line)-1] == '\n' { // a long line takes several rows, or fewer if not all bytes are characters
			p.rows += 1 + max(0, p.column-2)/columns
			p.column = 0
		}
	}
	return written, nil
}

// more asks whether to go on.
func (p *pager) more() bool {
	fmt.Fprint(p.talk, moreText)
	key := p.key()
	fmt.Fprint(p.talk, eraseLine)
	p.rows = 0
	p.stopped = key == 'q' || key == 'Q' || key == ctrlC
	return !p.stopped
}

// prompt begins a screen, and a line, such as that behind the output of -o raw.
func (p *pager) prompt() {
	if p.column > 0 {
		_, _ = p.w.Write([]byte{'\n'}) // a terminal that has gone is noticed by who reads
	}
	p.rows, p.column, p.stopped = 0, 0, false
}

// terminalSize returns the size of the terminal of the process.
func terminalSize() (columns, rows int) {
	columns, rows, err := term.GetSize(int(os.Stdout.Fd()))
	if err != nil || columns < 1 || rows < 2 {
		return 80, 24
	}
	return columns, rows
}

// readKey waits for a key.
func readKey() byte {
	fd := int(os.Stdin.Fd())
	state, err := term.MakeRaw(fd)
	if err != nil {
		return 'q'
	}
	defer func() { _ = term.Restore(fd, state) }()
	var b [1]byte
	if n, err := os.Stdin.Read(b[:]); n == 0 || err != nil {
		return 'q'
	}
	return b[0]
}
