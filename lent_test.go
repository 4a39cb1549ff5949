package pegasus_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/internal/rpc"
	"github.com/pegasus-go/pegasus/pegasustest"
	"pgregory.net/rapid"
)

// describe copies rows.
func describe(rows iter.Seq2[pegasus.Row, error]) (all []string, err error) {
	for row, err := range rows {
		if err != nil {
			return all, err
		}
		all = append(all, fmt.Sprintf("%q %q %q %v", row.HashKey, row.SortKey, row.Value, row.Expires))
	}
	return all, nil
}

// What is lent is what is owned, in each direction, in batches of any size, while batches
// come into memory that was used before.
func TestBorrowedRowsAreRows(t *testing.T) {
	c := pegasustest.Start(t)
	ctx := t.Context()
	var puts []pegasus.Put
	for i := range 3000 {
		// Some answers are larger than the read buffer, most are not.
		puts = append(puts, pegasus.Put{HashKey: fmt.Appendf(nil, "h%d", i%3), SortKey: fmt.Appendf(nil, "%d", i), Value: bytes.Repeat([]byte{byte(i)}, i*i%301), TTL: time.Hour})
	}
	if out, err := c.Table.SetMany(ctx, puts); err != nil || out.Err() != nil {
		t.Fatal(err, out.Err())
	}
	rapid.Check(t, func(rt *rapid.T) {
		sel := pegasus.Select{
			Reverse: rapid.Bool().Draw(rt, "reverse"), KeysOnly: rapid.Bool().Draw(rt, "keys only"),
			WithExpiry: rapid.Bool().Draw(rt, "with expiry"), Limit: rapid.IntRange(0, 1100).Draw(rt, "limit"),
		}
		want, err := describe(c.Table.Rows(ctx, b("h1"), sel))
		if err != nil {
			rt.Fatal(err)
		}
		if got, err := describe(c.Table.BorrowedRows(ctx, b("h1"), sel)); err != nil || !slices.Equal(got, want) {
			rt.Fatalf("%d rows are lent, want %d, %v", len(got), len(want), err)
		}
		options := pegasus.ScanOptions{
			KeysOnly: sel.KeysOnly, WithExpiry: sel.WithExpiry, Parallel: rapid.IntRange(1, 4).Draw(rt, "parallel"),
			BatchSize: rapid.SampledFrom([]int{0, 1000, 333, 40}).Draw(rt, "batch size"),
		}
		scan := func(rows func(*pegasus.TableScan, context.Context) iter.Seq2[pegasus.Row, error]) []string {
			s, err := c.Table.Scan(ctx, options)
			if err != nil {
				rt.Fatal(err)
			}
			all, err := describe(rows(s, ctx))
			if p := s.Progress(); err != nil || p.Rows != int64(len(all)) || p.Done != 1 || s.Cursor() != "" {
				rt.Fatalf("%d rows, progress %+v, cursor %q, %v", len(all), p, s.Cursor(), err)
			}
			return slices.Sorted(slices.Values(all))
		}
		if owned, lent := scan((*pegasus.TableScan).Rows), scan((*pegasus.TableScan).BorrowedRows); len(owned) != 3000 || !slices.Equal(owned, lent) {
			rt.Fatalf("%d rows are lent, %d owned", len(lent), len(owned))
		}
	})
}

