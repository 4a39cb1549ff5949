//go:build unix

package fullscreen

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/pegasus-go/pegasus/internal/cli/fullscreen/screentest"
	"go.uber.org/goleak"
	"golang.org/x/term"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestDraw(t *testing.T) {
	tty := screentest.New(t, 80, 24)
	before, err := term.GetState(int(tty.File.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	s, err := Open(tty.File, tty.File)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, lines := range [][]string{{"one", "two äöü", "three"}, {"one", "2"}, {"", "2", "drei"}} {
		if err := s.Draw(lines); err != nil {
			t.Fatal(err)
		}
		want := strings.Join(lines, "\n")
		got := tty.Await(t, func(s screentest.State) bool { return strings.TrimRight(s.Text(), "\n") == want })
		if !got.Alternate || got.Cursor {
			t.Errorf("state %+v", got)
		}
	}
	tty.Type(t, "qä\x1b[A\r\x7f\x03")
	want := []string{"q", "ä", "up", "enter", "backspace", "interrupt"}
	var keys []string
	for range want {
		keys = append(keys, <-s.Keys())
	}
	if !slices.Equal(keys, want) {
		t.Errorf("keys %q, want %q", keys, want)
	}
	s.Close()
	s.Close()
	tty.Await(t, func(s screentest.State) bool { return !s.Alternate && s.Cursor })
	if after, err := term.GetState(int(tty.File.Fd())); err != nil || *after != *before {
		t.Errorf("the terminal is not what it was: %v", err)
	}
}

// A panic leaves the terminal as it was.
func TestPanic(t *testing.T) {
	tty := screentest.New(t, 80, 24)
	before, _ := term.GetState(int(tty.File.Fd()))
	func() {
		defer func() { _ = recover() }()
		s, err := Open(tty.File, tty.File)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		if err := s.Draw([]string{"drawn"}); err != nil {
			t.Fatal(err)
		}
		tty.Await(t, func(s screentest.State) bool { return s.Alternate && s.Text() == "drawn" })
		panic("a mistake")
	}()
	tty.Await(t, func(s screentest.State) bool { return !s.Alternate && s.Cursor })
	if after, _ := term.GetState(int(tty.File.Fd())); *after != *before {
		t.Error("the terminal is not what it was")
	}
}

func TestNoTerminal(t *testing.T) {
	if _, err := Open(new(bytes.Buffer), new(bytes.Buffer)); !errors.Is(err, ErrNoTerminal) {
		t.Errorf("error %v", err)
	}
}

func TestSplit(t *testing.T) {
	for in, want := range map[string][]string{
		"ab":           {"a", "b"},
		"日é":           {"日", "é"},
		"\x1b":         {"escape"},
		"\x1b[A\x1bOB": {"up", "down"},
		"\x1b[1;5Cx":   {"x"},
		"\x01\x03\x1a": {"interrupt", "\x1a"},
		"\r\n\x7f":     {"enter", "enter", "backspace"},
	} {
		if got := split([]byte(in)); !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

// Only lines that differ are sent.
func TestChanges(t *testing.T) {
	var s Screen
	s.changes([]string{"a", "b", "c"}, 80, 24)
	if got := s.changes([]string{"a", "x", "c"}, 80, 24); got != "\x1b[2;1Hx\x1b[K" {
		t.Errorf("%q", got)
	}
	if got := s.changes([]string{"a", "x", "c"}, 80, 24); got != "" {
		t.Errorf("nothing has changed, and %q is sent", got)
	}
	if got := s.changes([]string{"a"}, 40, 24); !strings.HasPrefix(got, clearAll) {
		t.Errorf("after another size %q is sent", got)
	}
}

func FuzzSplit(f *testing.F) {
	f.Add([]byte("\x1b[A"))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, key := range split(b) {
			if key == "" {
				t.Errorf("%q has an empty key", b)
			}
		}
	})
}
