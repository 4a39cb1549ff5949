package main

import (
	"context"
	"fmt"
	"io"
	"iter"
	"net"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	pegasus "github.com/pegasus-go/pegasus"
)

const scanValue = 100

// loadRecords writes n records of 100 bytes under hash keys of 100 each.
func loadRecords(ctx context.Context, t pegasus.TableConnector, from, to int) error {
	value := make([]byte, scanValue)
	values := make([][]byte, rowCount)
	for i := range values {
		values[i] = value
	}
	return parallel(64, (to-from+rowCount-1)/rowCount, func(i int) error {
		return t.MultiSet(ctx, recordKey(from/rowCount+i), rowKeys, values)
	})
}

func recordKey(i int) []byte { return fmt.Appendf(nil, "record_%09d", i) }

// scanSplit is the number of scanners, and of connections of the floor, that a
// full scan uses at the same time.
const scanSplit = 2

// nullScanPartitions is the number of partitions of the null server: as many as are
// scanned at the same time by default.
const nullScanPartitions = 4

type scanVariant struct {
	name    string
	records int
	scan    func() error
}

// runFullScan measures a scan of a whole table by two scanners. The floor is a
// copy of as many bytes over two connections, in batches of the same size; null
// is the client's scan of canned batches.
func (b *bench) runFullScan(ctx context.Context, records int, only string) (result, error) {
	p, err := startPeer("onebox", "mem", "-")
	if err != nil {
		return result{}, err
	}
	defer p.stop()
	full, stop, err := openTable(ctx, p.addr, "bench8")
	if err != nil {
		return result{}, err
	}
	defer stop()
	if err := loadRecords(ctx, full, 0, records); err != nil {
		return result{}, err
	}
	canned, err := b.peer("null", fmt.Sprint(nullScanPartitions), fmt.Sprint(scanValue))
	if err != nil {
		return result{}, err
	}
	null, stop, err := openTable(ctx, canned.addr, "null")
	if err != nil {
		return result{}, err
	}
	defer stop()
	const nullRecords = nullScanPartitions * nullScanBatches * 1000

	// A record on the wire: the key and value, their headers, the struct's end.
	size := len(recordKey(0)) + 2 + len(rowKeys[0]) + scanValue + 2*7 + 1
	batch := 1000 * size
	raw, err := b.peer("fixed", "1", fmt.Sprint(batch))
	if err != nil {
		return result{}, err
	}
	res := result{Case: fmt.Sprintf("fullscan/%dB/%d records", scanValue, records)}
	var peak int64
	variants := []scanVariant{
		{"floor", nullRecords, func() error {
			return parallel(scanSplit, scanSplit, func(int) error { return rawCopy(raw.addr, batch, nullScanPartitions/scanSplit*nullScanBatches) })
		}},
		{"null", nullRecords, func() error { return fullScan(ctx, null, scanSplit, nullRecords, &peak) }},
		{"null rows", nullRecords, func() error { return rangeScan(ctx, null, (*pegasus.TableScan).Rows, nullRecords, &peak) }},
		{"null borrowed", nullRecords, func() error { return rangeScan(ctx, null, (*pegasus.TableScan).BorrowedRows, nullRecords, &peak) }},
		{"mem", records, func() error { return fullScan(ctx, full, scanSplit, records, &peak) }},
		{"mem borrowed", records, func() error { return rangeScan(ctx, full, (*pegasus.TableScan).BorrowedRows, records, &peak) }},
	}
	if only != "" {
		variants = slices.DeleteFunc(variants, func(v scanVariant) bool { return !slices.Contains(strings.Split(only, ","), v.name) })
	}
	for _, v := range variants {
		res.Variants = append(res.Variants, variant{Name: v.name})
	}
	for range b.opts.rounds {
		for i, v := range variants {
			runtime.GC()
			cpu, began := cpuTime(), time.Now()
			if err := v.scan(); err != nil {
				return result{}, err
			}
			n := float64(v.records)
			res.Variants[i].Samples = append(res.Variants[i].Samples, sample{
				Ops: int64(v.records), NsPerOp: float64(time.Since(began).Nanoseconds()) / n, CPUNsPerOp: float64((cpuTime() - cpu).Nanoseconds()) / n,
			})
		}
	}
	res.Notes = append(res.Notes, fmt.Sprintf("an operation is a record of %d bytes on the wire; memory of this process grew by %d MiB at most", size, peak>>20))
	return res, nil
}

