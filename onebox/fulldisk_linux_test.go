package onebox_test

import (
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/admin"
	"github.com/pegasus-go/pegasus/onebox"
)

// smallDisk mounts a small file system, for which one has to be root.
func smallDisk(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=24m"); err != nil {
		t.Skipf("mount: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	return dir
}

// fillDisk writes a file until there is no room for another byte.
func fillDisk(t *testing.T, dir string) (name string) {
	t.Helper()
	f, err := os.Create(filepath.Join(dir, "filler"))
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
	return f.Name()
}

// A disk that the onebox has filled: writes are refused, reads go on, and a table
// that is dropped makes room within seconds. Also after a restart.
func TestFullDisk(t *testing.T) {
	disk := smallDisk(t)
	opts := onebox.Options{Dir: filepath.Join(disk, "data"), Durability: onebox.OS, Tables: []onebox.Table{{Name: "a"}, {Name: "b"}}}
	key, value := []byte("k"), make([]byte, 50_000)
	random := rand.NewChaCha8([32]byte{}) // cannot be compressed
	var s *onebox.Server
	var table pegasus.TableConnector
	open := func(name string) {
		t.Helper()
		s = start(t, opts)
		client := pegasus.NewClient(pegasus.Config{MetaServers: s.MetaServers()})
		t.Cleanup(func() { client.Close() })
		var err error
		if table, err = client.OpenTable(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
	restart := func(name string) {
		t.Helper()
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		open(name)
	}
	fill := func(n int) int {
		t.Helper()
		for {
			_, _ = random.Read(value)
			err := table.Set(t.Context(), key, []byte{byte(n >> 8), byte(n)}, value)
			if errors.Is(err, pegasus.ErrDiskInsufficient) {
				return n
			}
			if err != nil {
				t.Fatal(err)
			}
			n++
		}
	}
	read := func(n int) {
		t.Helper()
		if got, err := table.SortKeyCount(t.Context(), key); got != int64(n) || err != nil {
			t.Errorf("%d records, want %d: %v", got, n, err)
		}
	}
	open("a")
	n := fill(0)
	read(n)
	restart("a")
	read(n)
	a, err := admin.New(admin.Config{MetaServers: s.MetaServers()})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	if err := a.DropTable(t.Context(), "a", time.Second); err != nil {
		t.Fatal(err)
	}
	restart("b")
	again := 0
	for deadline := time.Now().Add(time.Minute); again < n/2; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("room for %d records again, there were %d", again, n)
		}
		again = fill(again)
	}
	read(again)
	restart("b")
}

// A onebox starts on a disk that somebody else has filled to the last byte, with
// the tables that there are.
func TestStartOnFullDisk(t *testing.T) {
	disk := smallDisk(t)
	opts := onebox.Options{Dir: filepath.Join(disk, "data"), Tables: []onebox.Table{{Name: "a"}}}
	key, value := []byte("k"), []byte("v")
	with := func(f func(table pegasus.TableConnector)) {
		t.Helper()
		s := start(t, opts)
		client := pegasus.NewClient(pegasus.Config{MetaServers: s.MetaServers()})
		table, err := client.OpenTable(t.Context(), "a")
		if err != nil {
			t.Fatal(err)
		}
		f(table)
		client.Close()
		_ = s.Close() // says that the store has failed
	}
	with(func(table pegasus.TableConnector) {
		if err := table.Set(t.Context(), key, key, value); err != nil {
			t.Fatal(err)
		}
	})
	filler := fillDisk(t, disk)
	opts.Tables = append(opts.Tables, onebox.Table{Name: "b"})
	with(func(table pegasus.TableConnector) {
		if v, err := table.Get(t.Context(), key, key); string(v) != "v" || err != nil {
			t.Errorf("Get: %q, %v", v, err)
		}
		if err := table.Set(t.Context(), key, key, value); err == nil {
			t.Error("Set on a full disk succeeds")
		}
	})
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	with(func(table pegasus.TableConnector) {
		if err := table.Set(t.Context(), key, key, value); err != nil {
			t.Errorf("Set when there is room again: %v", err)
		}
	})
}
