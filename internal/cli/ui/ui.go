// Package ui is how the pegasus command talks: its streams, and what it asks.
package ui

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/pegasus-go/pegasus/internal/cli/esc"
	"github.com/pegasus-go/pegasus/internal/cli/exit"
	"golang.org/x/term"
)

// Streams are what a command reads and writes: data to Out, all talk about it to
// Err. Nil In is empty.
type Streams struct {
	In       io.Reader
	Out, Err io.Writer
	// InTerminal and OutTerminal tell whether a person is there.
	InTerminal, OutTerminal bool
	// ErrTerminal tells whether Err is a terminal, and ErrWidth how many columns that has
	// at present; nil: 80.
	ErrTerminal bool
	ErrWidth    func() int
	// Env looks up a variable of the environment; nil: none is set.
	Env func(name string) string
	// Danger is the name of a cluster in which what cannot be undone needs more than
	// --yes: its name, which is to be typed, unless Confirmed tells that it was given.
	Danger    string
	Confirmed bool
}

// Getenv returns a variable of the environment, "" if it is not set.
func (s Streams) Getenv(name string) string {
	if s.Env == nil {
		return ""
	}
	return s.Env(name)
}

// Moves reports whether the terminal, if there is one, can move its cursor.
func (s Streams) Moves() bool { return s.Getenv("TERM") != "dumb" }

// Standard returns the streams of the process.
func Standard() Streams {
	return Streams{
		In: os.Stdin, Out: os.Stdout, Err: os.Stderr,
		InTerminal:  term.IsTerminal(int(os.Stdin.Fd())),
		OutTerminal: term.IsTerminal(int(os.Stdout.Fd())),
		ErrTerminal: term.IsTerminal(int(os.Stderr.Fd())),
		ErrWidth:    errWidth,
		Env:         os.Getenv,
	}
}

func errWidth() int {
	if width, _, err := term.GetSize(int(os.Stderr.Fd())); err == nil && width > 0 {
		return width
	}
	return 80
}

// Animated reports whether a line on Err may change: whether it is a terminal that can move
// its cursor, and nobody wants plain lines.
func (s Streams) Animated() bool {
	return s.ErrTerminal && s.Moves() && s.Getenv("CI") == "" && s.Getenv("PEGASUS_ACCESSIBLE") == ""
}

// Confirm asks whether to do what cannot be undone, unless yes says so already, or
// Confirmed. Where nobody can be asked, and where the answer is no, it refuses.
func (s Streams) Confirm(ctx context.Context, question string, yes bool) error {
	if s.Confirmed || yes && s.Danger == "" {
		return nil
	}
	flag, ask, answers := "--yes", question+"? [y/N] ", []string{"y", "yes"}
	if s.Danger != "" {
		flag, answers = "--confirm="+s.Danger, []string{s.Danger}
		ask = fmt.Sprintf("%s? The cluster %s is marked as dangerous: type its name to go on: ", question, s.Danger)
	}
	if !s.InTerminal || !s.OutTerminal {
		return exit.Errorf(exit.Refused, "%s needs %s where there is no terminal to ask at", question, flag)
	}
	fmt.Fprint(s.Err, esc.Message(ask))
	answer, err := bufio.NewReader(s.Input(ctx)).ReadString('\n')
	if ctx.Err() != nil {
		fmt.Fprintln(s.Err)
		return ctx.Err()
	}
	answer = strings.TrimSpace(answer)
	if s.Danger == "" {
		answer = strings.ToLower(answer)
	}
	if slices.Contains(answers, answer) {
		return nil
	}
	if err != nil { // the end of the input leaves the cursor on the line
		fmt.Fprintln(s.Err)
	}
	return exit.Errorf(exit.Refused, "nothing was done")
}
