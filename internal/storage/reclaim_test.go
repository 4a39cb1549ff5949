package storage

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// What is dropped, deleted, or expires and is swept gives the disk back by itself, beside a table
// that stays, whose records are in the same files.
func TestDiskIsGivenBack(t *testing.T) {
	for name, remove := range map[string]func(t *testing.T, db *DB, p *Partition, records int){
		"drop": func(t *testing.T, db *DB, _ *Partition, _ int) {
			if err := db.DropApp(1); err != nil {
				t.Fatal(err)
			}
		},
		"deletion": func(t *testing.T, _ *DB, p *Partition, records int) {
			for n := range records {
				res, c := p.Remove(rawKeyOf(fmt.Sprintf("h%05d", n), "s"))
				done(t, res, c, OK)
			}
		},
		"sweep": func(t *testing.T, db *DB, _ *Partition, records int) {
			if n, err := db.Sweep(context.Background()); n != records || err != nil {
				t.Fatalf("%d swept of %d, %v", n, records, err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := openDB(t, Options{
				Dir: t.TempDir(), MemTableSize: 1 << 20, CacheSize: 8 << 20, Durability: DurabilityOS, SweepInterval: -1,
				Clock: func() time.Time { return testTime().Add(time.Minute) },
			})
			const records, size = 3000, 10_000
			p, other := partition(t, db, 1, 0), partition(t, db, 2, 0)
			value := make([]byte, size)
			for n := range records {
				var seed [32]byte
				binary.BigEndian.PutUint64(seed[:], uint64(n))
				_, _ = rand.NewChaCha8(seed).Read(value)
				hashKey := fmt.Sprintf("h%05d", n)
				put(t, p, hashKey, "s", string(value), testNow+1)
				if n%10 == 0 {
					put(t, other, hashKey, "s", string(value), 0)
				}
			}
			const most = records * size / 10 * 2 // twice of what stays
			used := func() uint64 { return uint64(db.pebble.Metrics().Total().TablesSize) }
			eventually(t, "tables are written", func() bool { return used() > records*size*9/10 })
			remove(t, db, p, records)
			eventually(t, "the disk is given back", func() bool { return used() < most })
			for n := 0; n < records; n += 10 {
				if got := get(other, fmt.Sprintf("h%05d", n), "s"); len(got) != size {
					t.Fatalf("record %d of the other table: %.20q", n, got)
				}
			}
		})
	}
}

// Areas next to each other are compacted in one go.
func TestMergeAreas(t *testing.T) {
	var areas []area
	for _, index := range []int32{3, 0, 1, 5} {
		areas = append(areas, area{start: appendPrefix(nil, tagData, 1, index), end: appendPrefix(nil, tagData, 1, index+1)})
	}
	areas = append(areas, area{start: appendPrefix(nil, tagData, 1, 4), end: appendAppPrefix(nil, tagData, 2)})
	var got []string
	for _, a := range merge(areas) {
		got = append(got, fmt.Sprintf("%x-%x", a.start[5:], a.end[1:]))
	}
	if want := "[00000000-0000000100000002 00000003-00000002]"; fmt.Sprint(got) != want {
		t.Errorf("%v, want %s", got, want)
	}
}

// What was dropped, and deletions in the first partition of it, are both remembered.
func TestAreasWithOneStart(t *testing.T) {
	db := openDB(t, Options{})
	p := partition(t, db, 1, 2)
	for _, order := range [][]func(){
		{func() { db.reclaimer.deleted(p) }, func() { db.reclaimer.dropped(1, 2) }},
		{func() { db.reclaimer.dropped(1, 2) }, func() { db.reclaimer.deleted(p) }},
	} {
		for _, f := range order {
			f()
		}
		dropped, others := db.reclaimer.take()
		if len(dropped) != 1 || len(others) != 1 || p.garbage.Load() {
			t.Errorf("%d areas dropped, %d others, garbage %t", len(dropped), len(others), p.garbage.Load())
		}
	}
}
