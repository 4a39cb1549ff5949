package storage

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

// failingWith is failing with an error of one's choice.
func failingWith(fs vfs.FS, err error, match func(op errorfs.Op) bool) (wrapped vfs.FS, on *atomic.Bool, failed *atomic.Int32) {
	on, failed = new(atomic.Bool), new(atomic.Int32)
	return errorfs.Wrap(fs, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if on.Load() && match(op) {
			failed.Add(1)
			return err
		}
		return nil
	})), on, failed
}

// eventually waits until ok.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within a minute", what)
		}
	}
}

// A disk that fails for a while costs no more than that while: writes are refused or wait, reads go
// on, and when it is over everything goes on without a restart. What cannot be written meanwhile
// are tables, whatever the error, and anything for want of room or of a descriptor.
func TestPassingFailure(t *testing.T) {
	for name, tc := range map[string]struct {
		err   error
		match func(errorfs.Op) bool
	}{
		"table create, broken":         {errDisk, writesTo(".sst", errorfs.OpCreate)},
		"table write, broken":          {errDisk, writesTo(".sst", errorfs.OpFileWrite)},
		"table sync, broken":           {errDisk, writesTo(".sst", errorfs.OpFileSync, errorfs.OpFileSyncData)},
		"table create, no descriptor":  {syscall.EMFILE, writesTo(".sst", errorfs.OpCreate)},
		"table write, no room":         {syscall.ENOSPC, writesTo(".sst", errorfs.OpFileWrite)},
		"log create, no descriptor":    {syscall.ENFILE, writesTo(".log", errorfs.OpCreate, errorfs.OpReuseForWrite)},
		"log write, no room":           {syscall.ENOSPC, writesTo(".log", errorfs.OpFileWrite)},
		"manifest write, over a quota": {syscall.EDQUOT, writesTo("MANIFEST", errorfs.OpFileWrite)},
		"any create, no descriptor": {syscall.EMFILE, func(op errorfs.Op) bool {
			return op.Kind == errorfs.OpCreate || op.Kind == errorfs.OpReuseForWrite
		}},
		"any write, no room": {syscall.ENOSPC, func(op errorfs.Op) bool {
			return op.Kind == errorfs.OpCreate || op.Kind == errorfs.OpFileWrite
		}},
	} {
		for _, durability := range []Durability{DurabilitySync, DurabilityOS} {
			t.Run(fmt.Sprintf("%s/durability=%d", name, durability), func(t *testing.T) {
				t.Parallel()
				testPassingFailure(t, tc.err, tc.match, durability)
			})
		}
	}
}

func testPassingFailure(t *testing.T, fault error, match func(errorfs.Op) bool, durability Durability) {
	fs, on, failed := failingWith(vfs.NewMem(), fault, match)
	opts := Options{Dir: "/db", FS: fs, Durability: durability, MemTableSize: 256 << 10, CacheSize: 4 << 20}
	db := openDB(t, opts)
	p := partition(t, db, 1, 0)
	value := strings.Repeat("v", 4000)
	put(t, p, "before", "", value, 0)

	// Every writer writes until its writes are refused, or wait, and then until all are done.
	const writers, writes = 4, 400
	on.Store(true)
	var refused atomic.Int32
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for n := 0; n < writes; {
				res, c := p.Put(rawKeyOf(fmt.Sprint("w", w), fmt.Sprintf("%05d", n)), []byte(value), 0, testNow)
				switch err := c.Wait(); {
				case err == nil && res.Status == OK:
					n++
				case errors.Is(err, ErrFull) || errors.Is(err, ErrStalled):
					refused.Add(1)
					time.Sleep(time.Millisecond)
				default:
					t.Errorf("status %d, %v", res.Status, err)
					return
				}
			}
		})
	}
	eventually(t, "the failure is noticed", func() bool { return failed.Load() > 0 && db.Admit(true) != nil })
	if err := db.Admit(false); errors.Is(err, ErrFull) != wantsRoom(fault) {
		t.Errorf("Admit: %v", err)
	}
	if err := db.Health(); err == nil || errors.Is(err, ErrFailed) {
		t.Errorf("Health: %v", err)
	}
	for range 100 {
		if got := get(p, "before", ""); got != value {
			t.Fatalf("read meanwhile: %.20q", got)
		}
	}
	// Pauses: a disk that fails is not asked all the time.
	seen := failed.Load()
	time.Sleep(4 * minPause)
	if n := failed.Load() - seen; n > 100 {
		t.Errorf("%d more operations failed in a moment", n)
	}
	on.Store(false)
	wg.Wait()
	eventually(t, "writes are admitted", func() bool { return db.Admit(false) == nil })
	if err := db.Health(); err != nil {
		t.Errorf("Health afterwards: %v", err)
	}
	if err := db.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	p = partition(t, openDB(t, opts), 1, 0)
	for w := range writers {
		if n, status := p.SortKeyCount([]byte(fmt.Sprint("w", w)), testNow, nil); status != OK || n != writes {
			t.Errorf("writer %d: %d records of %d, status %d", w, n, writes, status)
		}
	}
}

