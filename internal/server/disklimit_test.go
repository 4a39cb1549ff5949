package server

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/pegasus-go/pegasus/internal/storage"
	"github.com/pegasus-go/pegasus/internal/wire"
)

// spaceFS is a disk that says how much is free on it.
type spaceFS struct {
	vfs.FS
	free *atomic.Uint64
}

func (fs spaceFS) GetDiskUsage(string) (vfs.DiskUsage, error) {
	return vfs.DiskUsage{TotalBytes: 100 << 30, AvailBytes: fs.free.Load()}, nil
}

// health returns what the HTTP path of that name does.
func health(t *testing.T, n *Node) (int, string) {
	t.Helper()
	resp, err := http.Get("http://" + n.Addr() + "/health")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	http.DefaultClient.CloseIdleConnections()
	return resp.StatusCode, string(body)
}

// A disk that is nearly full refuses writes, as a real server's does, but not
// removals: they make room. Those it refuses when hardly anything is left. Reads
// go on, and tables can be dropped.
func TestDiskInsufficient(t *testing.T) {
	fs := spaceFS{vfs.NewMem(), new(atomic.Uint64)}
	fs.free.Store(10 << 30)
	s := startOn(t, openStore(t, storage.Options{Dir: "data", FS: fs}), Options{})
	ensure(t, s, testTable, testPartitions)
	c, m := dial(t, s.Replicas()[0]), dial(t, s.Metas()[0])
	c.mustPut("k", "v")
	remove := func() wire.ErrorCode {
		var resp wire.UpdateResponse
		return do(c, home("k2"), wire.TaskRemove, key("k2", ""), resp.Read)
	}
	for _, tc := range []struct {
		free        uint64
		put, remove wire.ErrorCode
		health      string
	}{
		{255 << 20, wire.ErrDiskInsufficient, wire.ErrOK, "writes refused"},
		{1 << 20, wire.ErrDiskInsufficient, wire.ErrDiskInsufficient, "writes refused"},
		{1 << 30, wire.ErrOK, wire.ErrOK, `"ok"`},
	} {
		fs.free.Store(tc.free)
		for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) { // the store asks now and then
			_, put := c.put("k2", "v")
			removed := remove()
			status, text := health(t, s.Replicas()[0])
			if put == tc.put && removed == tc.remove && status == 200 && strings.Contains(text, tc.health) {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("%d bytes free: put %v, remove %v, health %d %s", tc.free, put, removed, status, text)
			}
		}
		c.wantValue("k", "v")
	}
	fs.free.Store(1 << 20)
	if code := dropTable(m, testTable, 0); code != wire.ErrOK {
		t.Errorf("drop: %v", code)
	}
}

// Whoever watches over a server is told that its store has failed, and why.
func TestHealthOfFailedStore(t *testing.T) {
	var broken atomic.Bool
	fs := errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		if broken.Load() && op.Kind.ReadOrWrite() == errorfs.OpIsWrite {
			return errors.New("injected disk error")
		}
		return nil
	}))
	db, err := storage.Open(storage.Options{Dir: "data", FS: fs})
	if err != nil {
		t.Fatal(err)
	}
	s := startOn(t, db, Options{})
	ensure(t, s, testTable, testPartitions)
	broken.Store(true)
	if resp, code := dial(t, s.Replicas()[0]).put("k", "v"); code != wire.ErrOK || resp.Error != wire.StatusIOError {
		t.Fatalf("put: %v, status %d", code, resp.Error)
	}
	for _, n := range s.nodes() {
		if status, text := health(t, n); status != 503 || !strings.Contains(text, "injected disk error") {
			t.Errorf("%d %s", status, text)
		}
	}
	s.Close()
	if err := db.Close(); !errors.Is(err, storage.ErrFailed) {
		t.Error(err)
	}
}
