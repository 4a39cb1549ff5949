package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/pegasus-go/pegasus/internal/cli/esc"
	"github.com/pegasus-go/pegasus/internal/cli/exit"
	"github.com/reeflective/readline"
	"github.com/reeflective/readline/inputrc"
	"golang.org/x/term"
)

// interact reads lines at the terminal of the process and runs them, until somebody leaves.
// An interrupt ends a command and not the shell, so that ctx does not count.
func (a *app) interact(ctx context.Context, s *session, noHistory bool) error {
	defer restoreOnDeath()()
	interrupts := make(chan os.Signal, 1)
	signal.Notify(interrupts, os.Interrupt)
	defer signal.Stop(interrupts)
	rl := a.newEditor(ctx, s, noHistory)
	room := &room{w: a.streams.Out, size: terminalSize}
	rl.SyntaxHighlighter = room.display
	fmt.Fprintln(a.streams.Err, "help lists the commands, Ctrl-D leaves")
	out := &pager{w: a.streams.Out, talk: a.streams.Err, size: terminalSize, key: readKey}
	a.streams.Out = out
	for !s.left {
		out.prompt()
		room.begin()
		typed, err := rl.Readline()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case errors.Is(err, readline.ErrInterrupt):
			continue
		case err != nil:
			return err
		}
		for line := range strings.SplitSeq(typed, "\n") { // more than one after a paste
			if a.runInterruptibly(context.WithoutCancel(ctx), s, line, interrupts) != exit.OK || s.left {
				break
			}
		}
	}
	return nil
}

// runInterruptibly runs a line, which an interrupt ends.
func (a *app) runInterruptibly(ctx context.Context, s *session, line string, interrupts <-chan os.Signal) exit.Code {
	ctx, cancel := context.WithCancel(ctx)
	select {
	case <-interrupts: // came when nothing ran
	default:
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		select {
		case <-interrupts:
			cancel()
		case <-ctx.Done():
		}
	}()
	code := runLine(ctx, s, line, a.streams)
	cancel()
	<-done
	return code
}

func (a *app) newEditor(ctx context.Context, s *session, noHistory bool) *readline.Shell {
	rl := readline.NewShell()
	for name, value := range map[string]bool{
		"enable-bracketed-paste":       true,  // a paste is text, and no Enter
		"convert-meta":                 false, // or letters with accents vanish
		"cursor-position-probe":        false, // or what is typed while the terminal answers is lost
		"menu-complete-display-prefix": true,  // Tab shows what there is, and picks from it when pressed again
	} {
		_ = rl.Config.Set(name, value) // fails for names that there are not
	}
	_ = rl.Config.Bind("emacs", inputrc.Unescape(`\C-i`), "menu-complete", false)
	deleteForward(rl)
	rl.PasteTransformer = pasted
	rl.Prompt.Primary(func() string { return esc.Text(s.prompt(a.streams)) })
	rl.Prompt.Secondary(func() string { return "> " })
	path := ""
	if !noHistory {
		path = historyPath(a.streams.Getenv)
	}
	history, err := openHistory(path)
	if err != nil {
		fmt.Fprintln(a.streams.Err, "pegasus: the history cannot be kept:", esc.Message(err.Error()))
		history.path = ""
	}
	rl.History.Delete()
	rl.History.Add("history", history)
	rl.Completer = func(line []rune, cursor int) readline.Completions {
		return a.completions(ctx, s, string(line[:cursor]))
	}
	return rl
}

// deleteForward makes Ctrl-D and Delete take the character under the cursor. At the end of a line
// there is none; the editor would take the one before.
func deleteForward(rl *readline.Shell) {
	cut := func() {
		if at := rl.Cursor().Pos(); at < rl.Line().Len() {
			rl.History.Save()
			rl.Line().CutRune(at)
		}
	}
	rl.Keymap.Register(map[string]func(){
		"delete-char": cut,
		"end-of-file": func() {
			if rl.Line().Len() > 0 {
				cut()
				return
			}
			rl.Display.AcceptLine()
			rl.History.Accept(false, false, io.EOF)
		},
	})
}

// pasted returns pasted text as it is put into the line, without what could drive the
// terminal.
func pasted(text string) string {
	text = strings.ReplaceAll(strings.TrimRight(text, "\n"), "\t", " ")
	return strings.Map(func(r rune) rune {
		if c := string(r); r == '\n' || r == '\\' || esc.Text(c) == c {
			return r
		}
		return -1
	}, text)
}

// completions asks the commands, as the completion scripts do.
func (a *app) completions(ctx context.Context, s *session, typed string) readline.Completions {
	var values []string
	for _, c := range s.complete(context.WithoutCancel(ctx), typed, a.streams) {
		values = append(values, c.value, c.description)
	}
	c := readline.CompleteValuesDescribed(values...)
	return c.NoSpace('=', ',')
}

// restoreOnDeath leaves the terminal as it was also if the process is told to end, until
// the function that it returns is called.
func restoreOnDeath() (stop func()) {
	state, err := term.GetState(int(os.Stdin.Fd()))
	if err != nil {
		return func() {}
	}
	deaths := make(chan os.Signal, 1)
	signal.Notify(deaths, syscall.SIGTERM, syscall.SIGHUP)
	done := make(chan struct{})
	go func() {
		select {
		case <-done:
		case sig := <-deaths:
			_ = term.Restore(int(os.Stdin.Fd()), state)
			signal.Reset(sig)
			if p, err := os.FindProcess(os.Getpid()); err == nil {
				_ = p.Signal(sig) // which ends it now
			}
		}
	}()
	return func() {
		signal.Stop(deaths)
		close(done)
	}
}