// A store whose tables cannot be written closes without a delay, and keeps its logs.
func TestCloseDuringTrouble(t *testing.T) {
	for name, match := range map[string]func(errorfs.Op) bool{
		"tables": writesTo(".sst", errorfs.OpCreate),
		"log":    writesTo(".log", errorfs.OpCreate, errorfs.OpReuseForWrite),
	} {
		t.Run(name, func(t *testing.T) {
			fs, on, failed := failingWith(vfs.NewMem(), syscall.EMFILE, match)
			opts := Options{Dir: "/db", FS: fs, MemTableSize: 256 << 10, CacheSize: 4 << 20}
			db := openDB(t, opts)
			p := partition(t, db, 1, 0)
			on.Store(true)
			var acknowledged atomic.Int64
			var wg sync.WaitGroup
			wg.Go(func() {
				for n := range 1000 {
					if _, c := p.Put(rawKeyOf("h", fmt.Sprintf("%05d", n)), make([]byte, 4000), 0, testNow); c.Wait() != nil {
						return // refused, or the store has been closed
					}
					acknowledged.Add(1)
				}
			})
			eventually(t, "failures", func() bool { return failed.Load() > 3 })
			err := db.Close()
			wg.Wait()
			if name == "tables" && err != nil || name == "log" && !errors.Is(err, ErrFailed) {
				t.Errorf("Close: %v", err)
			}
			on.Store(false)
			p = partition(t, openDB(t, opts), 1, 0)
			if n, status := p.SortKeyCount([]byte("h"), testNow, nil); status != OK || n < acknowledged.Load() {
				t.Errorf("%d records of %d acknowledged, status %d", n, acknowledged.Load(), status)
			}
		})
	}
}

// The decree of a write that came after one that was refused is reserved.
func TestDecreesAfterRefusal(t *testing.T) {
	disk := vfs.NewCrashableMem()
	opts := Options{Dir: "/db", FS: disk}
	db := openDB(t, opts)
	p := partition(t, db, 1, 0)
	db.guard.waiting.number.Add(1)
	if _, c := p.Put(rawKeyOf("h", "s"), nil, 0, testNow); !errors.Is(c.Wait(), ErrStalled) {
		t.Error("not refused")
	}
	if _, c := p.Put(nil, nil, 0, testNow); !errors.Is(c.Wait(), ErrStalled) {
		t.Error("not refused")
	}
	db.guard.waiting.number.Add(-1)
	put(t, p, "h", "s", "v", 0)
	last := p.Decree()
	opts.FS = disk.CrashClone(vfs.CrashCloneCfg{})
	if got := partition(t, openDB(t, opts), 1, 0).Decree(); got < last {
		t.Errorf("decree %d after %d", got, last)
	}
}

// What fails in the directory of a checkpoint is its maker's concern.
func TestFilesElsewhere(t *testing.T) {
	fs, on, _ := failingWith(vfs.NewMem(), syscall.ENOSPC, func(op errorfs.Op) bool { return strings.HasPrefix(op.Path, "/copy/") })
	db := openDB(t, Options{Dir: "/db", FS: fs})
	on.Store(true)
	put(t, partition(t, db, 1, 0), "h", "s", "v", 0)
	if err := db.pebble.Checkpoint("/copy"); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("Checkpoint: %v", err)
	}
	if err := db.Health(); err != nil {
		t.Error(err)
	}
}

// The cause of a failure is told.
func TestFailureTellsCause(t *testing.T) {
	fs, on := failing(vfs.NewMem(), writesTo(".log", errorfs.OpFileSync, errorfs.OpFileSyncData, errorfs.OpFileSyncTo))
	db := openDB(t, Options{Dir: "/db", FS: fs})
	p := partition(t, db, 1, 0)
	on.Store(true)
	if _, c := p.Put(rawKeyOf("h", "s"), nil, 0, testNow); !errors.Is(c.Wait(), ErrFailed) {
		t.Error("acknowledged")
	}
	for _, err := range []error{db.Health(), db.Close()} {
		if !errors.Is(err, ErrFailed) || !errors.Is(err, errDisk) || !strings.Contains(err.Error(), ".log") {
			t.Errorf("%v", err)
		}
	}
	names, err := fs.List("/db")
	if err != nil || !slices.ContainsFunc(names, isLog) {
		t.Errorf("%v, %v", names, err)
	}
}

// halfReuse is a disk that renames a log to be used again and then has no descriptor for it.
type halfReuse struct {
	vfs.FS
	on *atomic.Bool
}

func (fs halfReuse) ReuseForWrite(oldname, newname string, c vfs.DiskWriteCategory) (vfs.File, error) {
	if !fs.on.Load() {
		return fs.FS.ReuseForWrite(oldname, newname, c)
	}
	if err := fs.Rename(oldname, newname); err != nil {
		return nil, err
	}
	fs.on.Store(false)
	return nil, syscall.EMFILE
}

func TestLogReusedByHalf(t *testing.T) {
	fs := halfReuse{vfs.Default, new(atomic.Bool)}
	opts := Options{Dir: t.TempDir(), FS: fs, MemTableSize: 256 << 10, CacheSize: 4 << 20, Durability: DurabilityOS}
	db := openDB(t, opts)
	p := partition(t, db, 1, 0)
	n := 0
	fill := func(until func() bool) {
		for ; !until(); n++ {
			put(t, p, "h", fmt.Sprintf("%05d", n), strings.Repeat("v", 1000), 0)
		}
	}
	fill(func() bool { return n == 2000 })
	fs.on.Store(true)
	fill(func() bool { return !fs.on.Load() })
	put(t, p, "h", "last", "v", 0)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if got, status := partition(t, openDB(t, opts), 1, 0).SortKeyCount([]byte("h"), testNow, nil); got != int64(n)+1 || status != OK {
		t.Errorf("%d records of %d, status %d", got, n+1, status)
	}
}
