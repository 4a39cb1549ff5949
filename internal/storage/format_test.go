package storage

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/pegasus-go/pegasus/onebox/limits"
)

// listing returns names and contents of a directory.
func listing(t *testing.T, dir string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	files := make(map[string]string)
	for _, e := range entries {
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		files[e.Name()] = string(b)
	}
	return files
}

// makeStore makes a store with two records, in two tables, and closes it.
func makeStore(t *testing.T, dir string) {
	t.Helper()
	db := openDB(t, Options{Dir: dir})
	put(t, partition(t, db, 1, 0), "h", "s", "v", 0)
	if err := db.pebble.Flush(); err != nil {
		t.Fatal(err)
	}
	put(t, partition(t, db, 1, 0), "h", "s2", "v2", 0)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestLock(t *testing.T) {
	dir := t.TempDir()
	db := openDB(t, Options{Dir: dir})
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{dir, filepath.Join(dir, "x", ".."), link} {
		if _, err := Open(Options{Dir: name}); !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), name) {
			t.Errorf("second Open of %s: %v", name, err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	openDB(t, Options{Dir: link})
}

// The directory that Open makes is the one that it locks, wherever links lead.
func TestLockBehindLink(t *testing.T) {
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(t.TempDir(), link); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(link, "new")
	openDB(t, Options{Dir: dir})
	if db, err := Open(Options{Dir: dir}); !errors.Is(err, ErrLocked) {
		t.Errorf("second Open: %v", err)
		if err == nil {
			db.Close()
		}
	}
}

// A store survives a loss of power with all directories that Open made for it.
func TestNewDirsAreDurable(t *testing.T) {
	disk := vfs.NewCrashableMem()
	opts := Options{Dir: "/a/b/c/db", FS: disk, SweepInterval: -1}
	put(t, partition(t, openDB(t, opts), 1, 0), "h", "s", "v", 0)
	opts.FS = disk.CrashClone(vfs.CrashCloneCfg{})
	if got := get(partition(t, openDB(t, opts), 1, 0), "h", "s"); got != "v" {
		t.Errorf("after a loss of power: %s", got)
	}
}

func TestNewerFormat(t *testing.T) {
	dir := t.TempDir()
	makeStore(t, dir)
	if err := os.WriteFile(filepath.Join(dir, formatFile), []byte("pegasus-go store 2\nmore than we know\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	testRefused(t, dir, func(err error) bool { return errors.Is(err, ErrNewerFormat) })
	if err := os.WriteFile(filepath.Join(dir, formatFile), []byte("something else\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	testRefused(t, dir, func(err error) bool { return strings.Contains(err.Error(), "not understood") })
}

// testRefused checks that dir does not open and does not change.
func testRefused(t *testing.T, dir string, want func(error) bool) {
	t.Helper()
	before := listing(t, dir)
	db, err := Open(Options{Dir: dir})
	if err == nil {
		_ = db.Close()
		t.Fatal("Open took it")
	}
	if !want(err) || !strings.Contains(err.Error(), dir) {
		t.Errorf("Open: %v", err)
	}
	after := listing(t, dir)
	for name, content := range before {
		if got, ok := after[name]; !ok || got != content {
			t.Errorf("%s is gone or changed", name)
		}
	}
}

func TestForeignDatabase(t *testing.T) {
	for name, flush := range map[string]bool{"tables": true, "log only": false} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			foreign, err := pebble.Open(dir, &pebble.Options{Logger: pebbleLogger{&DB{opts: mustDefaults(t)}}})
			if err != nil {
				t.Fatal(err)
			}
			if err := foreign.Set([]byte("k"), []byte("v"), pebble.Sync); err != nil {
				t.Fatal(err)
			}
			if flush {
				if err := foreign.Flush(); err != nil {
					t.Fatal(err)
				}
			}
			if err := foreign.Close(); err != nil {
				t.Fatal(err)
			}
			testRefused(t, dir, func(err error) bool { return errors.Is(err, ErrForeign) })
		})
	}
}

func mustDefaults(t *testing.T) Options {
	t.Helper()
	o, err := Options{}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// Other people's files in the directory do not matter and are left alone.
func TestOtherFiles(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "notes.txt"), []byte("mine"), 0o644); err != nil {
		t.Fatal(err)
	}
	makeStore(t, dir)
	if listing(t, dir)["notes.txt"] != "mine" {
		t.Error("notes.txt is gone")
	}
}

func TestNotADirectory(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(Options{Dir: file}); err == nil || !strings.Contains(err.Error(), "not a directory") {
		t.Errorf("Open of a file: %v", err)
	}
}

// A directory that cannot be written is not one that is in use.
func TestUnwritable(t *testing.T) {
	_, err := Open(Options{Dir: "/db", FS: readOnlyFS{vfs.NewMem()}})
	if !errors.Is(err, os.ErrPermission) || errors.Is(err, ErrLocked) {
		t.Errorf("Open: %v", err)
	}
}

// readOnlyFS has directories that others own.
type readOnlyFS struct{ vfs.FS }

func (readOnlyFS) Lock(name string) (io.Closer, error) {
	return nil, &os.PathError{Op: "open", Path: name, Err: syscall.EACCES}
}

// A store that lost a file does not open as an empty one, and what is left of it stays.
func TestLostFiles(t *testing.T) {
	for _, prefix := range []string{"MANIFEST-", "marker.manifest", "FORMAT"} {
		t.Run(prefix, func(t *testing.T) {
			dir := t.TempDir()
			makeStore(t, dir)
			for name := range listing(t, dir) {
				if strings.HasPrefix(name, prefix) {
					if err := os.Remove(filepath.Join(dir, name)); err != nil {
						t.Fatal(err)
					}
				}
			}
			testRefused(t, dir, func(error) bool { return true })
		})
	}
}

// readDamaged reads what makeStore has stored, and returns how many records cannot be read.
func readDamaged(t *testing.T, db *DB) (unreadable int) {
	t.Helper()
	p, err := db.Partition(1, 0)
	if err != nil {
		return 2
	}
	for sortKey, want := range map[string]string{"s": "v", "s2": "v2"} {
		v, _, status := p.Get(nil, rawKeyOf("h", sortKey), testNow)
		switch {
		case status == Corruption || status == IOError:
			unreadable++
		case status != OK || string(v) != want:
			t.Errorf("read %q of %s, status %d", v, sortKey, status)
		}
	}
	return unreadable
}

// Damage to any file of a store that was closed is an error of Open or of the read that meets it.
// Neither panics, and no table is deleted. The exception is a manifest that ends early, though it was synced: that looks
// as if a crash had cut it, and what it says about later tables is unknown.
func TestDamagedFiles(t *testing.T) {
	pristine := t.TempDir()
	makeStore(t, pristine)
	files := listing(t, pristine)
	for name, content := range files {
		for _, damage := range []string{"flip", "truncate", "empty"} {
			if damage == "truncate" && strings.HasPrefix(name, "MANIFEST-") {
				continue
			}
			t.Run(name+"/"+damage, func(t *testing.T) {
				dir := t.TempDir()
				for n, c := range files {
					if n == name {
						b := []byte(content)
						switch damage {
						case "flip":
							for i := range b {
								b[i] ^= 0x55
							}
						case "truncate":
							b = b[:len(b)/2]
						case "empty":
							b = nil
						}
						c = string(b)
					}
					if err := os.WriteFile(filepath.Join(dir, n), []byte(c), 0o644); err != nil {
						t.Fatal(err)
					}
				}
				isTable := strings.HasSuffix(name, ".sst")
				db, err := Open(Options{Dir: dir})
				if err == nil {
					if n := readDamaged(t, db); n > 0 != isTable {
						t.Errorf("%d records cannot be read", n)
					}
					if err := db.Close(); err != nil {
						t.Error(err)
					}
				}
				after := listing(t, dir)
				for n := range files {
					if _, ok := after[n]; !ok && strings.HasSuffix(n, ".sst") {
						t.Errorf("%s was deleted", n)
					}
				}
			})
		}
	}
}

// An Open that is interrupted anywhere can be repeated.
func TestInterruptedCreation(t *testing.T) {
	names := []string{}
	for step := 0; ; step++ {
		fs := &stoppingFS{FS: vfs.NewMem(), left: step}
		db, err := Open(Options{Dir: "/db", FS: fs})
		fs.left = 1 << 30
		if err == nil {
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
			break
		}
		names, _ = fs.List("/db")
		db, err = Open(Options{Dir: "/db", FS: fs})
		if err != nil {
			t.Fatalf("after %d steps with %v: %v", step, names, err)
		}
		put(t, partition(t, db, 1, 0), "h", "s", "v", 0)
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if !slices.Contains(names, formatFile+".tmp") && !slices.Contains(names, formatFile) {
		t.Errorf("the last interruption left %v: the test stopped too early", names)
	}
}

// stoppingFS lets a number of changes through and fails all later ones.
type stoppingFS struct {
	vfs.FS
	left int
}

func (s *stoppingFS) step() error {
	if s.left--; s.left < 0 {
		return errDisk
	}
	return nil
}

func (s *stoppingFS) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	if err := s.step(); err != nil {
		return nil, err
	}
	return s.FS.Create(name, c)
}

func (s *stoppingFS) Rename(oldname, newname string) error {
	if err := s.step(); err != nil {
		return err
	}
	return s.FS.Rename(oldname, newname)
}

func TestOptionsRefused(t *testing.T) {
	for name, opts := range map[string]Options{
		"Durability":    {Durability: 2},
		"CacheSize":     {CacheSize: 2 << 20, MemTableSize: 1 << 20},
		"MemTableSize":  {MemTableSize: -1},
		"MultiGetCount": {Limits: limits.Limits{MultiGetCount: -1}},
		"ScanCount":     {Limits: limits.Limits{ScanCount: -1}},
	} {
		if _, err := Open(opts); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestOptionsDefaults(t *testing.T) {
	for name, tc := range map[string]struct {
		opts            Options
		memTable, cache int64
	}{
		"memory":         {Options{}, 4 << 20, 16 << 20},
		"disk":           {Options{Dir: "d"}, 32 << 20, 256 << 20},
		"memtable given": {Options{Dir: "d", MemTableSize: 1 << 20}, 1 << 20, 8 << 20},
		"cache given":    {Options{Dir: "d", CacheSize: 16 << 20}, 2 << 20, 16 << 20},
		"large cache":    {Options{Dir: "d", CacheSize: 1 << 30}, 32 << 20, 1 << 30},
	} {
		o, err := tc.opts.withDefaults()
		if err != nil || o.MemTableSize != tc.memTable || o.CacheSize != tc.cache {
			t.Errorf("%s: memtable %d, cache %d, %v", name, o.MemTableSize, o.CacheSize, err)
		}
	}
}
