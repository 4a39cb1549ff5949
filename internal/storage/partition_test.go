package storage

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/pegasus-go/pegasus/internal/schema"
	"github.com/pegasus-go/pegasus/onebox/limits"
	"pgregory.net/rapid"
)

// TestPartitionAgainstModel does random operations on a partition and on the model and compares
// everything they return. The limits are small, so that they are reached.
func TestPartitionAgainstModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		limits := limits.Limits{
			MultiGetCount: rapid.IntRange(1, 8).Draw(rt, "multi get count"),
			MultiGetSize:  rapid.IntRange(1, 40).Draw(rt, "multi get size"),
			ScanCount:     rapid.IntRange(1, 8).Draw(rt, "scan count"),
		}
		c := &comparison{now: testNow, model: newModel(limits)}
		c.opts = Options{
			Dir: "/db", FS: vfs.NewMem(), Durability: DurabilityOS, SweepInterval: -1, Limits: limits,
			MemTableSize: 256 << 10, CacheSize: 1 << 20,
			Clock: func() time.Time { return time.Unix(schema.Epoch+int64(c.now), 0) },
		}
		if rapid.Bool().Draw(rt, "in memory") {
			c.opts.Dir = ""
		}
		c.open(rt)
		defer func() { _ = c.db.Close() }()
		rt.Repeat(map[string]func(*rapid.T){
			"":             c.checkAll,
			"put":          c.put,
			"remove":       c.remove,
			"multi put":    c.multiPut,
			"multi remove": c.multiRemove,
			"incr":         c.incr,
			"check set":    c.checkAndSet,
			"check mutate": c.checkAndMutate,
			"get":          c.get,
			"batch get":    c.batchGet,
			"multi get":    c.multiGet,
			"count":        c.count,
			"scan":         c.scan,
			"scan on":      c.scanOn,
			"scan drop":    c.scanDrop,
			"time":         c.time,
			"default ttl":  c.defaultTTL,
			"sweep":        c.sweep,
			"flush":        c.flush,
			"reopen":       c.reopen,
		})
	})
}

type comparison struct {
	opts   Options
	db     *DB
	p      *Partition
	model  *model
	now    uint32
	decree int64
	scans  []*openScan
}

type openScan struct {
	s *Scanner
	m *modelScan
}

const comparedIndex = 1

func (c *comparison) open(t *rapid.T) {
	var err error
	if c.db, err = Open(c.opts); err != nil {
		t.Fatal(err)
	}
	if c.p, err = c.db.Partition(1, comparedIndex); err != nil {
		t.Fatal(err)
	}
	c.p.SetDefaultTTL(c.model.ttl)
	// Neighbours, which must never be seen.
	for _, id := range [][2]int32{{1, comparedIndex - 1}, {1, comparedIndex + 1}} {
		p, err := c.db.Partition(id[0], id[1])
		if err != nil {
			t.Fatal(err)
		}
		for _, key := range []string{"\x00\x00", "\x00\x01a", "\x00\x02ab\xff"} {
			if _, cm := p.Put([]byte(key), []byte("neighbour"), 0, c.now); cm.Wait() != nil {
				t.Fatal("put of a neighbour failed")
			}
		}
	}
}

var (
	partGen   = rapid.SampledFrom([]string{"", "a", "b", "aa", "ab", "a\xff", "\xff", "\xff\xff", "b\x00"})
	valueGen  = rapid.SampledFrom([]string{"", "0", "7", "-1", "0x10", " 9", "9 ", "abc", "ab", "9223372036854775807", "a longer value"})
	filterGen = rapid.Custom(func(t *rapid.T) Filter {
		return Filter{FilterType(rapid.IntRange(0, 3).Draw(t, "filter")), bytesOf(t, "pattern")}
	})
)

func bytesOf(t *rapid.T, label string) []byte { return []byte(partGen.Draw(t, label)) }

func (c *comparison) key(t *rapid.T) []byte {
	return schema.AppendKey(nil, bytesOf(t, "hash key"), bytesOf(t, "sort key"))
}

func (c *comparison) expire(t *rapid.T) uint32 {
	return rapid.SampledFrom([]uint32{0, 0, 1, c.now, c.now + 1, c.now + 5, 1<<32 - 1}).Draw(t, "expire")
}

// wrote compares statuses and checks decree and commit.
func (c *comparison) wrote(t *rapid.T, res WriteResult, cm Commit, want Status) {
	if err := cm.Wait(); err != nil {
		t.Fatal(err)
	}
	if res.Status != want {
		t.Fatalf("status %d, want %d", res.Status, want)
	}
	if res.Decree <= c.decree {
		t.Fatalf("decree %d after %d", res.Decree, c.decree)
	}
	c.decree = res.Decree
}

