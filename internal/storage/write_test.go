package storage

import (
	"fmt"
	"testing"

	"github.com/pegasus-go/pegasus/internal/schema"
)

func TestPutRemove(t *testing.T) {
	p := openPartition(t)
	put(t, p, "h", "s", "old", 7000)
	put(t, p, "h", "s", "new", 0)
	if v, expire, _ := p.Get(nil, rawKeyOf("h", "s"), testNow); string(v) != "new" || expire != 0 {
		t.Errorf("after the second put: %q, expire %d", v, expire)
	}
	for range 2 { // the second time there is nothing to remove
		res, c := p.Remove(rawKeyOf("h", "s"))
		done(t, res, c, OK)
		if got := get(p, "h", "s"); got != "<not found>" {
			t.Errorf("after remove: %q", got)
		}
	}
}

func TestWritesOfMalformedKeys(t *testing.T) {
	p := openPartition(t)
	for _, key := range malformedKeys() {
		res, c := p.Put([]byte(key), nil, 0, testNow)
		done(t, res, c, InvalidArgument)
		res, c = p.Remove([]byte(key))
		done(t, res, c, InvalidArgument)
		ir, c := p.Incr([]byte(key), 1, 0, testNow)
		done(t, ir.WriteResult, c, InvalidArgument)
	}
	if got := scanAll(t, p); got != "" {
		t.Errorf("something was written: %.80q", got)
	}
}

func TestMultiPut(t *testing.T) {
	p := openPartition(t)
	res, c := p.MultiPut([]byte("h"), []KV{{[]byte("a"), []byte("1")}, {nil, []byte("2")}, {[]byte("a"), []byte("3")}}, 0, testNow)
	done(t, res, c, OK)
	if got := scanAll(t, p); got != "h/=2 h/a=3" {
		t.Errorf("got %q", got)
	}
	refused, c := p.MultiPut([]byte("h"), nil, 0, testNow)
	if done(t, refused, c, InvalidArgument); refused.Decree != res.Decree+1 {
		t.Errorf("decree %d after %d", refused.Decree, res.Decree)
	}
}

func TestMultiRemove(t *testing.T) {
	p := openPartition(t)
	put(t, p, "h", "a", "1", 0)
	put(t, p, "h", "b", "2", 0)
	res, c := p.MultiRemove([]byte("h"), [][]byte{[]byte("a"), []byte("a"), []byte("x")})
	if done(t, res.WriteResult, c, OK); res.Count != 3 {
		t.Errorf("count %d, want the number of sort keys asked for", res.Count)
	}
	if got := scanAll(t, p); got != "h/b=2" {
		t.Errorf("got %q", got)
	}
	res, c = p.MultiRemove([]byte("h"), nil)
	if done(t, res.WriteResult, c, InvalidArgument); res.Count != 0 {
		t.Errorf("count %d", res.Count)
	}
}

// Every write that ends up without an expiry gets the default one, and no other.
func TestDefaultTTL(t *testing.T) {
	p := openPartition(t)
	p.SetDefaultTTL(50)
	h := []byte("h")
	put(t, p, "h", "put", "", 0)
	put(t, p, "h", "put ttl", "", 7000)
	_, c := p.MultiPut(h, []KV{{SortKey: []byte("multi")}}, 0, testNow)
	done(t, WriteResult{Decree: 1}, c, OK)
	put(t, p, "h", "incr clear", "1", 7000)
	for sortKey, expire := range map[string]int32{"incr": 0, "incr ttl": 7000, "incr clear": -1} {
		res, c := p.Incr(rawKeyOf("h", sortKey), 1, expire, testNow)
		done(t, res.WriteResult, c, OK)
	}
	cas, c := p.CheckAndSet(&CheckAndSet{HashKey: h, SetDiffSortKey: true, SetSortKey: []byte("cas")}, testNow)
	done(t, cas.WriteResult, c, OK)
	cam, c := p.CheckAndMutate(&CheckAndMutate{HashKey: h, Mutations: []Mutation{
		{SortKey: []byte("cam")}, {SortKey: []byte("cam ttl"), Expire: 7000},
	}}, testNow)
	done(t, cam.WriteResult, c, OK)
	for sortKey, want := range map[string]uint32{
		"put": testNow + 50, "put ttl": 7000, "multi": testNow + 50, "incr": testNow + 50, "incr ttl": 7000,
		"incr clear": testNow + 50, "cas": testNow + 50, "cam": testNow + 50, "cam ttl": 7000,
	} {
		if _, expire, status := p.Get(nil, rawKeyOf("h", sortKey), testNow); expire != want || status != OK {
			t.Errorf("%s: expire %d, want %d, status %d", sortKey, expire, want, status)
		}
	}
	p.SetDefaultTTL(0)
	put(t, p, "h", "off", "", 0)
	if _, expire, _ := p.Get(nil, rawKeyOf("h", "off"), testNow); expire != 0 {
		t.Errorf("switched off: expire %d", expire)
	}
}

