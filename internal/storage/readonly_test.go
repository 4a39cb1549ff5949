package storage

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

// snapshot returns what is in a directory, with what the file system says about it.
func snapshot(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := make(map[string]string)
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		var content []byte
		if !d.IsDir() {
			content, err = os.ReadFile(name)
		}
		files[name] = info.Mode().String() + info.ModTime().String() + string(content)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// crashed makes a directory with a store that was not closed: a part is in tables, a part in a log,
// and a split has not been completed. It returns the number of records of table 1.
func crashed(t *testing.T, dir string) int {
	t.Helper()
	mem := vfs.NewCrashableMem()
	db := openDB(t, Options{Dir: "/db", FS: mem, SweepInterval: -1})
	p := partition(t, db, 1, 0)
	for _, s := range []string{"a", "b"} {
		put(t, p, "h", s, "v", 0)
	}
	if err := db.pebble.Flush(); err != nil {
		t.Fatal(err)
	}
	put(t, p, "h", "c", "v", 0)
	put(t, p, "h", "expired", "v", 1)
	b := db.pebble.NewBatch()
	_ = b.Set(appendAppPrefix(nil, tagSplit, 2), splitEntry(splitCopying, 4), nil)
	if err := db.commitNow(b); err != nil {
		t.Fatal(err)
	}
	clone := mem.CrashClone(vfs.CrashCloneCfg{})
	if ok, err := vfs.Clone(clone, vfs.Default, "/db", dir); err != nil || !ok {
		t.Fatal(ok, err)
	}
	return 3
}

// A store opened for reading has what the next one that writes would have, writes nothing itself,
// and leaves the directory as it is.
func TestReadOnly(t *testing.T) {
	dir := t.TempDir()
	records := crashed(t, dir)
	before := snapshot(t, dir)
	var written atomic.Int32
	noWrites := errorfs.Wrap(vfs.Default, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind.ReadOrWrite() == errorfs.OpIsWrite {
			written.Add(1)
			t.Errorf("%v of %s", op.Kind, op.Path)
			return errDisk
		}
		return nil
	}))
	for _, fs := range []vfs.FS{vfs.Default, noWrites} {
		db := openDB(t, Options{Dir: dir, FS: fs, ReadOnly: true})
		p := partition(t, db, 1, 0)
		if n, status := p.SortKeyCount([]byte("h"), testNow, nil); n != int64(records) || status != OK {
			t.Errorf("%d records, want %d, status %d", n, records, status)
		}
		for name, err := range map[string]error{
			"Put": func() error {
				res, c := p.Put(rawKeyOf("h", "x"), nil, 0, testNow)
				if res.Status != IOError {
					t.Errorf("Put: status %d", res.Status)
				}
				return c.Wait()
			}(),
			"UpdateMeta": db.UpdateMeta(map[string][]byte{"k": nil}, nil),
			"DropApp":    db.DropApp(2),
			"SplitApp":   db.SplitApp(t.Context(), 3, 1, nil),
			"Sweep": func() error {
				_, err := db.Sweep(context.Background())
				return err
			}(),
		} {
			if !errors.Is(err, ErrReadOnly) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if err := db.Health(); err != nil {
			t.Error(err)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}
	after := snapshot(t, dir)
	for name, was := range before {
		if after[name] != was {
			t.Errorf("%s has changed", name)
		}
	}
	if len(after) != len(before) {
		t.Errorf("%d files, there were %d", len(after), len(before))
	}
}

// Readers keep writers away and not each other, and a writer keeps readers away.
func TestReadersAndWriters(t *testing.T) {
	dir := t.TempDir()
	write, read := Options{Dir: dir}, Options{Dir: dir, ReadOnly: true}
	locked := func(when string, opts Options) {
		t.Helper()
		if db, err := Open(opts); !errors.Is(err, ErrLocked) {
			t.Errorf("%s: %v", when, err)
			if err == nil {
				db.Close()
			}
		}
	}
	w := openDB(t, write)
	locked("read while it is written", read)
	locked("write while it is written", write)
	w.Close()
	r := openDB(t, read)
	r2 := openDB(t, read)
	locked("write while it is read", write)
	r.Close()
	locked("write while it is read by one more", write)
	r2.Close()
	openDB(t, write).Close()
	if err := os.Remove(filepath.Join(dir, "LOCK")); err != nil {
		t.Fatal(err)
	}
	openDB(t, read)
	if _, err := os.Stat(filepath.Join(dir, "LOCK")); err == nil {
		t.Error("a reader has made a lock file")
	}
}

// The process may go to another directory after it has opened a store by a relative name.
func TestRelativeDir(t *testing.T) {
	t.Chdir(t.TempDir())
	opts := Options{Dir: filepath.Join("a", "data"), MemTableSize: 256 << 10, CacheSize: 4 << 20}
	db := openDB(t, opts)
	home, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	elsewhere := t.TempDir()
	t.Chdir(elsewhere)
	p := partition(t, db, 1, 0)
	for _, s := range []string{"a", "b", "c", "d"} { // logs and tables are made
		put(t, p, "h", s, strings.Repeat("v", 200<<10), 0)
	}
	if total, _, err := db.DiskUsage(); err != nil || total == 0 {
		t.Errorf("DiskUsage: %d, %v", total, err)
	}
	if err := errors.Join(db.Admit(false), db.Health(), db.Close()); err != nil {
		t.Error(err)
	}
	if names, err := os.ReadDir(elsewhere); err != nil || len(names) > 0 {
		t.Errorf("in the other directory: %v, %v", names, err)
	}
	t.Chdir(home)
	p = partition(t, openDB(t, opts), 1, 0)
	if n, status := p.SortKeyCount([]byte("h"), testNow, nil); n != 4 || status != OK {
		t.Errorf("%d records, status %d", n, status)
	}
}
