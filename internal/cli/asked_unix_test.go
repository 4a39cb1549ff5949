//go:build unix

package cli

import (
	"bytes"
	"strings"
	"testing"

	"github.com/pegasus-go/pegasus/internal/cli/exit"
	"github.com/pegasus-go/pegasus/internal/cli/fullscreen/screentest"
	"github.com/pegasus-go/pegasus/internal/cli/ui"
)

// What changes more than can be undone by a line is asked about on a terminal.
func TestAsked(t *testing.T) {
	box := startThree(t)
	meta := box.MetaServers()[0]
	if status, _, stderr := run(t, "table", "env", "set", "temp", "default_ttl=60", "--meta", meta); status != int(exit.OK) {
		t.Fatal(stderr)
	}
	tty := screentest.New(t, 80, 24)
	for _, tc := range []struct {
		args     []string
		question string
	}{
		{[]string{"table", "env", "clear", "temp"}, "remove 1 variable of the table temp: default_ttl? [y/N] "},
		{[]string{"balance", "--run"}, "move copies between nodes until they are even? [y/N] "},
		{[]string{"node", "exec", "flush-log"}, `carry out "flush-log" at all replica servers? [y/N] `},
		{[]string{"node", "drain", box.Replica(0).Addr()}, " primaries away from " + box.Replica(0).Addr() + "? [y/N] "},
		{[]string{"table", "split", "temp", "--wait"}, "split the table temp from 4 into 8 partitions? [y/N] "},
	} {
		for _, no := range []string{"n\r", "\r"} {
			ask(t, tty, tc.args, meta, tc.question, no, int(exit.Refused))
		}
		ask(t, tty, tc.args, meta, tc.question, "y\r", int(exit.OK))
	}
}

func ask(t *testing.T, tty *screentest.Terminal, args []string, meta, question, answer string, want int) {
	t.Helper()
	tty.Type(t, answer)
	var stderr bytes.Buffer
	status := Run(t.Context(), append(args, "--meta", meta), ui.Streams{In: tty.File, Out: tty.File, Err: &stderr, InTerminal: true, OutTerminal: true})
	if status != want || !strings.Contains(stderr.String(), question) || (want == int(exit.Refused)) != strings.Contains(stderr.String(), "nothing was done") {
		t.Errorf("%q, %q: status %d, %s", args, answer, status, &stderr)
	}
}
