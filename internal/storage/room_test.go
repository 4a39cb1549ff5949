package storage

import "testing"

// roomFor returns a Room for n records.
func roomFor(n int) func(int) bool {
	return func(int) bool {
		n--
		return n >= 0
	}
}

// A read ends where there is no more room, and says that it is not complete even
// if only its last record is missing.
func TestMultiGetRoom(t *testing.T) {
	p := openPartition(t)
	for _, s := range []string{"a", "b", "c"} {
		put(t, p, "h", s, "v", 0)
	}
	keys := [][]byte{[]byte("a"), []byte("b"), []byte("c")}
	for name, tc := range map[string]struct {
		req  MultiGet
		want []string // by the records that there is room for
	}{
		"range":     {MultiGet{StartInclusive: true}, []string{"", "a=v", "a=v b=v"}},
		"to a stop": {MultiGet{StartInclusive: true, Stop: []byte("c"), StopInclusive: true}, []string{"", "a=v", "a=v b=v"}},
		"reverse":   {MultiGet{StartInclusive: true, Start: []byte("a"), Reverse: true}, []string{"", "c=v", "b=v c=v"}},
		"keys":      {MultiGet{SortKeys: keys}, []string{"", "a=v", "a=v b=v"}},
	} {
		tc.req.HashKey = []byte("h")
		for n, want := range tc.want {
			tc.req.Room = roomFor(n)
			if got, status := multiGet(p, tc.req); got != want || status != Incomplete {
				t.Errorf("%s, room for %d: %q, status %d", name, n, got, status)
			}
		}
		tc.req.Room = roomFor(3)
		if got, status := multiGet(p, tc.req); got != "a=v b=v c=v" || status != OK {
			t.Errorf("%s, room for all: %q, status %d", name, got, status)
		}
	}
}

// A batch ends where there is no more room, and the next one goes on there.
func TestScanRoom(t *testing.T) {
	p := openPartition(t)
	for _, s := range []string{"a", "b", "c"} {
		put(t, p, "h", s, "v", 0)
	}
	s, _ := p.NewScanner(fullScan())
	for _, step := range []struct {
		room int
		want string
	}{{2, "h/a=v h/b=v"}, {0, ""}, {1, "h/c=v"}} {
		s.Room = roomFor(step.room)
		got, res := next(t, s)
		if got != step.want || res.Status != OK || res.More != (step.want != "h/c=v") {
			t.Errorf("room for %d: %q, %+v", step.room, got, res)
		}
	}

	counting := fullScan()
	counting.OnlyCount = true
	s, _ = p.NewScanner(counting)
	s.Room = roomFor(0) // counting needs none
	if _, res := next(t, s); res.Count != 3 || res.More {
		t.Errorf("counted %+v", res)
	}
}

// A scan says how much was written since it began.
func TestWritten(t *testing.T) {
	const memTable = 256 << 10
	db := openDB(t, Options{MemTableSize: memTable, CacheSize: 1 << 20})
	p := partition(t, db, 1, 0)
	flush := func() {
		put(t, p, "h", "s", "v", 0)
		if err := db.pebble.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	flush()
	s, _ := p.NewScanner(fullScan())
	defer s.Close()
	for n := range int64(3) {
		if got := s.Written(); got != n*memTable {
			t.Errorf("after %d flushes: %d bytes", n, got)
		}
		flush()
	}
}
