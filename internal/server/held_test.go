package server

import (
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/pegasus-go/pegasus/internal/storage"
	"github.com/pegasus-go/pegasus/internal/wire"
)

// slowDisk is a disk whose syncs wait while hold is locked.
type slowDisk struct {
	vfs.FS
	hold sync.RWMutex
}

func newSlowDisk() *slowDisk {
	d := new(slowDisk)
	d.FS = errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind == errorfs.OpFileSync || op.Kind == errorfs.OpFileSyncData || op.Kind == errorfs.OpFileSyncTo {
			d.hold.RLock()
			defer d.hold.RUnlock()
		}
		return nil
	}))
	return d
}

// Reads are answered, and more writes carried out, while writes of the same
// connection wait for the disk. Those are acknowledged when they are durable, and
// not before.
func TestReadsBesideWritesThatWait(t *testing.T) {
	disk := newSlowDisk()
	s := startOn(t, openStore(t, storage.Options{Dir: "data", FS: disk}), Options{})
	ensure(t, s, testTable, testPartitions)
	c := dial(t, s.Replicas()[0])
	c.mustPut("k", "old")

	disk.hold.Lock()
	waiting := make(map[int32]bool)
	for range 10 {
		put := send(c, home("k"), wire.TaskPut, wire.UpdateRequest{Key: key("k", ""), Value: []byte("new")})
		waiting[put] = true
		c.wantValue("k", "new") // the answer to the get, of which it is the only one
	}
	disk.hold.Unlock()
	for range 10 {
		a := c.mustNext()
		var resp wire.UpdateResponse
		if a.decode(t, resp.Read); !waiting[a.seq] || a.err != wire.ErrOK || resp.Error != 0 {
			t.Errorf("answer %d: %v, status %d", a.seq, a.err, resp.Error)
		}
		delete(waiting, a.seq)
	}
}

// A client that writes without end while the disk hangs is not read without end.
func TestHeldAnswersAreLimited(t *testing.T) {
	disk := newSlowDisk()
	s := startOn(t, openStore(t, storage.Options{Dir: "data", FS: disk}), Options{})
	ensure(t, s, testTable, testPartitions)
	c := dial(t, s.Replicas()[0])
	c.mustPut("k", "old")
	const all = 20_000 // more than may be under way in the store
	disk.hold.Lock()
	frames := func() (out []byte) {
		for i := range int32(all) {
			out = wire.AppendRequest(out, home("k"), wire.TaskPut, i, wire.UpdateRequest{Key: key("k", ""), Value: []byte("new")})
		}
		return out
	}()
	sent := make(chan error, 1)
	go func() {
		_, err := c.nc.Write(frames)
		sent <- err
	}()
	if _, code := dial(t, s.Replicas()[0]).get("other"); code != wire.ErrOK {
		t.Errorf("get on another connection: %v", code)
	}
	disk.hold.Unlock()
	seen := make(map[int32]bool)
	for range all {
		a := c.mustNext()
		if a.err != wire.ErrOK || seen[a.seq] {
			t.Fatalf("answer %d: %v", a.seq, a.err)
		}
		seen[a.seq] = true
	}
	if err := <-sent; err != nil {
		t.Error(err)
	}
}