func (c *comparison) put(t *rapid.T) {
	key, value, expire := c.key(t), valueGen.Draw(t, "value"), c.expire(t)
	res, cm := c.p.Put(key, []byte(value), expire, c.now)
	c.wrote(t, res, cm, OK)
	c.model.put(string(key), value, expire, c.now)
}

func (c *comparison) remove(t *rapid.T) {
	key := c.key(t)
	res, cm := c.p.Remove(key)
	c.wrote(t, res, cm, OK)
	c.model.remove(string(key))
}

func (c *comparison) multiPut(t *rapid.T) {
	hashKey, expire := bytesOf(t, "hash key"), c.expire(t)
	var kvs []KV
	for range rapid.IntRange(0, 6).Draw(t, "kvs") {
		kvs = append(kvs, KV{bytesOf(t, "sort key"), []byte(valueGen.Draw(t, "value"))})
	}
	res, cm := c.p.MultiPut(hashKey, kvs, expire, c.now)
	want := OK
	if len(kvs) == 0 {
		want = InvalidArgument
	}
	c.wrote(t, res, cm, want)
	for _, kv := range kvs {
		c.model.put(string(schema.AppendKey(nil, hashKey, kv.SortKey)), string(kv.Value), expire, c.now)
	}
}

func (c *comparison) sortKeys(t *rapid.T) (keys [][]byte) {
	for range rapid.IntRange(0, 6).Draw(t, "sort keys") {
		keys = append(keys, bytesOf(t, "sort key"))
	}
	return keys
}

func (c *comparison) multiRemove(t *rapid.T) {
	hashKey, keys := bytesOf(t, "hash key"), c.sortKeys(t)
	res, cm := c.p.MultiRemove(hashKey, keys)
	want := OK
	if len(keys) == 0 {
		want = InvalidArgument
	}
	c.wrote(t, res.WriteResult, cm, want)
	if res.Count != int64(len(keys)) {
		t.Fatalf("count %d, want %d", res.Count, len(keys))
	}
	for _, k := range keys {
		c.model.remove(string(schema.AppendKey(nil, hashKey, k)))
	}
}

func (c *comparison) incr(t *rapid.T) {
	key := c.key(t)
	by := rapid.SampledFrom([]int64{0, 1, -1, 1 << 62, -1 << 63, 1<<63 - 1}).Draw(t, "by")
	expire := rapid.SampledFrom([]int32{0, -1, 1, int32(c.now) + 5}).Draw(t, "expire")
	res, cm := c.p.Incr(key, by, expire, c.now)
	status, sum := c.model.incr(string(key), by, expire, c.now)
	c.wrote(t, res.WriteResult, cm, status)
	if res.NewValue != sum {
		t.Fatalf("new value %d, want %d", res.NewValue, sum)
	}
}

// checked compares the check part of a result.
func (c *comparison) checked(t *rapid.T, res CheckResult, returned, exist bool, value string) {
	if !returned {
		exist, value = false, ""
	}
	if res.CheckValueReturned != returned || res.CheckValueExist != exist || string(res.CheckValue) != value {
		t.Fatalf("check value %+v, want returned %v, exist %v, %q", res, returned, exist, value)
	}
}

func (c *comparison) checkAndSet(t *rapid.T) {
	q := CheckAndSet{
		HashKey: bytesOf(t, "hash key"), CheckSortKey: bytesOf(t, "sort key"),
		Check: CheckType(rapid.IntRange(-1, 18).Draw(t, "check")), Operand: []byte(valueGen.Draw(t, "operand")),
		SetDiffSortKey: rapid.Bool().Draw(t, "diff"), SetSortKey: bytesOf(t, "set sort key"),
		SetValue: []byte(valueGen.Draw(t, "value")), SetExpire: c.expire(t), ReturnCheckValue: rapid.Bool().Draw(t, "return"),
	}
	res, cm := c.p.CheckAndSet(&q, c.now)
	if q.Check < 0 || q.Check > 17 {
		c.wrote(t, res.WriteResult, cm, InvalidArgument)
		c.checked(t, res, false, false, "")
		return
	}
	key := string(schema.AppendKey(nil, q.HashKey, q.CheckSortKey))
	status, exist, value := c.model.check(key, q.Check, string(q.Operand), c.now)
	c.wrote(t, res.WriteResult, cm, status)
	c.checked(t, res, q.ReturnCheckValue, exist, value)
	if status == OK {
		if q.SetDiffSortKey {
			key = string(schema.AppendKey(nil, q.HashKey, q.SetSortKey))
		}
		c.model.put(key, string(q.SetValue), q.SetExpire, c.now)
	}
}

