package storage

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/pegasus-go/pegasus/internal/schema"
)

// storedRecords counts the records of all partitions, expired ones included.
func storedRecords(t *testing.T, db *DB) int {
	t.Helper()
	it, err := db.pebble.NewIter(&pebble.IterOptions{LowerBound: []byte{tagData}, UpperBound: []byte{tagData + 1}})
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for valid := it.First(); valid; valid = it.Next() {
		n++
	}
	if err := it.Close(); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestSweep(t *testing.T) {
	for _, flush := range []bool{false, true} {
		t.Run(fmt.Sprint("flush=", flush), func(t *testing.T) {
			var now atomic.Int64
			now.Store(testNow)
			db := openDB(t, Options{
				SweepInterval: -1,
				Clock:         func() time.Time { return time.Unix(schema.Epoch+now.Load(), 0) },
			})
			// More than a chunk in each of two partitions, mixed with what has to stay.
			const each = 3*sweepChunk + 1
			for index := range int32(2) {
				p := partition(t, db, 1, index)
				for i := range each {
					put(t, p, "h", fmt.Sprintf("%05d", i), "", testNow+10)
					put(t, p, "h", fmt.Sprintf("%05d later", i), "", testNow+20)
					put(t, p, "h", fmt.Sprintf("%05d stays", i), "", 0)
				}
			}
			if flush {
				if err := db.pebble.Flush(); err != nil {
					t.Fatal(err)
				}
			}
			total := 6 * each
			for _, step := range []struct {
				now     int64
				deleted int
			}{{testNow, 0}, {testNow + 9, 0}, {testNow + 10, 2 * each}, {testNow + 10, 0}, {testNow + 100, 2 * each}} {
				now.Store(step.now)
				n, err := db.Sweep(context.Background())
				if total -= step.deleted; err != nil || n != step.deleted || storedRecords(t, db) != total {
					t.Errorf("at %d: %d deleted, want %d; %d left, want %d; %v", step.now, n, step.deleted, storedRecords(t, db), total, err)
				}
			}
		})
	}
}

// What the sweeper waits for is never later than the first record that expires.
func TestSweepEarliest(t *testing.T) {
	db := openDB(t, Options{SweepInterval: -1})
	p := partition(t, db, 1, 0)
	expect := func(want uint32) {
		t.Helper()
		if got := db.sweeper.earliest.Load(); got != want {
			t.Errorf("earliest %d, want %d", got, want)
		}
	}
	expect(math.MaxUint32)
	put(t, p, "h", "none", "", 0)
	expect(math.MaxUint32)
	put(t, p, "h", "later", "", 7000)
	put(t, p, "h", "soon", "", 6000)
	put(t, p, "h", "last", "", 8000)
	expect(6000)
	put(t, p, "h", "soon", "", 0) // the bound may be too low
	expect(6000)
	sweep := func() {
		t.Helper()
		if n, err := db.Sweep(context.Background()); n != 0 || err != nil {
			t.Errorf("%d deleted, %v", n, err)
		}
	}
	sweep()
	expect(7000)
	for expire, write := range map[uint32]func() (WriteResult, Commit){
		4000: func() (WriteResult, Commit) { return p.MultiPut(nil, []KV{{}}, 4000, testNow) },
		3999: func() (WriteResult, Commit) {
			res, c := p.Incr(rawKeyOf("h", "incr"), 1, 3999, testNow)
			return res.WriteResult, c
		},
		3998: func() (WriteResult, Commit) {
			res, c := p.CheckAndSet(&CheckAndSet{SetExpire: 3998}, testNow)
			return res.WriteResult, c
		},
		3997: func() (WriteResult, Commit) {
			res, c := p.CheckAndMutate(&CheckAndMutate{Mutations: []Mutation{{Expire: 0}, {Expire: 5000}, {Expire: 3997}}}, testNow)
			return res.WriteResult, c
		},
	} {
		db.sweeper.earliest.Store(7000)
		res, c := write()
		done(t, res, c, OK)
		expect(expire)
	}
	if err := db.DropApp(1); err != nil {
		t.Fatal(err)
	}
	sweep()
	expect(math.MaxUint32)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, _ = db.Sweep(ctx)
	expect(1) // what an incomplete pass would have seen is unknown
}

func TestSweepCancelled(t *testing.T) {
	db := openDB(t, Options{})
	put(t, partition(t, db, 1, 0), "h", "s", "", 1)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if n, err := db.Sweep(ctx); n != 0 || !errors.Is(err, context.Canceled) {
		t.Errorf("%d deleted, %v", n, err)
	}
}

// The background sweep starts with the first record that expires, and deletes it in time.
func TestBackgroundSweep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		db := openDB(t, Options{Clock: time.Now, SweepInterval: time.Minute})
		p := partition(t, db, 1, 0)
		now := schema.EpochSeconds(start)
		put(t, p, "h", "stays", "", 0)
		put(t, p, "h", "goes", "", now+90)
		for _, tc := range []struct {
			after time.Duration
			want  int
		}{{61 * time.Second, 2}, {119 * time.Second, 2}, {121 * time.Second, 1}} {
			time.Sleep(tc.after - time.Since(start))
			synctest.Wait()
			if n := storedRecords(t, db); n != tc.want {
				t.Errorf("after %v: %d records, want %d", tc.after, n, tc.want)
			}
		}
	})
}
