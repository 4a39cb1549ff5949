package pegasus

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pegasus-go/pegasus/internal/peer"
	"github.com/pegasus-go/pegasus/internal/schema"
	"github.com/pegasus-go/pegasus/internal/wire"
)

func hashScan(t *testing.T, tb TableConnector, hashKey string, batch int) Scanner {
	t.Helper()
	o := DefaultScannerOptions()
	o.BatchSize = batch
	s, err := tb.GetScanner(t.Context(), []byte(hashKey), nil, nil, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func fullScan(t *testing.T, tb TableConnector, scanners, batch int) []Scanner {
	t.Helper()
	all, err := tb.GetUnorderedScanners(t.Context(), scanners, &ScannerOptions{BatchSize: batch})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range all {
		t.Cleanup(func() { s.Close() })
	}
	return all
}

// Any number of partitions and scanners, contexts that live and contexts that
// are lost before every single request.
func TestFullScan(t *testing.T) {
	for _, partitions := range []int{1, 3, 8} {
		for _, scanners := range []int{1, 2, 100} {
			for _, lossy := range []bool{false, true} {
				t.Run(fmt.Sprintf("partitions=%d/scanners=%d/lossy=%v", partitions, scanners, lossy), func(t *testing.T) {
					bubble(t, 1, partitions, func(t *testing.T, c *peer.Cluster, tb TableConnector) {
						rows := someRows(40, 5)
						p := serveScans(c, uint64(partitions), rows)
						all := fullScan(t, tb, scanners, 7)
						if want := min(scanners, partitions); len(all) != want {
							t.Errorf("%d scanners, want %d", len(all), want)
						}
						var got []string
						for _, s := range all {
							got = append(got, collect(t, s, func(int) {
								if lossy {
									synctest.Wait()
									p.lose()
								}
							})...)
						}
						wantRows(t, got, rows)
						for _, q := range p.opened {
							if q.FullScan == nil || !*q.FullScan || q.ValidatePartitionHash == nil || !*q.ValidatePartitionHash ||
								!bytes.Equal(q.StopKey.Raw, []byte{0xff, 0xff}) || q.StopInclusive || q.BatchSize != 7 {
								t.Fatalf("request %+v", q)
							}
						}
						for _, h := range p.headers {
							if h.PartitionHash%uint64(partitions) != uint64(h.PartitionIndex) || h.TimeoutMs <= 0 {
								t.Fatalf("header %+v", h)
							}
						}
						if lossy && len(p.opened) < len(rows)/14 {
							t.Errorf("%d times opened", len(p.opened))
						}
					})
				})
			}
		}
	}
}

// A split while scanners are in the middle of partitions: nothing is lost,
// nothing comes twice. The contexts live on at the parents, but would leave
// out what has moved.
func TestSplitDuringScan(t *testing.T) {
	for _, refreshed := range []bool{false, true} {
		t.Run(fmt.Sprintf("client knows=%v", refreshed), func(t *testing.T) {
			bubble(t, 1, 4, func(t *testing.T, c *peer.Cluster, tb TableConnector) {
				node := c.Nodes[0].Addr()
				rows := someRows(80, 5)
				p := serveScans(c, 4, rows)
				all := fullScan(t, tb, 4, 10)
				var got []string
				for _, s := range all { // each has begun
					done, _, _, value, err := s.Next(t.Context())
					if done || err != nil {
						t.Fatal(done, err)
					}
					got = append(got, string(value))
				}
				synctest.Wait()
				p.mu.Lock()
				p.count = 8
				for _, ctx := range p.contexts {
					ctx.rows = slices.DeleteFunc(slices.Clone(ctx.rows), func(kv wire.KeyValue) bool {
						hashKey, _, _ := schema.SplitKey(kv.Key)
						return schema.Hash(hashKey)%8 >= 4
					})
				}
				p.mu.Unlock()
				c.Update(func(tb *peer.Table) {
					for range 4 {
						tb.Partitions = append(tb.Partitions, peer.Partition{Ballot: 3, Primary: node})
					}
				})
				if refreshed {
					c.On(wire.TaskGet, peer.Each(peer.Code(wire.ErrParentMisused), success))
					if _, err := tb.Get(t.Context(), []byte("h"), []byte{}); err != nil {
						t.Fatal(err)
					}
				}
				for _, s := range all {
					got = append(got, collect(t, s, nil)...)
				}
				wantRows(t, got, rows)
			})
		})
	}
}

// A split that was undone leaves scanners of the children without a place.
func TestFewerPartitionsDuringScan(t *testing.T) {
	bubble(t, 1, 4, func(t *testing.T, c *peer.Cluster, tb TableConnector) {
		serveScans(c, 2, someRows(5, 5))
		all := fullScan(t, tb, 4, 10)
		c.Update(func(tb *peer.Table) { tb.Partitions = tb.Partitions[:2] })
		c.On(wire.TaskGet, peer.Each(peer.Code(wire.ErrInvalidState), success))
		if _, err := tb.Get(t.Context(), []byte("h"), []byte{}); err != nil {
			t.Fatal(err)
		}
		for _, s := range all {
			_, _, _, _, err := s.Next(t.Context())
			chain(t, err, ErrRepartitioned)
		}
	})
}

func TestHashScan(t *testing.T) {
	rows := []wire.KeyValue{
		row("h", ""), row("h", "a"), row("h", "b"), row("h", "\xff\xff"), row("h", "\xff\xff\xff\xffz"),
		row("\xff\xff", "x"), row("\xff\xff", "\xff\xff\xff"), row("i", "other"), row("h\x00", "longer"),
	}
	for _, tc := range []struct {
		hashKey, start, stop string
		options              *ScannerOptions
		want                 string // the sort keys
	}{
		{"h", "", "", nil, `["" "a" "b" "\xff\xff" "\xff\xff\xff\xffz"]`},
		{"\xff\xff", "", "", nil, `["x" "\xff\xff\xff"]`},
		{"h", "a", "", nil, `["a" "b" "\xff\xff" "\xff\xff\xff\xffz"]`},
		{"h", "a", "b", nil, `["a"]`},
		{"h", "a", "b", &ScannerOptions{StopInclusive: true}, `["b"]`},
		{"h", "a", "b", &ScannerOptions{}, `[]`},
		{"h", "", "a", &ScannerOptions{StopInclusive: true}, `["" "a"]`}, // no start: from the first entry
		{"h", "b", "a", nil, `[]`},
		{"h", "a", "a", &ScannerOptions{StartInclusive: true, StopInclusive: true}, `["a"]`},
		{"h", "a", "a", nil, `[]`},
		{"absent", "", "", nil, `[]`},
		{"h", "", "", &ScannerOptions{HashKeyFilter: Filter{FilterTypeMatchPrefix, []byte("i")}}, `[]`},
		{"h", "a", "b", &ScannerOptions{StartInclusive: true, HashKeyFilter: Filter{FilterTypeMatchAnywhere, []byte("h")}}, `["a"]`},
		{"h", "", "", &ScannerOptions{SortKeyFilter: Filter{FilterTypeMatchPrefix, []byte("\xff\xff\xff")}}, `["\xff\xff\xff\xffz"]`},
		{"h", "", "b", &ScannerOptions{SortKeyFilter: Filter{FilterTypeMatchPrefix, []byte("c")}}, `[]`},
	} {
		t.Run(fmt.Sprintf("%q %q-%q", tc.hashKey, tc.start, tc.stop), func(t *testing.T) {
			bubble(t, 1, 3, func(t *testing.T, c *peer.Cluster, tb TableConnector) {
				p := serveScans(c, 3, slices.Clone(rows))
				s, err := tb.GetScanner(t.Context(), []byte(tc.hashKey), []byte(tc.start), []byte(tc.stop), tc.options)
				if err != nil {
					t.Fatal(err)
				}
				got := []string{}
				for _, v := range collect(t, s, nil) {
					got = append(got, v[len(tc.hashKey)+1:])
				}
				if g := fmt.Sprintf("%q", got); g != tc.want {
					t.Errorf("got %s, want %s", g, tc.want)
				}
				for _, q := range p.opened {
					if q.FullScan != nil && *q.FullScan || *q.ValidatePartitionHash || q.HashFilterType != 0 || q.BatchSize != 1000 {
						t.Errorf("request %+v", q)
					}
				}
			})
		})
	}
}

// The context is lost after a batch without rows: the scan goes on behind the
// last entry that was delivered, not from the start.
func TestContextLostAfterEmptyBatch(t *testing.T) {
	bubble(t, 1, 1, func(t *testing.T, c *peer.Cluster, tb TableConnector) {
		var starts [][]byte
		first := true
		c.On(wire.TaskGetScanner, func(r *peer.Request) {
			q := peer.Arg[wire.GetScannerRequest](r)
			starts = append(starts, q.StartKey.Raw)
			if first {
				first = false
				r.Reply(wire.ScanResponse{KVs: []wire.KeyValue{row("h", "a"), row("h", "b")}, ContextID: 5})
				return
			}
			if q.StartInclusive {
				t.Error("the start of a resumed scan is inclusive")
			}
			r.Reply(wire.ScanResponse{KVs: []wire.KeyValue{row("h", "c")}, ContextID: wire.ScanCompleted})
		})
		c.On(wire.TaskScan, peer.Each(
			peer.Result(wire.ScanResponse{ContextID: 6}),
			peer.Result(wire.ScanResponse{ContextID: 7}),
			peer.Result(wire.ScanResponse{Error: wire.StatusNotFound}),
		))
		got := collect(t, hashScan(t, tb, "h", 0), nil)
		if want := []string{"h/a", "h/b", "h/c"}; !slices.Equal(got, want) {
			t.Errorf("got %q", got)
		}
		if want := row("h", "b").Key; len(starts) != 2 || !bytes.Equal(starts[1], want) {
			t.Errorf("opened at %q", starts)
		}
	})
}

// Every id but -1 names a live context, 0 and negative ones included; 0 with
// no rows from get_scanner is how real servers say that a range is empty.
func TestContextIDs(t *testing.T) {
	for _, id := range []int64{0, 1, -3, -1 << 62, 1 << 62} {
		bubble(t, 1, 1, func(t *testing.T, c *peer.Cluster, tb TableConnector) {
			var asked []int64
			c.On(wire.TaskGetScanner, peer.Result(wire.ScanResponse{KVs: []wire.KeyValue{row("h", "a")}, ContextID: id}))
			c.On(wire.TaskScan, func(r *peer.Request) {
				asked = append(asked, peer.Arg[wire.ScanRequest](r).ContextID)
				r.Reply(wire.ScanResponse{KVs: []wire.KeyValue{row("h", "b")}, ContextID: wire.ScanCompleted})
			})
			if got := collect(t, hashScan(t, tb, "h", 0), nil); !slices.Equal(got, []string{"h/a", "h/b"}) {
				t.Errorf("context %d: %q", id, got)
			}
			if !slices.Equal(asked, []int64{id}) {
				t.Errorf("asked for contexts %d, want %d", asked, id)
			}
		})
	}
	bubble(t, 1, 1, func(t *testing.T, c *peer.Cluster, tb TableConnector) {
		c.On(wire.TaskGetScanner, peer.Result(wire.ScanResponse{}))
		if got := collect(t, hashScan(t, tb, "h", 0), nil); len(got) != 0 {
			t.Errorf("got %q", got)
		}
		if n := len(c.Requests(wire.TaskGetScanner, wire.TaskScan)); n != 1 {
			t.Errorf("%d requests", n)
		}
	})
}

// The time limit of the server: the rows that came are delivered and the scan
// goes on behind them. Without rows it is an error, once.
func TestIncompleteBatch(t *testing.T) {
	bubble(t, 1, 1, func(t *testing.T, c *peer.Cluster, tb TableConnector) {
		incomplete := wire.ScanResponse{Error: wire.StatusIncomplete}
		withRows := incomplete
		withRows.KVs = []wire.KeyValue{row("h", "a"), row("h", "b")}
		c.On(wire.TaskGetScanner, peer.Each(
			peer.Result(withRows),
			peer.Result(incomplete),
			func(r *peer.Request) {
				if q := peer.Arg[wire.GetScannerRequest](r); !bytes.Equal(q.StartKey.Raw, row("h", "b").Key) || q.StartInclusive {
					t.Errorf("resumed at %q", q.StartKey.Raw)
				}
				r.Reply(wire.ScanResponse{KVs: []wire.KeyValue{row("h", "c")}, ContextID: wire.ScanCompleted})
			}))
		s := hashScan(t, tb, "h", 0)
		var got []string
		failures := 0
		for {
			done, hashKey, sortKey, _, err := s.Next(t.Context())
			if err != nil {
				chain(t, err, StorageIncomplete)
				failures++
				continue
			}
			if done {
				break
			}
			got = append(got, string(hashKey)+"/"+string(sortKey))
		}
		if failures > 1 || !slices.Equal(got, []string{"h/a", "h/b", "h/c"}) {
			t.Errorf("got %q and %d failures", got, failures)
		}
	})
}

// After a failure the next Next goes on, at once and with nothing in between.
func TestNextAfterFailure(t *testing.T) {
	bubble(t, 1, 1, func(t *testing.T, c *peer.Cluster, tb TableConnector) {
		rows := someRows(1, 30)
		p := serveScans(c, 1, rows)
		s := hashScan(t, tb, "hash000", 10)
		var got []string
		next := func(ctx context.Context) error {
			done, _, _, value, err := s.Next(ctx)
			if err == nil && !done {
				got = append(got, string(value))
			}
			return err
		}
		for range 10 {
			if err := next(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait() // the second batch is there
		c.On(wire.TaskScan, peer.Code(wire.ErrACLDeny))
		c.On(wire.TaskGetScanner, peer.Code(wire.ErrACLDeny))
		for range 10 {
			if err := next(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		for range 2 {
			chain(t, next(t.Context()), ErrACLDeny)
		}
		c.On(wire.TaskScan, peer.Code(wire.ErrBusy))
		err := next(within(t, time.Second))
		chain(t, err, context.DeadlineExceeded)
		canceled, cancel := context.WithCancel(t.Context())
		cancel()
		chain(t, next(canceled), context.Canceled)
		c.On(wire.TaskScan, p.scan)
		c.On(wire.TaskGetScanner, p.open)
		for len(got) < 30 {
			if err := next(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		wantRows(t, got, rows)
	})
}

// What failed while nobody waited is tried again by the next Next, which has
// the time of its own context for it.
func TestOldFailureOfPrefetch(t *testing.T) {
	bubble(t, 1, 1, func(t *testing.T, c *peer.Cluster, tb TableConnector) {
		rows := someRows(1, 20)
		p := serveScans(c, 1, rows)
		s := hashScan(t, tb, "hash000", 10)
		c.On(wire.TaskScan, peer.Code(wire.ErrBusy))
		got := collect(t, s, func(n int) {
			if n == 5 {
				time.Sleep(time.Minute) // the prefetch has given up
				c.On(wire.TaskScan, p.scan)
			}
		})
		wantRows(t, got, rows)
	})
}

// What failed in one Next is not the reason for the end of another.
func TestFailureOfAnotherNext(t *testing.T) {
	bubble(t, 1, 1, func(t *testing.T, c *peer.Cluster, tb TableConnector) {
		p := serveScans(c, 1, someRows(1, 20))
		c.On(wire.TaskGetScanner, peer.Code(wire.ErrBusy))
		s := hashScan(t, tb, "hash000", 10)
		_, _, _, _, err := s.Next(within(t, 15*time.Second))
		chain(t, err, context.DeadlineExceeded, ErrBusy)
		c.On(wire.TaskGetScanner, p.open)
		c.On(wire.TaskScan, peer.Silence)
		time.Sleep(time.Second) // the request that was under way succeeds
		for range 10 {
			if done, _, _, _, err := s.Next(within(t, time.Minute)); done || err != nil {
				t.Fatal(done, err)
			}
		}
		_, _, _, _, err = s.Next(within(t, time.Second))
		chain(t, err, context.DeadlineExceeded)
		notInChain(t, err, ErrBusy)
	})
}

// A caller with more time than Config.OperationTimeout has all of it.
func TestPatientNext(t *testing.T) {
	bubble(t, 1, 1, func(t *testing.T, c *peer.Cluster, tb TableConnector) {
		c.On(wire.TaskGetScanner, peer.Code(wire.ErrBusy))
		s := hashScan(t, tb, "h", 0)
		start := time.Now()
		_, _, _, _, err := s.Next(within(t, time.Minute+time.Second/2))
		chain(t, err, context.DeadlineExceeded, ErrBusy)
		if d := time.Since(start); d != time.Minute+time.Second/2 {
			t.Errorf("gave up after %v", d)
		}
		if pe := asPError(t, err); pe.Partition != "2.0" || pe.Attempts == 0 || errors.As(pe.Err, &pe) {
			t.Errorf("error %+v", pe)
		}

		start = time.Now()
		_, _, _, _, err = s.Next(context.Background())
		chain(t, err, context.DeadlineExceeded, ErrBusy)
		if pe := asPError(t, err); pe.Partition != "2.0" || pe.Attempts == 0 {
			t.Errorf("error %+v", pe)
		}
		if d := time.Since(start); d < 9*time.Second || d > 11*time.Second {
			t.Errorf("without a deadline it gave up after %v", d)
		}
		chain(t, tb.DelRange(context.Background(), []byte("h"), nil, nil), context.DeadlineExceeded, ErrBusy)
	})
}

func TestCloseScanner(t *testing.T) {
	bubble(t, 1, 1, func(t *testing.T, c *peer.Cluster, tb TableConnector) {
		p := serveScans(c, 1, someRows(1, 100))
		start := time.Now()
		for i := range 3 {
			s := hashScan(t, tb, "hash000", 10)
			for range 1 + 10*i {
				if _, _, _, _, err := s.Next(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			synctest.Wait()
			for range 2 {
				if err := s.Close(); err != nil {
					t.Errorf("close: %v", err)
				}
			}
			synctest.Wait()
			if n := p.live(); n != 0 {
				t.Errorf("%d contexts are left", n)
			}
			_, _, _, _, err := s.Next(t.Context())
			chain(t, err, ErrClosed)
		}
		if ids := p.allCleared(); len(ids) != 3 || ids[0] >= 0 {
			t.Errorf("cleared %d", ids)
		}
		// One that was never used, or is at its end, has nothing to clear.
		hashScan(t, tb, "hash000", 10).Close()
		collect(t, hashScan(t, tb, "hash000", 10), nil)
		synctest.Wait()
		if ids := p.allCleared(); len(ids) != 3 {
			t.Errorf("cleared %d", ids)
		}
		if d := time.Since(start); d != 0 {
			t.Errorf("closing took %v", d)
		}
	})
}

// The answer that is under way when the scanner is closed names a context too.
func TestCloseScannerWithRequestUnderWay(t *testing.T) {
	bubble(t, 1, 1, func(t *testing.T, c *peer.Cluster, tb TableConnector) {
		p := serveScans(c, 1, someRows(1, 100))
		for _, slow := range []time.Duration{closeGrace / 2, 2 * closeGrace} {
			cleared := len(p.allCleared())
			c.On(wire.TaskGetScanner, func(r *peer.Request) { time.AfterFunc(slow, func() { p.open(r) }) })
			s := hashScan(t, tb, "hash000", 10)
			waiting := make(chan error)
			go func() {
				_, _, _, _, err := s.Next(context.Background())
				waiting <- err
			}()
			synctest.Wait()
			start := time.Now()
			s.Close()
			chain(t, <-waiting, ErrClosed)
			if d := time.Since(start); d != 0 {
				t.Errorf("closing took %v", d)
			}
			time.Sleep(5 * closeGrace)
			if want := slow < closeGrace; (len(p.allCleared()) > cleared) != want {
				t.Errorf("answer after %v: cleared %d", slow, p.allCleared())
			}
		}
	})
}

// A scanner asks for one batch more than its caller has consumed, and no more.
func TestPrefetchIsBounded(t *testing.T) {
	bubble(t, 1, 1, func(t *testing.T, c *peer.Cluster, tb TableConnector) {
		p := serveScans(c, 1, someRows(1, 100))
		collect(t, hashScan(t, tb, "hash000", 10), func(n int) {
			synctest.Wait()
			p.mu.Lock()
			defer p.mu.Unlock()
			if asked, most := len(p.opened)+p.scans, (n+9)/10+1; n > 0 && asked > most {
				t.Errorf("%d requests for %d entries", asked, n)
			}
			if n == 0 && len(p.opened) > 0 {
				t.Error("a request before the first Next")
			}
		})
	})
}

// What the caller gave is copied: neither is it written to, nor does it matter
// what happens to it later.
func TestScanArgumentsAreCopied(t *testing.T) {
	bubble(t, 1, 1, func(t *testing.T, c *peer.Cluster, tb TableConnector) {
		p := serveScans(c, 1, someRows(1, 30))
		o := &ScannerOptions{BatchSize: -5, SortKeyFilter: Filter{FilterTypeMatchPostfix, []byte("9")}, HashKeyFilter: Filter{FilterTypeMatchPrefix, []byte("hash")}}
		before := fmt.Sprintf("%+v", o)
		hashKey, start, stop := []byte("hash000"), []byte("sort"), []byte("sort9")
		s, err := tb.GetScanner(t.Context(), hashKey, start, stop, o)
		if err != nil {
			t.Fatal(err)
		}
		all, err := tb.GetUnorderedScanners(t.Context(), 1, o)
		if err != nil {
			t.Fatal(err)
		}
		if after := fmt.Sprintf("%+v", o); after != before {
			t.Errorf("options %s, were %s", after, before)
		}
		for _, b := range [][]byte{hashKey, start, stop, o.SortKeyFilter.Pattern, o.HashKeyFilter.Pattern} {
			clear(b)
		}
		if n := len(collect(t, s, nil)); n != 30 { // the filter is the server's business
			t.Errorf("%d entries", n)
		}
		if n := len(collect(t, all[0], nil)); n != 30 {
			t.Errorf("%d entries", n)
		}
		for _, q := range p.opened {
			if string(q.SortFilterPattern) != "9" {
				t.Errorf("request %+v", q)
			}
		}
	})
}

// A record whose key is none is an error, not a crash.
func TestScanOfMalformedKey(t *testing.T) {
	bubble(t, 1, 1, func(t *testing.T, c *peer.Cluster, tb TableConnector) {
		c.On(wire.TaskGetScanner, peer.Result(wire.ScanResponse{KVs: []wire.KeyValue{{Key: []byte{9}}}, ContextID: wire.ScanCompleted}))
		s := hashScan(t, tb, "h", 0)
		_, _, _, _, err := s.Next(t.Context())
		chain(t, err, ErrMalformed)
		if done, _, _, _, err := s.Next(t.Context()); !done || err != nil {
			t.Errorf("after that: %v, %v", done, err)
		}
	})
}

func TestDelRange(t *testing.T) {
	bubble(t, 1, 1, func(t *testing.T, c *peer.Cluster, tb TableConnector) {
		serveScans(c, 1, someRows(1, 250))
		var deleted []string
		removes := 0
		remove := func(r *peer.Request) {
			q := peer.Arg[wire.MultiRemoveRequest](r)
			removes++
			for _, k := range q.SortKeys {
				deleted = append(deleted, string(k))
			}
			r.Reply(wire.MultiRemoveResponse{Count: int64(len(q.SortKeys))})
		}
		c.On(wire.TaskMultiRemove, remove)
		if err := tb.DelRange(t.Context(), []byte("hash000"), nil, nil); err != nil {
			t.Fatal(err)
		}
		if len(deleted) != 250 || removes != 3 {
			t.Errorf("%d deleted by %d requests", len(deleted), removes)
		}

		// A failure tells where to resume.
		deleted = nil
		o := *DefaultDelRangeOptions
		c.On(wire.TaskMultiRemove, peer.Each(remove, peer.Code(wire.ErrACLDeny)))
		err := tb.DelRangeOpt(t.Context(), []byte("hash000"), []byte("sort010"), nil, &o)
		chain(t, err, ErrACLDeny)
		if op := asPError(t, err).Op; op != "DelRange" {
			t.Errorf("operation %q", op)
		}
		if got := string(o.NextSortKey()); len(deleted) != 100 || got != "sort110" {
			t.Errorf("%d deleted, next is %q", len(deleted), got)
		}
		c.On(wire.TaskMultiRemove, remove)
		if err := tb.DelRangeOpt(t.Context(), []byte("hash000"), o.NextSortKey(), []byte("sort240"), &o); err != nil {
			t.Fatal(err)
		}
		if len(deleted) != 230 || o.NextSortKey() != nil {
			t.Errorf("%d deleted, next is %q", len(deleted), o.NextSortKey())
		}

		// So does a failure to read.
		c.On(wire.TaskGetScanner, peer.Code(wire.ErrACLDeny))
		err = tb.DelRangeOpt(t.Context(), []byte("hash000"), []byte("sort010"), nil, &o)
		chain(t, err, ErrACLDeny)
		if op := asPError(t, err).Op; op != "DelRange" || string(o.NextSortKey()) != "sort010" {
			t.Errorf("operation %q, next is %q", op, o.NextSortKey())
		}
		// To resume there, inclusive, must not delete a start that was excluded.
		o.StartInclusive = false
		chain(t, tb.DelRangeOpt(t.Context(), []byte("hash000"), []byte("sort010"), nil, &o), ErrACLDeny)
		if got := string(o.NextSortKey()); got != "sort010\x00" {
			t.Errorf("after an excluded start, next is %q", got)
		}
		err = tb.DelRange(within(t, 0), []byte("hash000"), nil, nil)
		chain(t, err, context.DeadlineExceeded)
	})
}
