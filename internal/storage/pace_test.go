package storage

import (
	"fmt"
	"testing"
)

// Reads of many records ask from time to time whether to go on, and end with what
// they have if not. A scan can be gone on with.
func TestPace(t *testing.T) {
	p := openPartition(t)
	const records = 2000
	var kvs []KV
	var sortKeys [][]byte
	var keys []HashSortKey
	for i := range records {
		k := fmt.Appendf(nil, "%04d", i)
		kvs = append(kvs, KV{SortKey: k, Value: k})
		sortKeys = append(sortKeys, k)
		keys = append(keys, HashSortKey{HashKey: []byte("h"), SortKey: k})
	}
	if res, c := p.MultiPut([]byte("h"), kvs, 0, testNow); res.Status != OK || c.Wait() != nil {
		t.Fatal(res)
	}
	n := 0
	emit := func(_, _ []byte) { n++ }
	for name, read := range map[string]func(pace Pace) (cut bool){
		"multi get": func(pace Pace) bool {
			return p.MultiGet(&MultiGet{HashKey: []byte("h"), Pace: pace}, testNow, emit) == Incomplete
		},
		"reverse multi get": func(pace Pace) bool {
			return p.MultiGet(&MultiGet{HashKey: []byte("h"), Reverse: true, Pace: pace}, testNow, emit) == Incomplete
		},
		"multi get without a match": func(pace Pace) bool {
			f := Filter{Type: MatchAnywhere, Pattern: []byte("x")}
			return p.MultiGet(&MultiGet{HashKey: []byte("h"), Filter: f, Pace: pace}, testNow, emit) == Incomplete
		},
		"multi get of keys": func(pace Pace) bool {
			return p.MultiGet(&MultiGet{HashKey: []byte("h"), SortKeys: sortKeys, Pace: pace}, testNow, emit) == Incomplete
		},
		"batch get": func(pace Pace) bool {
			return p.BatchGet(keys, testNow, pace, func(int, []byte) { n++ }) == Incomplete
		},
		"count": func(pace Pace) bool {
			count, status := p.SortKeyCount([]byte("h"), testNow, pace)
			return count == -1 && status == OK
		},
	} {
		n = 0
		if !read(func() bool { return false }) || n > 400 {
			t.Errorf("%s: not ended, %d records", name, n)
		}
		calls := 0
		if read(func() bool { calls++; return true }) || calls < 5 {
			t.Errorf("%s: ended, or asked %d times only", name, calls)
		}
	}

	s, status := p.NewScanner(&Scan{StartKey: []byte{0, 0}, StartInclusive: true, StopKey: []byte{0xff, 0xff}, FullScan: true})
	if status != OK {
		t.Fatal(status)
	}
	defer s.Close()
	seen := 0
	for more := true; more; {
		asked := 0
		s.Pace = func() bool { asked++; return asked == 1 }
		res := s.Next(testNow, func([]byte, []byte, uint32) { seen++ })
		if res.Status != OK || res.Count > 200 {
			t.Fatalf("%+v", res)
		}
		more = res.More
	}
	if seen != records {
		t.Errorf("%d records in all, want %d", seen, records)
	}
}
