//go:build unix

package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/pegasus-go/pegasus/onebox"
)

// screen is a command in a terminal of its own.
type screen struct {
	cmd  *exec.Cmd
	f    *os.File
	mu   sync.Mutex
	out  bytes.Buffer
	more chan struct{} // something has come
	done chan struct{} // nothing comes any more
}

func onScreen(t *testing.T, columns uint16, meta string, args ...string) *screen {
	t.Helper()
	s := &screen{cmd: pegasus(append(args, "--meta", meta)...), more: make(chan struct{}, 1), done: make(chan struct{})}
	s.cmd.Env = append(s.cmd.Env, "CI=", "PEGASUS_ACCESSIBLE=", "TERM=xterm")
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	var err error
	if s.f, err = pty.StartWithSize(s.cmd, &pty.Winsize{Cols: columns, Rows: 24}); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(s.done)
		b := make([]byte, 4096)
		for {
			n, err := s.f.Read(b)
			s.mu.Lock()
			s.out.Write(b[:n])
			s.mu.Unlock()
			select {
			case s.more <- struct{}{}:
			default:
			}
			if err != nil { // the other end is closed
				return
			}
		}
	}()
	t.Cleanup(func() {
		_ = s.cmd.Process.Kill()
		_ = s.cmd.Wait()
		s.f.Close()
		<-s.done
	})
	return s
}

func (s *screen) text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.out.String()
}

// until waits until something is on the screen.
func (s *screen) until(t *testing.T, what string) {
	t.Helper()
	pattern := regexp.MustCompile(what)
	for !pattern.MatchString(s.text()) {
		select {
		case <-s.more:
		case <-s.done:
			if !pattern.MatchString(s.text()) {
				t.Fatalf("it ends without %s: %q", what, s.text())
			}
		case <-time.After(time.Minute):
			t.Fatalf("there is no %s: %q", what, s.text())
		}
	}
}

// interrupt is Ctrl-C.
func (s *screen) interrupt(t *testing.T) {
	t.Helper()
	if _, err := s.f.Write([]byte{3}); err != nil {
		t.Fatal(err)
	}
}

// end waits for the end of the command.
func (s *screen) end(t *testing.T) (status int, text string) {
	t.Helper()
	<-s.done
	_ = s.cmd.Wait()
	return s.cmd.ProcessState.ExitCode(), s.text()
}

// A scan that is interrupted at a terminal shows the rows that have waited for the widths.
func TestScanOnScreen(t *testing.T) {
	srv, err := onebox.Start(onebox.Options{Tables: []onebox.Table{{Name: "t", Partitions: 16}}})
	if err != nil {
		t.Fatal(err)
	}
	defer srv.Close()
	meta := srv.MetaServers()[0]
	fillRows(t, meta, "t", 200)
	var scans atomic.Int64
	held, release := make(chan struct{}), make(chan struct{})
	srv.Intercept(func(r onebox.Request) onebox.Action {
		if r.Task != onebox.TaskGetScanner || scans.Add(1) != 14 {
			return onebox.Action{}
		}
		close(held)
		return onebox.Action{Until: release}
	})
	s := onScreen(t, 80, meta, "scan", "t", "--keys-only")
	<-held
	s.interrupt(t)
	status, text := s.end(t)
	close(release)
	if status != 130 || !regexp.MustCompile(`HK +SK +EXPIRES\s+hash`).MatchString(text) || !strings.Contains(text, "pegasus: interrupted") {
		t.Errorf("status %d: %q", status, text)
	}
}

// Progress is one line, which fits, changes, and is gone when there is something to say.
func TestProgressOnScreen(t *testing.T) {
	r := startOnebox(t, "--table", "a:4")
	fillRows(t, r.meta, "a", 40_000)
	for _, columns := range []uint16{40, 80, 200} {
		file := filepath.Join(t.TempDir(), "a.pgx")
		s := onScreen(t, columns, r.meta, "export", "a", file, "--rate", "20k")
		s.until(t, `export a .*export a `)
		s.interrupt(t)
		status, text := s.end(t)
		if status != 130 {
			t.Errorf("status %d: %q", status, text)
		}
		before, after, found := strings.Cut(text, "\r\x1b[K")
		if !found || !strings.Contains(after, "pegasus: interrupted after ") {
			t.Errorf("the line does not vanish: %q", text)
		}
		frames := strings.Split(before, "\r")
		for _, frame := range frames {
			frame = strings.TrimSuffix(strings.TrimSuffix(frame, "\x1b[K"), "^C")
			if len(frame) >= int(columns) || strings.ContainsAny(frame, "\n") {
				t.Errorf("%d columns: %q", columns, frame)
			}
			if bar := strings.Contains(frame, "[") && strings.Contains(frame, " rows  "); frame != "" && bar != (columns >= 80) {
				t.Errorf("%d columns: %q", columns, frame)
			}
		}
		s = onScreen(t, columns, r.meta, "export", "a", file, "--resume")
		if status, text := s.end(t); status != 0 || !strings.Contains(text, "exported 40,000 rows") {
			t.Errorf("status %d: %q", status, text)
		}
		if got := must(t, r.meta, "import", "a", file, "--dry-run", "-o", "raw"); got != fmt.Sprint(40_000) {
			t.Errorf("the file has %s rows", got)
		}
	}
}
