package storage

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// sizedFS is a disk in memory that has a size.
type sizedFS struct {
	vfs.FS
	total int64

	mu    sync.Mutex
	used  int64
	files map[string]int64 // sizes
}

func newSizedFS(total int64) *sizedFS {
	return &sizedFS{FS: vfs.NewMem(), total: total, files: make(map[string]int64)}
}

// grow makes a file as large as that, if there is room; else larger by what there is room for.
func (fs *sizedFS) grow(name string, size int64) int64 {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	more := min(max(0, size-fs.files[name]), max(0, fs.total-fs.used))
	fs.files[name] += more
	fs.used += more
	return fs.files[name]
}

func (fs *sizedFS) gone(name string) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	fs.used -= fs.files[name]
	delete(fs.files, name)
}

// fill leaves so many bytes free, as another program may, and returns how many it took.
func (fs *sizedFS) fill(left int64) int64 {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	taken := fs.total - fs.used - left
	fs.used += taken
	return taken
}

func (fs *sizedFS) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	fs.gone(name)
	f, err := fs.FS.Create(name, c)
	return &sizedFile{File: f, fs: fs, name: name}, err
}

func (fs *sizedFS) ReuseForWrite(oldname, newname string, c vfs.DiskWriteCategory) (vfs.File, error) {
	fs.gone(oldname)
	f, err := fs.FS.ReuseForWrite(oldname, newname, c)
	return &sizedFile{File: f, fs: fs, name: newname}, err
}

func (fs *sizedFS) Rename(oldname, newname string) error {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	fs.used -= fs.files[newname]
	fs.files[newname] = fs.files[oldname]
	delete(fs.files, oldname)
	return fs.FS.Rename(oldname, newname)
}

func (fs *sizedFS) Remove(name string) error {
	fs.gone(name)
	return fs.FS.Remove(name)
}

func (fs *sizedFS) GetDiskUsage(string) (vfs.DiskUsage, error) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	return vfs.DiskUsage{TotalBytes: uint64(fs.total), AvailBytes: uint64(max(0, fs.total-fs.used)), UsedBytes: uint64(fs.used)}, nil
}

type sizedFile struct {
	vfs.File
	fs   *sizedFS
	name string
	pos  int64
}

func (f *sizedFile) Write(b []byte) (int, error) {
	fits := min(int64(len(b)), f.fs.grow(f.name, f.pos+int64(len(b)))-f.pos)
	n, err := f.File.Write(b[:max(0, fits)])
	f.pos += int64(n)
	if err == nil && n < len(b) {
		err = syscall.ENOSPC
	}
	return n, err
}

// A disk can be filled, and what is dropped, deleted or expires makes room again, whether the store
// was opened anew in between or not.
func TestFullDisk(t *testing.T) {
	for _, reopen := range []bool{false, true} {
		t.Run(fmt.Sprintf("reopen=%t", reopen), func(t *testing.T) {
			t.Parallel()
			testFullDisk(t, "/db", newSizedFS(24<<20), reopen)
		})
	}
}

func testFullDisk(t *testing.T, dir string, fs vfs.FS, reopen bool) {
	d := &fullDisk{t: t, opts: Options{Dir: dir, FS: fs, Durability: DurabilityOS, SweepInterval: -1, Clock: testTime}, reopen: reopen}
	d.open()
	d.fill(1, 0)
	first := d.stored
	d.fill(2, 0)
	d.step("full")
	if err := d.db.DropApp(1); err != nil {
		t.Fatalf("DropApp: %v", err)
	}
	clear(d.tables[1])
	d.roomAgain("after a drop")
	d.step("dropped")
	d.fill(3, 0)
	if n := len(d.tables[3]); n < first/2 {
		t.Errorf("room for %d records after a drop of %d", n, first)
	}
	d.step("full again")

	p := partition(t, d.db, 3, 0)
	for n := range d.tables[3] {
		// A compaction may have what room there is for a moment.
		eventually(t, "room for a deletion", func() bool { return d.db.Admit(true) == nil && d.db.refuses() == nil })
		res, c := p.Remove(rawKeyOf("h", fmt.Sprint(n)))
		done(t, res, c, OK)
	}
	clear(d.tables[3])
	d.roomAgain("after deletions")
	d.step("deleted")

	d.fill(4, testNow+1)
	d.step("full of what expires")
	d.opts.Clock = func() time.Time { return testTime().Add(2 * time.Second) }
	d.restart()
	if n, err := d.db.Sweep(context.Background()); err != nil || n != len(d.tables[4]) {
		t.Errorf("Sweep: %d of %d, %v", n, len(d.tables[4]), err)
	}
	clear(d.tables[4])
	d.roomAgain("after a sweep")
	d.step("swept")
	d.fill(5, 0)
	d.step("at the end")
}

type fullDisk struct {
	t      *testing.T
	opts   Options
	reopen bool
	db     *DB
	tables map[int32]map[int]bool // keys of the records
	stored int                    // ever
}

