package storage

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// What a partition takes is told before and after a flush, and after a restart.
func TestUsage(t *testing.T) {
	fs := vfs.NewMem()
	random := rand.NewChaCha8([32]byte{}) // does not compress
	value := make([]byte, 200)
	const few, many = 10, 5000
	check := func(when string, db *DB) {
		t.Helper()
		for index, want := range []int64{few, many} {
			bytes, records, err := partition(t, db, 1, int32(index)).Usage()
			if err != nil {
				t.Fatal(err)
			}
			if bytes < uint64(want)*200 || bytes > uint64(want)*300+8<<10 { // and shared blocks of tables
				t.Errorf("%s: %d bytes for %d records", when, bytes, want)
			}
			if records < want*9/10 || records > want*11/10 {
				t.Errorf("%s: %d records, want about %d", when, records, want)
			}
		}
		if bytes, records, err := partition(t, db, 1, 2).Usage(); bytes != 0 || records != 0 || err != nil {
			t.Errorf("%s: an empty partition has %d bytes, %d records, %v", when, bytes, records, err)
		}
	}
	open := func() *DB {
		db, err := Open(Options{Dir: "/db", FS: fs, Clock: testTime, SweepInterval: -1})
		if err != nil {
			t.Fatal(err)
		}
		return db
	}
	db := open()
	for index, n := range []int{few, many} {
		for i := range n {
			_, _ = random.Read(value)
			put(t, partition(t, db, 1, int32(index)), fmt.Sprint("key", i), "", string(value), 0)
		}
	}
	check("before a flush", db)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	db = open()
	check("after a restart", db)
	if err := db.pebble.Flush(); err != nil {
		t.Fatal(err)
	}
	check("after a flush", db)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

// Records that were overwritten and not flushed are counted once.
func TestUsageOfOverwritten(t *testing.T) {
	db := openDB(t, Options{SweepInterval: -1})
	p := partition(t, db, 1, 0)
	for range 20 {
		for i := range 1000 {
			put(t, p, fmt.Sprint("key", i), "", "some value or other", 0)
		}
	}
	if _, records, err := p.Usage(); err != nil || records < 900 || records > 1100 {
		t.Errorf("%d records, %v", records, err)
	}
}
