package storage

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

var errDisk = errors.New("injected disk error")

// failing returns fs, which fails every operation that match accepts once the switch is on.
func failing(fs vfs.FS, match func(op errorfs.Op) bool) (vfs.FS, *atomic.Bool) {
	on := new(atomic.Bool)
	return errorfs.Wrap(fs, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if on.Load() && match(op) {
			return errDisk
		}
		return nil
	})), on
}

func writesTo(suffix string, kinds ...errorfs.OpKind) func(errorfs.Op) bool {
	return func(op errorfs.Op) bool {
		if !strings.Contains(op.Path, suffix) {
			return false
		}
		for _, k := range kinds {
			if op.Kind == k {
				return true
			}
		}
		return false
	}
}

// TestDiskFailure breaks the disk in one way at a time, so that it cannot be trusted any more, while
// several goroutines write. Whatever
// Pebble is doing then, the process must live on, no write may be acknowledged that the next Open
// does not find, later writes must be refused, reads and Close must return.
func TestDiskFailure(t *testing.T) {
	for name, match := range map[string]func(errorfs.Op) bool{
		"log write":      writesTo(".log", errorfs.OpFileWrite),
		"log sync":       writesTo(".log", errorfs.OpFileSync, errorfs.OpFileSyncData, errorfs.OpFileSyncTo),
		"log create":     writesTo(".log", errorfs.OpCreate, errorfs.OpReuseForWrite),
		"manifest write": writesTo("MANIFEST", errorfs.OpFileWrite),
		"manifest sync":  writesTo("MANIFEST", errorfs.OpFileSync, errorfs.OpFileSyncData),
		"everything": func(op errorfs.Op) bool {
			return op.Kind.ReadOrWrite() == errorfs.OpIsWrite
		},
	} {
		for _, durability := range []Durability{DurabilitySync, DurabilityOS} {
			t.Run(fmt.Sprintf("%s/durability=%d", name, durability), func(t *testing.T) {
				testDiskFailure(t, match, durability)
			})
		}
	}
}

func testDiskFailure(t *testing.T, match func(errorfs.Op) bool, durability Durability) {
	disk := vfs.NewMem()
	fs, on := failing(disk, match)
	opts := Options{Dir: "/db", FS: fs, Durability: durability, MemTableSize: 256 << 10, CacheSize: 4 << 20}
	db, err := Open(opts)
	if err != nil {
		t.Fatal(err)
	}
	p := partition(t, db, 1, 0)
	value := strings.Repeat("v", 4000)
	before := 0 // writes before the failure
	for ; before < 100; before++ {
		put(t, p, "before", fmt.Sprintf("%05d", before), value, 0)
	}

	on.Store(true)
	// Enough to fill the memtable some 30 times, so that every kind of file is written.
	const writers, writes = 8, 250
	var acknowledged [writers]int
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for n := 0; n < writes; n++ {
				res, c := p.Put(rawKeyOf(fmt.Sprint("w", w), fmt.Sprintf("%05d", n)), []byte(value), 0, testNow)
				if err := c.Wait(); err != nil {
					if !errors.Is(err, ErrFailed) {
						t.Errorf("Wait: %v", err)
					}
					return
				}
				if res.Status != OK {
					t.Errorf("acknowledged with status %d", res.Status)
				}
				acknowledged[w]++
			}
		})
	}
	wg.Wait()
	if !db.failed() {
		t.Fatal("the failure went unnoticed")
	}

	res, c := p.Put(rawKeyOf("late", ""), nil, 0, testNow)
	if err := c.Wait(); !errors.Is(err, ErrFailed) || res.Status != IOError || res.Decree <= 0 {
		t.Errorf("write after the failure: %+v, %v", res, err)
	}
	if err := db.UpdateMeta(map[string][]byte{"k": nil}, nil); !errors.Is(err, ErrFailed) {
		t.Errorf("UpdateMeta after the failure: %v", err)
	}
	if _, err := db.Sweep(context.Background()); err != nil {
		t.Errorf("Sweep without expired records: %v", err)
	}
	if got := get(p, "before", "00000"); got != value {
		t.Errorf("read after the failure: %.20q", got)
	}
	if got := get(p, "late", ""); got != "<not found>" {
		t.Errorf("refused write is visible: %.20q", got)
	}
	if n, status := p.SortKeyCount([]byte("before"), testNow, nil); status != OK || n != int64(before) {
		t.Errorf("count after the failure: %d, status %d", n, status)
	}
	if err := db.Close(); !errors.Is(err, ErrFailed) {
		t.Errorf("Close: %v", err)
	}

	// The disk is repaired, or the process restarted elsewhere.
	on.Store(false)
	db = openDB(t, opts)
	p = partition(t, db, 1, 0)
	if n, status := p.SortKeyCount([]byte("before"), testNow, nil); status != OK || n != int64(before) {
		t.Errorf("after reopening %d records of %d, status %d", n, before, status)
	}
	for w, want := range acknowledged {
		if n, status := p.SortKeyCount([]byte(fmt.Sprint("w", w)), testNow, nil); status != OK || n < int64(want) {
			t.Errorf("writer %d: %d records of %d acknowledged, status %d", w, n, want, status)
		}
	}
}

// Preallocation is a hint. Many file systems refuse it, which is no failure of the disk.
func TestPreallocationRefused(t *testing.T) {
	var refused atomic.Int32
	fs := errorfs.Wrap(vfs.Default, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind == errorfs.OpFilePreallocate {
			refused.Add(1)
			return errDisk
		}
		return nil
	}))
	db := openDB(t, Options{Dir: t.TempDir(), FS: fs})
	put(t, partition(t, db, 1, 0), "h", "s", "v", 0)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if refused.Load() == 0 {
		t.Error("nothing was preallocated")
	}
}
