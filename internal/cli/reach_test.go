package cli

import (
	"bytes"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/pegasus-go/pegasus/internal/cli/exit"
	"github.com/pegasus-go/pegasus/internal/cli/ui"
	"github.com/pegasus-go/pegasus/onebox"
)

// free returns an address that nobody listens at.
func free(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// A command fails without waiting where all meta servers refuse connections, in each of the ways
// in which commands turn to a cluster.
func TestNobodyListens(t *testing.T) {
	defer func(d time.Duration) { listenTime = d }(listenTime)
	listenTime = 0
	meta := free(t) + "," + free(t)
	for _, args := range [][]string{
		{"get", "temp", "h", "s"},
		{"count", "temp"},
		{"scan", "temp"},
		{"export", "temp", t.TempDir() + "/a.pgx"},
		{"copy", "temp", "other"},
		{"table", "list"},
		{"table", "create", "temp"},
		{"node", "list"},
		{"status"},
		{"stats", "temp"},
		{"top"},
		{"top", "--plain", "-n", "1"},
		{"bench", "read"},
		{"shell", "-c", "get temp h s"},
	} {
		status, stdout, stderr := run(t, append(args, "--meta", meta, "--timeout", "1h")...)
		if status != int(exit.Unreachable) || stdout != "" || !strings.Contains(stderr, "connection refused; --await waits for one") {
			t.Errorf("%q: status %d, %s%s", args, status, stdout, stderr)
		}
	}
}

// With --await it waits for a cluster that is not there yet.
func TestAwait(t *testing.T) {
	defer func(d time.Duration) { listenTime = d }(listenTime)
	listenTime = 0
	meta := free(t)
	started := make(chan error, 1)
	var talk bytes.Buffer
	go func() {
		defer close(started)
		srv, err := onebox.Start(onebox.Options{Listen: meta, Tables: []onebox.Table{{Name: "temp"}}})
		if err == nil {
			t.Cleanup(func() { _ = srv.Close() })
		}
		started <- err
	}()
	status := Run(t.Context(), []string{"set", "temp", "h", "s", "v", "--meta", meta, "--await", "--timeout", "1m"}, ui.Streams{Err: &talk})
	if err := <-started; err != nil {
		t.Fatal(err)
	}
	if status != int(exit.OK) {
		t.Errorf("status %d, %s", status, &talk)
	}
	for _, args := range [][]string{{"doctor"}, {"ping"}, {"console"}} {
		if status, _, stderr := run(t, append(args, "--await")...); status != int(exit.Usage) || !strings.Contains(stderr, "waits anyway") {
			t.Errorf("%q: status %d, %s", args, status, stderr)
		}
	}
}
