package storage

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/pegasus-go/pegasus/internal/schema"
	"github.com/pegasus-go/pegasus/onebox/limits"
)

// fullScan asks for a whole partition, as clients do.
func fullScan() *Scan {
	return &Scan{StartKey: []byte{0, 0}, StartInclusive: true, StopKey: []byte{0xff, 0xff}, FullScan: true}
}

// next returns what one call of Next emits, as "hash/sort=value" separated by spaces.
func next(t testing.TB, s *Scanner) (string, ScanResult) {
	t.Helper()
	var got []string
	res := s.Next(testNow, func(key, value []byte, expire uint32) {
		h, k, ok := schema.SplitKey(key)
		if !ok {
			t.Errorf("scan returned the key %x", key)
		}
		got = append(got, fmt.Sprintf("%s/%s=%s", h, k, value))
	})
	return strings.Join(got, " "), res
}

// scanAll returns all records of a partition.
func scanAll(t testing.TB, p *Partition) string {
	t.Helper()
	s, status := p.NewScanner(fullScan())
	if status != OK {
		t.Fatalf("scan: status %d", status)
	}
	defer s.Close()
	var got []string
	for {
		batch, res := next(t, s)
		if res.Status != OK {
			t.Fatalf("scan: status %d", res.Status)
		}
		if batch != "" {
			got = append(got, batch)
		}
		if !res.More {
			return strings.Join(got, " ")
		}
	}
}

// hashScan asks for a hash key.
func hashScan(hashKey string, batch int32) *Scan {
	start := rawKeyOf(hashKey, "")
	return &Scan{StartKey: start, StartInclusive: true, StopKey: schema.AppendNext(nil, start), BatchSize: batch}
}

// steps runs a scan to its end and returns the outcome of each call.
func steps(t *testing.T, p *Partition, req *Scan) []string {
	t.Helper()
	s, status := p.NewScanner(req)
	if status != OK {
		return []string{fmt.Sprint("status ", status)}
	}
	if s == nil {
		return []string{"empty range"}
	}
	defer s.Close()
	var got []string
	for {
		batch, res := next(t, s)
		if req.OnlyCount {
			batch = fmt.Sprint(res.Count)
		}
		if res.Status != OK {
			batch += fmt.Sprint(" status ", res.Status)
		}
		got = append(got, batch)
		if !res.More {
			return got
		}
	}
}

