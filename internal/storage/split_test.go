package storage

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/pegasus-go/pegasus/internal/schema"
	"pgregory.net/rapid"
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

// awaitLeftovers waits until what an earlier split has left is removed.
func awaitLeftovers(db *DB) {
	if done := db.leftovers.done; done != nil {
		<-done
	}
}

// checkTable checks that a table of count partitions holds exactly what fillTable has written, when what
// an earlier split has left is removed.
func checkTable(t *testing.T, db *DB, appID, count int32, n int, value string) {
	t.Helper()
	awaitLeftovers(db)
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
			value := strings.Repeat("v", 2000) // several runs
			fillTable(t, db, 1, 3, 1000, value)
			fillTable(t, db, 2, 3, 10, "other table")
			parent := partition(t, db, 1, 0)
			parent.SetDefaultTTL(77)
			s, _ := parent.NewScanner(fullScan())
			before, c := parent.MultiPut(nil, nil, 0, testNow)
			done(t, before, c, InvalidArgument)

			if err := splitApp(db, t.Context(), 1, 3, map[string][]byte{"count": []byte("6")}); err != nil {
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
		if err := splitApp(db, t.Context(), 1, count, nil); err != nil {
			t.Fatal(err)
		}
		checkTable(t, db, 1, 2*count, 200, "v")
	}
}

func TestSplitRefused(t *testing.T) {
	db := openDB(t, Options{})
	for _, count := range []int32{0, -1, 1<<29 + 1} {
		if err := splitApp(db, t.Context(), 1, count, nil); err == nil {
			t.Errorf("split of %d partitions", count)
		}
	}
}

