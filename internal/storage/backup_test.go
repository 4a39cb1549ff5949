package storage

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

// contents is what is in a store: records, decrees, meta data, journal.
func contents(t testing.TB, db *DB) (entries []string) {
	t.Helper()
	it, err := db.pebble.NewIter(nil)
	if err != nil {
		t.Fatal(err)
	}
	for valid := it.First(); valid; valid = it.Next() {
		entries = append(entries, fmt.Sprintf("%x=%x", it.Key(), it.Value()))
	}
	if err := it.Close(); err != nil {
		t.Fatal(err)
	}
	return entries
}

// only keeps the entries of a tag and, if it is not negative, a table.
func only(entries []string, tag byte, appID int32) []string {
	prefix := fmt.Sprintf("%x", []byte{tag})
	if appID >= 0 {
		prefix = fmt.Sprintf("%x", appendAppPrefix(nil, tag, appID))
	}
	return slices.DeleteFunc(slices.Clone(entries), func(e string) bool { return !strings.HasPrefix(e, prefix) })
}

func TestCheckpoint(t *testing.T) {
	for _, dir := range []string{"", "/db"} {
		t.Run("dir="+dir, func(t *testing.T) {
			fs := vfs.NewCrashableMem()
			db := openDB(t, Options{Dir: dir, FS: fs, SweepInterval: -1})
			fillTable(t, db, 1, 2, 1000, strings.Repeat("v", 5000)) // several batches
			fillTable(t, db, 2, 2, 10, "other table")
			if err := db.UpdateMeta(map[string][]byte{"table/1": []byte("one"), "table/2": []byte("two"), "table/10": nil}, nil); err != nil {
				t.Fatal(err)
			}
			size, err := db.Checkpoint(t.Context(), "/deep/down/all")
			if err != nil || size < 10_000 {
				t.Fatalf("%d bytes, %v", size, err)
			}
			if _, err := db.CheckpointApp(t.Context(), "/one", 1, "table/1"); err != nil {
				t.Fatal(err)
			}
			want := contents(t, db)
			// What comes later is not in it.
			res, c := partition(t, db, 1, 0).Remove(rawKeyOf("hash0", "0"))
			done(t, res, c, OK)

			// A loss of power right after a checkpoint does it no harm.
			clone := fs.CrashClone(vfs.CrashCloneCfg{RNG: rand.New(rand.NewPCG(1, 1))})
			all := openDB(t, Options{Dir: "/deep/down/all", FS: clone, ReadOnly: true})
			if got := contents(t, all); !slices.Equal(got, want) {
				t.Errorf("checkpoint has %d entries, want %d", len(got), len(want))
			}
			checkTable(t, all, 1, 2, 1000, strings.Repeat("v", 5000))
			one := openDB(t, Options{Dir: "/one", FS: clone, ReadOnly: true})
			wantOne := slices.Concat(only(want, tagDecree, 1), only(want, tagData, 1), only(want, tagMeta, -1)[:1])
			if got := contents(t, one); !slices.Equal(got, wantOne) || metaText(t, one) != "table/1=one" {
				t.Errorf("checkpoint of a table has %d entries, want %d, meta data %s", len(got), len(wantOne), metaText(t, one))
			}
		})
	}
}

// A checkpoint under load has what was acknowledged before it, and nothing that was written after it.
func TestCheckpointServes(t *testing.T) {
	db := openDB(t, Options{Dir: t.TempDir(), Durability: DurabilityOS, SweepInterval: -1, MemTableSize: 256 << 10, CacheSize: 4 << 20})
	table := startLive(t, db, 1, 2, 3, strings.Repeat("v", 500))
	p := partition(t, db, 1, 0)
	for i := range 5 {
		table.await(20)
		put(t, p, "round", fmt.Sprint(i), "before", 0)
		dir := fmt.Sprint(t.TempDir(), "/", i)
		if _, err := db.Checkpoint(t.Context(), dir); err != nil {
			t.Fatal(err)
		}
		put(t, p, "round", fmt.Sprint(i), "after", 0)
		copied := openDB(t, Options{Dir: dir, SweepInterval: -1})
		if got := get(partition(t, copied, 1, 0), "round", fmt.Sprint(i)); got != "before" {
			t.Errorf("what was written before the checkpoint is %s", got)
		}
	}
	table.end()
}

// A checkpoint taken while a table is split opens with the old layout or the new one.
func TestCheckpointDuringSplit(t *testing.T) {
	fs := vfs.NewMem()
	db := openDB(t, Options{Dir: "/db", FS: fs, SweepInterval: -1})
	value := strings.Repeat("v", 1000)
	fillTable(t, db, 1, 2, 300, value)
	take := func(dir string) {
		t.Helper()
		if _, err := db.Checkpoint(t.Context(), dir); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.SplitApp(t.Context(), 1, 2, func(commit func(map[string][]byte) error) error {
		take("/copied")
		err := commit(nil)
		take("/moved")
		return err
	}); err != nil {
		t.Fatal(err)
	}
	for dir, count := range map[string]int32{"/copied": 2, "/moved": 4} {
		checkTable(t, openDB(t, Options{Dir: dir, FS: fs, SweepInterval: -1}), 1, count, 300, value)
	}
}

func TestCheckpointFails(t *testing.T) {
	mem := vfs.NewMem()
	var file atomic.Value // its writes fail
	file.Store("")
	fs, full := failing(mem, func(op errorfs.Op) bool {
		return op.Kind == errorfs.OpFileWrite && strings.HasPrefix(op.Path, "/full.partial/") && strings.HasSuffix(op.Path, file.Load().(string))
	})
	db := openDB(t, Options{Dir: "/db", FS: fs, SweepInterval: -1})
	fillTable(t, db, 1, 2, 1000, strings.Repeat("v", 20_000))
	for _, dir := range []string{"/there", "/there.partial", "/other.partial"} {
		if err := mem.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, dir := range []string{"/there", "/other", "/db"} {
		if _, err := db.Checkpoint(t.Context(), dir); !errors.Is(err, ErrExists) {
			t.Errorf("%s: %v", dir, err)
		}
	}

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := db.Checkpoint(ctx, "/canceled"); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	full.Store(true)
	for _, suffix := range []string{"", ".log", ".sst"} {
		file.Store(suffix)
		if _, err := db.Checkpoint(t.Context(), "/full"); !errors.Is(err, errDisk) && !errors.Is(err, ErrFailed) && !errors.Is(err, ErrStalled) {
			t.Errorf("disk full for %q: %v", suffix, err)
		}
	}
	for _, dir := range []string{"/canceled", "/full"} {
		for _, name := range []string{dir, dir + partialSuffix} {
			if _, err := mem.Stat(name); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("%s is left: %v", name, err)
			}
		}
	}
	// The store itself is well.
	put(t, partition(t, db, 1, 0), "h", "s", "", 0)
	full.Store(false)
	if _, err := db.Checkpoint(t.Context(), "/full"); err != nil {
		t.Error(err)
	}
}
