//go:build unix

package main

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/term"

	client "github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/onebox"
)

// ownTerminal makes standard input the terminal of the process, whose keys send it signals.
func ownTerminal() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true, Setctty: true} }

// startShell runs pegasus shell in a terminal, with a home directory of its own.
func startShell(t *testing.T, srv *onebox.Server) (shell *terminal, home string) {
	t.Helper()
	home = t.TempDir()
	cmd := pegasus("shell")
	cmd.Env = append(cmd.Env, "HOME="+home, "XDG_STATE_HOME=", "XDG_CONFIG_HOME=", "PEGASUS_CONFIG=", "PEGASUS_TABLE=", "PEGASUS_META="+srv.MetaServers()[0])
	shell = startInTerminal(t, cmd)
	shell.ends(srv.MetaServers()[0] + "> ")
	return shell, home
}

func startOneboxHere(t *testing.T) *onebox.Server {
	t.Helper()
	srv, err := onebox.Start(onebox.Options{Tables: []onebox.Table{{Name: "temp"}, {Name: "other"}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = srv.Close() })
	return srv
}

// giveUp leaves the line that was typed. The editor can miss a key that follows at once, so
// that one follows which does nothing.
func giveUp(shell *terminal, prompt string) {
	shell.typed("\x03")
	shell.ends(prompt)
	shell.typed("\x01")
}

func TestShell(t *testing.T) {
	srv := startOneboxHere(t)
	shell, home := startShell(t, srv)
	prompt := srv.MetaServers()[0] + " temp> "

	// Completion of commands, tables and flags.
	shell.typed("us\t")
	shell.ends("> use")
	shell.completes("te", "> use temp")
	shell.typed("\r")
	shell.ends(prompt)
	shell.typed("table \t")
	shell.shows("Drop a table")
	shell.typed("\x03") // closes the list
	shell.until("no list", func(screen string) bool { return !strings.Contains(screen, "Drop a table") })
	giveUp(shell, prompt)
	shell.typed("set u1 name 'Ann B' --tt\t")
	shell.ends("--ttl")
	shell.typed("1h\r")
	shell.ends(prompt)
	shell.typed("get u1 name\r")
	shell.ends("Ann B\n" + prompt)

	shell.typed("get u1 name -o raw\r")
	shell.ends("-o raw\nAnn B\n" + prompt)

	// What is longer than the screen stops there.
	withTable(t, srv.MetaServers()[0], func(table client.TableConnector) {
		for i := range 40 {
			if err := table.Set(t.Context(), []byte("page"), recordKey(i), []byte("v")); err != nil {
				t.Fatal(err)
			}
		}
	})
	const more = "-- more: space, or q to stop --"
	shell.typed("scan page\r")
	shell.ends(more)
	shell.typed("q")
	shell.ends(prompt)
	shell.typed("scan page\r")
	shell.ends(more)
	shell.typed(" ")
	shell.ends("v      -\n" + prompt)

	// Questions are asked here.
	shell.typed("table drop --table other\r")
	shell.ends("drop the table other? [y/N]")
	shell.typed("n\r")
	shell.ends("pegasus: nothing was done\n" + prompt)

	// The lines of a paste wait for Enter.
	shell.typed("\x1b[200~set h pasted 1\rget h pasted\r\x1b[201~")
	shell.ends("get h pasted")
	withTable(t, srv.MetaServers()[0], func(table client.TableConnector) {
		if ok, err := table.Exist(t.Context(), []byte("h"), []byte("pasted")); ok || err != nil {
			t.Errorf("a paste was run: %v, %v", ok, err)
		}
	})
	shell.typed("\r")
	shell.ends("get h pasted\n1\n" + prompt)

	// History.
	shell.typed("\x1b[A")
	shell.ends(prompt + "get h pasted")
	giveUp(shell, prompt)

	// Ctrl-C stops a command, and the shell goes on.
	arrived := make(chan struct{}, 1)
	srv.Intercept(func(r onebox.Request) onebox.Action {
		if r.Task != onebox.TaskGet {
			return onebox.Action{}
		}
		select {
		case arrived <- struct{}{}:
		default:
		}
		return onebox.Action{Drop: true}
	})
	shell.typed("get u1 name --timeout 1h\r")
	select {
	case <-arrived:
	case <-time.After(waiting):
		t.Fatalf("no request: %s", shell.text())
	}
	shell.typed("\x03")
	shell.shows("pegasus: interrupted")
	shell.ends(prompt)
	srv.Intercept(nil)
	shell.typed("get u1 name # again\r")
	shell.ends("again\nAnn B\n" + prompt)
	shell.typed(" get u1 secret\r")
	shell.shows("there is no row")
	shell.ends(prompt)

	// Ctrl-D and Delete take what is under the cursor, and nothing before it.
	shell.typed("get u1 name\x04\x1b[3~\r")
	shell.ends("Ann B\n" + prompt)
	shell.typed("get u1 nxame\x1b[D\x1b[D\x1b[D\x1b[D\x04\r")
	shell.ends("Ann B\n" + prompt)

	// On an empty line Ctrl-D leaves.
	shell.typed("\x04")
	if status := shell.status(); status != 0 {
		t.Errorf("status %d", status)
	}
	path := filepath.Join(home, ".local", "state", "pegasus", "history")
	b, err := os.ReadFile(path)
	info, err2 := os.Stat(path)
	if err != nil || err2 != nil || info.Mode() != 0o600 {
		t.Fatal(err, err2, info.Mode())
	}
	lines := strings.Split(string(b), "\n")
	if lines[0] != "use temp" || strings.Contains(string(b), "secret") || !strings.Contains(string(b), "\nset h pasted 1\nget h pasted\n") {
		t.Errorf("the history is %q", lines)
	}
}

// A shell that is told to end leaves the terminal as it was.
func TestShellTerminated(t *testing.T) {
	srv := startOneboxHere(t)
	shell, _ := startShell(t, srv)
	raw, err := term.GetState(int(shell.tty.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	if err := shell.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if status := shell.status(); status != -1 {
		t.Errorf("status %d, want the death by a signal", status)
	}
	after, err := term.GetState(int(shell.tty.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	fresh := startInTerminal(t, pegasus("version"))
	fresh.status()
	before, err := term.GetState(int(fresh.tty.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(after, before) || reflect.DeepEqual(after, raw) {
		t.Errorf("the terminal is left as %+v, a new one is %+v", after, before)
	}
}
