package server

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pegasus-go/pegasus/internal/wire"
	"github.com/pegasus-go/pegasus/onebox/limits"
)

// fill stores n records in partition 0 of testTable.
func fill(c *client, n int) {
	c.t.Helper()
	for i := range n {
		if _, code := c.putAt(wire.RequestHeader{GPID: at(0).GPID}, fmt.Sprintf("k%04d", i), "v", 0); code != wire.ErrOK {
			c.t.Fatal(code)
		}
	}
}

// openScan begins a scan that is not finished, and returns its context.
func (c *client) openScan(h wire.RequestHeader) int64 {
	c.t.Helper()
	for _, hashKey := range []string{"scanned 1", "scanned 2"} {
		if _, code := c.putAt(wire.RequestHeader{GPID: h.GPID}, hashKey, "v", 0); code != wire.ErrOK {
			c.t.Fatal(code)
		}
	}
	resp := c.getScanner(h, 1)
	if resp.ContextID <= 0 {
		c.t.Fatalf("the scan is finished: %+v", resp)
	}
	return resp.ContextID
}

func TestScanContexts(t *testing.T) {
	clock := newTestClock()
	s := start(t, Options{Clock: clock.now, Limits: limits.Limits{ScanContexts: 3}})
	c := dial(t, s.Replicas()[0])
	fill(c, 10)
	lost := func(id int64) bool {
		t.Helper()
		resp := c.scan(at(0), id)
		if resp.Error == wire.StatusNotFound && (len(resp.KVs) > 0 || resp.ContextID != 0) {
			t.Errorf("lost context: %+v", resp)
		}
		return resp.Error == wire.StatusNotFound
	}

	first := c.getScanner(at(0), 2)
	if first.ContextID <= 0 || len(first.KVs) != 2 {
		t.Fatalf("%+v", first)
	}
	second := c.scan(at(0), first.ContextID)
	if second.Error != 0 || second.ContextID == first.ContextID || len(second.KVs) != 2 || string(second.KVs[0].Key) != "\x00\x05k0002" {
		t.Fatalf("%+v", second)
	}
	if !lost(first.ContextID) {
		t.Error("an id was good for two calls")
	}
	other := at(1)
	var resp wire.ScanResponse
	if do(c, other, wire.TaskScan, wire.ScanRequest{ContextID: second.ContextID}, resp.Read); resp.Error != wire.StatusNotFound {
		t.Error("an id of another partition was good")
	}
	for _, id := range []int64{0, -1, -2, 1, 1 << 62} {
		if !lost(id) {
			t.Errorf("id %d was good", id)
		}
	}

	// Five minutes from the answer that told the id.
	clock.advance(5 * time.Minute)
	third := c.scan(at(0), second.ContextID)
	if third.Error != 0 {
		t.Error("a context was lost within its time")
	}
	clock.advance(5*time.Minute + time.Second)
	if !lost(third.ContextID) {
		t.Error("a context outlived its time")
	}

	// The oldest go when there are too many.
	var ids []int64
	for range 5 {
		ids = append(ids, c.getScanner(at(0), 1).ContextID)
	}
	if !lost(ids[0]) || !lost(ids[1]) || lost(ids[2]) || lost(ids[3]) || lost(ids[4]) {
		t.Error("not the oldest contexts were lost")
	}
	if n := s.scans.Count(); n != 3 { // the successors of the three
		t.Errorf("%d contexts", n)
	}

	// clear_scanner is not answered, whether it names a context or not.
	id := c.getScanner(at(0), 1).ContextID
	send(c, at(0), wire.TaskClearScanner, wire.ContextID(id))
	send(c, at(0), wire.TaskClearScanner, wire.ContextID(12345))
	if !lost(id) {
		t.Error("a cleared context was good")
	}
	// Only a refusal is.
	none := wire.RequestHeader{GPID: wire.GPID{AppID: 1, PartitionIndex: 99}}
	send(c, none, wire.TaskClearScanner, wire.ContextID(id))
	if a := c.mustNext(); a.err != wire.ErrObjectNotFound {
		t.Errorf("refused clear_scanner: %v", a.err)
	}
}

