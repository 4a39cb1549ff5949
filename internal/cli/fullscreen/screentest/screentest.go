//go:build unix

// Package screentest has a terminal for tests, whose screen can be read.
package screentest

import (
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/creack/pty"
)

// Terminal is a terminal: what a program writes to File is seen on its screen, and what is
// typed is read from there. It knows the few escapes that package fullscreen sends.
type Terminal struct {
	File   *os.File // the program's end
	master *os.File
	done   sync.WaitGroup

	mu      sync.Mutex
	changed chan struct{} // closed when the screen changes
	screen  parser
}

// New returns a terminal of a size, which is closed at the end of the test.
func New(t *testing.T, width, height int) *Terminal {
	t.Helper()
	master, slave, err := pty.Open()
	if err != nil {
		t.Fatalf("no terminal can be made: %v", err)
	}
	term := &Terminal{File: slave, master: master, changed: make(chan struct{}), screen: parser{lines: make(map[int][]rune)}}
	term.Resize(t, width, height)
	term.done.Go(term.read)
	t.Cleanup(func() {
		slave.Close()
		master.Close()
		term.done.Wait()
	})
	return term
}

// Resize changes the size, of which the program is not told by a signal.
func (t *Terminal) Resize(tb testing.TB, width, height int) {
	tb.Helper()
	if err := pty.Setsize(t.master, &pty.Winsize{Rows: uint16(height), Cols: uint16(width)}); err != nil {
		tb.Fatal(err)
	}
}

// Type types text.
func (t *Terminal) Type(tb testing.TB, text string) {
	tb.Helper()
	if _, err := t.master.WriteString(text); err != nil {
		tb.Fatal(err)
	}
}

// State is what is seen.
type State struct {
	Lines     []string
	Alternate bool // the alternate screen
	Cursor    bool // it is visible
}

// Text returns the lines as one text.
func (s State) Text() string { return strings.Join(s.Lines, "\n") }

// Await returns what is seen when ok holds of it.
func (t *Terminal) Await(tb testing.TB, ok func(State) bool) State {
	tb.Helper()
	deadline := time.After(20 * time.Second)
	for {
		t.mu.Lock()
		s, changed := t.screen.state(), t.changed
		t.mu.Unlock()
		if ok(s) {
			return s
		}
		select {
		case <-changed:
		case <-deadline:
			tb.Fatalf("this is not what was waited for:\n%s", s.Text())
		}
	}
}

func (t *Terminal) read() {
	buf := make([]byte, 4096)
	var rest []byte
	for {
		n, err := t.master.Read(buf)
		if err != nil {
			return
		}
		t.mu.Lock()
		rest = t.screen.write(append(rest, buf[:n]...))
		close(t.changed)
		t.changed = make(chan struct{})
		t.mu.Unlock()
	}
}

// parser is the screen.
type parser struct {
	lines     map[int][]rune
	row, col  int
	alternate bool
	hidden    bool // the cursor
}

func (p *parser) state() State {
	s := State{Alternate: p.alternate, Cursor: !p.hidden}
	last := -1
	for row := range p.lines {
		last = max(last, row)
	}
	for row := range last + 1 {
		s.Lines = append(s.Lines, strings.TrimRight(string(p.lines[row]), " "))
	}
	return s
}

// write takes output, and returns what is not complete at its end.
func (p *parser) write(b []byte) (rest []byte) {
	for len(b) > 0 {
		if b[0] != '\x1b' {
			r := []rune(string(b))[0]
			if r == '\uFFFD' && len(b) < 4 {
				return b // the rest of it is to come
			}
			p.put(r)
			b = b[len(string(r)):]
			continue
		}
		end := 2
		for end < len(b) && (b[end] < '@' || b[end] > '~') {
			end++
		}
		if end >= len(b) {
			return b
		}
		p.escape(string(b[2 : end+1]))
		b = b[end+1:]
	}
	return nil
}

func (p *parser) put(r rune) {
	switch r {
	case '\r':
		p.col = 0
	case '\n':
		p.row++
	default:
		line := p.lines[p.row]
		for len(line) <= p.col {
			line = append(line, ' ')
		}
		line[p.col] = r
		p.lines[p.row] = line
		p.col++
	}
}

func (p *parser) escape(s string) {
	switch {
	case s == "?1049h", s == "?1049l":
		p.alternate = s == "?1049h"
		clear(p.lines)
	case s == "?25h", s == "?25l":
		p.hidden = s == "?25l"
	case s == "2J":
		clear(p.lines)
	case s == "K":
		if line := p.lines[p.row]; p.col < len(line) {
			p.lines[p.row] = line[:p.col]
		}
	case strings.HasSuffix(s, "H"):
		p.row, p.col = 0, 0
		for i, part := range strings.Split(strings.TrimSuffix(s, "H"), ";") {
			n := 0
			for _, c := range part {
				n = 10*n + int(c-'0')
			}
			if i == 0 {
				p.row = n - 1
			} else {
				p.col = n - 1
			}
		}
	}
}
