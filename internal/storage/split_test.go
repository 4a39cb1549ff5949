package storage

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/pegasus-go/pegasus/internal/schema"
)

// fillTable writes n records to a table of count partitions, each where it belongs.
func fillTable(t *testing.T, db *DB, appID, count int32, n int, value string) {
	t.Helper()
	for i := range n {
		hashKey := fmt.Sprint("hash", i/2)
		index := int32(schema.Hash([]byte(hashKey)) % uint64(count))
		put(t, partition(t, db, appID, index), hashKey, fmt.Sprint(i), value, uint32(7000+i))
	}
}

// checkTable checks that a table of count partitions holds exactly what fillTable has written.
func checkTable(t *testing.T, db *DB, appID, count int32, n int, value string) {
	t.Helper()
	total := 0
	for index := range count {
		p := partition(t, db, appID, index)
		s, status := p.NewScanner(fullScan())
		if status != OK {
			t.Fatal(status)
		}
		for {
			res := s.Next(testNow, func(key, v []byte, expire uint32) {
				total++
				_, sortKey, _ := schema.SplitKey(key)
				if schema.KeyHash(key)%uint64(count) != uint64(index) {
					t.Errorf("record %q is in partition %d of %d", key, index, count)
				}
				if want := fmt.Sprint(expire - 7000); string(v) != value || string(sortKey) != want {
					t.Errorf("record %q has expiry %d, %d bytes", key, expire, len(v))
				}
			})
			if res.Status != OK {
				t.Fatal(res)
			}
			if !res.More {
				break
			}
		}
	}
	if total != n {
		t.Errorf("%d records in %d partitions, want %d", total, count, n)
	}
	it, err := db.pebble.NewIter(&pebble.IterOptions{LowerBound: []byte{tagSplit}, UpperBound: []byte{tagSplit + 1}})
	if err != nil {
		t.Fatal(err)
	}
	if it.First() {
		t.Errorf("journal entry %x left", it.Key())
	}
	if err := it.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestSplitApp(t *testing.T) {
	for _, dir := range []string{"", t.TempDir()} {
		t.Run("dir="+fmt.Sprint(dir != ""), func(t *testing.T) {
			db := openDB(t, Options{Dir: dir, Durability: DurabilityOS})
			value := strings.Repeat("v", 10_000) // several chunks
			fillTable(t, db, 1, 3, 1000, value)
			fillTable(t, db, 2, 3, 10, "other table")
			parent := partition(t, db, 1, 0)
			parent.SetDefaultTTL(77)
			s, _ := parent.NewScanner(fullScan())
			before, c := parent.MultiPut(nil, nil, 0, testNow)
			done(t, before, c, InvalidArgument)

			if err := db.SplitApp(1, 3, map[string][]byte{"count": []byte("6")}); err != nil {
				t.Fatal(err)
			}
			checkTable(t, db, 1, 6, 1000, value)
			checkTable(t, db, 2, 3, 10, "other table")
			if got := metaText(t, db); got != "count=6" {
				t.Errorf("meta data %q", got)
			}
			if _, res := next(t, s); res.Status != NotFound {
				t.Errorf("scan of the old layout: %+v", res)
			}
			child := partition(t, db, 1, 3)
			after, c := child.Put(rawKeyOf("h", "s"), nil, 0, testNow)
			if done(t, after, c, OK); after.Decree <= before.Decree {
				t.Errorf("decree of the child %d, of its parent before %d", after.Decree, before.Decree)
			}
			if _, expire, _ := child.Get(nil, rawKeyOf("h", "s"), testNow); expire != testNow+77 {
				t.Errorf("the child has not taken over the default TTL: expire %d", expire)
			}
		})
	}
}

func TestSplitTwice(t *testing.T) {
	db := openDB(t, Options{})
	fillTable(t, db, 1, 1, 200, "v")
	for count := int32(1); count < 8; count *= 2 {
		if err := db.SplitApp(1, count, nil); err != nil {
			t.Fatal(err)
		}
		checkTable(t, db, 1, 2*count, 200, "v")
	}
}

func TestSplitRefused(t *testing.T) {
	db := openDB(t, Options{})
	for _, count := range []int32{0, -1, 1<<29 + 1} {
		if err := db.SplitApp(1, count, nil); err == nil {
			t.Errorf("split of %d partitions", count)
		}
	}
}

// TestSplitCrash cuts the power after every sync during a split. The table must then have either
// all of its old layout or all of its new one, as the meta data says.
func TestSplitCrash(t *testing.T) {
	const records = 60
	value := strings.Repeat("v", 1000)
	seen := map[string]int{}
	for cut := int64(1); ; cut++ {
		fs := &cuttingFS{MemFS: vfs.NewCrashableMem()}
		opts := Options{Dir: "/db", FS: fs, SweepInterval: -1}
		db := openDB(t, opts)
		fillTable(t, db, 1, 2, records, value)
		if err := db.UpdateMeta(map[string][]byte{"count": []byte("2")}, nil); err != nil {
			t.Fatal(err)
		}
		fs.left.Store(cut)
		if err := db.SplitApp(1, 2, map[string][]byte{"count": []byte("4")}); err != nil {
			t.Fatal(err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		if fs.clone == nil {
			break // the split was over before the cut
		}
		opts.FS = fs.clone
		db = openDB(t, opts)
		got := metaText(t, db)
		if seen[got]++; got == "count=2" {
			checkTable(t, db, 1, 2, records, value)
		} else {
			checkTable(t, db, 1, 4, records, value)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if seen["count=2"] < 3 || seen["count=4"] < 2 {
		t.Errorf("outcomes %v: too few cuts", seen)
	}
}

// cuttingFS cuts the power right after a number of syncs of the log.
type cuttingFS struct {
	*vfs.MemFS
	left  atomic.Int64
	clone *vfs.MemFS // what is on disk then
}

func (c *cuttingFS) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := c.MemFS.Create(name, category)
	if err != nil || !strings.HasSuffix(name, ".log") {
		return f, err
	}
	return &cuttingFile{File: f, fs: c}, nil
}

type cuttingFile struct {
	vfs.File
	fs *cuttingFS
}

func (f *cuttingFile) cut(err error) error {
	if err == nil && f.fs.left.Load() > 0 && f.fs.left.Add(-1) == 0 {
		f.fs.clone = f.fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 30, RNG: rand.New(rand.NewPCG(1, 2))})
	}
	return err
}

func (f *cuttingFile) Sync() error     { return f.cut(f.File.Sync()) }
func (f *cuttingFile) SyncData() error { return f.cut(f.File.SyncData()) }