func TestScan(t *testing.T) {
	p := openLetters(t) // g/z, h/a to h/e with c expired, i/
	edit := func(s *Scan, f func(s *Scan)) *Scan { f(s); return s }
	for _, tc := range []struct {
		name string
		req  *Scan
		want []string
	}{
		{"hash key", hashScan("h", 0), []string{"h/a=1 h/b=2 h/d=4 h/e=5"}},
		{"batches", hashScan("h", 3), []string{"h/a=1 h/b=2 h/d=4", "h/e=5"}},
		// The hash key ends with the batch, so the call knows that it was the last.
		{"last batch full", hashScan("h", 2), []string{"h/a=1 h/b=2", "h/d=4", "h/e=5"}},
		{"all in one batch", hashScan("h", 4), []string{"h/a=1 h/b=2 h/d=4 h/e=5"}},
		{"batch size out of range", hashScan("h", -7), []string{"h/a=1 h/b=2 h/d=4 h/e=5"}},
		{"missing", hashScan("x", 0), []string{""}},
		{
			"ends with the hash key of start", &Scan{StartKey: rawKeyOf("h", "d"), StartInclusive: true, StopKey: []byte{0xff, 0xff}},
			[]string{"h/d=4 h/e=5"},
		},
		{
			"full scan goes on", &Scan{StartKey: rawKeyOf("h", "d"), StartInclusive: true, StopKey: []byte{0xff, 0xff}, FullScan: true},
			[]string{"h/d=4 h/e=5 i/=after"},
		},
		{"whole partition", fullScan(), []string{"g/z=before h/a=1 h/b=2 h/d=4 h/e=5 i/=after"}},
		{
			"exclusive bounds", &Scan{StartKey: rawKeyOf("h", "a"), StopKey: rawKeyOf("h", "e")},
			[]string{"h/b=2 h/d=4"},
		},
		{
			"inclusive stop ends a full batch", &Scan{StartKey: rawKeyOf("h", "a"), StopKey: rawKeyOf("h", "d"), StopInclusive: true, BatchSize: 2},
			[]string{"h/b=2 h/d=4"},
		},
		{
			"exclusive stop needs another call", &Scan{StartKey: rawKeyOf("h", "a"), StartInclusive: true, StopKey: rawKeyOf("h", "c"), BatchSize: 2},
			[]string{"h/a=1 h/b=2", ""},
		},
		{
			"total order needs another call", edit(fullScan(), func(s *Scan) { s.StopKey, s.BatchSize = rawKeyOf("h", "b"), 2 }),
			[]string{"g/z=before h/a=1", ""},
		},
		{"empty stop key", &Scan{StartKey: rawKeyOf("h", ""), StartInclusive: true}, []string{"empty range"}},
		{"half open", &Scan{StartKey: rawKeyOf("h", "a"), StartInclusive: true, StopKey: rawKeyOf("h", "a")}, []string{"empty range"}},
		{
			"closed on one record", &Scan{StartKey: rawKeyOf("h", "a"), StartInclusive: true, StopKey: rawKeyOf("h", "a"), StopInclusive: true},
			[]string{"h/a=1"},
		},
		{"no values", edit(hashScan("h", 0), func(s *Scan) { s.NoValue = true }), []string{"h/a= h/b= h/d= h/e="}},
		{"count", edit(hashScan("h", 3), func(s *Scan) { s.OnlyCount = true }), []string{"3", "1"}},
		{"sort filter", edit(hashScan("h", 0), func(s *Scan) { s.SortFilter = Filter{MatchPrefix, []byte("d")} }), []string{"h/d=4"}},
		{
			"hash filter moves the start", edit(fullScan(), func(s *Scan) { s.HashFilter = Filter{MatchPrefix, []byte("i")} }),
			[]string{"i/=after"},
		},
		{
			"hash filter beyond the stop", edit(fullScan(), func(s *Scan) { s.HashFilter, s.StopKey = Filter{MatchPrefix, []byte("i")}, rawKeyOf("h", "") }),
			[]string{"empty range"},
		},
		{"hash filter of another hash key", edit(hashScan("h", 0), func(s *Scan) { s.HashFilter = Filter{MatchPrefix, []byte("hh")} }), []string{""}},
		{
			"hash filter too long for a hash key", edit(fullScan(), func(s *Scan) { s.HashFilter = Filter{MatchPrefix, make([]byte, 1<<16)} }),
			[]string{""},
		},
		{"hash filter anywhere", edit(fullScan(), func(s *Scan) { s.HashFilter = Filter{MatchAnywhere, []byte("g")} }), []string{"g/z=before"}},
		{"bad hash filter", edit(fullScan(), func(s *Scan) { s.HashFilter.Type = 4 }), []string{"status 4"}},
		{"bad sort filter", edit(fullScan(), func(s *Scan) { s.SortFilter.Type = -1 }), []string{"status 4"}},
		{"no start key", &Scan{StopKey: []byte{0xff, 0xff}}, []string{"status 4"}},
		{"malformed start key", &Scan{StartKey: []byte{0, 9, 'a'}, StopKey: []byte{0xff, 0xff}}, []string{"status 4"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := steps(t, p, tc.req); !slices.Equal(got, tc.want) {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

// The first call may visit more records than it returns, later ones not.
func TestScanVisitBudget(t *testing.T) {
	db := openDB(t, Options{Limits: limits.Limits{ScanCount: 10}})
	p := partition(t, db, 1, 0)
	for i := range 12 {
		put(t, p, "h", fmt.Sprintf("a%02d", i), "", 1)
	}
	put(t, p, "h", "b", "", 0)
	put(t, p, "h", "c", "", 0)
	want := []string{"", "", "h/b= h/c="} // 10, 2 and 2 visited
	if got := steps(t, p, hashScan("h", 2)); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestScanValidatesPartition(t *testing.T) {
	p := partition(t, openDB(t, Options{}), 1, 1)
	want := ""
	for _, h := range []string{"a", "b", "c", "d", "e", "f"} {
		put(t, p, h, "", "", 0)
		if schema.Hash([]byte(h))%2 == 1 {
			want = strings.TrimSpace(want + " " + h + "/=")
		}
	}
	if want == "" || strings.Count(want, "/") == 6 {
		t.Fatal("the keys do not tell the partitions apart")
	}
	req := fullScan()
	req.PartitionCount = 2
	if got := steps(t, p, req); !slices.Equal(got, []string{want}) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// A scan sees the partition as it was, but the time as it is.
func TestScanSnapshot(t *testing.T) {
	p := openLetters(t)
	s, _ := p.NewScanner(hashScan("h", 1))
	if got, res := next(t, s); got != "h/a=1" || !res.More {
		t.Fatalf("first batch %q, %+v", got, res)
	}
	put(t, p, "h", "aa", "new", 0)
	put(t, p, "h", "b", "changed", 0)
	res, c := p.MultiRemove([]byte("h"), [][]byte{[]byte("d"), []byte("e")})
	done(t, res.WriteResult, c, OK)
	for _, want := range []string{"h/b=2", "", "h/d=4", "h/e=5"} { // "" is the expired c
		if got, res := next(t, s); got != want || res.Status != OK {
			t.Errorf("batch %q, want %q, %+v", got, want, res)
		}
	}
	if _, res := next(t, s); res.More || res.Status != OK || res.Count != 0 {
		t.Errorf("after the end: %+v", res)
	}
	put(t, p, "ttl", "a", "", testNow+1)
	put(t, p, "ttl", "b", "", testNow+2)
	s, _ = p.NewScanner(hashScan("ttl", 10))
	n := 0
	s.Next(testNow+1, func(_, _ []byte, expire uint32) {
		if n++; expire != testNow+2 {
			t.Errorf("expire %d", expire)
		}
	})
	if n != 1 {
		t.Errorf("%d records at the later time, want 1", n)
	}
}

func TestScannerClose(t *testing.T) {
	db := openDB(t, Options{}) // its Close reports a leaked iterator
	p := partition(t, db, 1, 0)
	put(t, p, "h", "a", "", 0)
	put(t, p, "h", "b", "", 0)
	s, _ := p.NewScanner(hashScan("h", 1))
	next(t, s)
	s.Close()
	s.Close()
	if _, res := next(t, s); res.Status != NotFound {
		t.Errorf("after Close: %+v", res)
	}
	if _, status := p.NewScanner(hashScan("h", 1)); status != OK { // for db.Close to end
		t.Fatal(status)
	}
}

func TestScanEndsWithPartition(t *testing.T) {
	db := openDB(t, Options{})
	p := partition(t, db, 1, 0)
	put(t, p, "h", "a", "", 0)
	s, _ := p.NewScanner(fullScan())
	if err := db.DropApp(1); err != nil {
		t.Fatal(err)
	}
	if _, res := next(t, s); res.Status != NotFound {
		t.Errorf("scan of a dropped table: %+v", res)
	}
	if _, status := p.NewScanner(fullScan()); status != IOError {
		t.Errorf("new scan of a dropped table: status %d", status)
	}
	s.Close()
}

// A scan can be closed while a split keeps everybody out.
func TestCloseScanDuringSplit(t *testing.T) {
	p := openPartition(t)
	put(t, p, "h", "s", "v", 0)
	s, _ := p.NewScanner(fullScan())
	p.gate.Lock()
	s.Close()
	p.gate.Unlock()
	if _, res := next(t, s); res.Status != NotFound {
		t.Errorf("after Close: %+v", res)
	}
}

func TestPlain(t *testing.T) {
	for want, err := range map[string]error{
		"a":        errors.New("a\nstack"),
		"a; b":     errors.Join(errors.New("a\nstack"), errors.New("b\nstack")),
		"x: a; b":  fmt.Errorf("x: %w", plain(errors.Join(errors.New("a"), errors.New("b")))),
		"one: two": fmt.Errorf("%w: %w", errors.New("one"), errors.New("two\nstack")),
	} {
		if got := plain(err).Error(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
