package cli

import (
	"context"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pegasus-go/pegasus/internal/cli/exit"
	"github.com/pegasus-go/pegasus/internal/cli/ui"
)

// readers are the commands that change nothing in a cluster. All others must say that
// they do, since read_only holds them to it. (copy looks by itself where it
// writes, and node exec what it is to do.)
var readers = []string{"get", "exist", "ttl", "scan", "count", "table list", "table show", "cluster show", "backup", "restore", "status", "locate", "table env get", "table env list", "export", "diff", "copy", "doctor", "meta level", "meta level get", "node list", "node exec", "ping", "stats", "top", "shell"}

func TestEveryCommandSaysWhetherItChanges(t *testing.T) {
	for _, cmd := range allCommands(newRoot(&app{format: "table"})) {
		name := strings.TrimPrefix(cmd.CommandPath(), "pegasus ")
		if cmd.Annotations[needsCluster] == "" {
			continue
		}
		if reads := slices.Contains(readers, name); reads == (cmd.Annotations[changing] != "") {
			t.Errorf("%s: it is among readers: %v; it is marked by changes: %v", name, reads, !reads)
		}
	}
}

// Completion does not wait for a server that says nothing.
func TestCompletionOfASilentServer(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	defer func(d time.Duration) { completionTime = d }(completionTime)
	completionTime = 70 * time.Millisecond
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second) // the client waits longer
	defer cancel()
	var out, talk strings.Builder
	status := Run(ctx, []string{"__complete", "--meta", l.Addr().String(), "get", ""}, ui.Streams{Out: &out, Err: &talk})
	if status != int(exit.OK) || strings.TrimSpace(out.String()) != ":4" || ctx.Err() != nil {
		t.Errorf("status %d, %q, %q, %v", status, &out, &talk, ctx.Err())
	}
}
