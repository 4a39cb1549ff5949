//go:build unix

package storage

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// Whatever the process allows, what a store makes is for its owner only.
func TestPrivateFiles(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0))
	parent := t.TempDir()
	dir, backup, restored := filepath.Join(parent, "new", "data"), filepath.Join(parent, "backup"), filepath.Join(parent, "restored")
	db, err := Open(Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	writeSome := func(db *DB) {
		t.Helper()
		for range 2 { // a log that is used again, and tables
			if err := db.UpdateMeta(map[string][]byte{"k": make([]byte, 1000)}, nil); err != nil {
				t.Fatal(err)
			}
			if err := db.pebble.Flush(); err != nil {
				t.Fatal(err)
			}
		}
	}
	writeSome(db)
	if _, err := db.Checkpoint(context.Background(), backup); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := Restore(t.Context(), backup, Options{Dir: restored})
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Close(); err != nil {
		t.Fatal(err)
	}
	files := 0
	for _, d := range []string{filepath.Dir(dir), backup, restored} {
		for name, mode := range modes(t, d) {
			want := fs.FileMode(0o600)
			if mode.IsDir() {
				want = 0o700 | fs.ModeDir
			} else {
				files++
			}
			if mode != want {
				t.Errorf("%s: %v, want %v", name, mode, want)
			}
		}
	}
	if files < 3*5 {
		t.Errorf("only %d files", files)
	}
}

// A directory and files that are there already keep their rights.
func TestRightsStay(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o750); err != nil {
		t.Fatal(err)
	}
	open := func() {
		t.Helper()
		db, err := Open(Options{Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
	open()
	for _, name := range []string{formatFile, "LOCK"} {
		if err := os.Chmod(filepath.Join(dir, name), 0o640); err != nil {
			t.Fatal(err)
		}
	}
	open()
	got := modes(t, dir)
	if got[dir].Perm() != 0o750 || got[filepath.Join(dir, formatFile)] != 0o640 || got[filepath.Join(dir, "LOCK")] != 0o640 {
		t.Errorf("%v", got)
	}
}

// modes returns the modes of a directory and of all in it.
func modes(t *testing.T, dir string) map[string]fs.FileMode {
	t.Helper()
	all := make(map[string]fs.FileMode)
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		all[name] = info.Mode()
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}
