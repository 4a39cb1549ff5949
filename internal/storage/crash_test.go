package storage

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// TestCrash cuts the power while several goroutines write. Of what was not synced a random part
// is lost; every acknowledged write must be there afterwards, every batch whole, decrees must not
// go back.
func TestCrash(t *testing.T) {
	for seed := range uint64(20) {
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) { testCrash(t, seed) })
	}
}

func testCrash(t *testing.T, seed uint64) {
	fs := vfs.NewCrashableMem()
	opts := Options{Dir: "/db", FS: fs, MemTableSize: 256 << 10, CacheSize: 4 << 20, SweepInterval: -1}
	db := openDB(t, opts)
	p := partition(t, db, 1, 0)
	if err := db.UpdateMeta(map[string][]byte{"table": []byte("1")}, nil); err != nil {
		t.Fatal(err)
	}

	const writers, writes = 4, 150
	var mu sync.Mutex // held while a write is counted and while the power is cut
	acknowledged := make([]int, writers)
	lastDecree, total := int64(0), 0
	var clone *vfs.MemFS
	cut := rand.New(rand.NewPCG(seed, 1)).IntN(writers * writes)
	value := make([]byte, 3000)
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for n := range writes {
				// Two records at once, and now and then a write that is refused.
				kvs := []KV{{fmt.Appendf(nil, "%05d", n), value}, {fmt.Appendf(nil, "%05d-twin", n), nil}}
				if n%10 == 9 {
					kvs = nil
				}
				res, c := p.MultiPut(fmt.Append(nil, "w", w), kvs, 0, testNow)
				if err := c.Wait(); err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				if clone == nil {
					acknowledged[w] = n + 1
					lastDecree = max(lastDecree, res.Decree)
				}
				if total++; total == cut+1 {
					clone = fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 50, RNG: rand.New(rand.NewPCG(seed, 2))})
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()

	opts.FS = clone
	db = openDB(t, opts)
	p = partition(t, db, 1, 0)
	for w, count := range acknowledged {
		var found []string
		status := p.MultiGet(&MultiGet{HashKey: fmt.Append(nil, "w", w), StartInclusive: true}, testNow, func(sortKey, _ []byte) {
			found = append(found, string(sortKey))
		})
		if status != OK {
			t.Fatalf("status %d", status)
		}
		if want := 2 * (count - count/10); len(found) < want || len(found)%2 != 0 {
			t.Errorf("writer %d: %d records, acknowledged were %d", w, len(found), want)
		}
		for i := 0; i+1 < len(found); i += 2 {
			if found[i+1] != found[i]+"-twin" {
				t.Errorf("writer %d: batch torn at %s, %s", w, found[i], found[i+1])
			}
		}
	}
	res, c := p.MultiPut(nil, nil, 0, testNow)
	if done(t, res, c, InvalidArgument); res.Decree <= lastDecree {
		t.Errorf("decree %d after the crash, %d before", res.Decree, lastDecree)
	}
	n := 0
	if err := db.Meta(func(key string, value []byte) error {
		n++
		if key != "table" || string(value) != "1" {
			return fmt.Errorf("meta data %s = %s", key, value)
		}
		return nil
	}); err != nil || n != 1 {
		t.Errorf("%d entries of meta data, %v", n, err)
	}
}

// With DurabilityOS a loss of power may cost acknowledged writes, but the store opens, and what
// is there is the beginning of what was written.
func TestCrashDurabilityOS(t *testing.T) {
	for seed := range uint64(20) {
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			fs := vfs.NewCrashableMem()
			opts := Options{Dir: "/db", FS: fs, Durability: DurabilityOS, MemTableSize: 256 << 10, CacheSize: 4 << 20, SweepInterval: -1}
			db := openDB(t, opts)
			p := partition(t, db, 1, 0)
			value := make([]byte, 3000)
			for n := range 200 + int(seed)*7 {
				res, c := p.MultiPut([]byte("h"), []KV{{fmt.Appendf(nil, "%05d", n), value}}, 0, testNow)
				done(t, res, c, OK)
			}
			opts.FS = fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 50, RNG: rand.New(rand.NewPCG(seed, 2))})
			p = partition(t, openDB(t, opts), 1, 0)
			n := 0
			p.MultiGet(&MultiGet{HashKey: []byte("h"), StartInclusive: true}, testNow, func(sortKey, _ []byte) {
				if want := fmt.Sprintf("%05d", n); string(sortKey) != want {
					t.Fatalf("record %s, want %s", sortKey, want)
				}
				n++
			})
		})
	}
}

// The death of the process alone costs nothing: all that Pebble had written is in the files.
func TestProcessDeath(t *testing.T) {
	for _, durability := range []Durability{DurabilitySync, DurabilityOS} {
		t.Run(fmt.Sprint("durability=", durability), func(t *testing.T) {
			fs := vfs.NewCrashableMem()
			opts := Options{Dir: "/db", FS: fs, Durability: durability, MemTableSize: 256 << 10, CacheSize: 4 << 20}
			p := partition(t, openDB(t, opts), 1, 0)
			const writes = 300
			for n := range writes {
				put(t, p, "h", fmt.Sprintf("%05d", n), string(make([]byte, 3000)), 0)
			}
			opts.FS = fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 100, RNG: rand.New(rand.NewPCG(1, 2))})
			p = partition(t, openDB(t, opts), 1, 0)
			if n, status := p.SortKeyCount([]byte("h"), testNow, nil); n != writes || status != OK {
				t.Errorf("%d of %d records, status %d", n, writes, status)
			}
		})
	}
}
