package pegasus_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/admin"
	"github.com/pegasus-go/pegasus/onebox"
	"github.com/pegasus-go/pegasus/pegasustest"
	"pgregory.net/rapid"
)

// rowKeys gathers the sort keys of rows.
func rowKeys(seq func(func(pegasus.Row, error) bool)) (keys []string, err error) {
	for row, err := range seq {
		if err != nil {
			return keys, err
		}
		keys = append(keys, string(row.SortKey))
	}
	return keys, nil
}

// Rows, Page and Count say the same as a model, for any selection.
func TestRowsModel(t *testing.T) {
	c := pegasustest.Start(t)
	ctx := t.Context()
	tables := 0
	rapid.Check(t, func(rt *rapid.T) {
		tables++
		h := fmt.Appendf(nil, "h%d", tables)
		alphabet := rapid.SampledFrom([]string{"", "a", "aa", "ab", "b", "ba", "\x00", "\xff", "\xff\xff", "a\xff"})
		keys := slices.Compact(slices.Sorted(slices.Values(rapid.SliceOfN(alphabet, 0, 8).Draw(rt, "keys"))))
		var puts []pegasus.Put
		for _, k := range keys {
			puts = append(puts, pegasus.Put{HashKey: h, SortKey: b(k), Value: b("v" + k), TTL: time.Hour})
		}
		if out, err := c.Table.SetMany(ctx, puts); err != nil || out.Err() != nil {
			rt.Fatal(err, out.Err())
		}
		sel := pegasus.Select{
			From: b(alphabet.Draw(rt, "from")), To: b(alphabet.Draw(rt, "to")), Prefix: b(rapid.SampledFrom([]string{"", "", "a", "\xff"}).Draw(rt, "prefix")),
			FromExclusive: rapid.Bool().Draw(rt, "from exclusive"), ToInclusive: rapid.Bool().Draw(rt, "to inclusive"),
			Reverse: rapid.Bool().Draw(rt, "reverse"), KeysOnly: rapid.Bool().Draw(rt, "keys only"), WithExpiry: rapid.Bool().Draw(rt, "with expiry"),
		}
		if rapid.Bool().Draw(rt, "filter") {
			sel.Filter = pegasus.Filter{Type: pegasus.FilterTypeMatchPostfix, Pattern: b("a")}
		}
		var want []string
		for _, k := range keys {
			from, to := string(sel.From), string(sel.To)
			switch {
			case from != "" && (k < from || k == from && sel.FromExclusive), to != "" && (k > to || k == to && !sel.ToInclusive):
			case !strings.HasPrefix(k, string(sel.Prefix)), sel.Filter.Type != 0 && !strings.HasSuffix(k, "a"):
			default:
				want = append(want, k)
			}
		}
		if sel.Reverse {
			slices.Reverse(want)
		}
		var got []string
		for row, err := range c.Table.Rows(ctx, h, sel) {
			if err != nil {
				rt.Fatal(err)
			}
			got = append(got, string(row.SortKey))
			if !bytes.Equal(row.HashKey, h) || !sel.KeysOnly && string(row.Value) != "v"+string(row.SortKey) || sel.KeysOnly && len(row.Value) > 0 {
				rt.Fatalf("%+v", row)
			}
			if left := row.Expires.Sub(c.Now()); sel.WithExpiry && (left < 50*time.Minute || left > time.Hour+time.Second) || !sel.WithExpiry && !row.Expires.IsZero() {
				rt.Fatalf("expires in %v", left)
			}
		}
		if !slices.Equal(got, want) {
			rt.Fatalf("rows %q, want %q", got, want)
		}
		size := rapid.IntRange(1, 4).Draw(rt, "size")
		got = nil
		cursor := pegasus.Cursor("")
		for pages := 0; ; pages++ {
			page, err := c.Table.Page(ctx, h, sel, cursor, size)
			if err != nil || len(page.Rows) > size || pages > len(want)+1 {
				rt.Fatalf("page %d: %d rows, %v", pages, len(page.Rows), err)
			}
			for _, row := range page.Rows {
				got = append(got, string(row.SortKey))
			}
			if cursor = page.Next; cursor == "" {
				break
			}
		}
		if !slices.Equal(got, want) {
			rt.Fatalf("pages have %q, want %q", got, want)
		}
		if n, err := c.Table.Count(ctx, h, sel); err != nil || n != int64(len(want)) {
			rt.Fatalf("count %d, want %d, %v", n, len(want), err)
		}
		sel.Limit = size
		if got, err := rowKeys(c.Table.Rows(ctx, h, sel)); err != nil || !slices.Equal(got, want[:min(size, len(want))]) {
			rt.Fatalf("%d rows are %q, want %q, %v", size, got, want, err)
		}
	})
}