func (c *comparison) checkAndMutate(t *rapid.T) {
	q := CheckAndMutate{
		HashKey: bytesOf(t, "hash key"), CheckSortKey: bytesOf(t, "sort key"),
		Check: CheckType(rapid.IntRange(-1, 18).Draw(t, "check")), Operand: []byte(valueGen.Draw(t, "operand")),
		ReturnCheckValue: rapid.Bool().Draw(t, "return"),
	}
	valid := q.Check >= 0 && q.Check <= 17
	for range rapid.IntRange(0, 4).Draw(t, "mutations") {
		op := MutateOperation(rapid.SampledFrom([]int32{0, 0, 0, 1, 1, 2}).Draw(t, "operation"))
		valid = valid && op < 2
		q.Mutations = append(q.Mutations, Mutation{op, bytesOf(t, "sort key"), []byte(valueGen.Draw(t, "value")), c.expire(t)})
	}
	res, cm := c.p.CheckAndMutate(&q, c.now)
	if !valid || len(q.Mutations) == 0 {
		c.wrote(t, res.WriteResult, cm, InvalidArgument)
		c.checked(t, res, false, false, "")
		return
	}
	key := string(schema.AppendKey(nil, q.HashKey, q.CheckSortKey))
	status, exist, value := c.model.check(key, q.Check, string(q.Operand), c.now)
	c.wrote(t, res.WriteResult, cm, status)
	c.checked(t, res, q.ReturnCheckValue, exist, value)
	if status != OK {
		return
	}
	for _, m := range q.Mutations {
		key := string(schema.AppendKey(nil, q.HashKey, m.SortKey))
		if m.Operation == MutatePut {
			c.model.put(key, string(m.Value), m.Expire, c.now)
		} else {
			c.model.remove(key)
		}
	}
}

func (c *comparison) get(t *rapid.T) {
	key := c.key(t)
	v, expire, status := c.p.Get([]byte("x"), key, c.now)
	want, wantExpire, wantStatus := "x", uint32(0), NotFound
	if r := c.model.live(string(key), c.now); r != nil {
		want, wantExpire, wantStatus = "x"+r.value, r.expire, OK
	}
	if string(v) != want || expire != wantExpire || status != wantStatus {
		t.Fatalf("get %q, %d, status %d; want %q, %d, %d", v, expire, status, want, wantExpire, wantStatus)
	}
}

func (c *comparison) batchGet(t *rapid.T) {
	var keys []HashSortKey
	var got, want []string
	for range rapid.IntRange(1, 5).Draw(t, "keys") {
		k := HashSortKey{bytesOf(t, "hash key"), bytesOf(t, "sort key")}
		if r := c.model.live(string(schema.AppendKey(nil, k.HashKey, k.SortKey)), c.now); r != nil {
			want = append(want, fmt.Sprint(len(keys), r.value))
		}
		keys = append(keys, k)
	}
	status := c.p.BatchGet(keys, c.now, nil, func(i int, v []byte) { got = append(got, fmt.Sprint(i, string(v))) })
	if status != OK || !slices.Equal(got, want) {
		t.Fatalf("batch get %q, status %d; want %q", got, status, want)
	}
}

func (c *comparison) multiGet(t *rapid.T) {
	q := MultiGet{
		HashKey: bytesOf(t, "hash key"), Start: bytesOf(t, "start"), Stop: bytesOf(t, "stop"),
		StartInclusive: rapid.Bool().Draw(t, "start in"), StopInclusive: rapid.Bool().Draw(t, "stop in"),
		MaxCount: int32(rapid.IntRange(-1, 9).Draw(t, "count")), MaxSize: int32(rapid.IntRange(-1, 30).Draw(t, "size")),
		NoValue: rapid.Bool().Draw(t, "no value"), Reverse: rapid.Bool().Draw(t, "reverse"), Filter: filterGen.Draw(t, "filter"),
	}
	if rapid.IntRange(0, 3).Draw(t, "keys or range") == 0 {
		q.SortKeys = c.sortKeys(t)
	}
	var got []string
	status := c.p.MultiGet(&q, c.now, func(k, v []byte) { got = append(got, string(k)+"="+string(v)) })
	wantStatus, want := c.model.multiGet(&q, c.now)
	if status != wantStatus || !slices.Equal(got, want) {
		t.Fatalf("multi get %q, status %d; want %q, %d", got, status, want, wantStatus)
	}
}

func (c *comparison) count(t *rapid.T) {
	hashKey := bytesOf(t, "hash key")
	n, status := c.p.SortKeyCount(hashKey, c.now, nil)
	if want := c.model.sortKeyCount(hashKey, c.now); n != want || status != OK {
		t.Fatalf("count %d, status %d; want %d", n, status, want)
	}
}

