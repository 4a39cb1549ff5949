package pegasus_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/admin"
	"github.com/pegasus-go/pegasus/pegasustest"
)

// shareRows counts the rows of each key in a share.
func shareRows(t *testing.T, table *pegasus.Table, o pegasus.ScanOptions, seen map[string]int) {
	t.Helper()
	scan, err := table.Scan(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	for row, err := range scan.Rows(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		seen[string(row.HashKey)+"/"+string(row.SortKey)]++
	}
}

func checkOnce(t *testing.T, seen map[string]int, n int) {
	t.Helper()
	if len(seen) != n {
		t.Errorf("%d rows, want %d", len(seen), n)
	}
	for key, times := range seen {
		if times != 1 {
			t.Errorf("%s came %d times", key, times)
		}
	}
}

// Shares divide a table, also while it is split between them, in its middle and after it.
func TestShares(t *testing.T) {
	c := pegasustest.Start(t, pegasustest.WithTable("shares", 4))
	const n = 2000
	fillTable(t, c.Table, n)
	info, err := c.Table.Info(t.Context())
	if err != nil || info.Partitions != 4 || info.ID == 0 {
		t.Fatalf("%+v, %v", info, err)
	}
	for _, of := range []int{1, 2, 4} {
		seen := make(map[string]int)
		for i := range of {
			before := len(seen)
			shareRows(t, c.Table, pegasus.ScanOptions{Share: pegasus.Share{Index: i, Of: of}}, seen)
			if len(seen)-before < n/of/2 {
				t.Errorf("share %d of %d has %d rows", i, of, len(seen)-before)
			}
		}
		checkOnce(t, seen, n)
	}

	seen := make(map[string]int)
	shareRows(t, c.Table, pegasus.ScanOptions{Share: pegasus.Share{Index: 0, Of: 4}}, seen)
	c.Onebox().HoldSplits(true)
	if err := c.Onebox().Split("shares"); err != nil {
		t.Fatal(err)
	}
	other := open(t, c)
	if held, err := other.Info(t.Context()); err != nil || held != info {
		t.Errorf("amid a split: %+v, %v", held, err)
	}
	shareRows(t, other, pegasus.ScanOptions{Share: pegasus.Share{Index: 1, Of: 4}}, seen)
	if _, err := other.Scan(t.Context(), pegasus.ScanOptions{Share: pegasus.Share{Index: 1, Of: 8}}); !errors.Is(err, pegasus.ErrInvalidArgument) {
		t.Errorf("a partition that does not serve yet: %v", err)
	}
	split := false
	scan, err := other.Scan(t.Context(), pegasus.ScanOptions{Share: pegasus.Share{Index: 2, Of: 4}, BatchSize: 50})
	if err != nil {
		t.Fatal(err)
	}
	for row, err := range scan.Rows(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if !split {
			split = true
			c.Onebox().HoldSplits(false)
		}
		seen[string(row.HashKey)+"/"+string(row.SortKey)]++
	}
	for {
		if _, err := c.Admin().QuerySplit(t.Context(), "shares"); errors.Is(err, admin.ErrInvalidState) {
			break // no split under way any more
		} else if err != nil {
			t.Fatal(err)
		}
	}
	after := open(t, c)
	if info, err := after.Info(t.Context()); err != nil || info.Partitions != 8 {
		t.Errorf("after a split: %+v, %v", info, err)
	}
	shareRows(t, after, pegasus.ScanOptions{Share: pegasus.Share{Index: 3, Of: 8}}, seen)
	shareRows(t, after, pegasus.ScanOptions{Share: pegasus.Share{Index: 7, Of: 8}}, seen)
	checkOnce(t, seen, n)
}

// open opens the table by a client of its own, which knows what the meta servers say now.
func open(t *testing.T, c *pegasustest.Cluster) *pegasus.Table {
	t.Helper()
	client, err := pegasus.New(c.Config())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	table, err := client.Open(t.Context(), c.Table.Name())
	if err != nil {
		t.Fatal(err)
	}
	return table
}

func TestBadShares(t *testing.T) {
	c := pegasustest.Start(t, pegasustest.WithTable("shares", 4))
	for _, tc := range []struct {
		share pegasus.Share
		name  string
	}{
		{pegasus.Share{Index: 1}, "options.Share.Of"},
		{pegasus.Share{Of: -1}, "options.Share.Of"},
		{pegasus.Share{Of: 3}, "options.Share.Of"},
		{pegasus.Share{Of: 8}, "options.Share.Of"},
		{pegasus.Share{Index: 4, Of: 4}, "options.Share.Index"},
		{pegasus.Share{Index: -1, Of: 4}, "options.Share.Index"},
	} {
		_, err := c.Table.Scan(t.Context(), pegasus.ScanOptions{Share: tc.share})
		if ae := new(pegasus.ArgumentError); !errors.As(err, &ae) || ae.Name != tc.name {
			t.Errorf("%+v: %v", tc.share, err)
		}
	}
	scan, err := c.Table.Scan(t.Context(), pegasus.ScanOptions{Share: pegasus.Share{Index: 1, Of: 2}})
	if err != nil {
		t.Fatal(err)
	}
	for _, share := range []pegasus.Share{{}, {Index: 0, Of: 2}, {Index: 1, Of: 4}} {
		if _, err := c.Table.Scan(t.Context(), pegasus.ScanOptions{Share: share, Resume: scan.Cursor()}); !errors.Is(err, pegasus.ErrCursorMismatch) {
			t.Errorf("%+v resumes another share: %v", share, err)
		}
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Table.Info(ended); !errors.Is(err, context.Canceled) {
		t.Errorf("Info: %v", err)
	}
}

// Rows are copied with the second at which they expire, and what has expired hides.
func TestPutExpires(t *testing.T) {
	c := pegasustest.Start(t)
	ctx := t.Context()
	at := c.Now().Add(time.Hour).Truncate(time.Second)
	over := time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC)
	if err := c.Table.Set(ctx, b("a"), b("over"), b("old")); err != nil {
		t.Fatal(err)
	}
	out, err := c.Table.SetMany(ctx, []pegasus.Put{{HashKey: b("a"), SortKey: b("at"), Expires: at}, {HashKey: b("a"), SortKey: b("over"), Expires: over}})
	if err != nil || out.Err() != nil {
		t.Fatal(err, out.Err())
	}
	out, err = c.Table.MultiSetMany(ctx, []pegasus.PutRows{{HashKey: b("b"), Rows: []pegasus.KeyValue{{SortKey: b("at")}}, Expires: at}})
	if err != nil || out.Err() != nil {
		t.Fatal(err, out.Err())
	}
	res, err := c.Table.CheckAndMutate(b("c")).SetUntil(b("at"), b("v"), at).SetUntil(b("never"), b("v"), time.Time{}).Do(ctx)
	if err != nil || !res.Applied {
		t.Fatal(res, err)
	}
	if row, found, err := c.Table.GetRow(ctx, b("c"), b("never")); !found || !row.Expires.IsZero() || err != nil {
		t.Errorf("%+v, %v", row, err)
	}
	for _, h := range []string{"a", "b", "c"} {
		if row, found, err := c.Table.GetRow(ctx, b(h), b("at")); !found || !row.Expires.Equal(at) || err != nil {
			t.Errorf("%s: %+v, %v, want %v", h, row, err, at)
		}
	}
	if _, found, err := c.Table.GetRow(ctx, b("a"), b("over")); found || err != nil {
		t.Errorf("a row that is over: %v, %v", found, err)
	}
	for _, p := range []pegasus.Put{
		{HashKey: b("h"), Expires: at, TTL: time.Hour},
		{HashKey: b("h"), Expires: time.Date(2090, 1, 1, 0, 0, 0, 0, time.UTC)},
	} {
		_, err := c.Table.SetMany(ctx, []pegasus.Put{p})
		if ae := new(pegasus.ArgumentError); !errors.As(err, &ae) || ae.Name != "puts[0].Expires" {
			t.Errorf("%+v: %v", p, err)
		}
	}
	_, err = c.Table.CheckAndMutate(b("c")).SetUntil(b("s"), b("v"), time.Date(2090, 1, 1, 0, 0, 0, 0, time.UTC)).Do(ctx)
	if ae := new(pegasus.ArgumentError); !errors.As(err, &ae) || ae.Name != "mutation 0: expires" {
		t.Error(err)
	}
}
