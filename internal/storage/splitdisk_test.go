package storage

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// recordsFrom returns how many records there are in the partitions of a table from one on.
func recordsFrom(t *testing.T, db *DB, appID, from int32) (n int) {
	t.Helper()
	it, err := db.pebble.NewIter(&pebble.IterOptions{
		LowerBound: appendPrefix(nil, tagData, appID, from),
		UpperBound: appendAppPrefix(nil, tagData, appID+1),
	})
	if err != nil {
		t.Fatal(err)
	}
	for valid := it.First(); valid; valid = it.Next() {
		n++
	}
	if err := it.Close(); err != nil {
		t.Fatal(err)
	}
	return n
}

// A split whose commit the disk does not take for now is undone like any other, at once, and the next
// one reserves the decrees of the new partitions on disk.
func TestSplitCommitRefused(t *testing.T) {
	const records = 100
	opts := Options{Dir: "/db", FS: vfs.NewMem(), SweepInterval: -1}
	db := openDB(t, opts)
	fillTable(t, db, 1, 2, records, "v")
	err := db.SplitApp(t.Context(), 1, 2, func(commit func(map[string][]byte) error) error {
		db.guard.waiting.number.Add(1)
		defer db.guard.waiting.number.Add(-1)
		return commit(nil)
	})
	if !errors.Is(err, ErrStalled) {
		t.Fatal(err)
	}
	if n := recordsFrom(t, db, 1, 2); n > 0 {
		t.Errorf("%d records in the new partitions", n)
	}
	fillTable(t, db, 1, 2, records, "w")
	checkTable(t, db, 1, 2, records, "w")
	if n := recordsFrom(t, db, 1, 2); n > 0 {
		t.Errorf("%d records written to partitions that do not count", n)
	}
	if err := splitApp(db, t.Context(), 1, 2, nil); err != nil {
		t.Fatal(err)
	}
	checkTable(t, db, 1, 4, records, "w")
	for index := int32(2); index < 4; index++ {
		on, err := db.reservedDecree(1, index)
		if p := partition(t, db, 1, index); err != nil || on < p.Decree() || on < p.durable.Load() {
			t.Errorf("partition %d: decree %d, taken for reserved to %d, is so to %d, %v", index, p.Decree(), p.durable.Load(), on, err)
		}
	}
}

// A split for which there is not enough room is undone while there still is the room that is kept for
// drops.
func TestSplitLeavesRoom(t *testing.T) {
	fs := newSizedFS(24 << 20)
	db := openDB(t, Options{Dir: "/db", FS: fs, Durability: DurabilityOS, SweepInterval: -1, Clock: testTime})
	value := incompressible(10_000)
	const records = 800
	fillTable(t, db, 1, 1, records, value)
	fs.fill(int64(db.space.room) + 1<<20)
	if err := splitApp(db, t.Context(), 1, 1, nil); !errors.Is(err, ErrFull) {
		t.Error(err)
	}
	if err := db.Admit(true); err != nil {
		t.Errorf("no room for deletions: %v", err)
	}
	checkTable(t, db, 1, 1, records, value)
}

// incompressible returns a value of so many bytes that takes as many on the disk.
func incompressible(size int) string {
	value := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{}).Read(value)
	return string(value)
}

// A compaction that changes more records than there is room for ends while a table can still be dropped.
func TestCompactionLeavesRoom(t *testing.T) {
	fs := newSizedFS(24 << 20)
	db := openDB(t, Options{Dir: "/db", FS: fs, Durability: DurabilityOS, SweepInterval: -1, Clock: testTime})
	for n := range 800 {
		put(t, partition(t, db, 1, 0), "h", fmt.Sprint(n), incompressible(10_000), 0)
	}
	partition(t, db, 1, 0).SetDefaultTTL(77)
	fs.fill(int64(db.space.room))
	_, err := db.CompactApp(t.Context(), 1, func() (Compaction, error) { return Compaction{Partitions: 1}, nil })
	if err != nil && !errors.Is(err, ErrFull) {
		t.Error(err)
	}
	// What is under way may need the room for a moment, and gives it back.
	eventually(t, "room for a drop", func() bool { return db.refuses() == nil })
	if err := db.DropApp(1); err != nil {
		t.Error(err)
	}
}