// Of the scans since whose beginning much was written those are lost that nobody
// comes back for.
func TestScanBytes(t *testing.T) {
	bubble(t, Options{Limits: limits.Limits{ScanBytes: 8 << 20}}, func(t *testing.T, s *Server, dial func(*Node) *client) {
		c := dial(s.Replicas()[0])
		fill(c, 10)
		abandoned := c.getScanner(at(0), 1)
		used := c.getScanner(at(0), 1)
		for range 18 { // megabytes, of memtables of 4 MiB
			c.mustPut("k", strings.Repeat("v", 1<<20-1000))
		}
		synctest.Wait() // until all is flushed: it counts as written then
		young := c.getScanner(at(0), 1)
		if used = c.scan(at(0), used.ContextID); used.Error != 0 {
			t.Fatalf("a scan that was not idle: status %d", used.Error)
		}
		for range 5 {
			time.Sleep(30*time.Second - 1)
			if used = c.scan(at(0), used.ContextID); used.Error != 0 {
				t.Fatalf("a scan that was used: status %d", used.Error)
			}
		}
		if resp := c.scan(at(0), abandoned.ContextID); resp.Error != wire.StatusNotFound {
			t.Errorf("the abandoned scan: status %d", resp.Error)
		}
		if resp := c.scan(at(0), young.ContextID); resp.Error != 0 || len(resp.KVs) != 1 {
			t.Errorf("the young scan: status %d, %d records", resp.Error, len(resp.KVs))
		}
	})
}

// Contexts that nobody comes back for are closed.
func TestScanContextsExpire(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, s *Server, dial func(*Node) *client) {
		c := dial(s.Replicas()[0])
		fill(c, 10)
		for range 3 {
			c.getScanner(at(0), 1)
			time.Sleep(time.Minute)
		}
		if n := s.scans.Count(); n != 3 {
			t.Errorf("%d contexts, want 3", n)
		}
		time.Sleep(15 * time.Minute)
		if n := s.scans.Count(); n != 0 {
			t.Errorf("%d contexts are left after their time", n)
		}
		c.getScanner(at(0), 1)
		time.Sleep(15 * time.Minute)
		if n := s.scans.Count(); n != 0 {
			t.Errorf("%d contexts are left after their time, the second time", n)
		}
	})
}

// Large answers that are made at the same time reach the client whole, each of
// them once, between those to quick requests.
func TestScansAtOnce(t *testing.T) {
	s := start(t, Options{})
	c := dial(t, s.Replicas()[0])
	const records, requests = 2000, 300
	kvs := make([]wire.KeyValue, records)
	for i := range kvs {
		kvs[i] = wire.KeyValue{Key: fmt.Appendf(nil, "%04d", i), Value: make([]byte, 100)}
	}
	var put wire.UpdateResponse
	if code := do(c, at(0), wire.TaskMultiPut, wire.MultiPutRequest{HashKey: []byte("k"), KVs: kvs}, put.Read); code != wire.ErrOK {
		t.Fatal(code)
	}
	full := true
	scan := wire.GetScannerRequest{
		StartKey: wire.Key{Raw: []byte{0, 0}}, StartInclusive: true,
		StopKey:  wire.Key{Raw: []byte{0xff, 0xff}},
		FullScan: &full,
	}
	var out []byte
	for i := range int32(requests) {
		if i%3 == 0 {
			out = wire.AppendRequest(out, at(0), wire.TaskGet, i, wire.Key{HashKey: []byte("k"), SortKey: kvs[0].Key})
		} else {
			out = wire.AppendRequest(out, at(0), wire.TaskGetScanner, i, scan)
		}
	}
	go c.nc.Write(out)
	seen := make(map[int32]bool)
	for range requests {
		a := c.mustNext()
		if a.err != wire.ErrOK || seen[a.seq] {
			t.Fatalf("answer %d: %v, seen %v", a.seq, a.err, seen[a.seq])
		}
		seen[a.seq] = true
		if a.seq%3 == 0 {
			var resp wire.ReadResponse
			if a.decode(t, resp.Read); len(resp.Value) != 100 {
				t.Fatalf("get %d: %+v", a.seq, resp)
			}
			continue
		}
		var resp wire.ScanResponse
		if a.decode(t, resp.Read); len(resp.KVs) != 1000 || resp.ContextID <= 0 || string(resp.KVs[999].Key) != "\x00\x01k0999" {
			t.Fatalf("scan %d: %d records, context %d", a.seq, len(resp.KVs), resp.ContextID)
		}
	}
}
