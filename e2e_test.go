package pegasus_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	pegasus "github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/pegasustest"
)

// Every method of the API, over TCP, on tables with one partition, with a
// number that is no power of two, and with the usual number.
func TestEndToEnd(t *testing.T) {
	for _, partitions := range []int{1, 3, 8} {
		t.Run(strconv.Itoa(partitions), func(t *testing.T) {
			c := pegasustest.Start(t, pegasustest.WithTable("temp", partitions))
			e := &endToEnd{T: t, cluster: c, table: c.Table}
			t.Run("single", e.single)
			t.Run("ttl", e.ttl)
			t.Run("multi", e.multi)
			t.Run("range", e.ranges)
			t.Run("delete range", e.deleteRange)
			t.Run("check and set", e.checkAndSet)
			t.Run("incr", e.incr)
			t.Run("batch", e.batch)
			t.Run("scan", e.scan)
			t.Run("restart", e.restart)
		})
	}
}

type endToEnd struct {
	*testing.T
	cluster *pegasustest.Cluster
	table   pegasus.TableConnector
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (e *endToEnd) single(t *testing.T) {
	ctx := t.Context()
	for i := range 50 {
		h, s, v := fmt.Appendf(nil, "single%d", i), []byte("s"), fmt.Appendf(nil, "value%d", i)
		got, err := e.table.Get(ctx, h, s)
		if got != nil || err != nil {
			t.Fatalf("%s before: %q, %v", h, got, err)
		}
		must(t, e.table.Set(ctx, h, s, v))
		if got, err = e.table.Get(ctx, h, s); !bytes.Equal(got, v) || err != nil {
			t.Fatalf("%s: %q, %v", h, got, err)
		}
		if ok, err := e.table.Exist(ctx, h, s); !ok || err != nil {
			t.Fatalf("%s exists: %v, %v", h, ok, err)
		}
		must(t, e.table.Del(ctx, h, s))
		must(t, e.table.Del(ctx, h, s)) // of nothing
		if ok, err := e.table.Exist(ctx, h, s); ok || err != nil {
			t.Fatalf("%s exists after Del: %v, %v", h, ok, err)
		}
	}
	// Empty sort keys and values are there, and not nil.
	must(t, e.table.Set(ctx, []byte("single"), []byte{}, []byte{}))
	if got, err := e.table.Get(ctx, []byte("single"), []byte{}); got == nil || len(got) != 0 || err != nil {
		t.Errorf("empty value: %v, %v", got, err)
	}
	longest := bytes.Repeat([]byte{0xff}, pegasus.MaxHashKeyLength)
	must(t, e.table.Set(ctx, longest, []byte{0xff}, []byte("long")))
	if got, err := e.table.Get(ctx, longest, []byte{0xff}); string(got) != "long" || err != nil {
		t.Errorf("longest hash key: %q, %v", got, err)
	}
	err := e.table.Set(ctx, []byte("single"), []byte("big"), make([]byte, 1<<20))
	if !errors.Is(err, pegasus.ErrInvalidData) {
		t.Errorf("value of 1 MiB: %v", err)
	}
}

func (e *endToEnd) ttl(t *testing.T) {
	ctx := t.Context()
	h, s := []byte("ttl"), []byte("s")
	if got, err := e.table.TTL(ctx, h, s); got != -2 || err != nil {
		t.Errorf("TTL of nothing: %d, %v", got, err)
	}
	must(t, e.table.Set(ctx, h, s, []byte("v")))
	if got, err := e.table.TTL(ctx, h, s); got != -1 || err != nil {
		t.Errorf("TTL without expiry: %d, %v", got, err)
	}
	must(t, e.table.SetTTL(ctx, h, s, []byte("v"), 100*time.Second))
	must(t, e.table.MultiSetOpt(ctx, h, [][]byte{[]byte("m")}, [][]byte{[]byte("v")}, 100*time.Second))
	for _, k := range []string{"s", "m"} {
		if got, err := e.table.TTL(ctx, h, []byte(k)); got < 90 || got > 100 || err != nil {
			t.Errorf("TTL of %s: %d, %v", k, got, err)
		}
	}
	e.cluster.AdvanceClock(101 * time.Second)
	if got, err := e.table.Get(ctx, h, s); got != nil || err != nil {
		t.Errorf("after its time: %q, %v", got, err)
	}
	if n, err := e.table.SortKeyCount(ctx, h); n != 0 || err != nil {
		t.Errorf("count after their time: %d, %v", n, err)
	}
}

// rows returns n sort keys in ascending order, and their values.
func rows(n int) (keys, values [][]byte) {
	for i := range n {
		keys = append(keys, fmt.Appendf(nil, "key%04d", i))
		values = append(values, fmt.Appendf(nil, "value%d", i))
	}
	return keys, values
}

func sortKeys(kvs []*pegasus.KeyValue) (keys []string) {
	for _, kv := range kvs {
		keys = append(keys, string(kv.SortKey))
	}
	return keys
}

func (e *endToEnd) multi(t *testing.T) {
	ctx := t.Context()
	h := []byte("multi")
	keys, values := rows(150)
	must(t, e.table.MultiSet(ctx, h, keys, values))
	if n, err := e.table.SortKeyCount(ctx, h); n != 150 || err != nil {
		t.Errorf("count: %d, %v", n, err)
	}
	kvs, all, err := e.table.MultiGet(ctx, h, nil)
	if len(kvs) != 100 || all || err != nil {
		t.Errorf("MultiGet of all: %d rows, all %v, %v; want the default limit", len(kvs), all, err)
	}
	kvs, all, err = e.table.MultiGet(ctx, h, [][]byte{keys[7], []byte("absent"), keys[3]})
	if got := sortKeys(kvs); !slices.Equal(got, []string{"key0003", "key0007"}) || !all || err != nil {
		t.Errorf("MultiGet of three: %v, all %v, %v", got, all, err)
	}
	kvs, all, err = e.table.MultiGetOpt(ctx, h, nil, &pegasus.MultiGetOptions{NoValue: true})
	if len(kvs) != 150 || !all || err != nil || len(kvs[0].Value) != 0 {
		t.Errorf("MultiGetOpt without limits: %d rows, all %v, %v", len(kvs), all, err)
	}
	must(t, e.table.MultiDel(ctx, h, keys[:149]))
	kvs, all, err = e.table.MultiGet(ctx, h, nil)
	if got := sortKeys(kvs); !slices.Equal(got, []string{"key0149"}) || !all || err != nil {
		t.Errorf("after MultiDel: %v, all %v, %v", got, all, err)
	}
}

func (e *endToEnd) ranges(t *testing.T) {
	ctx := t.Context()
	h := []byte("range")
	keys, values := rows(10)
	must(t, e.table.MultiSet(ctx, h, keys, values))
	kvs, all, err := e.table.MultiGetRange(ctx, h, keys[2], keys[5])
	if got := sortKeys(kvs); !slices.Equal(got, []string{"key0002", "key0003", "key0004"}) || err != nil {
		t.Errorf("MultiGetRange: %v, all %v, %v", got, all, err)
	}
	kvs, all, err = e.table.MultiGetRangeOpt(ctx, h, keys[2], keys[5], &pegasus.MultiGetOptions{
		StopInclusive: true, Reverse: true, MaxFetchCount: 2,
		SortKeyFilter: pegasus.Filter{Type: pegasus.FilterTypeMatchPrefix, Pattern: []byte("key")},
	})
	if got := sortKeys(kvs); !slices.Equal(got, []string{"key0004", "key0005"}) || all || err != nil {
		t.Errorf("MultiGetRangeOpt in reverse: %v, all %v, %v", got, all, err)
	}
}

func (e *endToEnd) deleteRange(t *testing.T) {
	ctx := t.Context()
	h := []byte("delrange")
	keys, values := rows(300)
	keys = append(keys, []byte{0xff, 0xff}, []byte{0xff, 0xff, 0xff})
	values = append(values, []byte("x"), []byte("y"))
	must(t, e.table.MultiSet(ctx, h, keys, values))
	must(t, e.table.DelRangeOpt(ctx, h, nil, nil, &pegasus.DelRangeOptions{
		SortKeyFilter: pegasus.Filter{Type: pegasus.FilterTypeMatchPostfix, Pattern: []byte("7")},
	}))
	if n, err := e.table.SortKeyCount(ctx, h); n != 272 || err != nil {
		t.Errorf("after the filtered DelRange: %d, %v", n, err)
	}
	must(t, e.table.DelRange(ctx, h, keys[0], keys[299]))
	if n, err := e.table.SortKeyCount(ctx, h); n != 3 || err != nil {
		t.Errorf("after DelRange: %d, %v", n, err)
	}
	must(t, e.table.DelRange(ctx, h, nil, nil))
	if n, err := e.table.SortKeyCount(ctx, h); n != 0 || err != nil {
		t.Errorf("after DelRange of all, keys of FF included: %d, %v", n, err)
	}
}

func (e *endToEnd) checkAndSet(t *testing.T) {
	ctx := t.Context()
	h, s := []byte("cas"), []byte("s")
	res, err := e.table.CheckAndSet(ctx, h, s, pegasus.CheckTypeValueNotExist, nil, s, []byte("9"), nil)
	if err != nil || !res.SetSucceed || res.CheckValueReturned {
		t.Fatalf("first: %+v, %v", res, err)
	}
	res, err = e.table.CheckAndSet(ctx, h, s, pegasus.CheckTypeValueNotExist, nil, s, []byte("8"), &pegasus.CheckAndSetOptions{ReturnCheckValue: true})
	if err != nil || res.SetSucceed || !res.CheckValueExist || string(res.CheckValue) != "9" {
		t.Errorf("second: %+v, %v", res, err)
	}
	// As numbers 9 < 10, as bytes "9" > "10".
	res, err = e.table.CheckAndSet(ctx, h, s, pegasus.CheckTypeIntGreater, []byte("10"), s, []byte("8"), nil)
	if err != nil || res.SetSucceed {
		t.Errorf("9 > 10: %+v, %v", res, err)
	}
	res, err = e.table.CheckAndSet(ctx, h, s, pegasus.CheckTypeBytesGreater, []byte("10"), []byte("other"), []byte("8"), nil)
	if err != nil || !res.SetSucceed {
		t.Errorf(`"9" > "10": %+v, %v`, res, err)
	}
	if v, err := e.table.Get(ctx, h, []byte("other")); string(v) != "8" || err != nil {
		t.Errorf("the other sort key: %q, %v", v, err)
	}
	if _, err := e.table.CheckAndSet(ctx, h, s, pegasus.CheckTypeIntLess, []byte("x"), s, nil, nil); !errors.Is(err, pegasus.StorageInvalidArgument) {
		t.Errorf("operand that is no number: %v", err)
	}
}

func (e *endToEnd) incr(t *testing.T) {
	ctx := t.Context()
	h, s := []byte("incr"), []byte("s")
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			for range 10 {
				if _, err := e.table.Incr(ctx, h, s, 2); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if n, err := e.table.Incr(ctx, h, s, -1); n != 399 || err != nil {
		t.Errorf("after 200 increments by 2 and one by -1: %d, %v", n, err)
	}
	must(t, e.table.SetTTL(ctx, h, s, []byte("1"), time.Hour))
	if _, err := e.table.Incr(ctx, h, s, 1); err != nil {
		t.Error(err)
	}
	if ttl, err := e.table.TTL(ctx, h, s); ttl < 3500 || err != nil {
		t.Errorf("TTL after Incr: %d, %v", ttl, err)
	}
}

func (e *endToEnd) batch(t *testing.T) {
	ctx := t.Context()
	var keys []pegasus.CompositeKey
	for i := range 60 {
		k := pegasus.CompositeKey{HashKey: fmt.Appendf(nil, "batch%d", i), SortKey: []byte("s")}
		keys = append(keys, k, k) // each twice
		if i%3 != 0 {
			must(t, e.table.Set(ctx, k.HashKey, k.SortKey, k.HashKey))
		}
	}
	values, err := e.table.BatchGet(ctx, keys)
	must(t, err)
	for i, v := range values {
		if want := keys[i].HashKey; i/2%3 == 0 && v != nil || i/2%3 != 0 && !bytes.Equal(v, want) {
			t.Errorf("key %d: %q", i, v)
		}
	}
}

func (e *endToEnd) scan(t *testing.T) {
	ctx := t.Context()
	keys, values := rows(2500)
	for i := 0; i < len(keys); i += 500 {
		must(t, e.table.MultiSet(ctx, []byte("scan"), keys[i:i+500], values[i:i+500]))
	}
	s, err := e.table.GetScanner(ctx, []byte("scan"), keys[10], nil, &pegasus.ScannerOptions{BatchSize: 300})
	must(t, err)
	got := drain(t, s)
	if len(got) != 2489 || got[0] != "scan/key0011" || got[2488] != "scan/key2499" {
		t.Errorf("hash scan: %d rows", len(got))
	}
	for _, split := range []int{1, 2, 100} {
		scanners, err := e.table.GetUnorderedScanners(ctx, split, &pegasus.ScannerOptions{
			HashKeyFilter: pegasus.Filter{Type: pegasus.FilterTypeMatchPrefix, Pattern: []byte("scan")},
			NoValue:       true,
		})
		must(t, err)
		var all []string
		for _, s := range scanners {
			all = append(all, drain(t, s)...)
		}
		slices.Sort(all)
		if n := len(slices.Compact(slices.Clone(all))); len(all) != 2500 || n != 2500 {
			t.Errorf("scan by %d scanners: %d rows, %d of them different", len(scanners), len(all), n)
		}
	}
}

func drain(t *testing.T, s pegasus.Scanner) (rows []string) {
	t.Helper()
	defer s.Close()
	for {
		done, h, k, _, err := s.Next(t.Context())
		must(t, err)
		if done {
			return rows
		}
		rows = append(rows, string(h)+"/"+string(k))
	}
}

// The data is there after a restart, and the client finds the servers again.
func (e *endToEnd) restart(t *testing.T) {
	ctx := t.Context()
	scanners, err := e.table.GetUnorderedScanners(ctx, 1, nil)
	must(t, err)
	if rows := drain(t, scanners[0]); len(rows) == 0 {
		t.Error("nothing stored before the restart")
	}
	e.cluster.Restart()
	if v, err := e.table.Get(ctx, []byte("batch1"), []byte("s")); string(v) != "batch1" || err != nil {
		t.Errorf("after the restart: %q, %v", v, err)
	}
	must(t, e.table.Set(ctx, []byte("again"), []byte("s"), []byte("v")))
}
