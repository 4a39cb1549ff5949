//go:build unix

package cli

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/pegasus-go/pegasus/internal/cli/exit"
	"github.com/pegasus-go/pegasus/internal/cli/fullscreen/screentest"
	"github.com/pegasus-go/pegasus/internal/cli/ui"
	"github.com/pegasus-go/pegasus/onebox"
	"golang.org/x/term"
)

// onTerminal runs a command on a terminal until it ends.
func onTerminal(t *testing.T, ctx context.Context, tty *screentest.Terminal, args ...string) (status <-chan int) {
	t.Helper()
	done := make(chan int, 1)
	go func() {
		var stderr bytes.Buffer
		code := Run(ctx, args, ui.Streams{In: tty.File, Out: tty.File, Err: &stderr, InTerminal: true, OutTerminal: true})
		if stderr.Len() > 0 {
			t.Errorf("stderr: %s", &stderr)
		}
		done <- code
	}()
	return done
}

func has(texts ...string) func(screentest.State) bool {
	return func(s screentest.State) bool {
		for _, text := range texts {
			if !strings.Contains(s.Text(), text) {
				return false
			}
		}
		return true
	}
}

func TestTopOnATerminal(t *testing.T) {
	box, err := onebox.Start(onebox.Options{
		MetaServers: 2, ReplicaServers: 3,
		Tables: []onebox.Table{{Name: "temp", Partitions: 4, ReplicaCount: 3}, {Name: "other", Partitions: 4, ReplicaCount: 3}},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer box.Close()
	meta := box.MetaServers()[0]
	tty := screentest.New(t, 80, 24)
	before, err := term.GetState(int(tty.File.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	status := onTerminal(t, ctx, tty, "top", "--meta", meta, "--every", "100ms", "--timeout", "500ms")
	tty.Await(t, has("view tables   sort WRITE/s v", " > other ", "   temp ", "nodes 3/3", "meta  2/2", "q quit"))

	// The cursor, a filter, help, and the partitions of the table at the cursor.
	tty.Type(t, "j")
	tty.Await(t, has("   other ", " > temp "))
	tty.Type(t, "\r")
	tty.Await(t, has("view parts of temp", "   PART ", "    3   "))
	tty.Type(t, "1/oth\r")
	tty.Await(t, func(s screentest.State) bool {
		return has(" filter: oth ", " > other")(s) && !strings.Contains(s.Text(), "temp ")
	})
	tty.Type(t, "?")
	tty.Await(t, has("view help", "back to the tables"))

	// A node that is lost.
	tty.Type(t, "2")
	tty.Await(t, has("view nodes", " UP"))
	node := box.Replica(2).Addr()
	box.Replica(2).Stop()
	tty.Await(t, has("LOST !", "nodes 2/3 !"))
	tty.Type(t, "e")
	tty.Await(t, has("view events", "LOST  node "+node, "without primary  table temp"))

	// Nobody leads for a while, and there is no frame that is not of this size.
	box.SetMetaLeader(-1)
	tty.Await(t, has("STALE "))
	box.SetMetaLeader(0)
	for _, width := range []int{40, 200, 80} {
		tty.Resize(t, width, 24)
		tty.Type(t, "1")
		tty.Await(t, func(s screentest.State) bool {
			for _, l := range s.Lines {
				if len([]rune(l)) > width {
					return false
				}
			}
			return len(s.Lines) == 24 && strings.Contains(s.Text(), "\n"+strings.Repeat("-", width)+"\n") && !strings.Contains(s.Text(), "STALE")
		})
	}

	tty.Type(t, "q")
	if code := <-status; code != int(exit.OK) {
		t.Errorf("status %d", code)
	}
	tty.Await(t, func(s screentest.State) bool { return !s.Alternate && s.Cursor })
	if after, _ := term.GetState(int(tty.File.Fd())); *after != *before {
		t.Error("the terminal is not what it was")
	}

	// It ends by itself, by a signal, and by Ctrl-C, and leaves the terminal as it was.
	for name, end := range map[string]func(){"-n": func() {}, "ctrl-c": func() { tty.Type(t, "\x03") }} {
		args := []string{"top", "temp", "--meta", meta, "--every", "100ms"}
		if name == "-n" {
			args = append(args, "-n", "3")
		}
		status := onTerminal(t, ctx, tty, args...)
		tty.Await(t, func(s screentest.State) bool { return name == "-n" || has("view parts of temp")(s) })
		end()
		if code := <-status; code != int(exit.OK) {
			t.Errorf("%s: status %d", name, code)
		}
		tty.Await(t, func(s screentest.State) bool { return !s.Alternate && s.Cursor })
	}
	status = onTerminal(t, ctx, tty, "top", "--meta", meta)
	tty.Await(t, has("view tables"))
	cancel()
	if code := <-status; code != int(exit.OK) {
		t.Errorf("by a signal: status %d", code)
	}
	tty.Await(t, func(s screentest.State) bool { return !s.Alternate && s.Cursor })
}

// Where nothing on the screen may change, lines are added.
func TestTopAccessible(t *testing.T) {
	box := startThree(t)
	for name, value := range map[string]string{"PEGASUS_ACCESSIBLE": "1", "TERM": "dumb"} {
		tty := screentest.New(t, 80, 24)
		env := func(asked string) string {
			if asked == name {
				return value
			}
			return ""
		}
		status := Run(t.Context(), []string{"top", "-n", "2", "--every", "100ms", "--meta", box.MetaServers()[0]},
			ui.Streams{In: tty.File, Out: tty.File, Err: new(bytes.Buffer), InTerminal: true, OutTerminal: true, Env: env})
		if status != int(exit.OK) {
			t.Errorf("%s: status %d", name, status)
		}
		s := tty.Await(t, func(s screentest.State) bool { return len(s.Lines) >= 3 })
		if s.Alternate || !s.Cursor || !strings.HasPrefix(s.Lines[0], "TIME       READ_PER_S  WRITE_PER_S") {
			t.Errorf("%s: %+v", name, s)
		}
	}
}
