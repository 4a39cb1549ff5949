//go:build unix

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	client "github.com/pegasus-go/pegasus"
)

// signal sends a signal to the process.
func (r *running) signal(t *testing.T, sig os.Signal) {
	t.Helper()
	if err := r.cmd.Process.Signal(sig); err != nil {
		t.Fatal(err)
	}
}

// Another process on the same directory is told so, and does no harm. When the
// first is dead, however it died, the next one takes over.
func TestSecondProcess(t *testing.T) {
	dir := makeData(t)
	first := startOnebox(t, "--dir", dir)
	first.signal(t, syscall.SIGSTOP) // it tidies up after its start
	testRefused(t, dir, "", "in use")
	before := contents(t, dir)
	cmd := pegasus("onebox", "--listen", "127.0.0.1:0", "--dir", dir, "--read-only")
	if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), "in use") {
		t.Errorf("a reader: %v, %s", err, out)
	}
	checkUnchanged(t, dir, before, "")
	first.signal(t, syscall.SIGCONT)
	if err := checkStored(t, first.meta); err != nil {
		t.Error(err)
	}
	store(t, first.meta)
	if status := first.end(t, os.Kill); status != -1 {
		t.Errorf("status %d", status)
	}
	next := startOnebox(t, "--dir", dir)
	if err := checkStored(t, next.meta); err != nil {
		t.Error(err)
	}
}

// Readers of a directory, of which there may be several, leave every byte of it,
// also after a crash.
func TestReadOnlyProcesses(t *testing.T) {
	dir := makeData(t)
	r := startOnebox(t, "--dir", dir)
	store(t, r.meta)
	r.end(t, os.Kill)
	before := contents(t, dir)
	readers := []*running{startOnebox(t, "--dir", dir, "--read-only"), startOnebox(t, "--dir", dir, "--read-only")}
	for _, r := range readers {
		if err := checkStored(t, r.meta); err != nil {
			t.Error(err)
		}
	}
	for _, r := range readers {
		if status := r.end(t, syscall.SIGTERM); status != 0 {
			t.Errorf("status %d: %s", status, r.stderr)
		}
	}
	checkUnchanged(t, dir, before, "")
	if after := contents(t, dir); len(after) != len(before) {
		t.Errorf("%d files, there were %d", len(after), len(before))
	}
}

// A terminal that goes away stops the onebox as an interrupt does.
func TestHangup(t *testing.T) {
	// A child ignores what its parent ignores, as under nohup; what the parent
	// handles it does not.
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)
	dir := filepath.Join(t.TempDir(), "data")
	r := startOnebox(t, "--dir", dir)
	store(t, r.meta)
	if status := r.end(t, syscall.SIGHUP); status != 0 || !strings.Contains(r.stderr.String(), "stopping") {
		t.Errorf("status %d: %s", status, r.stderr)
	}
	if err := checkStored(t, startOnebox(t, "--dir", dir).meta); err != nil {
		t.Error(err)
	}
}

// smallMemory makes the onebox make new files after little data.
var smallMemory = []string{"--cache-size", "4", "--durability", "os"}

// More clients than the process may have files end nothing for ever: when they
// are gone everything goes on.
func TestTooManyOpenFiles(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	plain := pegasus(append([]string{"onebox", "--listen", "127.0.0.1:0", "--dir", dir}, smallMemory...)...)
	limited := exec.Command("/bin/sh", append([]string{"-c", `ulimit -n 256 && exec "$0" "$@"`}, plain.Args...)...)
	limited.Env = plain.Env
	r := start(t, limited)
	value := make([]byte, 10_000)
	withTable(t, r.meta, func(table client.TableConnector) {
		if err := table.Set(t.Context(), recordKey(0), recordKey(0), value); err != nil {
			t.Fatal(err)
		}
		var idle []net.Conn
		for range 400 {
			nc, err := net.DialTimeout("tcp", r.meta, 5*time.Second)
			if err != nil {
				break // the system's queue is full, too
			}
			idle = append(idle, nc)
		}
		for i := range 500 { // several memtables; some writes fail, or wait
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
			_ = table.Set(ctx, recordKey(i), recordKey(i), value)
			cancel()
		}
		for _, nc := range idle {
			nc.Close()
		}
		for i := range 500 {
			for deadline := time.Now().Add(time.Minute); ; {
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				err := table.Set(ctx, recordKey(i), recordKey(i), value)
				cancel()
				if err == nil {
					break
				}
				if time.Now().After(deadline) {
					t.Fatalf("record %d: %v", i, err)
				}
			}
		}
	})
	if status, body := health(t, r.meta); status != 200 {
		t.Errorf("health: %d %s", status, body)
	}
	if status := r.end(t, syscall.SIGTERM); status != 0 {
		t.Errorf("status %d: %s", status, r.stderr)
	}
	withTable(t, startOnebox(t, "--dir", dir).meta, func(table client.TableConnector) {
		for i := range 500 {
			if v, err := table.Get(t.Context(), recordKey(i), recordKey(i)); len(v) != len(value) || err != nil {
				t.Fatalf("record %d: %d bytes, %v", i, len(v), err)
			}
		}
	})
}

// A onebox whose log can no longer be written says so, to who watches over it
// and at its end. What was acknowledged is there afterwards.
func TestFailedStore(t *testing.T) {
	parent := t.TempDir()
	dir, away := filepath.Join(parent, "data"), filepath.Join(parent, "away")
	r := startOnebox(t, append([]string{"--dir", dir}, smallMemory...)...)
	if status, body := health(t, r.meta); status != 200 || !strings.Contains(body, "ok") {
		t.Errorf("health: %d %s", status, body)
	}
	store(t, r.meta)
	if err := os.Rename(dir, away); err != nil {
		t.Fatal(err)
	}
	withTable(t, r.meta, func(table client.TableConnector) {
		value := make([]byte, 10_000)
		for i := 0; ; i++ {
			if err := table.Set(t.Context(), fmt.Appendf(nil, "more%d", i), []byte{}, value); err != nil {
				if !errors.Is(err, client.StorageIOError) {
					t.Errorf("Set: %v", err)
				}
				break
			}
			if i == 10_000 {
				t.Fatal("writes do not fail")
			}
		}
	})
	if status, body := health(t, r.meta); status != 503 || !strings.Contains(body, ".log") {
		t.Errorf("health: %d %s", status, body)
	}
	if err := checkStored(t, r.meta); err != nil {
		t.Error(err)
	}
	if status := r.end(t, syscall.SIGTERM); status != 1 || !strings.Contains(r.stderr.String(), ".log") {
		t.Errorf("status %d: %s", status, r.stderr)
	}
	if err := os.Rename(away, dir); err != nil {
		t.Fatal(err)
	}
	if err := checkStored(t, startOnebox(t, "--dir", dir).meta); err != nil {
		t.Error(err)
	}
}

// health asks a server how it is.
func health(t *testing.T, addr string) (status int, body string) {
	t.Helper()
	c := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := c.Get("http://" + addr + "/health")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}
