package storage

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/pegasus-go/pegasus/internal/schema"
)

// BenchmarkReorganize does to a table of two million records on disk what takes long, while sixteen
// callers write and read, and reports the longest that one of them had to wait beside what it was
// before. Run it once: -bench Reorganize -benchtime 1x.
func BenchmarkReorganize(b *testing.B) {
	const records, count = 2_000_000, 4
	for range b.N {
		dir := b.TempDir()
		db := openDB(b, Options{Dir: dir + "/db", Durability: DurabilityOS, Clock: time.Now})
		var route sync.RWMutex
		partitions := int32(count)
		at := func(hashKey []byte) *Partition {
			return partition(b, db, 1, int32(schema.Hash(hashKey)%uint64(partitions)))
		}
		key := func(i int) []byte { return fmt.Appendf(nil, "user%08d", i) }
		random, value := rand.NewChaCha8([32]byte{}), make([]byte, 100)
		inBatches := func(n int, add func(batch *pebble.Batch, p *Partition, key []byte)) {
			for i := 0; i < n; {
				batch := db.pebble.NewBatch()
				for end := min(i+1000, n); i < end; i++ {
					add(batch, at(key(i)), key(i))
				}
				if err := db.applyUnsynced(batch); err != nil {
					b.Fatal(err)
				}
			}
		}
		inBatches(records, func(batch *pebble.Batch, p *Partition, key []byte) {
			_, _ = random.Read(value)
			p.addPut(batch, rawKey{hashKey: key}, value, 0)
		})

		var worst, calls atomic.Int64
		var stop atomic.Bool
		var callers sync.WaitGroup
		for caller := range 16 {
			callers.Go(func() {
				rng := rand.New(rand.NewPCG(uint64(caller), 1))
				for !stop.Load() {
					k := key(rng.IntN(records))
					began := time.Now()
					route.RLock()
					if p := at(k); caller%2 == 0 {
						res, c := p.MultiPut(k, []KV{{nil, value}}, 0, testNow)
						if err := c.Wait(); err != nil || res.Status != OK {
							b.Errorf("status %d, %v", res.Status, err)
						}
					} else if _, _, status := p.Get(nil, schema.AppendKey(nil, k, nil), testNow); status != OK && status != NotFound {
						b.Errorf("status %d", status)
					}
					route.RUnlock()
					took := int64(time.Since(began))
					for old := worst.Load(); took > old && !worst.CompareAndSwap(old, took); old = worst.Load() {
					}
					calls.Add(1)
					time.Sleep(time.Millisecond) // or they would wait for each other
				}
			})
		}
		measure := func(what string, f func()) {
			worst.Store(0)
			before, began := calls.Load(), time.Now()
			f()
			took := time.Since(began)
			b.ReportMetric(took.Seconds(), what+"-s")
			b.ReportMetric(float64(worst.Load())/1e6, what+"-worst-ms")
			b.ReportMetric(float64(calls.Load()-before)/took.Seconds(), what+"-calls/s")
		}
		must := func(err error) {
			if err != nil {
				b.Fatal(err)
			}
		}
		size := func() float64 { // without logs
			must(db.pebble.Flush())
			n, err := db.pebble.EstimateDiskUsage(appendAppPrefix(nil, tagData, 1), appendAppPrefix(nil, tagData, 2))
			must(err)
			return float64(n) / 1e6
		}
		measure("idle", func() { time.Sleep(5 * time.Second) })
		measure("split", func() {
			must(db.SplitApp(b.Context(), 1, count, func(commit func(map[string][]byte) error) error {
				route.Lock()
				defer route.Unlock()
				err := commit(nil)
				partitions *= 2
				return err
			}))
		})
		measure("backup", func() {
			n, err := db.Checkpoint(b.Context(), dir+"/backup")
			must(err)
			b.ReportMetric(float64(n)/1e6, "backup-MB")
		})
		began := time.Now()
		from, err := Open(Options{Dir: dir + "/backup"})
		must(err)
		b.ReportMetric(time.Since(began).Seconds(), "start-s")
		must(from.Close())
		b.ReportMetric(size(), "before-MB")
		inBatches(records/2, func(batch *pebble.Batch, p *Partition, key []byte) {
			p.addRemove(batch, rawKey{hashKey: key})
		})
		measure("compact", func() {
			_, err := db.CompactApp(b.Context(), 1, with(Compaction{Partitions: partitions}))
			must(err)
		})
		b.ReportMetric(size(), "after-MB")
		stop.Store(true)
		callers.Wait()
	}
}
