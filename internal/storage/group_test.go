package storage

import (
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/pegasus-go/pegasus/internal/schema"
	"pgregory.net/rapid"
)

// What groups do, single writes do too: the same records, decrees and statuses.
func TestGroupModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		const partitions = 3
		open := func() *DB {
			db, err := Open(Options{Clock: testTime, SweepInterval: -1})
			if err != nil {
				rt.Fatal(err)
			}
			return db
		}
		grouped, single := open(), open()
		defer grouped.Close()
		defer single.Close()
		shut := rapid.Int32Range(0, partitions).Draw(rt, "shut") // or none
		for _, db := range []*DB{grouped, single} {
			for i := range int32(partitions) {
				p := partition(t, db, 1, i)
				p.SetDefaultTTL(uint32(i))
				if i == shut {
					p.shut()
				}
			}
		}
		var g Group
		for range rapid.IntRange(1, 4).Draw(rt, "groups") {
			var want, got []WriteResult
			for range rapid.IntRange(0, 6).Draw(rt, "writes") {
				index := rapid.Int32Range(0, partitions-1).Draw(rt, "partition")
				key := rapid.SampledFrom([]string{string(rawKeyOf("h", "a")), string(rawKeyOf("h", "b")), string(rawKeyOf("", "")), "x"}).Draw(rt, "key")
				value := rapid.StringN(0, 3, 3).Draw(rt, "value")
				expire := rapid.SampledFrom([]uint32{0, testNow, testNow + 5}).Draw(rt, "expire")
				p, q := partition(t, grouped, 1, index), partition(t, single, 1, index)
				var added bool
				var res WriteResult
				var c Commit
				if rapid.Bool().Draw(rt, "remove") {
					added = g.Remove(p, []byte(key))
					res, c = q.Remove([]byte(key))
				} else {
					added = g.Put(p, []byte(key), []byte(value), expire, testNow)
					res, c = q.Put([]byte(key), []byte(value), expire, testNow)
				}
				_ = c.Wait() // the status says it
				if added != (key != "x") {
					rt.Fatalf("key %q added: %v", key, added)
				}
				if added {
					want = append(want, res)
					continue
				}
				// Refused by itself, after what comes before.
				got = append(got, results(g.Commit())...)
				_, c = p.Remove([]byte(key))
				_ = c.Wait()
			}
			got = append(got, results(g.Commit())...)
			if !slices.Equal(got, want) {
				rt.Fatalf("got %v, want %v", got, want)
			}
		}
		for i := range int32(partitions) {
			if i == shut {
				continue
			}
			if got, want := scanAll(t, partition(t, grouped, 1, i)), scanAll(t, partition(t, single, 1, i)); got != want {
				rt.Fatalf("partition %d has %q, want %q", i, got, want)
			}
		}
	})
}

// results waits for a group and returns its results.
func results(committed []Committed) []WriteResult {
	var all []WriteResult
	for _, c := range committed {
		_ = c.Commit.Wait() // the status says it
		all = append(all, c.Results...)
	}
	return all
}

// Groups of the same partitions in any order do not wait for each other in a circle.
func TestGroupsSideBySide(t *testing.T) {
	db := openDB(t, Options{})
	const n, users = 8, 4
	var wg sync.WaitGroup
	for u := range users {
		wg.Go(func() {
			var g Group
			for round := range 50 {
				for i := range n {
					index := int32(i)
					if u%2 == 1 {
						index = n - 1 - index
					}
					g.Put(partition(t, db, 1, index), rawKeyOf("h", fmt.Sprint(u)), []byte(fmt.Sprint(round)), 0, testNow)
				}
				for _, res := range results(g.Commit()) {
					if res.Status != OK {
						t.Error(res)
					}
				}
			}
		})
	}
	wg.Wait()
	for i := range int32(n) {
		if got := scanAll(t, partition(t, db, 1, i)); got != "h/0=49 h/1=49 h/2=49 h/3=49" {
			t.Errorf("partition %d has %q", i, got)
		}
	}
}

// Decrees of groups grow over a restart, and what was waited for is there.
func TestGroupIsDurable(t *testing.T) {
	fs := vfs.NewCrashableMem()
	opts := Options{Dir: "store", FS: fs}
	db := openDB(t, opts)
	var g Group
	last := make(map[int32]int64)
	for i := range 3 * decreeReserve / 4 {
		for index := range int32(2) {
			key := fmt.Sprint(i % 10)
			if !g.Put(partition(t, db, 1, index), schema.AppendKey(nil, []byte("h"), []byte(key)), []byte(fmt.Sprint(i)), 0, testNow) {
				t.Fatal("not added")
			}
		}
		if i%64 == 63 {
			for j, res := range results(g.Commit()) {
				if res.Status != OK {
					t.Fatal(res)
				}
				last[int32(j%2)] = res.Decree
			}
		}
	}
	opts.FS = fs.CrashClone(vfs.CrashCloneCfg{})
	db = openDB(t, opts)
	for index, decree := range last {
		p := partition(t, db, 1, index)
		if p.Decree() < decree {
			t.Errorf("decree %d after %d", p.Decree(), decree)
		}
		if got, want := get(p, "h", "1"), fmt.Sprint(3*decreeReserve/4-1); len(got) != len(want) {
			t.Errorf("a record is %q, the last one was %q", got, want)
		}
	}
}
