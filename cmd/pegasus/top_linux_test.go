package main

import (
	"bytes"
	"strings"
	"syscall"
	"testing"

	"github.com/pegasus-go/pegasus/internal/cli/fullscreen/screentest"
	"golang.org/x/sys/unix"
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

// awaitStopped waits until the system says that a process, a child of this one, is stopped.
func awaitStopped(t *testing.T, pid int) {
	t.Helper()
	err := error(unix.EINTR)
	for err == unix.EINTR {
		err = unix.Waitid(unix.P_PID, pid, nil, unix.WSTOPPED, nil)
	}
	if err != nil {
		t.Fatal(err)
	}
}
