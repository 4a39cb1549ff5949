package reliability

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/admin"
	"github.com/pegasus-go/pegasus/internal/server"
	"github.com/pegasus-go/pegasus/internal/storage"
	"github.com/pegasus-go/pegasus/pegasustest"
)

// machine is a onebox on a disk of the test's making, with a client.
type machine struct {
	t       *testing.T
	db      *storage.DB
	srv     *server.Server
	network pegasustest.Network
	client  pegasus.Client
	table   pegasus.TableConnector
}

// boot starts a onebox on a disk and connects a client to it.
func boot(t *testing.T, w *writers, fs vfs.FS, durability storage.Durability) *machine {
	t.Helper()
	m := &machine{t: t}
	var err error
	if m.db, err = storage.Open(storage.Options{
		Dir: "/data", FS: fs, Durability: durability,
		MemTableSize: 256 << 10, CacheSize: 4 << 20,
	}); err != nil {
		t.Fatal(err)
	}
	addr := []string{"127.0.0.1:0"}
	if m.srv, err = server.New(m.db, server.Options{MetaAddrs: addr, ReplicaAddrs: addr}); err != nil {
		t.Fatal(err)
	}
	if err := m.srv.EnsureTable(server.TableSpec{Name: "temp", Partitions: 4, ReplicaCount: 1}); err != nil {
		t.Fatal(err)
	}
	m.client = w.client(pegasus.Config{MetaServers: []string{m.srv.Metas()[0].Addr()}, Dial: m.network.Dial})
	if m.table, err = m.client.OpenTable(t.Context(), "temp"); err != nil {
		t.Fatal(err)
	}
	return m
}

// shutDown returns the error of closing the store.
func (m *machine) shutDown() error {
	m.client.Close()
	m.db.StopWaiting()
	if err := m.srv.Close(); err != nil {
		m.t.Error(err)
	}
	return m.db.Close()
}

// The power fails in the middle of writes, with durability sync: of what was not
// synced a random part is lost, of what was acknowledged nothing.
func TestPowerLoss(t *testing.T) {
	w := newWriters(t, 16)
	disk := vfs.NewCrashableMem()
	compared, rounds := 0, scaled(10, 300)
	for range rounds {
		m := boot(t, w, disk, storage.DurabilitySync)
		compared += w.check(m.table)
		w.start(m.table, 200+int64(rand.IntN(1500)))
		// No acknowledgement gets through any more, but the server goes on.
		w.broken.Store(true)
		for _, n := range m.srv.Replicas() {
			m.network.Link(n.Addr()).StallAfter(0)
		}
		disk = disk.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: rand.IntN(101), RNG: rand.New(rand.NewPCG(rand.Uint64(), 0))})
		w.finish()
		if err := m.shutDown(); err != nil {
			t.Error(err)
		}
	}
	m := boot(t, w, disk, storage.DurabilitySync)
	compared += w.check(m.table)
	t.Logf("power lost %d times, %d writes acknowledged, %d values compared", rounds, w.acknowledged.Load(), compared)
	if err := m.shutDown(); err != nil {
		t.Error(err)
	}
}

// The disk fails in the middle of writes, so that its log cannot be trusted any
// more. From then on writes are refused with an error that does not claim too
// much, reads go on, and the onebox closes. On a sound disk everything is there
// that was acknowledged.
func TestDiskFails(t *testing.T) {
	for name, fails := range map[string]func(errorfs.Op) bool{
		"log":        func(op errorfs.Op) bool { return strings.HasSuffix(op.Path, ".log") },
		"everything": func(errorfs.Op) bool { return true },
	} {
		for durability, d := range durabilities {
			t.Run(name+"/"+durability, func(t *testing.T) {
				disk := vfs.NewMem()
				broken, failing := failingDisk(disk, syscall.EIO, fails)
				testBadDisk(t, failing, disk, d, func() { broken.Store(true) })
			})
		}
	}
}

// failingDisk returns a disk whose files that fails says cannot be written while
// broken is on.
func failingDisk(disk vfs.FS, err error, fails func(errorfs.Op) bool) (broken *atomic.Bool, failing vfs.FS) {
	broken = new(atomic.Bool)
	return broken, errorfs.Wrap(disk, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if broken.Load() && op.Kind.ReadOrWrite() == errorfs.OpIsWrite && op.Kind != errorfs.OpRemove && fails(op) {
			return err
		}
		return nil
	}))
}

var durabilities = map[string]storage.Durability{"sync": storage.DurabilitySync, "os": storage.DurabilityOS}

// The disk fails in the middle of writes, and is well again later: tables could
// not be written, there were no descriptors, or no room. Writes are refused or
// wait meanwhile, reads go on, and then everything goes on without a restart.
func TestDiskFailsAndHeals(t *testing.T) {
	for durability, d := range durabilities {
		for name, fault := range map[string]struct {
			err   error
			fails func(errorfs.Op) bool
		}{
			"tables": {syscall.EIO, func(op errorfs.Op) bool { return strings.HasSuffix(op.Path, ".sst") }},
			"descriptors": {syscall.EMFILE, func(op errorfs.Op) bool {
				return op.Kind == errorfs.OpCreate || op.Kind == errorfs.OpReuseForWrite
			}},
		} {
			t.Run(name+"/"+durability, func(t *testing.T) {
				broken, failing := failingDisk(vfs.NewMem(), fault.err, fault.fails)
				testHealing(t, failing, d, func() { broken.Store(true) }, func() { broken.Store(false) })
			})
		}
		t.Run("no space left/"+durability, func(t *testing.T) {
			small := &smallDisk{FS: vfs.NewMem()}
			small.left.Store(1 << 40)
			testHealing(t, small, d, func() { small.left.Store(rand.Int64N(500_000)) }, func() { small.left.Store(1 << 40) })
		})
	}
}

