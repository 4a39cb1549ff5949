package cli

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"maps"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/pegasus-go/pegasus/internal/cli/exit"
	"github.com/pegasus-go/pegasus/internal/cli/ui"
	"github.com/pegasus-go/pegasus/onebox"
	"github.com/rogpeppe/go-internal/testscript"
)

// The scripts have a onebox of their own with the tables temp and other. The
// command "exits CODE ARGS..." runs pegasus in this process, with the file stdin, if there is
// one, as standard input and, with TERMINAL=1, a terminal as standard output.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			srv, err := onebox.Start(onebox.Options{ReplicaServers: 3, Tables: []onebox.Table{{Name: "temp", Partitions: 4}, {Name: "other", Partitions: 4}}})
			if err != nil {
				return err
			}
			env.Defer(func() { _ = srv.Close() })
			env.Values["onebox"] = srv
			env.Values[interrupts] = new(interruption)
			env.Setenv("PEGASUS_META", strings.Join(srv.MetaServers(), ","))
			return nil
		},
		Cmds: commands(),
	})
}

func commands() map[string]func(*testscript.TestScript, bool, []string) {
	all := map[string]func(*testscript.TestScript, bool, []string){
		"exits": exits, "lose-answers": loseAnswers,
		"make-store": makeStore, "serve-backups": serveBackups, "fail-reads": failReads,
	}
	maps.Copy(all, faultCommands)
	return all
}

func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: exits CODE ARGS...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	stdin, err := os.ReadFile(ts.MkAbs("stdin"))
	if !errors.Is(err, fs.ErrNotExist) {
		ts.Check(err)
	}
	streams := ui.Streams{In: bytes.NewReader(stdin), Out: ts.Stdout(), Err: ts.Stderr(), Env: ts.Getenv, OutTerminal: ts.Getenv("TERMINAL") != ""}
	for i, arg := range args { // files are those of the script
		if name, ok := strings.CutPrefix(arg, "@"); ok {
			args[i] = "@" + ts.MkAbs(name)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ts.Value(interrupts).(*interruption).cancel.Store(&cancel)
	if code := Run(ctx, args[1:], streams); code != want {
		ts.Fatalf("status %d, want %d", code, want)
	}
}

// loseAnswers makes the onebox carry writes out and break the connection.
func loseAnswers(ts *testscript.TestScript, _ bool, _ []string) {
	ts.Value("onebox").(*onebox.Server).Intercept(func(r onebox.Request) onebox.Action {
		return onebox.Action{LoseAnswer: r.Task == onebox.TaskIncr, Close: r.Task == onebox.TaskIncr}
	})
}

func TestCodeOf(t *testing.T) {
	any := errors.New("any")
	if codeOf(any, false) != exit.Usage || codeOf(any, true) != exit.Failed || codeOf(nil, false) != exit.OK {
		t.Error("an error of the command line is not told from others")
	}
}

// makeStore makes the directory of a onebox that does not run, with rows.
func makeStore(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(fillStore(ts.MkAbs(args[0]), 100))
}

// serveBackups starts another onebox, which makes backups in a directory.
func serveBackups(ts *testscript.TestScript, _ bool, args []string) {
	srv, err := onebox.Start(onebox.Options{BackupDir: ts.MkAbs(args[0]), Tables: []onebox.Table{{Name: "temp"}, {Name: "other"}}})
	ts.Check(err)
	ts.Defer(func() { _ = srv.Close() })
	ts.Setenv("PEGASUS_META", strings.Join(srv.MetaServers(), ","))
}

// failReads makes the onebox answer every Get with an error.
func failReads(ts *testscript.TestScript, _ bool, _ []string) {
	ts.Value("onebox").(*onebox.Server).Intercept(func(r onebox.Request) onebox.Action {
		if r.Task == onebox.TaskGet {
			return onebox.Action{Error: "ERR_INVALID_PARAMETERS"}
		}
		return onebox.Action{}
	})
}
