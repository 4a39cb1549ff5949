package storage

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/pegasus-go/pegasus/internal/schema"
	"pgregory.net/rapid"
)

// with is what CompactApp begins with.
func with(c Compaction) func() (Compaction, error) {
	return func() (Compaction, error) { return c, nil }
}

// stored returns all records of a partition, with what has expired.
func stored(t testing.TB, p *Partition) (records []string) {
	t.Helper()
	it, err := p.newIter(p.db.pebble, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	for valid := it.First(); valid; valid = it.Next() {
		expire, value, _ := splitValue(it.Value())
		records = append(records, fmt.Sprintf("%x=%s@%d", it.Key()[prefixLen:], value, expire))
	}
	if err := it.Close(); err != nil {
		t.Fatal(err)
	}
	return records
}

// TestCompactModel compares what a compaction leaves of random records with a model.
func TestCompactModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		db, err := Open(Options{Clock: testTime, SweepInterval: -1})
		if err != nil {
			rt.Fatal(err)
		}
		defer db.Close()
		p := partition(t, db, 1, 1)
		var records []record
		seen := map[string]bool{}
		for i := range rapid.IntRange(0, 30).Draw(rt, "records") {
			hashKey, sortKey := rapid.StringMatching("[abc]{0,3}").Draw(rt, "hash key"), rapid.StringMatching("[abc]{0,3}").Draw(rt, "sort key")
			r := record{key: string(rawKeyOf(hashKey, sortKey)), value: fmt.Sprint(i)}
			if rapid.Bool().Draw(rt, "expires") {
				r.expire = rapid.Uint32Range(testNow-2, testNow+150).Draw(rt, "expire")
			}
			if seen[r.key] {
				continue
			}
			seen[r.key] = true
			put(t, p, hashKey, sortKey, r.value, r.expire)
			records = append(records, r)
		}
		text, apply := drawOperations(rt)
		ops, err := ParseOperations(text)
		if err != nil {
			rt.Fatalf("%s: %v", text, err)
		}
		ttl := rapid.Uint32Range(0, 3).Draw(rt, "default TTL") * 40
		p.SetDefaultTTL(ttl)
		c := Compaction{Partitions: 2, Operations: ops, RemoveForeign: rapid.Bool().Draw(rt, "remove foreign")}

		var want []string
		removed, changed := int64(0), int64(0)
		slices.SortFunc(records, func(a, b record) int { return strings.Compare(a.key, b.key) })
		for _, r := range records {
			before := r.expire
			if r.expire == 0 && ttl > 0 {
				r.expire = testNow + ttl
			}
			expire, stays := apply(r, testNow)
			foreign := schema.KeyHash([]byte(r.key))%2 != 1
			if r.gone(testNow) || c.RemoveForeign && foreign || !stays {
				removed++
				continue
			}
			if expire != before {
				changed++
			}
			want = append(want, fmt.Sprintf("%x=%s@%d", r.key, r.value, expire))
		}
		done, err := db.CompactApp(t.Context(), 1, with(c))
		if err != nil {
			rt.Fatal(err)
		}
		if got := stored(t, p); !slices.Equal(got, want) || done.Removed != removed || done.Changed != changed {
			rt.Fatalf("default TTL %d, operations %s: %+v, want %d removed, %d changed\n%q\nwant\n%q", ttl, text, done, removed, changed, got, want)
		}
	})
}

// A compaction is about one table, and gives back the space of what was removed and overwritten.
func TestCompactGivesBackSpace(t *testing.T) {
	for _, dir := range []string{"", "/db"} {
		t.Run("dir="+dir, func(t *testing.T) {
			db := openDB(t, Options{Dir: dir, FS: vfs.NewMem(), SweepInterval: -1, MemTableSize: 256 << 10, CacheSize: 4 << 20})
			rng := rand.NewChaCha8([32]byte{})
			value := make([]byte, 10_000)
			size := func(appID int32) uint64 {
				t.Helper()
				n, err := db.pebble.EstimateDiskUsage(appendAppPrefix(nil, tagData, appID), appendAppPrefix(nil, tagData, appID+1))
				if err != nil {
					t.Fatal(err)
				}
				return n
			}
			const records = 400
			for appID := range int32(2) {
				for i := range records {
					_, _ = rng.Read(value)
					put(t, partition(t, db, appID, int32(i%2)), fmt.Sprint(i), "", string(value), 0)
				}
			}
			if err := db.pebble.Flush(); err != nil {
				t.Fatal(err)
			}
			before := size(1)
			for appID := range int32(2) {
				for i := range records / 2 {
					res, c := partition(t, db, appID, int32(i%2)).Remove(rawKeyOf(fmt.Sprint(i), ""))
					done(t, res, c, OK)
				}
			}
			var progress []int32
			if _, err := db.CompactApp(t.Context(), 1, with(Compaction{Partitions: 2, Progress: func(n int32) { progress = append(progress, n) }})); err != nil {
				t.Fatal(err)
			}
			if after := size(1); after > before*6/10 || after < before*4/10 {
				t.Errorf("%d bytes before, %d bytes after half was removed", before, after)
			}
			if !slices.Equal(progress, []int32{1, 2}) {
				t.Errorf("progress %v", progress)
			}
		})
	}
}

