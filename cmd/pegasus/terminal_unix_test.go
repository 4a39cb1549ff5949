//go:build unix

package main

import (
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/hinshun/vt10x"
)

// waiting is how long a test waits for what has to come.
const waiting = 30 * time.Second

// terminal is one in which a command runs, and what is on its screen.
type terminal struct {
	t      *testing.T
	pty    *os.File
	tty    *os.File // as the command sees it
	cmd    *exec.Cmd
	ended  chan struct{}
	mu     sync.Mutex
	screen vt10x.Terminal
	change chan struct{} // has something when the screen has changed
}

// startInTerminal runs a command in a terminal of 100 columns.
func startInTerminal(t *testing.T, cmd *exec.Cmd) *terminal {
	t.Helper()
	p, tty, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	const columns, rows = 100, 30
	if err := pty.Setsize(p, &pty.Winsize{Cols: columns, Rows: rows}); err != nil {
		t.Fatal(err)
	}
	term := &terminal{
		t: t, pty: p, tty: tty, cmd: cmd, ended: make(chan struct{}), change: make(chan struct{}, 1),
		screen: vt10x.New(vt10x.WithWriter(p), vt10x.WithSize(columns, rows)), // what it asks the screen is answered by typing
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = tty, tty, tty
	cmd.SysProcAttr = ownTerminal()
	cmd.Env = append(cmd.Env, "TERM=xterm")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	read := make(chan struct{})
	go func() {
		defer close(read)
		buf := make([]byte, 4096)
		for {
			n, err := p.Read(buf)
			if err != nil {
				return
			}
			term.mu.Lock()
			_, _ = term.screen.Write(buf[:n]) // into memory
			term.mu.Unlock()
			select {
			case term.change <- struct{}{}:
			default:
			}
		}
	}()
	go func() {
		_ = cmd.Wait()
		close(term.ended)
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-term.ended
		tty.Close()
		p.Close()
		<-read
	})
	return term
}

// text returns what is on the screen, without spaces at the ends of lines.
func (t *terminal) text() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	lines := strings.Split(t.screen.String(), "\n")
	for i, l := range lines {
		lines[i] = strings.TrimRight(l, " ")
	}
	return strings.TrimRight(strings.Join(lines, "\n"), "\n")
}

// typed types.
func (t *terminal) typed(keys string) {
	t.t.Helper()
	if _, err := io.WriteString(t.pty, keys); err != nil {
		t.t.Fatal(err)
	}
}

// ends waits until the screen ends with a text.
func (t *terminal) ends(want string) {
	t.t.Helper()
	t.until("the end "+want, func(screen string) bool { return strings.HasSuffix(screen, strings.TrimRight(want, " ")) })
}

// completes types something and Tab, again and again since the names of tables are not
// waited for, until the screen ends with a text.
func (t *terminal) completes(keys, want string) {
	t.t.Helper()
	t.typed(keys)
	for deadline := time.Now().Add(waiting); !strings.HasSuffix(t.text(), want); {
		if time.Now().After(deadline) {
			t.t.Fatalf("no %q on the screen:\n%s", want, t.text())
		}
		t.typed("\t")
		select {
		case <-t.change:
		case <-time.After(time.Second):
		}
	}
}

// shows waits until a text is on the screen.
func (t *terminal) shows(want string) {
	t.t.Helper()
	t.until(want, func(screen string) bool { return strings.Contains(screen, want) })
}

func (t *terminal) until(what string, ok func(string) bool) {
	t.t.Helper()
	timeout := time.After(waiting)
	for !ok(t.text()) {
		select {
		case <-t.change:
		case <-timeout:
			t.t.Fatalf("no %q on the screen:\n%s", what, t.text())
		}
	}
}

// status waits for the end of the command.
func (t *terminal) status() int {
	t.t.Helper()
	select {
	case <-t.ended:
	case <-time.After(waiting):
		t.t.Fatalf("the command goes on:\n%s", t.text())
	}
	return t.cmd.ProcessState.ExitCode()
}