// fillHash sets n rows of a hash key.
func fillHash(t *testing.T, tb *pegasus.Table, h string, n int, ttl time.Duration) {
	t.Helper()
	var rows []pegasus.KeyValue
	for i := range n {
		rows = append(rows, pegasus.KeyValue{SortKey: fmt.Appendf(nil, "%06d", i), Value: b("v")})
	}
	for chunk := range slices.Chunk(rows, 1000) {
		if out, err := tb.MultiSetMany(t.Context(), []pegasus.PutRows{{HashKey: b(h), Rows: chunk, TTL: ttl}}); err != nil || out.Err() != nil {
			t.Fatal(err, out.Err())
		}
	}
}

// A server that spends its limits on what has expired does not stop anybody, in both
// directions and in pages.
func TestRowsPastExpired(t *testing.T) {
	c := pegasustest.Start(t)
	ctx := t.Context()
	fillHash(t, c.Table, "h", 7000, time.Minute)
	for _, s := range []string{"", "9"} {
		if err := c.Table.Set(ctx, b("h"), b(s), b("v")); err != nil {
			t.Fatal(err)
		}
	}
	c.AdvanceClock(time.Hour)
	for _, reverse := range []bool{false, true} {
		want := []string{"", "9"}
		if reverse {
			slices.Reverse(want)
		}
		sel := pegasus.Select{Reverse: reverse}
		if got, err := rowKeys(c.Table.Rows(ctx, b("h"), sel)); err != nil || !slices.Equal(got, want) {
			t.Errorf("reverse %v: %q, %v", reverse, got, err)
		}
		first, err := c.Table.Page(ctx, b("h"), sel, "", 1)
		if err != nil || len(first.Rows) != 1 {
			t.Fatal(err, first)
		}
		second, err := c.Table.Page(ctx, b("h"), sel, first.Next, 1)
		if err != nil || len(second.Rows) != 1 || string(first.Rows[0].SortKey)+string(second.Rows[0].SortKey) != "9" {
			t.Errorf("reverse %v: pages %+v, %+v, %v", reverse, first, second, err)
		}
	}
	if n, err := c.Table.Count(ctx, b("h"), pegasus.Select{}); n != 2 || err != nil {
		t.Errorf("%d entries, %v", n, err)
	}
}

func TestRowsInBothDirectionsAreMany(t *testing.T) {
	c := pegasustest.Start(t)
	ctx := t.Context()
	fillHash(t, c.Table, "h", 2500, pegasus.NoTTL)
	forward, err := rowKeys(c.Table.Rows(ctx, b("h"), pegasus.Select{}))
	if err != nil || len(forward) != 2500 {
		t.Fatal(len(forward), err)
	}
	for _, expiry := range []bool{false, true} {
		backward, err := rowKeys(c.Table.Rows(ctx, b("h"), pegasus.Select{Reverse: true, WithExpiry: expiry}))
		slices.Reverse(backward)
		if err != nil || !slices.Equal(forward, backward) {
			t.Errorf("with expiry %v: %d rows, %v", expiry, len(backward), err)
		}
	}
}