// What a compaction changes the background sweep has to know.
func TestCompactTellsSweeper(t *testing.T) {
	db := openDB(t, Options{SweepInterval: -1})
	p := partition(t, db, 1, 0)
	put(t, p, "h", "s", "", 0)
	p.SetDefaultTTL(70)
	if _, err := db.CompactApp(t.Context(), 1, with(Compaction{Partitions: 1})); err != nil {
		t.Fatal(err)
	}
	if got := db.sweeper.earliest.Load(); got != testNow+70 {
		t.Errorf("earliest expiry %d, want %d", got, testNow+70)
	}
}

// A table serves while it is compacted, and what its users do is not touched.
func TestCompactServes(t *testing.T) {
	for _, dir := range []string{"", t.TempDir()} {
		t.Run("dir="+fmt.Sprint(dir != ""), func(t *testing.T) {
			db := openDB(t, Options{Dir: dir, Durability: DurabilityOS, SweepInterval: -1, MemTableSize: 256 << 10, CacheSize: 4 << 20})
			table := startLive(t, db, 1, 2, 3, strings.Repeat("v", 1000))
			for i := range 2000 {
				put(t, partition(t, db, 1, int32(i%2)), fmt.Sprint("tmp_", i), "", "v", 0)
			}
			ops, err := ParseOperations(`{"ops":[{"type":"COT_DELETE","params":"","rules":[` +
				`{"type":"FRT_HASHKEY_PATTERN","params":"{\"pattern\":\"tmp_\",\"match_type\":\"SMT_MATCH_PREFIX\"}"}]}]}`)
			if err != nil {
				t.Fatal(err)
			}
			for range 3 {
				table.await(20)
				if _, err := db.CompactApp(t.Context(), 1, with(Compaction{Partitions: 2, Operations: ops})); err != nil {
					t.Fatal(err)
				}
			}
			table.end()
			table.checkAll(table.states())
			for i := range 2000 {
				if got := get(partition(t, db, 1, int32(i%2)), fmt.Sprint("tmp_", i), ""); got != "<not found>" {
					t.Fatalf("tmp_%d is %s", i, got)
				}
			}
		})
	}
}

// Compactions run one at a time, and none of a table that is being split.
func TestCompactWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := openDB(t, Options{})
		fillTable(t, db, 1, 1, 10, "v")
		var order []string
		results := make(chan error)
		compact := func(ctx context.Context, appID int32) {
			_, err := db.CompactApp(ctx, appID, func() (Compaction, error) {
				order = append(order, fmt.Sprint("compact ", appID))
				return Compaction{Partitions: 1}, nil
			})
			results <- err
		}
		if err := db.SplitApp(t.Context(), 1, 1, func(commit func(map[string][]byte) error) error {
			ctx, cancel := context.WithCancel(t.Context())
			go compact(ctx, 1)
			synctest.Wait()
			cancel()
			if err := <-results; !errors.Is(err, context.Canceled) {
				t.Errorf("a compaction that waits, canceled: %v", err)
			}
			go compact(t.Context(), 1)
			synctest.Wait()
			order = append(order, "move")
			return commit(nil)
		}); err != nil {
			t.Fatal(err)
		}
		if err := <-results; err != nil || !slices.Equal(order, []string{"move", "compact 1"}) {
			t.Errorf("order %q, %v", order, err)
		}

		order = nil
		if _, err := db.CompactApp(t.Context(), 1, func() (Compaction, error) {
			go compact(t.Context(), 2)
			synctest.Wait()
			order = append(order, "compact 1")
			return Compaction{}, nil
		}); err != nil {
			t.Fatal(err)
		}
		if err := <-results; err != nil || !slices.Equal(order, []string{"compact 1", "compact 2"}) {
			t.Errorf("order %q, %v", order, err)
		}
	})
}

// A compaction that cannot go on says why.
func TestCompactEnds(t *testing.T) {
	db := openDB(t, Options{})
	fillTable(t, db, 1, 2, 10, "v")
	ctx, cancel := context.WithCancel(t.Context())
	wrong := errors.New("wrong")
	for _, tc := range []struct {
		name  string
		begin func() (Compaction, error)
		want  error
	}{
		{"begin fails", func() (Compaction, error) { return Compaction{}, wrong }, wrong},
		{"canceled", with(Compaction{Partitions: 2, Progress: func(done int32) {
			if cancel(); done > 1 {
				t.Error("went on")
			}
		}}), context.Canceled},
	} {
		if _, err := db.CompactApp(ctx, 1, tc.begin); !errors.Is(err, tc.want) {
			t.Errorf("%s: %v", tc.name, err)
		}
	}
	_, err := db.CompactApp(t.Context(), 1, with(Compaction{Partitions: 2, Progress: func(int32) {
		if err := db.DropApp(1); err != nil {
			t.Error(err)
		}
	}}))
	if err != nil {
		t.Errorf("table dropped meanwhile: %v", err)
	}
	it, err := db.pebble.NewIter(&pebble.IterOptions{LowerBound: []byte{tagData}, UpperBound: []byte{tagData + 1}})
	if err != nil {
		t.Fatal(err)
	}
	if it.First() {
		t.Errorf("%x is left of a dropped table", it.Key())
	}
	if err := it.Close(); err != nil {
		t.Fatal(err)
	}
}
