package main

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pegasus-go/pegasus/internal/cli/fullscreen/screentest"
)

// top gives the terminal back when it is stopped, takes it when it goes on, and leaves it as
// it was when it is told to end.
func TestTopIsStopped(t *testing.T) {
	r := startOnebox(t)
	tty := screentest.New(t, 80, 24)
	cmd := pegasus("top", "--meta", r.meta, "--every", "100ms")
	var stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = tty.File, tty.File, &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	defer func() { _ = cmd.Process.Kill() }()
	shows := func(s screentest.State) bool {
		return s.Alternate && !s.Cursor && strings.Contains(s.Text(), "view tables") && strings.Contains(s.Text(), " > temp ")
	}
	hidden := func(s screentest.State) bool { return !s.Alternate && s.Cursor }
	tty.Await(t, shows)
	for name, stop := range map[string]func(){
		"signal": func() { _ = cmd.Process.Signal(syscall.SIGTSTP) },
		"key":    func() { tty.Type(t, "\x1a") },
	} {
		stop()
		tty.Await(t, hidden)
		awaitStopped(t, cmd.Process.Pid)
		if err := cmd.Process.Signal(syscall.SIGCONT); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		tty.Await(t, shows)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil || stderr.Len() > 0 {
		t.Errorf("%v: %s", err, &stderr)
	}
	tty.Await(t, hidden)
}

// awaitStopped waits until the system says that a process is stopped, which it tells nobody
// but its parent.
func awaitStopped(t *testing.T, pid int) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			t.Fatal(err)
		}
		if _, rest, _ := strings.Cut(string(b), ") "); strings.HasPrefix(rest, "T") {
			return
		}
	}
	t.Fatal("the process is not stopped")
}