// TestSplitCrash cuts the power after every write and sync during a split. The table must then have either
// all of its old layout or all of its new one, as the meta data says.
func TestSplitCrash(t *testing.T) {
	const records = 60
	value := strings.Repeat("v", 1000)
	seen := map[string]int{}
	for cut := int64(1); ; cut++ {
		fs := &cuttingFS{
			MemFS: vfs.NewCrashableMem(), writes: true,
			cfg: vfs.CrashCloneCfg{UnsyncedDataPercent: 30, RNG: rand.New(rand.NewPCG(uint64(cut), 2))},
		}
		opts := Options{Dir: "/db", FS: fs, SweepInterval: -1}
		db := openDB(t, opts)
		fillTable(t, db, 1, 2, records, value)
		if err := db.UpdateMeta(map[string][]byte{"count": []byte("2")}, nil); err != nil {
			t.Fatal(err)
		}
		fs.left.Store(cut)
		if err := splitApp(db, t.Context(), 1, 2, map[string][]byte{"count": []byte("4")}); err != nil {
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

// A countdown is a context that is canceled when it has been asked a number of times whether it is.
type countdown struct {
	context.Context
	left int
}

func (c *countdown) Err() error {
	if c.left--; c.left < 0 {
		return context.Canceled
	}
	return nil
}

// TestSplitCanceled cancels a split before every run of records that it walks over: while it copies them,
// and while it removes the originals.
func TestSplitCanceled(t *testing.T) {
	const records = 100
	seen := map[string]int{}
	for runs := 0; ; runs++ {
		opts := Options{Dir: "/db", FS: vfs.NewMem(), SweepInterval: -1}
		db := openDB(t, opts)
		db.runRecords = 20
		fillTable(t, db, 1, 2, records, "v")
		ctx := &countdown{t.Context(), runs}
		err := splitApp(db, ctx, 1, 2, nil)
		count := int32(4)
		switch {
		case err != nil && errors.Is(err, context.Canceled):
			count = 2
			seen["copying"]++
		case err != nil:
			t.Error(err)
		case ctx.left < 0:
			seen["removing"]++
		}
		wantTable(t, db, 1, count, records, "v")
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		checkTable(t, openDB(t, opts), 1, count, records, "v")
		if ctx.left >= 0 {
			break
		}
	}
	if seen["copying"] < 4 || seen["removing"] < 4 {
		t.Errorf("canceled while %v: too few runs", seen)
	}
}

// splitApp splits a table that nobody uses meanwhile.
func splitApp(db *DB, ctx context.Context, appID, oldCount int32, meta map[string][]byte) error {
	return db.SplitApp(ctx, appID, oldCount, func(commit func(map[string][]byte) error) error { return commit(meta) })
}

// wantTable checks that every record of fillTable is found by the partition count.
func wantTable(t *testing.T, db *DB, appID, count int32, n int, value string) {
	t.Helper()
	missing := 0
	for i := range n {
		hashKey := fmt.Sprint("hash", i/2)
		index := int32(schema.Hash([]byte(hashKey)) % uint64(count))
		if get(partition(t, db, appID, index), hashKey, fmt.Sprint(i)) != value {
			missing++
		}
	}
	if missing > 0 {
		t.Errorf("%d of %d records are not found in a table of %d partitions", missing, n, count)
	}
}

// TestSplitDiskFailure breaks the disk at every write and sync of the log during a split. What SplitApp
// returns says by which count the records are found.
func TestSplitDiskFailure(t *testing.T) {
	const records = 100
	value := strings.Repeat("v", 5000)
	failed := 0
	for first := int64(1); ; first++ {
		var ops atomic.Int64
		fs, on := failing(vfs.NewMem(), func(op errorfs.Op) bool {
			return writesTo(".log", errorfs.OpFileWrite, errorfs.OpFileSync, errorfs.OpFileSyncData)(op) && ops.Add(1) >= first
		})
		db, err := Open(Options{Dir: "/db", FS: fs, Clock: testTime, SweepInterval: -1})
		if err != nil {
			t.Fatal(err)
		}
		fillTable(t, db, 1, 2, records, value)
		on.Store(true)
		err = splitApp(db, t.Context(), 1, 2, map[string][]byte{"count": []byte("4")})
		count := int32(4)
		if err != nil {
			count, failed = 2, failed+1
		}
		wantTable(t, db, 1, count, records, value)
		on.Store(false)
		broken := db.failed()
		if err := db.Close(); broken != (err != nil) {
			t.Errorf("Close: %v, failed %v", err, broken)
		}
		if !broken {
			break
		}
	}
	if failed < 3 {
		t.Errorf("%d splits failed: too few", failed)
	}
}

// TestOpenDoesNotWaitForCleanup opens a store in which the originals of a split are still to be removed,
// and finds its records at once.
func TestOpenDoesNotWaitForCleanup(t *testing.T) {
	const records = 100
	db := openDB(t, Options{SweepInterval: -1})
	fillTable(t, db, 1, 4, records, "v")
	p := partition(t, db, 1, 0)
	i := 0
	for schema.Hash(fmt.Append(nil, "hash", i/2))%4 != 2 {
		i++ // to one that has moved from the first partition
	}
	moved, sortKey := fmt.Sprint("hash", i/2), fmt.Sprint(i)
	put(t, p, moved, sortKey, "old", 0)
	entry := func(b *pebble.Batch) { _ = b.Set(appendAppPrefix(nil, tagSplit, 1), splitEntry(splitMoved, 2), nil) }
	if err := db.journal(entry); err != nil {
		t.Fatal(err)
	}
	release, err := db.reorganize(t.Context(), 1) // something else is being done with the table
	if err != nil {
		t.Fatal(err)
	}
	if err := db.recoverSplits(); err != nil {
		t.Fatal(err)
	}
	wantTable(t, db, 1, 4, records, "v")
	if get(p, moved, sortKey) != "old" {
		t.Error("removed at once")
	}
	release()
	checkTable(t, db, 1, 4, records, "v")
}

// TestSplitCleanupFails makes reads fail from the moment that the records have moved: the originals
// cannot be removed. The split has happened all the same.
func TestSplitCleanupFails(t *testing.T) {
	const records = 100
	value := strings.Repeat("v", 50_000)
	fs, unreadable := failing(vfs.NewMem(), writesTo(".sst", errorfs.OpFileReadAt))
	opts := Options{Dir: "/db", FS: &markedFS{fs, moveMark, func() { unreadable.Store(true) }}, SweepInterval: -1, CacheSize: 1 << 20, MemTableSize: 256 << 10}
	db := openDB(t, opts)
	fillTable(t, db, 1, 2, records, value)
	if err := splitApp(db, t.Context(), 1, 2, map[string][]byte{"x": bytes.Repeat([]byte(moveMark), 50)}); err != nil {
		t.Fatal(err)
	}
	if !unreadable.Load() {
		t.Fatal("reads did not fail")
	}
	if err := splitApp(db, t.Context(), 1, 4, nil); err == nil {
		t.Error("another split before the originals are removed")
	}
	unreadable.Store(false)
	wantTable(t, db, 1, 4, records, value)
	if err := splitApp(db, t.Context(), 1, 4, nil); err != nil {
		t.Fatal(err)
	}
	checkTable(t, db, 1, 8, records, value)
}

// moveMark marks the log record of the move, as meta data, many times: one of them may lie across
// two blocks of the log.
const moveMark = "the records move"

// markedFS calls seen when a mark is written to a log.
type markedFS struct {
	vfs.FS
	mark string
	seen func()
}

func (m *markedFS) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := m.FS.Create(name, category)
	return &markedFile{f, m, name}, err
}

func (m *markedFS) ReuseForWrite(oldname, newname string, category vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := m.FS.ReuseForWrite(oldname, newname, category)
	return &markedFile{f, m, newname}, err
}

type markedFile struct {
	vfs.File
	fs   *markedFS
	name string
}

func (f *markedFile) Write(b []byte) (int, error) {
	marked := strings.HasSuffix(f.name, ".log") && bytes.Contains(b, []byte(f.fs.mark))
	n, err := f.File.Write(b) // which may change b
	if marked {
		f.fs.seen()
	}
	return n, err
}

// cuttingFS cuts the power right after a number of syncs of the log, or of writes to it as well.
type cuttingFS struct {
	*vfs.MemFS
	left   atomic.Int64
	writes bool
	cfg    vfs.CrashCloneCfg
	before func()     // if not nil called right before the cut
	clone  *vfs.MemFS // what is on disk then
}

func (c *cuttingFS) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := c.MemFS.Create(name, category)
	if err != nil || !strings.HasSuffix(name, ".log") {
		return f, err
	}
	return &cuttingFile{File: f, fs: c}, nil
}

func (c *cuttingFS) ReuseForWrite(oldname, newname string, category vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := c.MemFS.ReuseForWrite(oldname, newname, category)
	return &cuttingFile{File: f, fs: c}, err
}

type cuttingFile struct {
	vfs.File
	fs *cuttingFS
}

func (f *cuttingFile) cut() {
	if f.fs.left.Load() <= 0 || f.fs.left.Add(-1) != 0 {
		return
	}
	if f.fs.before != nil {
		f.fs.before()
	}
	f.fs.clone = f.fs.CrashClone(f.fs.cfg)
}

func (f *cuttingFile) Write(b []byte) (int, error) {
	n, err := f.File.Write(b)
	if f.fs.writes {
		f.cut()
	}
	return n, err
}

func (f *cuttingFile) Sync() error {
	err := f.File.Sync()
	f.cut()
	return err
}

func (f *cuttingFile) SyncData() error {
	err := f.File.SyncData()
	f.cut()
	return err
}

// TestSplitModel writes at random before, during and after a split and compares with a model. While the
// split waits to be committed everything is copied, and what is written goes to two partitions.
func TestSplitModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		db, err := Open(Options{Clock: testTime, SweepInterval: -1})
		if err != nil {
			rt.Fatal(err)
		}
		defer db.Close()
		db.runRecords = 2
		m := newModel(db.opts.Limits)
		count := rapid.Int32Range(1, 3).Draw(rt, "partitions")
		write := func() {
			hashKey := rapid.StringMatching("[a-d]{0,2}").Draw(rt, "hash key")
			sortKeys := rapid.SliceOfN(rapid.StringMatching("[ab]{0,2}"), 1, 3).Draw(rt, "sort keys")
			key, value := rawKeyOf(hashKey, sortKeys[0]), rapid.StringMatching("[1-9]{1,2}").Draw(rt, "value")
			expire := rapid.SampledFrom([]uint32{0, 0, testNow, testNow + 9}).Draw(rt, "expire")
			p := partition(t, db, 1, int32(schema.KeyHash(key)%uint64(count)))
			var res WriteResult
			var c Commit
			switch kind := rapid.SampledFrom([]string{"put", "remove", "incr", "multi put", "multi remove", "mutate", "refused"}).Draw(rt, "write"); {
			case kind == "put":
				res, c = p.Put(key, []byte(value), expire, testNow)
				m.put(string(key), value, expire, testNow)
			case kind == "remove":
				res, c = p.Remove(key)
				m.remove(string(key))
			case kind == "incr":
				var r IncrResult
				r, c = p.Incr(key, 7, int32(expire), testNow)
				m.incr(string(key), 7, int32(expire), testNow)
				res = r.WriteResult
			case kind == "refused":
				res, c = p.MultiPut([]byte(hashKey), nil, 0, testNow)
				res.Status = OK
			case hashKey == "": // those below go by the hash key alone
				return
			case kind == "multi put":
				var kvs []KV
				for _, s := range sortKeys {
					kvs = append(kvs, KV{[]byte(s), []byte(value)})
					m.put(string(rawKeyOf(hashKey, s)), value, expire, testNow)
				}
				res, c = p.MultiPut([]byte(hashKey), kvs, expire, testNow)
			case kind == "multi remove":
				var keys [][]byte
				for _, s := range sortKeys {
					keys = append(keys, []byte(s))
					m.remove(string(rawKeyOf(hashKey, s)))
				}
				var r MultiRemoveResult
				r, c = p.MultiRemove([]byte(hashKey), keys)
				res = r.WriteResult
			default:
				var mutations []Mutation
				for i, s := range sortKeys {
					if raw := string(rawKeyOf(hashKey, s)); i%2 == 0 {
						mutations = append(mutations, Mutation{SortKey: []byte(s), Value: []byte(value), Expire: expire})
						m.put(raw, value, expire, testNow)
					} else {
						mutations = append(mutations, Mutation{Operation: MutateRemove, SortKey: []byte(s)})
						m.remove(raw)
					}
				}
				var r CheckResult
				r, c = p.CheckAndMutate(&CheckAndMutate{HashKey: []byte(hashKey), Mutations: mutations}, testNow)
				res = r.WriteResult
			}
			if err := c.Wait(); err != nil || res.Status != OK {
				rt.Fatalf("status %d, %v", res.Status, err)
			}
		}
		writes := func() {
			for range rapid.IntRange(0, 15).Draw(rt, "writes") {
				write()
			}
		}
		writes()
		for range rapid.IntRange(1, 2).Draw(rt, "splits") {
			undone := rapid.Bool().Draw(rt, "undone")
			err := db.SplitApp(t.Context(), 1, count, func(commit func(map[string][]byte) error) error {
				writes()
				if undone {
					return nil
				}
				return commit(nil)
			})
			if undone != errors.Is(err, errNotCommitted) || !undone && err != nil {
				rt.Fatal(err)
			}
			if !undone {
				count *= 2
			}
			writes()
		}
		var got, want []string
		for index := range 2 * count {
			for _, r := range stored(t, partition(t, db, 1, index)) {
				got = append(got, fmt.Sprintf("%d: %s", index, r))
			}
		}
		for _, r := range m.records[1:] { // but for the empty one
			want = append(want, fmt.Sprintf("%d: %x=%s@%d", schema.KeyHash([]byte(r.key))%uint64(count), r.key, r.value, r.expire))
		}
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			rt.Fatalf("%d partitions have\n%q\nwant\n%q", count, got, want)
		}
	})
}