func (d *fullDisk) open() {
	d.t.Helper()
	var err error
	if d.db, err = Open(d.opts); err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() { _ = d.db.Close() })
}

func (d *fullDisk) restart() {
	d.t.Helper()
	if err := d.db.Close(); err != nil {
		d.t.Errorf("Close: %v", err)
	}
	d.open()
}

// step compares what is stored with what was written.
func (d *fullDisk) step(when string) {
	d.t.Helper()
	if d.reopen {
		d.restart()
	}
	for table, keys := range d.tables {
		p := partition(d.t, d.db, table, 0)
		if n, status := p.SortKeyCount([]byte("h"), testNow, nil); status != OK || n != int64(len(keys)) {
			d.t.Errorf("%s: table %d has %d records, want %d; status %d", when, table, n, len(keys), status)
		}
	}
}

// fill writes to a table until there is no room, or only half for the first table.
func (d *fullDisk) fill(table int32, expire uint32) {
	d.t.Helper()
	if d.tables == nil {
		d.tables = make(map[int32]map[int]bool)
	}
	keys := make(map[int]bool)
	d.tables[table] = keys
	p := partition(d.t, d.db, table, 0)
	value := make([]byte, 10_000)
	_, free, err := d.db.DiskUsage()
	if err != nil {
		d.t.Fatal(err)
	}
	for n := 0; table != 1 || n < int(free)/2/len(value); n++ {
		if err := d.db.Admit(false); errors.Is(err, ErrFull) {
			break
		} else if err != nil {
			d.t.Fatal(err)
		}
		var seed [32]byte
		binary.BigEndian.PutUint64(seed[:], uint64(d.stored))
		_, _ = rand.NewChaCha8(seed).Read(value)
		put(d.t, p, "h", fmt.Sprint(n), string(value), expire)
		keys[n] = true
		d.stored++
	}
	if len(keys) == 0 {
		d.t.Fatalf("no room for table %d", table)
	}
	if err := d.db.failure(); err != nil {
		d.t.Fatal(err)
	}
}

// roomAgain waits until writes are taken and a quarter of the disk is free.
func (d *fullDisk) roomAgain(when string) {
	d.t.Helper()
	eventually(d.t, "room "+when, func() bool {
		total, free, err := d.db.DiskUsage()
		return err == nil && d.db.Admit(false) == nil && free > total/4
	})
}

// A store whose disk another program has filled to the last byte opens, can be read, and says what
// is the matter. When there is room the next Open writes again.
func TestOpenOnFullDisk(t *testing.T) {
	fs := newSizedFS(24 << 20)
	testOpenOnFullDisk(t, "/db", fs, func() (free func()) {
		taken := fs.fill(0)
		return func() { fs.fill(taken) }
	})
}

func testOpenOnFullDisk(t *testing.T, dir string, fs vfs.FS, fill func() (free func())) {
	opts := Options{Dir: dir, FS: fs, Durability: DurabilityOS}
	db, err := Open(opts)
	if err != nil {
		t.Fatal(err)
	}
	p := partition(t, db, 1, 0)
	const records = 500
	for n := range records {
		put(t, p, "h", fmt.Sprint(n), string(make([]byte, 10_000)), 0)
	}
	free := fill()
	_ = db.Close()
	for range 2 {
		if db, err = Open(opts); err != nil {
			t.Fatal(err)
		}
		p = partition(t, db, 1, 0)
		if n, status := p.SortKeyCount([]byte("h"), testNow, nil); n != records || status != OK {
			t.Errorf("%d records of %d, status %d", n, records, status)
		}
		if res, c := p.Put(rawKeyOf("h", "late"), nil, 0, testNow); c.Wait() == nil {
			t.Errorf("acknowledged: %+v", res)
		}
		if err := db.Health(); !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("Health: %v", err)
		}
		_ = db.Close()
	}
	free()
	p = partition(t, openDB(t, opts), 1, 0)
	put(t, p, "h", "late", "", 0)
	if n, status := p.SortKeyCount([]byte("h"), testNow, nil); n != records+1 || status != OK {
		t.Errorf("%d records of %d, status %d", n, records+1, status)
	}
}

// Deletions may use room that other writes leave.
func TestAdmit(t *testing.T) {
	fs := newSizedFS(24 << 20)
	db := openDB(t, Options{Dir: "/db", FS: fs})
	room := int64(db.space.room)
	for _, tc := range []struct {
		free           int64
		write, deletes error
	}{{2 * room, nil, nil}, {room - 1, ErrFull, nil}, {room/lastRoomShare - 1, ErrFull, ErrFull}, {room, nil, nil}} {
		fs.fill(tc.free)
		eventually(t, fmt.Sprintf("%d bytes are free", tc.free), func() bool {
			return db.Admit(false) == tc.write && db.Admit(true) == tc.deletes && db.Health() == tc.write
		})
	}
}