// Who keeps what was lent finds it overwritten in the next step.
func TestLentIsTakenBack(t *testing.T) {
	c := pegasustest.Start(t)
	ctx := t.Context()
	fillHash(t, c.Table, "h", 5, pegasus.NoTTL)
	scan, err := c.Table.Scan(ctx, pegasus.ScanOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for name, rows := range map[string]iter.Seq2[pegasus.Row, error]{
		"hash key": c.Table.BorrowedRows(ctx, b("h"), pegasus.Select{}),
		"reverse":  c.Table.BorrowedRows(ctx, b("h"), pegasus.Select{Reverse: true}),
		"table":    scan.BorrowedRows(ctx),
	} {
		var kept []pegasus.Row
		for row, err := range rows {
			if err != nil {
				t.Fatal(name, err)
			}
			if string(row.HashKey) != "h" || string(row.Value) != "v" {
				t.Errorf("%s: %q %q", name, row.HashKey, row.Value)
			}
			for _, k := range kept {
				for _, bytes := range [][]byte{k.HashKey, k.SortKey, k.Value} {
					if bytes[0] != rpc.Poisoned {
						t.Errorf("%s: kept %q", name, bytes)
					}
				}
			}
			kept = append(kept, row)
		}
		if len(kept) != 5 {
			t.Errorf("%s: %d rows", name, len(kept))
		}
	}
}

// A scan whose rows are lent goes on where it was, after breaks, also when a server dies
// and the table is split.
func TestBorrowedScanResumes(t *testing.T) {
	c := pegasustest.Start(t, pegasustest.WithReplicaServers(3))
	ctx := t.Context()
	const n = 4000
	fillTable(t, c.Table, n)
	seen := make(map[string]int)
	cursor := pegasus.Cursor("")
	for run := 0; run == 0 || cursor != ""; run++ {
		scan, err := c.Table.Scan(ctx, pegasus.ScanOptions{Resume: cursor, BatchSize: 90})
		if err != nil {
			t.Fatal(err)
		}
		for loops := range 2 { // the second one goes on at the row that the first was at
			rows := 0
			for row, err := range scan.BorrowedRows(ctx) {
				if err != nil {
					t.Fatal(err)
				}
				if rows++; rows == 150+91*loops {
					break
				}
				seen[string(row.HashKey)+"/"+string(row.SortKey)]++
				if rows == 100 && scan.Cursor() == "" {
					t.Error("no cursor in the middle of a batch")
				}
			}
		}
		cursor = scan.Cursor()
		switch run {
		case 1:
			c.Kill(0)
		case 3:
			if err := c.Admin().StartSplit(ctx, c.Table.Name(), 2*pegasustest.DefaultPartitions); err != nil {
				t.Fatal(err)
			}
		}
	}
	if len(seen) != n || slices.Max(slices.Collect(maps.Values(seen))) != 1 {
		t.Errorf("%d rows, want %d, each once", len(seen), n)
	}
}

// plusOne stores each byte one larger, and cannot read what begins with a 0.
type plusOne struct{}

func (plusOne) Encode(value []byte) ([]byte, error) { return shifted(value, 1), nil }

func (plusOne) Decode(stored []byte) ([]byte, error) {
	if stored[0] == 0 {
		return nil, errors.New("begins with a 0")
	}
	return shifted(stored, 0xff), nil
}

func shifted(b []byte, by byte) []byte {
	b = bytes.Clone(b)
	for i := range b {
		b[i] += by
	}
	return b
}

// Values that are stored in another form are lent as they were set.
func TestBorrowedRowsDecode(t *testing.T) {
	c := pegasustest.Start(t)
	ctx := t.Context()
	table := c.Table.With(pegasus.TableOptions{Values: plusOne{}})
	fillHash(t, table, "h", 10, pegasus.NoTTL)
	count := func(rows iter.Seq2[pegasus.Row, error]) (n int, err error) {
		for row, err := range rows {
			if err != nil {
				return n, err
			}
			if string(row.Value) != "v" {
				t.Errorf("value %q", row.Value)
			}
			n++
		}
		return n, nil
	}
	for _, bad := range []bool{false, true} {
		if bad {
			if err := c.Table.Set(ctx, b("h"), b("x"), []byte{0}); err != nil {
				t.Fatal(err)
			}
		}
		var scans [2]*pegasus.TableScan
		for i := range scans {
			var err error
			if scans[i], err = table.Scan(ctx, pegasus.ScanOptions{}); err != nil {
				t.Fatal(err)
			}
		}
		for _, rows := range []iter.Seq2[pegasus.Row, error]{
			table.BorrowedRows(ctx, b("h"), pegasus.Select{}), scans[0].Rows(ctx), scans[1].BorrowedRows(ctx),
		} {
			if n, err := count(rows); n != 10 || (err != nil) != bad {
				t.Errorf("bad value %v: %d rows, %v", bad, n, err)
			}
		}
	}
}