// Decrees grow by one with every write, and over restarts, however the writes end.
func TestDecree(t *testing.T) {
	for _, name := range []string{"put", "refused"} {
		t.Run(name, func(t *testing.T) {
			opts := Options{Dir: t.TempDir(), Durability: DurabilityOS}
			last := int64(0)
			for restart := range 3 {
				db, err := Open(opts)
				if err != nil {
					t.Fatal(err)
				}
				p := partition(t, db, 1, 0)
				for i := range decreeReserve + 10 {
					var res WriteResult
					var c Commit
					if name == "put" {
						res, c = p.Put(rawKeyOf("h", ""), nil, 0, testNow)
					} else {
						res, c = p.MultiPut(nil, nil, 0, testNow)
					}
					if err := c.Wait(); err != nil {
						t.Fatal(err)
					}
					if i > 0 && res.Decree != last+1 || res.Decree <= last {
						t.Fatalf("restart %d, write %d: decree %d after %d", restart, i, res.Decree, last)
					}
					last = res.Decree
				}
				if err := db.Close(); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

func TestClosed(t *testing.T) {
	db := openDB(t, Options{})
	p := partition(t, db, 1, 0)
	put(t, p, "h", "s", "v", 0)
	s, _ := p.NewScanner(fullScan())
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
	if _, err := db.Partition(1, 0); err != ErrClosed {
		t.Errorf("Partition: %v", err)
	}
	if err := db.UpdateMeta(nil, nil); err != ErrClosed {
		t.Errorf("UpdateMeta: %v", err)
	}
	key := rawKeyOf("h", "s")
	if _, _, status := p.Get(nil, key, testNow); status != IOError {
		t.Errorf("Get: status %d", status)
	}
	if _, status := multiGet(p, MultiGet{}); status != IOError {
		t.Errorf("MultiGet: status %d", status)
	}
	if _, status := batchGet(p, "h/s"); status != IOError {
		t.Errorf("BatchGet: status %d", status)
	}
	if _, status := p.SortKeyCount(nil, testNow, nil); status != IOError {
		t.Errorf("SortKeyCount: status %d", status)
	}
	if _, res := next(t, s); res.Status != NotFound {
		t.Errorf("scan: %+v", res)
	}
	for name, write := range map[string]func() (WriteResult, Commit){
		"put":    func() (WriteResult, Commit) { return p.Put(key, nil, 0, testNow) },
		"remove": func() (WriteResult, Commit) { return p.Remove(key) },
		"incr": func() (WriteResult, Commit) {
			res, c := p.Incr(key, 1, 0, testNow)
			return res.WriteResult, c
		},
		"check and set": func() (WriteResult, Commit) {
			res, c := p.CheckAndSet(&CheckAndSet{}, testNow)
			return res.WriteResult, c
		},
	} {
		if res, c := write(); res.Status != IOError || c.Wait() != ErrClosed {
			t.Errorf("%s: status %d", name, res.Status)
		}
	}
}

func TestDropApp(t *testing.T) {
	dir := t.TempDir()
	db := openDB(t, Options{Dir: dir})
	for _, id := range [][2]int32{{1, 0}, {2, 0}, {2, 1}, {3, 0}} {
		put(t, partition(t, db, id[0], id[1]), "h", fmt.Sprint(id), "", 0)
	}
	old := partition(t, db, 2, 0)
	if err := db.UpdateMeta(map[string][]byte{"table 2": nil, "table 3": nil}, nil); err != nil {
		t.Fatal(err)
	}
	if err := db.DropApp(2, "table 2"); err != nil {
		t.Fatal(err)
	}
	if _, _, status := old.Get(nil, rawKeyOf("h", "[2 0]"), testNow); status != IOError {
		t.Errorf("dropped handle reads: status %d", status)
	}
	if res, c := old.Put(rawKeyOf("h", ""), nil, 0, testNow); res.Status != IOError || c.Wait() != ErrClosed {
		t.Errorf("dropped handle writes: status %d", res.Status)
	}
	for range 2 {
		var meta []string
		err := db.Meta(func(key string, _ []byte) error {
			meta = append(meta, key)
			return nil
		})
		if err != nil || fmt.Sprint(meta) != "[table 3]" {
			t.Errorf("meta data %q, %v", meta, err)
		}
		for _, id := range [][2]int32{{1, 0}, {2, 0}, {2, 1}, {3, 0}} {
			want := fmt.Sprintf("h/%v=", id)
			if id[0] == 2 {
				want = ""
			}
			if got := scanAll(t, partition(t, db, id[0], id[1])); got != want {
				t.Errorf("partition %v holds %q, want %q", id, got, want)
			}
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		db = openDB(t, Options{Dir: dir})
	}
}

// What a caller does with its slices afterwards must not matter.
func TestArgumentsAreCopied(t *testing.T) {
	p := openPartition(t)
	buf := append(rawKeyOf("h", "s"), "value"...)
	key, value := buf[:4], buf[4:]
	res, c := p.Put(key, value, 0, testNow)
	clear(buf)
	done(t, res, c, OK)
	if got := scanAll(t, p); got != "h/s=value" {
		t.Errorf("got %q", got)
	}
	stop := schema.AppendNext(nil, rawKeyOf("h", ""))
	s, _ := p.NewScanner(&Scan{StartKey: rawKeyOf("h", ""), StartInclusive: true, StopKey: stop})
	clear(stop)
	if got, _ := next(t, s); got != "h/s=value" {
		t.Errorf("scan got %q", got)
	}
}