func rawCopy(addr string, batch, n int) error {
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer nc.Close()
	buf := make([]byte, batch)
	for i := range n + 1 { // one batch ahead, as scanners do
		if i < n {
			if _, err := nc.Write([]byte{1}); err != nil {
				return err
			}
		}
		if i > 0 {
			if _, err := io.ReadFull(nc, buf); err != nil {
				return err
			}
		}
	}
	return nil
}

func fullScan(ctx context.Context, t pegasus.TableConnector, split, want int, peak *int64) error {
	before := ownRSS()
	scanners, err := t.GetUnorderedScanners(ctx, split, nil)
	if err != nil {
		return err
	}
	var total atomic.Int64
	errs := make([]error, len(scanners))
	var wg sync.WaitGroup
	for i, s := range scanners {
		wg.Go(func() {
			defer s.Close()
			n, _, err := drain(ctx, s)
			total.Add(int64(n))
			errs[i] = err
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	*peak = max(*peak, ownRSS()-before)
	if total.Load() != int64(want) {
		return fmt.Errorf("full scan found %d of %d records", total.Load(), want)
	}
	return nil
}

// rangeScan is fullScan by one loop over a TableScan.
func rangeScan(ctx context.Context, t pegasus.TableConnector, rows func(*pegasus.TableScan, context.Context) iter.Seq2[pegasus.Row, error], want int, peak *int64) error {
	before := ownRSS()
	scan, err := t.(*pegasus.Table).Scan(ctx, pegasus.ScanOptions{})
	if err != nil {
		return err
	}
	n := 0
	for _, err := range rows(scan, ctx) {
		if err != nil {
			return err
		}
		n++
	}
	*peak = max(*peak, ownRSS()-before)
	if n != want {
		return fmt.Errorf("a loop over the table found %d of %d records", n, want)
	}
	return nil
}

func ownRSS() int64 { return (&peer{pid: os.Getpid()}).rss() }

// runGrowth measures Get on a durable onebox that grows.
func runGrowth(ctx context.Context, o *options, sizes string) error {
	p, err := startPeer("onebox", "os", o.dir+"/growth")
	if err != nil {
		return err
	}
	defer p.stop()
	t, stop, err := openTable(ctx, p.addr, "bench8")
	if err != nil {
		return err
	}
	defer stop()
	fmt.Println("Get of 100 B from a durable onebox, 64 callers, random keys:")
	loaded := 0
	for text := range strings.SplitSeq(sizes, ",") {
		n, err := strconv.Atoi(text)
		if err != nil {
			return err
		}
		began := time.Now()
		if err := loadRecords(ctx, t, loaded, n); err != nil {
			return err
		}
		loadTime := time.Since(began)
		loaded = n
		keys := make([][]byte, n/rowCount)
		for i := range keys {
			keys[i] = recordKey(i)
		}
		get := func(ctx context.Context, caller, i int) error {
			x := uint64(caller*1_000_003+i) * 0x9e3779b97f4a7c15 >> 20
			v, err := t.Get(ctx, keys[x%uint64(len(keys))], rowKeys[(x>>24)%rowCount])
			if err == nil && v == nil {
				err = fmt.Errorf("record missing")
			}
			return err
		}
		var v variant
		for range o.rounds {
			s, err := measure(ctx, 64, o.each, get)
			if err != nil {
				return err
			}
			v.Samples = append(v.Samples, s)
		}
		ns, _ := v.median(nsPerOp)
		p50, _ := v.median(func(s sample) float64 { return float64(s.P50) })
		p99, _ := v.median(func(s sample) float64 { return float64(s.P99) })
		fmt.Printf("%10d records: %6.0f ns/op  p50 %v  p99 %v  server %d MiB  (loaded in %v)\n", n, ns,
			time.Duration(p50).Round(time.Microsecond), time.Duration(p99).Round(time.Microsecond), p.rss()>>20, loadTime.Round(time.Millisecond))
	}
	return nil
}
