// Package fullscreen draws on a whole terminal: in its alternate screen, with one write
// for each frame, of the lines that have changed. Whatever ends the program, the terminal
// is left as it was: close the Screen by defer, which a panic carries out, too.
package fullscreen

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"

	"golang.org/x/term"
)

// ErrNoTerminal is the error of Open where there is none that can be drawn on.
var ErrNoTerminal = errors.New("there is no terminal to draw on")

// What is sent to a terminal.
const (
	enter     = "\x1b[?1049h\x1b[?25l" // the alternate screen, without a cursor
	leave     = "\x1b[?25h\x1b[?1049l"
	clearAll  = "\x1b[2J"
	clearLine = "\x1b[K"
)

// Screen is a terminal that is drawn on. Its methods may be called concurrently.
type Screen struct {
	in, out *os.File

	mu     sync.Mutex
	before *term.State // nil while it is not ours
	drawn  []string    // the lines that are there
	width  int
	height int
	closed bool
	stop   chan struct{}
	wg     sync.WaitGroup
	keys   chan string
	redraw chan struct{}
}

// Open takes over the terminal that in and out are. The error is ErrNoTerminal if they are
// none, and on systems whose terminals this package does not know.
func Open(in io.Reader, out io.Writer) (*Screen, error) {
	inFile, ok1 := in.(*os.File)
	outFile, ok2 := out.(*os.File)
	if !ok1 || !ok2 || !supported || !term.IsTerminal(int(inFile.Fd())) || !term.IsTerminal(int(outFile.Fd())) {
		return nil, ErrNoTerminal
	}
	s := &Screen{in: inFile, out: outFile, stop: make(chan struct{}), keys: make(chan string, 16), redraw: make(chan struct{}, 1)}
	watch := s.signals() // as soon as the terminal is ours a signal must not find it so
	if err := s.take(); err != nil {
		close(s.stop)
		watch()
		return nil, err
	}
	s.wg.Go(s.readKeys)
	s.wg.Go(watch)
	return s, nil
}

// Keys is where the keys are that are pressed: a character each, or "up", "down", "enter",
// "escape", "backspace", "interrupt" for Ctrl-C. Ctrl-Z is none: it stops the program.
func (s *Screen) Keys() <-chan string { return s.keys }

// Redraw is told when all must be drawn anew, as after another size.
func (s *Screen) Redraw() <-chan struct{} { return s.redraw }

// Close gives the terminal back. Closing twice is harmless.
func (s *Screen) Close() {
	s.mu.Lock()
	closed := s.closed
	s.closed = true
	s.mu.Unlock()
	if closed {
		return
	}
	close(s.stop)
	s.wg.Wait()
	s.giveBack()
}

// take makes the terminal ours.
func (s *Screen) take() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.before != nil {
		return nil
	}
	before, err := term.MakeRaw(int(s.in.Fd()))
	if err != nil {
		return err
	}
	s.before, s.drawn = before, nil
	_, err = s.out.WriteString(enter + clearAll)
	return err
}

// giveBack makes it what it was.
func (s *Screen) giveBack() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.before == nil {
		return
	}
	_, _ = s.out.WriteString(leave) // nothing else can be done
	_ = term.Restore(int(s.in.Fd()), s.before)
	s.before = nil
}

// Size returns the columns and lines of the terminal at present.
func (s *Screen) Size() (width, height int) {
	width, height, err := term.GetSize(int(s.out.Fd()))
	if err != nil || width <= 0 || height <= 0 {
		return 80, 24
	}
	return width, height
}

// Draw shows lines, which fit the terminal and have no escapes but those of the caller.
// What does not fit the height is left out.
func (s *Screen) Draw(lines []string) error {
	width, height := s.Size()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.before == nil {
		return nil // the program is stopped; all is drawn when it goes on
	}
	if len(lines) > height {
		lines = lines[:height]
	}
	frame := s.changes(lines, width, height)
	if frame == "" {
		return nil
	}
	_, err := s.out.WriteString(frame)
	return err
}

// changes returns what makes the lines of those that are there.
func (s *Screen) changes(lines []string, width, height int) string {
	var b strings.Builder
	if s.drawn == nil || width != s.width || height != s.height {
		b.WriteString(clearAll)
		s.drawn, s.width, s.height = []string{}, width, height
	}
	for i := range max(len(lines), len(s.drawn)) {
		line, was := "", ""
		if i < len(lines) {
			line = lines[i]
		}
		if i < len(s.drawn) {
			was = s.drawn[i]
		}
		if line != was {
			fmt.Fprintf(&b, "\x1b[%d;1H%s%s", i+1, line, clearLine)
		}
	}
	s.drawn = append(s.drawn[:0:0], lines...)
	return b.String()
}

// again asks for a new frame.
func (s *Screen) again() {
	select {
	case s.redraw <- struct{}{}:
	default:
	}
}

// press hands a key on, unless nobody takes any.
func (s *Screen) press(key string) {
	select {
	case s.keys <- key:
	case <-s.stop:
	}
}

// names are those of keys that are no characters.
var names = map[string]string{
	"\x03": "interrupt", "\r": "enter", "\n": "enter", "\x7f": "backspace", "\b": "backspace", "\x1b": "escape",
	"\x1b[A": "up", "\x1b[B": "down", "\x1bOA": "up", "\x1bOB": "down",
}

const suspendKey = "\x1a"

// split takes what was read apart, into keys. What begins like an escape and is not known
// is none.
func split(b []byte) (keys []string) {
	for s := string(b); s != ""; {
		n := 1
		switch {
		case s[0] == '\x1b' && len(s) > 2 && (s[1] == '[' || s[1] == 'O'):
			for n = 2; n < len(s) && (s[n] < '@' || s[n] > '~'); n++ {
			}
			n = min(n+1, len(s))
		default:
			for i := range s {
				if i > 0 {
					n = i
					break
				}
				n = len(s)
			}
		}
		key := s[:n]
		s = s[n:]
		if name := names[key]; name != "" {
			key = name
		} else if key != suspendKey && key < " " {
			continue
		}
		keys = append(keys, key)
	}
	return keys
}