// Errors come once and last, a break ends everything, and what was wrong is named.
func TestRowsEnd(t *testing.T) {
	c := pegasustest.Start(t)
	fillHash(t, c.Table, "h", 3000, pegasus.NoTTL)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	n, errs := 0, 0
	for row, err := range c.Table.Rows(ctx, b("h"), pegasus.Select{}) {
		switch {
		case err != nil:
			errs++
			if !errors.Is(err, context.Canceled) || row.SortKey != nil || row.Value != nil {
				t.Errorf("%+v, %v", row, err)
			}
		case errs > 0:
			t.Fatal("a row after an error")
		default:
			if n++; n == 10 {
				cancel() // in the middle of what is there already
			}
		}
	}
	if n != 10 || errs != 1 {
		t.Errorf("%d rows, %d errors", n, errs)
	}
	for range c.Table.Rows(t.Context(), b("h"), pegasus.Select{}) {
		break
	}
	for _, seq := range []func(func(pegasus.Row, error) bool){
		c.Table.Rows(t.Context(), nil, pegasus.Select{}),
		c.Table.Rows(t.Context(), b("h"), pegasus.Select{Filter: pegasus.Filter{Type: 9}}),
	} {
		if keys, err := rowKeys(seq); len(keys) > 0 || !errors.Is(err, pegasus.ErrInvalidArgument) {
			t.Error(keys, err)
		}
	}
	_, err := c.Table.Page(t.Context(), b("h"), pegasus.Select{}, "", 0)
	if !errors.Is(err, pegasus.ErrInvalidArgument) {
		t.Error(err)
	}
	page, err := c.Table.Page(t.Context(), b("h"), pegasus.Select{}, "", 5)
	if err != nil {
		t.Fatal(err)
	}
	damaged := []byte(page.Next)
	damaged[3] ^= 1
	for name, tc := range map[string]struct {
		cursor pegasus.Cursor
		sel    pegasus.Select
		want   error
	}{
		"damaged":       {pegasus.Cursor(damaged), pegasus.Select{}, pegasus.ErrCursorDamaged},
		"no base64":     {"!", pegasus.Select{}, pegasus.ErrCursorDamaged},
		"another query": {page.Next, pegasus.Select{Reverse: true}, pegasus.ErrCursorMismatch},
	} {
		if _, err := c.Table.Page(t.Context(), b("h"), tc.sel, tc.cursor, 5); !errors.Is(err, tc.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := c.Table.Page(t.Context(), b("other"), pegasus.Select{}, page.Next, 5); !errors.Is(err, pegasus.ErrCursorMismatch) {
		t.Error(err)
	}
}

func TestGetRow(t *testing.T) {
	c := pegasustest.Start(t)
	ctx := t.Context()
	for _, s := range []string{"", "a"} {
		if err := c.Table.SetTTL(ctx, b("h"), b(s), b("v"+s), time.Hour); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Table.Set(ctx, b("h"), b("b"), b("")); err != nil {
		t.Fatal(err)
	}
	for s, want := range map[string]string{"": "v", "a": "va"} {
		row, found, err := c.Table.GetRow(ctx, b("h"), b(s))
		if left := row.Expires.Sub(c.Now()); !found || err != nil || string(row.Value) != want || string(row.SortKey) != s || left < 59*time.Minute || left > time.Hour+time.Second {
			t.Errorf("%q: %+v, %v, %v", s, row, found, err)
		}
	}
	if row, found, err := c.Table.GetRow(ctx, b("h"), b("b")); !found || err != nil || !row.Expires.IsZero() || len(row.Value) != 0 {
		t.Errorf("without expiry: %+v, %v, %v", row, found, err)
	}
	if row, found, err := c.Table.GetRow(ctx, b("h"), b("none")); found || err != nil {
		t.Errorf("absent: %+v, %v", row, err)
	}
}

// fillTable sets n rows, two to a hash key.
func fillTable(t *testing.T, tb *pegasus.Table, n int) {
	t.Helper()
	var puts []pegasus.Put
	for i := range n {
		puts = append(puts, pegasus.Put{HashKey: fmt.Appendf(nil, "h%d", i/2), SortKey: fmt.Appendf(nil, "%d", i), Value: b("v"), TTL: time.Hour})
	}
	if out, err := tb.SetMany(t.Context(), puts); err != nil || out.Err() != nil {
		t.Fatal(err, out.Err())
	}
}

// A scan that is stopped again and again, and gone on with by other clients, also after a
// split, with servers that die, gives each row once, except those that the loop was at.
func TestScanResume(t *testing.T) {
	c := pegasustest.Start(t, pegasustest.WithReplicaServers(3))
	ctx := t.Context()
	const n = 5000
	fillTable(t, c.Table, n)
	seen := make(map[string]int)
	var cursor pegasus.Cursor
	for run := 0; ; run++ {
		client, err := pegasus.New(c.Config())
		if err != nil {
			t.Fatal(err)
		}
		table, err := client.Open(ctx, c.Table.Name())
		if err != nil {
			t.Fatal(err)
		}
		scan, err := table.Scan(ctx, pegasus.ScanOptions{Resume: cursor, WithExpiry: true, BatchSize: 70, Parallel: run%5 + 1})
		if err != nil {
			t.Fatal(err)
		}
		rows := 0
		for row, err := range scan.Rows(ctx) {
			if err != nil {
				t.Fatal(err)
			}
			if rows++; rows == 400+run { // this one comes again
				break
			}
			seen[string(row.HashKey)+"/"+string(row.SortKey)]++
			if left := row.Expires.Sub(c.Now()); left < 50*time.Minute || left > time.Hour+time.Second {
				t.Errorf("expires in %v", left)
			}
		}
		if p := scan.Progress(); p.Rows != int64(rows)-1 && scan.Cursor() != "" || p.Done < 0 || p.Done > 1 {
			t.Errorf("progress %+v after %d rows", p, rows)
		}
		cursor = scan.Cursor()
		client.Close()
		if cursor == "" {
			if p := scan.Progress(); p.Done != 1 {
				t.Errorf("progress at the end: %+v", p)
			}
			break
		}
		switch run {
		case 2:
			if err := c.Admin().StartSplit(ctx, c.Table.Name(), 2*pegasustest.DefaultPartitions); err != nil {
				t.Fatal(err)
			}
		case 4:
			c.Kill(0)
		}
	}
	if len(seen) != n {
		t.Errorf("%d rows, want %d", len(seen), n)
	}
	for key, times := range seen {
		if times != 1 {
			t.Errorf("%s came %d times", key, times)
		}
	}
}

func TestScanFails(t *testing.T) {
	c := pegasustest.Start(t)
	ctx := t.Context()
	fillTable(t, c.Table, 500)
	scan, err := c.Table.Scan(ctx, pegasus.ScanOptions{Limit: 100})
	if err != nil {
		t.Fatal(err)
	}
	if keys, err := rowKeys(scan.Rows(ctx)); len(keys) != 100 || err != nil {
		t.Fatal(len(keys), err)
	}
	if n, err := scan.Count(ctx); n != 100 || err != nil { // of 400
		t.Errorf("%d are left, %v", n, err)
	}
	cursor := scan.Cursor()
	if _, err := c.Table.Scan(ctx, pegasus.ScanOptions{Resume: cursor, HashKeyFilter: pegasus.Filter{Type: pegasus.FilterTypeMatchPrefix, Pattern: b("h")}}); !errors.Is(err, pegasus.ErrCursorMismatch) {
		t.Error(err)
	}
	if _, err := c.Table.Scan(ctx, pegasus.ScanOptions{Resume: cursor[:len(cursor)-3]}); !errors.Is(err, pegasus.ErrCursorDamaged) {
		t.Error(err)
	}
	// A server that answers with an error for good.
	c.Onebox().Intercept(func(r onebox.Request) onebox.Action {
		if r.Task == onebox.TaskGetScanner {
			return onebox.Action{Error: "ERR_ACL_DENY"}
		}
		return onebox.Action{}
	})
	if _, err := rowKeys(scan.Rows(ctx)); !errors.Is(err, pegasus.ErrACLDeny) {
		t.Error(err)
	}
	c.Onebox().Intercept(nil)
	rest, err := c.Table.Scan(ctx, pegasus.ScanOptions{Resume: scan.Cursor()})
	if err != nil {
		t.Fatal(err)
	}
	if n, err := rest.Count(ctx); n != 400 || err != nil {
		t.Errorf("%d are left, %v", n, err)
	}
	if keys, err := rowKeys(rest.Rows(ctx)); len(keys) != 400 || err != nil || rest.Cursor() != "" {
		t.Error(len(keys), err)
	}
	for range rest.Rows(ctx) {
		t.Error("a row after the end")
	}
	// Another table of the name.
	if err := c.Admin().DropTable(ctx, c.Table.Name(), time.Second); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Admin().CreateTable(ctx, c.Table.Name(), admin.CreateOptions{Partitions: 4}); err != nil {
		t.Fatal(err)
	}
	client, err := pegasus.New(c.Config())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	other, err := client.Open(ctx, c.Table.Name())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.Scan(ctx, pegasus.ScanOptions{Resume: cursor}); !errors.Is(err, pegasus.ErrCursorMismatch) {
		t.Error(err)
	}
}
