package storage

import (
	"bytes"
	"testing"

	"github.com/cockroachdb/pebble/v2"
)

// Whatever bytes are stored as a record, because a disk is damaged or a file was tampered with:
// reads and writes of it and of its neighbours answer, and the sweep gets through. Records that
// are whole are read as they are.
func FuzzStoredRecord(f *testing.F) {
	f.Add(rawKeyOf("h", "s"), []byte("\x00\x00\x00\x00value"), byte(0))
	f.Add(rawKeyOf("h", "s"), []byte("\x00\x00\x00\x01expired"), byte(1))
	f.Add(rawKeyOf("h", ""), []byte("\xff\xff\xff\xff"), byte(2))
	f.Add(rawKeyOf("", "s"), []byte("\x00\x00\x04"), byte(3))
	f.Add([]byte{}, []byte{}, byte(3))
	f.Add([]byte{0}, []byte("\x00\x00\x00\x00x"), byte(3))
	f.Add([]byte("\x00\x09short"), []byte("\x00\x00\x00\x0042"), byte(1))
	f.Add([]byte("\xff\xffkey"), []byte("\x00\x00\x00\x0042"), byte(2))
	f.Fuzz(func(t *testing.T, raw, stored []byte, filter byte) {
		db := openDB(t, Options{SweepInterval: -1})
		p := partition(t, db, 1, 0)
		key := append(bytes.Clone(p.prefix[:]), raw...)
		if err := db.pebble.Set(key, stored, pebble.NoSync); err != nil {
			t.Fatal(err)
		}
		put(t, p, "h", "neighbour", "v", 0)

		value, expire, status := p.Get(nil, raw, testNow)
		whole := len(stored) >= expireLen
		if status == OK && !(whole && bytes.Equal(value, stored[expireLen:]) && !expired(expire, testNow)) {
			t.Errorf("record %x: %x, expires %d", stored, value, expire)
		}
		if got := get(p, "h", "neighbour"); got != "v" && !bytes.Equal(raw, rawKeyOf("h", "neighbour")) {
			t.Errorf("the record beside it is %s", got)
		}

		kind := FilterType(filter % 4)
		for _, reverse := range []bool{false, true} {
			p.MultiGet(&MultiGet{HashKey: []byte("h"), Filter: Filter{kind, []byte("s")}, StartInclusive: true, Reverse: reverse},
				testNow, func(_, _ []byte) {})
		}
		p.SortKeyCount([]byte("h"), testNow, nil)
		s, _ := p.NewScanner(&Scan{
			StartKey: []byte{0, 0}, StopKey: []byte{0xff, 0xff}, StartInclusive: true, FullScan: true, PartitionCount: 4,
			HashFilter: Filter{kind, []byte("h")}, SortFilter: Filter{kind, []byte("s")},
		})
		for more := s != nil; more; {
			res := s.Next(testNow, func(_, _ []byte, _ uint32) {})
			more = res.Status == OK && res.More
		}
		if _, err := db.Sweep(t.Context()); err != nil && whole {
			t.Errorf("sweep: %v", err)
		}
		_, c := p.Incr(raw, 1, 0, testNow)
		if err := c.Wait(); err != nil {
			t.Error(err)
		}
		if err := splitApp(db, t.Context(), 1, 1, nil); err != nil && whole {
			t.Errorf("split: %v", err)
		}
	})
}
