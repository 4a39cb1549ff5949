package storage

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

const benchRecords = 100_000

// openBench returns a partition with benchRecords records of 100 bytes, 100 per hash key.
func openBench(b *testing.B, opts Options) *Partition {
	p := partition(b, openDB(b, opts), 1, 0)
	value := make([]byte, 100)
	var kvs []KV
	for i := range 100 {
		kvs = append(kvs, KV{fmt.Appendf(nil, "sort%04d", i), value})
	}
	for i := range benchRecords / len(kvs) {
		res, c := p.MultiPut(benchHashKey(i), kvs, 0, testNow)
		done(b, res, c, OK)
	}
	return p
}

func benchHashKey(i int) []byte { return fmt.Appendf(nil, "hash%06d", i) }

// benchStores runs a benchmark in memory and on disk.
func benchStores(b *testing.B, run func(b *testing.B, p *Partition)) {
	b.Run("store=memory", func(b *testing.B) { run(b, openBench(b, Options{})) })
	b.Run("store=disk", func(b *testing.B) { run(b, openBench(b, Options{Dir: b.TempDir()})) })
}

func BenchmarkGet(b *testing.B) {
	benchStores(b, func(b *testing.B, p *Partition) {
		var keys [1024][]byte
		for i := range keys {
			keys[i] = rawKeyOf(string(benchHashKey(rand.IntN(benchRecords/100))), fmt.Sprintf("sort%04d", rand.IntN(100)))
		}
		var buf []byte
		b.ReportAllocs()
		i := 0
		for b.Loop() {
			var status Status
			if buf, _, status = p.Get(buf[:0], keys[i%len(keys)], testNow); status != OK {
				b.Fatal(status)
			}
			i++
		}
	})
}

func BenchmarkMultiGet(b *testing.B) {
	benchStores(b, func(b *testing.B, p *Partition) {
		for _, reverse := range []bool{false, true} {
			b.Run(fmt.Sprintf("records=100/reverse=%v", reverse), func(b *testing.B) {
				b.ReportAllocs()
				i := 0
				for b.Loop() {
					n := 0
					req := MultiGet{HashKey: benchHashKey(i % (benchRecords / 100)), StartInclusive: true, Reverse: reverse}
					p.MultiGet(&req, testNow, func(_, _ []byte) { n++ })
					if n != 100 {
						b.Fatal(n)
					}
					i++
				}
			})
		}
	})
}

func BenchmarkScan(b *testing.B) {
	benchStores(b, func(b *testing.B, p *Partition) {
		b.Run("records=1000", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				s, status := p.NewScanner(fullScan())
				if status != OK {
					b.Fatal(status)
				}
				if res := s.Next(testNow, func(_, _ []byte, _ uint32) {}); res.Count != 1000 {
					b.Fatal(res)
				}
				s.Close()
			}
		})
	})
}

func BenchmarkPut(b *testing.B) {
	value := make([]byte, 100)
	for _, store := range []string{"memory", "os", "sync"} {
		for _, parallel := range []int{1, 64} {
			b.Run(fmt.Sprintf("store=%s/g=%d", store, parallel), func(b *testing.B) {
				opts := Options{}
				if store != "memory" {
					opts.Dir = b.TempDir()
				}
				if store == "os" {
					opts.Durability = DurabilityOS
				}
				p := partition(b, openDB(b, opts), 1, 0)
				b.ReportAllocs()
				b.SetParallelism(max(1, parallel/2))
				write := func(n int) {
					key := rawKeyOf("hash", fmt.Sprintf("sort%06d", n))
					res, c := p.Put(key, value, 0, testNow)
					if err := c.Wait(); err != nil || res.Status != OK {
						b.Error(res, err)
					}
				}
				if parallel == 1 {
					for b.Loop() {
						write(rand.IntN(benchRecords))
					}
					return
				}
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						write(rand.IntN(benchRecords))
					}
				})
			})
		}
	}
}