func testHealing(t *testing.T, disk vfs.FS, durability storage.Durability, breakDisk, heal func()) {
	w := newWriters(t, 16)
	m := boot(t, w, disk, durability)
	w.start(m.table, 300)
	w.broken.Store(true)
	breakDisk()
	for m.db.Health() == nil {
		time.Sleep(time.Millisecond)
	}
	for _, one := range w.all {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		if v, err := m.table.Get(ctx, one.hashKey, logKey(1)); err != nil || version(v) != 1 {
			t.Errorf("Get while the disk is broken: version %d, %v", version(v), err)
		}
		cancel()
	}
	heal()
	for m.db.Health() != nil {
		time.Sleep(time.Millisecond)
	}
	if err := m.table.Set(t.Context(), []byte("late"), []byte("late"), []byte("late")); err != nil {
		t.Errorf("Set afterwards: %v", err)
	}
	makeTable(t, m, "late", nil)
	w.finish()
	if err := m.shutDown(); err != nil {
		t.Errorf("closing the store afterwards: %v", err)
	}
	m = boot(t, w, disk, durability)
	t.Logf("%d writes acknowledged, %d values compared", w.acknowledged.Load(), w.check(m.table))
	if err := m.shutDown(); err != nil {
		t.Error(err)
	}
}

// testBadDisk breaks the disk bad while writers write, and compares what is on
// the same disk when it is good again.
func testBadDisk(t *testing.T, bad, good vfs.FS, durability storage.Durability, breakDisk func()) {
	w := newWriters(t, 16)
	m := boot(t, w, bad, durability)
	w.start(m.table, 300)
	w.broken.Store(true)
	breakDisk()
	w.round.Wait() // every one of them notices
	w.stop()
	before := w.acknowledged.Load()

	// What was read before can be read.
	ctx := context.Background()
	for _, one := range w.all {
		if v, err := m.table.Get(ctx, one.hashKey, logKey(1)); err != nil || version(v) != 1 {
			t.Errorf("Get while the disk is broken: version %d, %v", version(v), err)
		}
	}
	err := m.table.Set(ctx, []byte("late"), []byte("late"), []byte("late"))
	if !errors.Is(err, pegasus.StorageIOError) || !errors.Is(err, pegasus.ErrInDoubt) {
		t.Errorf("Set while the disk is broken: %v", err)
	}
	makeTable(t, m, "late", pegasus.ErrReplicationFailure)
	if err := m.shutDown(); !errors.Is(err, storage.ErrFailed) {
		t.Errorf("closing a store whose disk is broken: %v", err)
	}

	m = boot(t, w, good, durability)
	compared := w.check(m.table)
	makeTable(t, m, "late", nil)
	w.start(m.table, 300) // it works again
	w.broken.Store(true)
	w.finish()
	if err := m.shutDown(); err != nil {
		t.Error(err)
	}
	t.Logf("%d writes acknowledged, %d values compared", before, compared)
}

// makeTable makes a table, which ends with want.
func makeTable(t *testing.T, m *machine, name string, want error) {
	t.Helper()
	a, err := admin.New(admin.Config{MetaServers: []string{m.srv.Metas()[0].Addr()}})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	if _, err := a.CreateTable(t.Context(), name, admin.CreateOptions{Partitions: 2}); !errors.Is(err, want) {
		t.Errorf("CreateTable: %v, want %v", err, want)
	}
}

// smallDisk has room for a number of bytes. As on a file system, a write that
// does not fit is carried out in part, and what is removed makes no room soon.
type smallDisk struct {
	vfs.FS
	left atomic.Int64
}

func (d *smallDisk) take(n int) int {
	if left := d.left.Add(-int64(n)); left < 0 {
		return int(max(0, int64(n)+left))
	}
	return n
}

// Create implements vfs.FS.
func (d *smallDisk) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := d.FS.Create(name, c)
	return d.limit(f, err)
}

// ReuseForWrite implements vfs.FS.
func (d *smallDisk) ReuseForWrite(oldname, newname string, c vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := d.FS.ReuseForWrite(oldname, newname, c)
	return d.limit(f, err)
}

func (d *smallDisk) limit(f vfs.File, err error) (vfs.File, error) {
	if err != nil {
		return nil, err
	}
	return &smallDiskFile{File: f, disk: d}, nil
}

type smallDiskFile struct {
	vfs.File
	disk *smallDisk
}

// Write implements vfs.File.
func (f *smallDiskFile) Write(b []byte) (int, error) {
	fits := f.disk.take(len(b))
	n, err := f.File.Write(b[:fits])
	if err == nil && fits < len(b) {
		err = syscall.ENOSPC
	}
	return n, err
}
