//go:build !race

package storage

import (
	"fmt"
	"testing"
)

// Allocations per operation, beyond what Pebble does now and then to grow a memtable.
func TestAllocations(t *testing.T) {
	memory := openPartition(t)
	disk := partition(t, openDB(t, Options{Dir: t.TempDir(), Durability: DurabilityOS}), 1, 0)
	key, value := rawKeyOf("hash key", "sort key"), make([]byte, 100)
	for _, p := range []*Partition{memory, disk} {
		for i := range 100 {
			put(t, p, "many", fmt.Sprintf("%05d", i), string(value), 0)
		}
		put(t, p, "hash key", "sort key", string(value), 0)
	}
	var buf []byte
	write := func(t *testing.T, res WriteResult, c Commit) {
		if err := c.Wait(); err != nil || res.Status != OK {
			t.Fatal(res, err)
		}
	}
	many := MultiGet{HashKey: []byte("many"), StartInclusive: true}
	reverse := many
	reverse.Reverse = true
	emit := func(_, _ []byte) {}
	for _, tc := range []struct {
		name string
		max  float64
		op   func(t *testing.T, p *Partition)
	}{
		{"get", 0, func(t *testing.T, p *Partition) {
			var status Status
			if buf, _, status = p.Get(buf[:0], key, testNow); status != OK {
				t.Fatal(status)
			}
		}},
		{"put", 0, func(t *testing.T, p *Partition) {
			res, c := p.Put(key, value, 0, testNow)
			write(t, res, c)
		}},
		{"remove", 0, func(t *testing.T, p *Partition) {
			res, c := p.Remove(key[:12])
			write(t, res, c)
		}},
		// The bounds of the range and the limits.
		{"multi get 100", 4, func(t *testing.T, p *Partition) { p.MultiGet(&many, testNow, emit) }},
		{"reverse multi get 100", 5, func(t *testing.T, p *Partition) { p.MultiGet(&reverse, testNow, emit) }},
	} {
		for name, p := range map[string]*Partition{"memory": memory, "disk": disk} {
			t.Run(tc.name+"/"+name, func(t *testing.T) {
				if n := testing.AllocsPerRun(500, func() { tc.op(t, p) }); n > tc.max {
					t.Errorf("%v allocations, want at most %v", n, tc.max)
				}
			})
		}
	}
}
