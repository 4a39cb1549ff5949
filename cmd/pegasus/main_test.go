package main

import (
	"bufio"
	"bytes"
	"os"
	"os/exec"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

// asCommand is the variable whose presence makes the test the pegasus command.
const asCommand = "PEGASUS_TEST_AS_COMMAND"

func TestMain(m *testing.M) {
	if user, ok := os.LookupEnv(asCommand); ok {
		become(user)
		main()
	}
	goleak.VerifyTestMain(m)
}

// pegasus returns the command line, to be run in a process of its own.
func pegasus(args ...string) *exec.Cmd {
	exe, err := os.Executable()
	if err != nil {
		panic(err)
	}
	cmd := exec.Command(exe, args...)
	cmd.Env = append(os.Environ(), asCommand+"=")
	return cmd
}

// running is a pegasus onebox that runs.
type running struct {
	cmd    *exec.Cmd
	meta   string // address
	stderr *bytes.Buffer
}

// startOnebox runs pegasus onebox on free ports until it serves. It is killed at
// the end of the test, unless it has ended.
func startOnebox(t *testing.T, args ...string) *running {
	t.Helper()
	return start(t, pegasus(append([]string{"onebox", "--listen", "127.0.0.1:0"}, args...)...))
}

// start is startOnebox with a command line of one's own.
func start(t *testing.T, cmd *exec.Cmd) *running {
	t.Helper()
	r := &running{cmd: cmd, stderr: new(bytes.Buffer)}
	cmd.Stderr = r.stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		_ = cmd.Wait()
		t.Fatalf("%q: %v: %s", cmd.Args, cmd.ProcessState, r.stderr)
	}
	r.meta = strings.TrimSpace(strings.TrimPrefix(line, "meta server"))
	return r
}

// end sends a signal and waits for the end of the process, whose status it
// returns; -1 for the death by a signal.
func (r *running) end(t *testing.T, sig os.Signal) int {
	t.Helper()
	if err := r.cmd.Process.Signal(sig); err != nil {
		t.Fatal(err)
	}
	_ = r.cmd.Wait()
	return r.cmd.ProcessState.ExitCode()
}
