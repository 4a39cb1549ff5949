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