func (c *comparison) scan(t *rapid.T) {
	q := Scan{
		StartKey: c.key(t), StopKey: rapid.SampledFrom([][]byte{c.key(t), {0xff, 0xff}, nil}).Draw(t, "stop"),
		StartInclusive: rapid.Bool().Draw(t, "start in"), StopInclusive: rapid.Bool().Draw(t, "stop in"),
		FullScan: rapid.Bool().Draw(t, "full"), BatchSize: int32(rapid.IntRange(-1, 9).Draw(t, "batch")),
		NoValue: rapid.Bool().Draw(t, "no value"), OnlyCount: rapid.IntRange(0, 5).Draw(t, "count") == 0,
		PartitionCount: rapid.SampledFrom([]int32{0, 0, 2}).Draw(t, "partitions"),
	}
	if rapid.IntRange(0, 2).Draw(t, "filter") == 0 {
		q.HashFilter, q.SortFilter = filterGen.Draw(t, "hash filter"), filterGen.Draw(t, "sort filter")
	}
	s, status := c.p.NewScanner(&q)
	m := c.model.scan(&q, comparedIndex)
	if status != OK || (s == nil) != (m == nil) {
		t.Fatalf("scanner %v, status %d; want %v", s != nil, status, m != nil)
	}
	if s != nil {
		c.scans = append(c.scans, &openScan{s, m})
		c.step(t, len(c.scans)-1)
	}
}

// step makes one call of a scan.
func (c *comparison) step(t *rapid.T, i int) {
	var got []string
	res := c.scans[i].s.Next(c.now, func(key, value []byte, expire uint32) {
		got = append(got, fmt.Sprintf("%x=%s@%d", key, value, expire))
	})
	want, wantRes := c.scans[i].m.next(c.now)
	if res != wantRes || !slices.Equal(got, want) {
		t.Fatalf("scan %q, %+v; want %q, %+v", got, res, want, wantRes)
	}
	if !res.More {
		c.scans = slices.Delete(c.scans, i, i+1)
	}
}

func (c *comparison) anyScan(t *rapid.T) int {
	if len(c.scans) == 0 {
		t.Skip("no scan is open")
	}
	return rapid.IntRange(0, len(c.scans)-1).Draw(t, "which")
}

func (c *comparison) scanOn(t *rapid.T) { c.step(t, c.anyScan(t)) }

func (c *comparison) scanDrop(t *rapid.T) {
	i := c.anyScan(t)
	c.scans[i].s.Close()
	c.scans = slices.Delete(c.scans, i, i+1)
}

func (c *comparison) time(t *rapid.T) { c.now += uint32(rapid.IntRange(1, 10).Draw(t, "seconds")) }

func (c *comparison) defaultTTL(t *rapid.T) {
	c.model.ttl = rapid.SampledFrom([]uint32{0, 0, 3, 100}).Draw(t, "ttl")
	c.p.SetDefaultTTL(c.model.ttl)
}

func (c *comparison) sweep(t *rapid.T) {
	before := len(c.model.records)
	c.model.sweep(c.now)
	if n, err := c.db.Sweep(context.Background()); err != nil || n != before-len(c.model.records) {
		t.Fatalf("sweep deleted %d, %v; want %d", n, err, before-len(c.model.records))
	}
}

func (c *comparison) flush(t *rapid.T) {
	if err := c.db.pebble.Flush(); err != nil {
		t.Fatal(err)
	}
}

func (c *comparison) reopen(t *rapid.T) {
	if c.opts.Dir == "" {
		t.Skip("in memory")
	}
	if err := c.db.Close(); err != nil {
		t.Fatal(err)
	}
	for _, s := range c.scans {
		if res := s.s.Next(c.now, nil); res.Status != NotFound {
			t.Fatalf("scan of a closed store: %+v", res)
		}
	}
	c.scans = nil
	c.open(t)
}

// checkAll compares the whole content, expired records included.
func (c *comparison) checkAll(t *rapid.T) {
	s, status := c.p.NewScanner(fullScan())
	if status != OK {
		t.Fatal(status)
	}
	var got, want []string
	for more := true; more; {
		// At the time 0 nothing has expired.
		res := s.Next(0, func(key, value []byte, expire uint32) {
			got = append(got, fmt.Sprintf("%x=%s@%d", key, value, expire))
		})
		if res.Status != OK {
			t.Fatal(res)
		}
		more = res.More
	}
	for _, r := range c.model.records[1:] {
		want = append(want, fmt.Sprintf("%x=%s@%d", r.key, r.value, r.expire))
	}
	if !slices.Equal(got, want) {
		t.Fatalf("content\n%q, want\n%q", got, want)
	}
}
