package main

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	client "github.com/pegasus-go/pegasus"
)

// withTable opens the default table and calls f with it.
func withTable(t *testing.T, meta string, f func(client.TableConnector)) {
	t.Helper()
	c := client.NewClient(client.Config{MetaServers: []string{meta}})
	defer c.Close()
	table, err := c.OpenTable(t.Context(), "temp")
	if err != nil {
		t.Fatal(err)
	}
	f(table)
}

const records = 100

func recordKey(i int) []byte { return fmt.Appendf(nil, "k%d", i) }

// recordValue cannot be compressed, so that the records fill many blocks.
func recordValue(i int) []byte {
	b := make([]byte, 1000)
	_, _ = rand.NewChaCha8([32]byte{byte(i)}).Read(b)
	return b
}

// store makes the records with the command's default options.
func store(t *testing.T, meta string) {
	t.Helper()
	withTable(t, meta, func(table client.TableConnector) {
		for i := range records {
			if err := table.Set(t.Context(), recordKey(i), recordKey(i), recordValue(i)); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// checkStored expects all records. It returns the first error of a read.
func checkStored(t *testing.T, meta string) error {
	t.Helper()
	var first error
	withTable(t, meta, func(table client.TableConnector) {
		for i := range records {
			v, err := table.Get(t.Context(), recordKey(i), recordKey(i))
			if err != nil {
				first = err
				return
			}
			if !bytes.Equal(v, recordValue(i)) {
				t.Errorf("record %d is %x", i, v)
			}
		}
	})
	return first
}

// makeData returns a directory with the data of a onebox that was stopped.
// Everybody can reach it.
func makeData(t *testing.T) string {
	t.Helper()
	parent := t.TempDir()
	for _, p := range []string{parent, filepath.Dir(parent)} {
		if err := os.Chmod(p, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	dir := filepath.Join(parent, "data")
	r := startOnebox(t, "--dir", dir)
	store(t, r.meta)
	if status := r.end(t, syscall.SIGTERM); status != 0 {
		t.Fatalf("status %d: %s", status, r.stderr)
	}
	return dir
}

// contents returns what is in all files.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := make(map[string]string)
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		files[e.Name()] = string(b)
	}
	return files
}

// testRefused expects the command to refuse the directory, by an error with the
// name of it and with want, and to leave it as it is.
func testRefused(t *testing.T, dir, user, want string) {
	t.Helper()
	before := contents(t, dir)
	checkRefusal(t, dir, user, want)
	checkUnchanged(t, dir, before, "")
}

// checkUnchanged expects the files whose names end with suffix to be as they were.
func checkUnchanged(t *testing.T, dir string, before map[string]string, suffix string) {
	t.Helper()
	after := contents(t, dir)
	for name, content := range before {
		if got, ok := after[name]; strings.HasSuffix(name, suffix) && (!ok || got != content) {
			t.Errorf("%s is gone or changed", name)
		}
	}
}

func checkRefusal(t *testing.T, dir, user, want string) {
	t.Helper()
	cmd := pegasus("onebox", "--listen", "127.0.0.1:0", "--dir", dir)
	cmd.Env = append(cmd.Env, asCommand+"="+user)
	var text bytes.Buffer
	cmd.Stderr = &text
	stdout, err := cmd.Output()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 1 || len(stdout) > 0 {
		t.Errorf("%v, stdout %q, want status 1", err, stdout)
	}
	stderr := text.String()
	last := stderr[strings.LastIndexByte(strings.TrimSuffix(stderr, "\n"), '\n')+1:]
	if !strings.HasPrefix(last, "pegasus: ") || !strings.Contains(last, dir) || !strings.Contains(last, want) {
		t.Errorf("stderr %q, want %q about %s", stderr, want, dir)
	}
	if strings.Contains(stderr, "goroutine ") || strings.Contains(stderr, "stack") {
		t.Errorf("stderr %s", stderr)
	}
}

func TestNotADirectory(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{file, filepath.Join(file, "data")} {
		checkRefusal(t, dir, "", "not a directory")
	}
	if b, err := os.ReadFile(file); err != nil || string(b) != "mine" {
		t.Errorf("the file is now %q, %v", b, err)
	}
}

// What a onebox cannot understand it does not touch.
func TestDirectoryNotUnderstood(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(dir string) error
		want   string
	}{
		"newer format": {func(dir string) error {
			return os.WriteFile(filepath.Join(dir, "FORMAT"), []byte("pegasus-go store 2\n"), 0o600)
		}, "newer version"},
		"format not understood": {func(dir string) error {
			return os.WriteFile(filepath.Join(dir, "FORMAT"), []byte("?"), 0o600)
		}, "FORMAT"},
		"format lost":      {func(dir string) error { return os.Remove(filepath.Join(dir, "FORMAT")) }, "FORMAT"},
		"manifest lost":    {func(dir string) error { return remove(dir, "MANIFEST-*") }, "MANIFEST"},
		"marker lost":      {func(dir string) error { return remove(dir, "marker.manifest*") }, ""},
		"manifest damaged": {func(dir string) error { return damage(dir, "MANIFEST-*", 0, 1) }, ""},
		"table lost":       {func(dir string) error { return remove(dir, "*.sst") }, "does not exist"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := makeData(t)
			if err := tc.change(dir); err != nil {
				t.Fatal(err)
			}
			testRefused(t, dir, "", tc.want)
		})
	}
}

// A table that is damaged where the start needs it.
func TestDamagedTable(t *testing.T) {
	dir := makeData(t)
	if err := damage(dir, "*.sst", 0, 1); err != nil {
		t.Fatal(err)
	}
	before := contents(t, dir)
	checkRefusal(t, dir, "", "invalid table")
	checkUnchanged(t, dir, before, ".sst")
}

// Damage somewhere in a table is an error of each read that meets it, and the
// file stays.
func TestDamagedRecords(t *testing.T) {
	dir := makeData(t)
	if err := damage(dir, "*.sst", 0.4, 0.6); err != nil {
		t.Fatal(err)
	}
	before := contents(t, dir)
	r := startOnebox(t, "--dir", dir)
	if err := checkStored(t, r.meta); !errors.Is(err, client.StorageCorruption) {
		t.Errorf("Get: %v", err)
	}
	if status := r.end(t, os.Interrupt); status != 0 {
		t.Errorf("status %d", status)
	}
	if log := r.stderr.String(); !strings.Contains(log, "corrupt") || !strings.Contains(log, dir) || strings.Contains(log, "stack") {
		t.Errorf("stderr %s", log)
	}
	checkUnchanged(t, dir, before, ".sst")
}

// remove removes the files that match, of which there is one at least.
func remove(dir, pattern string) error {
	return change(dir, pattern, os.Remove)
}

// damage changes every byte of a part of the files that match.
func damage(dir, pattern string, from, to float64) error {
	return change(dir, pattern, func(name string) error {
		b, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		size := float64(len(b))
		for i := int(from * size); i < int(to*size); i++ {
			b[i] ^= 0x55
		}
		return os.WriteFile(name, b, 0o600)
	})
}

func change(dir, pattern string, f func(name string) error) error {
	names, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil {
		return err
	}
	if len(names) == 0 {
		return fmt.Errorf("no %s in %s", pattern, dir)
	}
	for _, name := range names {
		if err := f(name); err != nil {
			return err
		}
	}
	return nil
}
