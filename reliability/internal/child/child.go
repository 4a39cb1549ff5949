// Package child runs a onebox in a process of its own, the program itself once
// more, so that it can be killed at any moment.
//
// A program that uses it calls [Main] first thing.
package child

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"

	"github.com/pegasus-go/pegasus/onebox"
)

// Options of a onebox in a process of its own.
type Options struct {
	Dir, BackupDir string
	Durability     onebox.Durability
	CacheSize      int64
	Port           int // of the first meta server, see onebox.Options.Listen; 0: free ones
	MetaServers    int
	ReplicaServers int
	Tables         []onebox.Table
	ReadOnly       bool
	Limits         onebox.Limits
}

// Process is a running onebox. Its methods may be called concurrently.
type Process struct {
	// MetaServers and ReplicaServers are the addresses of the servers.
	MetaServers, ReplicaServers []string

	cmd   *exec.Cmd
	stdin io.WriteCloser

	mu  sync.Mutex // held from a command to its answer
	out *json.Decoder

	wait func() error
}

// environment is the variable whose presence makes a process a onebox. Its value
// is an Options.
const environment = "PEGASUS_RELIABILITY_ONEBOX"

// greeting is the first thing that the process says.
type greeting struct {
	MetaServers, ReplicaServers []string
	Error                       string
}

// Start starts a onebox and waits until it serves. It ends with its parent, if
// not before.
func Start(opts Options) (*Process, error) {
	text, err := json.Marshal(opts)
	if err != nil {
		return nil, err
	}
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), environment+"="+string(text))
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &Process{cmd: cmd, stdin: stdin, out: json.NewDecoder(stdout), wait: sync.OnceValue(cmd.Wait)}
	var g greeting
	if err := p.out.Decode(&g); err != nil {
		return nil, errors.Join(fmt.Errorf("onebox process: %w", err), p.Kill())
	}
	if g.Error != "" {
		_ = p.wait()
		return nil, errors.New(g.Error)
	}
	p.MetaServers, p.ReplicaServers = g.MetaServers, g.ReplicaServers
	return p, nil
}

// PID is the id of the process.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// PeakMemory returns the most resident memory in bytes that the process has had
// so far, and 0 where the system does not tell.
func (p *Process) PeakMemory() int64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.PID()))
	if err != nil {
		return 0
	}
	_, peak, _ := strings.Cut(string(text), "VmHWM:")
	var kilobytes int64
	if _, err := fmt.Sscan(peak, &kilobytes); err != nil {
		return 0
	}
	return kilobytes << 10
}

// Kill ends the process as kill -9 does, and waits for its end.
func (p *Process) Kill() error {
	if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	_ = p.wait() // says that it was killed
	return nil
}

// Stop ends the process gracefully. It returns an error if the onebox could not
// be closed, and a *GoroutinesError if it has left goroutines behind.
func (p *Process) Stop() error {
	a, err := p.Do(Command{Op: "close"})
	if a.Leak != "" {
		err = &GoroutinesError{Stacks: a.Leak}
	}
	return errors.Join(err, p.stdin.Close(), p.wait())
}

// Do carries out a command in the process and returns the answer to it.
func (p *Process) Do(c Command) (Answer, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	text, err := json.Marshal(c)
	if err != nil {
		return Answer{}, err
	}
	if _, err := p.stdin.Write(append(text, '\n')); err != nil {
		return Answer{}, fmt.Errorf("onebox process: %w", err)
	}
	var a Answer
	if err := p.out.Decode(&a); err != nil {
		return Answer{}, fmt.Errorf("onebox process: %w", err)
	}
	if a.Error != "" {
		return a, errors.New(a.Error)
	}
	return a, nil
}

// Main does not return if the process is a onebox that Start has started.
func Main() {
	text, ok := os.LookupEnv(environment)
	if !ok {
		return
	}
	if err := serve([]byte(text)); err != nil {
		fmt.Fprintln(os.Stderr, "onebox process:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// serve runs a onebox until the parent is gone or says so.
func serve(text []byte) error {
	var opts Options
	if err := json.Unmarshal(text, &opts); err != nil {
		return err
	}
	out := json.NewEncoder(os.Stdout)
	b, err := newBox(opts)
	if err != nil {
		return out.Encode(greeting{Error: err.Error()})
	}
	if err := out.Encode(greeting{MetaServers: b.srv.MetaServers(), ReplicaServers: b.srv.ReplicaServers()}); err != nil {
		return err
	}
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		var c Command
		if err := json.Unmarshal(in.Bytes(), &c); err != nil {
			return err
		}
		if err := out.Encode(b.do(context.Background(), c)); err != nil {
			return err
		}
		if c.Op == "close" {
			return nil
		}
	}
	return in.Err() // the parent is gone, so nobody waits for anything
}

// FreePort returns a port for Options.Port, so that a onebox has the same
// addresses again after a restart. It is outside of the range that systems take
// ports for outgoing connections from.
func FreePort(random func(n int) int, servers int) (int, error) {
	const first, last, replicaOffset = 20000, 29000, 200
	var err error
	for range 100 {
		port := first + random(last-first)
		if err = free(port, servers); err == nil {
			err = free(port+replicaOffset, servers)
		}
		if err == nil {
			return port, nil
		}
	}
	return 0, err
}

// free returns an error unless the n ports from the first on are free.
func free(first, n int) error {
	for i := range n {
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(first+i)))
		if err != nil {
			return err
		}
		l.Close()
	}
	return nil
}
