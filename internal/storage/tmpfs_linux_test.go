package storage

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// mount mounts a file system on a directory of its own, for which one has to be root.
func mount(t *testing.T, source, kind string, flags uintptr, data string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	if err := syscall.Mount(source, dir, kind, flags, data); err != nil {
		t.Skipf("mount of a %s: %v", kind, err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	return dir
}

func TestFullTmpfs(t *testing.T) {
	for name, reopen := range map[string]bool{"running": false, "restarted": true} {
		t.Run(name, func(t *testing.T) {
			testFullDisk(t, filepath.Join(mount(t, "tmpfs", "tmpfs", 0, "size=24m"), "data"), vfs.Default, reopen)
		})
	}
}

func TestOpenOnFullTmpfs(t *testing.T) {
	disk := mount(t, "tmpfs", "tmpfs", 0, "size=24m")
	testOpenOnFullDisk(t, filepath.Join(disk, "data"), vfs.Default, func() func() {
		f, err := os.Create(filepath.Join(disk, "filler"))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		for size := 1 << 20; size > 0; {
			if _, err = f.Write(make([]byte, size)); err != nil {
				size /= 2
			}
		}
		if !errors.Is(err, syscall.ENOSPC) {
			t.Fatal(err)
		}
		return func() {
			if err := os.Remove(f.Name()); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// A store can be read on a file system that is mounted read-only.
func TestReadOnlyFileSystem(t *testing.T) {
	disk := mount(t, "tmpfs", "tmpfs", 0, "size=48m")
	records := crashed(t, disk)
	if err := syscall.Mount("", disk, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		t.Skip(err)
	}
	if db, err := Open(Options{Dir: disk}); !errors.Is(err, syscall.EROFS) {
		t.Errorf("for writing: %v", err)
		if err == nil {
			db.Close()
		}
	}
	p := partition(t, openDB(t, Options{Dir: disk, ReadOnly: true}), 1, 0)
	if n, status := p.SortKeyCount([]byte("h"), testNow, nil); n != int64(records) || status != OK {
		t.Errorf("%d records, want %d, status %d", n, records, status)
	}
}
