package console

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/internal/schema"
	"github.com/pegasus-go/pegasus/onebox"
)

// open returns a table of the cluster.
func (s *served) open(name string) *pegasus.Table {
	s.t.Helper()
	client, err := pegasus.New(pegasus.Config{MetaServers: s.box.MetaServers()})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { client.Close() })
	table, err := client.Open(s.t.Context(), name)
	if err != nil {
		s.t.Fatal(err)
	}
	return table
}

// all follows cursors to the end.
func (s *served) all(q map[string]any) (rows []*Row, pages int) {
	s.t.Helper()
	cursor := ""
	for {
		q["cursor"] = cursor
		var page rowsPage
		s.must("rows", q, &page)
		rows = append(rows, page.Rows...)
		if pages++; page.Cursor == "" {
			return rows, pages
		}
		cursor = page.Cursor
	}
}

func TestRowsByCursor(t *testing.T) {
	s := serve(t, Options{})
	table := s.open("temp")
	for i := range 250 {
		if err := table.Set(t.Context(), []byte("h"), fmt.Appendf(nil, "s%03d", i), fmt.Append(nil, i)); err != nil {
			t.Fatal(err)
		}
		if err := table.Set(t.Context(), fmt.Appendf(nil, "k%03d", i), []byte("s"), []byte("v")); err != nil {
			t.Fatal(err)
		}
	}
	hash := Bytes("h")
	for name, tc := range map[string]struct {
		query       map[string]any
		rows, pages int
		first, last string // sort keys
	}{
		"all":         {map[string]any{"table": "temp"}, 500, 6, "", ""},
		"hash prefix": {map[string]any{"table": "temp", "hash": Bytes("k01")}, 10, 1, "s", "s"},
		"sort prefix": {map[string]any{"table": "temp", "prefix": Bytes("s24")}, 10, 1, "s240", "s249"},
		"hash key":    {map[string]any{"table": "temp", "by_hash": true, "hash": hash}, 250, 3, "s000", "s249"},
		"descending":  {map[string]any{"table": "temp", "by_hash": true, "hash": hash, "reverse": true}, 250, 3, "s249", "s000"},
		"range":       {map[string]any{"table": "temp", "by_hash": true, "hash": hash, "from": Bytes("s010"), "to": Bytes("s020")}, 10, 1, "s010", "s019"},
		"prefix":      {map[string]any{"table": "temp", "by_hash": true, "hash": hash, "prefix": Bytes("s2")}, 50, 1, "s200", "s249"},
		"keys alone":  {map[string]any{"table": "temp", "by_hash": true, "hash": hash, "no_value": true}, 250, 3, "s000", "s249"},
		"none":        {map[string]any{"table": "temp", "by_hash": true, "hash": Bytes("none")}, 0, 1, "", ""},
	} {
		rows, pages := s.all(tc.query)
		if len(rows) != tc.rows || pages > tc.pages {
			t.Errorf("%s: %d rows on %d pages, want %d on %d", name, len(rows), pages, tc.rows, tc.pages)
			continue
		}
		seen := make(map[string]bool)
		for _, r := range rows {
			seen[string(r.Hash)+"\x00"+string(r.Sort)] = true
		}
		if len(seen) != len(rows) {
			t.Errorf("%s: %d different rows of %d", name, len(seen), len(rows))
		}
		if tc.first != "" && (string(rows[0].Sort) != tc.first || string(rows[len(rows)-1].Sort) != tc.last) {
			t.Errorf("%s: from %s to %s", name, rows[0].Sort, rows[len(rows)-1].Sort)
		}
		if tc.query["no_value"] == true && len(rows[0].Value) > 0 {
			t.Errorf("%s: a value %q", name, rows[0].Value)
		}
	}
	if status, text := s.call("rows", map[string]any{"table": "temp", "reverse": true}, nil); status != http.StatusBadRequest {
		t.Errorf("an order of a table: %d, %s", status, text)
	}
	if status, text := s.call("rows", map[string]any{"table": "temp", "cursor": "nonsense"}, nil); status == http.StatusOK {
		t.Errorf("a damaged cursor: %s", text)
	}
	if status, text := s.call("rows", map[string]any{"table": "none"}, nil); status != http.StatusBadGateway || !strings.Contains(text, "none") {
		t.Errorf("no such table: %d, %s", status, text)
	}
}

// A list has the beginnings of values, so that large ones do not fill the browser.
func TestLargeValues(t *testing.T) {
	s := serve(t, Options{})
	table := s.open("temp")
	value := strings.Repeat("v", 900<<10)
	for i := range 20 {
		if err := table.Set(t.Context(), []byte("h"), fmt.Append(nil, i), []byte(value)); err != nil {
			t.Fatal(err)
		}
	}
	var page rowsPage
	s.must("rows", map[string]any{"table": "temp", "by_hash": true, "hash": Bytes("h")}, &page)
	for _, r := range page.Rows {
		if len(r.Value) != previewBytes || r.Size != len(value) {
			t.Errorf("%d bytes of %d, want %d of %d", len(r.Value), r.Size, previewBytes, len(value))
		}
	}
	var whole Row
	s.must("row", map[string]any{"table": "temp", "hash": Bytes("h"), "sort": Bytes("7")}, &whole)
	if string(whole.Value) != value {
		t.Errorf("the row has %d bytes", len(whole.Value))
	}
}

func TestChangeRow(t *testing.T) {
	s := serve(t, Options{AllowWrites: true})
	table := s.open("temp")
	id := map[string]any{"table": "temp", "hash": Bytes("h\x00\xff"), "sort": Bytes("<script>")}
	change := func(more map[string]any) map[string]any {
		for k, v := range id {
			more[k] = v
		}
		return more
	}
	var row *Row
	s.must("row", id, &row)
	if row != nil {
		t.Fatalf("there is %+v", row)
	}
	s.must("row-set", change(map[string]any{"value": Bytes("one"), "ttl": 100}), &row)
	if row == nil || string(row.Value) != "one" || row.TTL < 90 || row.TTL > 101 {
		t.Fatalf("inserted %+v", row)
	}
	first := row.Sum

	// A second insert meets the row.
	status, text := s.call("row-set", change(map[string]any{"value": Bytes("two"), "ttl": 0}), nil)
	var c conflict
	if err := json.Unmarshal([]byte(text), &c); err != nil || status != http.StatusConflict || c.Row == nil || string(c.Row.Value) != "one" {
		t.Errorf("a second insert: %d, %s, %v", status, text, err)
	}

	// A save keeps the time to live, and a later one with the old sum meets the new value.
	s.must("row-set", change(map[string]any{"value": Bytes("two"), "ttl": -1, "saw": first}), &row)
	if string(row.Value) != "two" || row.TTL < 90 || row.TTL > 101 {
		t.Errorf("saved %+v", row)
	}
	for _, call := range []string{"row-set", "row-delete"} {
		status, text = s.call(call, change(map[string]any{"value": Bytes("three"), "ttl": 0, "saw": first}), nil)
		if err := json.Unmarshal([]byte(text), &c); err != nil || status != http.StatusConflict || string(c.Row.Value) != "two" {
			t.Errorf("%s of what has changed: %d, %s", call, status, text)
		}
	}
	if v, err := table.Get(t.Context(), id["hash"].(Bytes), id["sort"].(Bytes)); err != nil || string(v) != "two" {
		t.Errorf("the row has %q, %v", v, err)
	}
	s.must("row-set", change(map[string]any{"value": Bytes(""), "ttl": 0, "saw": row.Sum}), &row)
	if len(row.Value) != 0 || row.TTL != -1 {
		t.Errorf("an empty value without expiry: %+v", row)
	}
	s.must("row-delete", change(map[string]any{"saw": row.Sum}), nil)
	if found, err := table.Exist(t.Context(), id["hash"].(Bytes), id["sort"].(Bytes)); err != nil || found {
		t.Errorf("the row is there after it was deleted: %v", err)
	}
	status, text = s.call("row-set", change(map[string]any{"value": Bytes("x"), "ttl": 0, "saw": row.Sum}), nil)
	if status != http.StatusConflict || !strings.Contains(text, `"row":null`) {
		t.Errorf("a save of what is gone: %d, %s", status, text)
	}
}

// A TTL is counted by the clock of the cluster.
func TestTTLByClock(t *testing.T) {
	ahead := time.Duration(0)
	s := serve(t, Options{AllowWrites: true, Clock: func() time.Time { return time.Now().Add(ahead) }})
	var row *Row
	id := map[string]any{"table": "temp", "hash": Bytes("h"), "sort": Bytes("s"), "value": Bytes("v"), "ttl": 100}
	s.must("row-set", id, &row)
	ahead = time.Minute
	s.must("row", map[string]any{"table": "temp", "hash": Bytes("h"), "sort": Bytes("s")}, &row)
	if row.TTL < 35 || row.TTL > 41 {
		t.Errorf("%v seconds are left", row.TTL)
	}
}

func TestWhere(t *testing.T) {
	s := serve(t, Options{}, onebox.Table{Name: "temp", Partitions: 4})
	s.box.HoldSplits(true)
	for _, split := range []bool{false, true} {
		if split {
			if err := s.box.Split("temp"); err != nil {
				t.Fatal(err)
			}
		}
		for _, key := range []string{"a", "b", "c", "d", "e"} {
			var p Place
			s.must("where", map[string]any{"table": "temp", "hash": Bytes(key), "sort": Bytes("s")}, &p)
			hash := schema.PartitionHash([]byte(key), []byte("s"))
			// Until the split is done its parent serves a partition's keys.
			if p.HashValue != fmt.Sprintf("%016x", hash) || p.Partition != int(hash%4) || p.Primary == "" || len(p.Secondary) != 2 {
				t.Errorf("split %v: %q is at %+v", split, key, p)
			}
		}
	}
	s.box.HoldSplits(false)
}

// A name leads to the table that has it now, also if another one had it before.
func TestRowsOfARenamedTable(t *testing.T) {
	s := serve(t, Options{AllowWrites: true})
	id := map[string]any{"table": "temp", "hash": Bytes("h"), "sort": Bytes("s"), "value": Bytes("old"), "ttl": 0}
	s.must("row-set", id, nil)
	s.must("table-rename", map[string]any{"table": "temp", "name": "kept"}, nil)
	s.must("table-create", map[string]any{"table": "temp", "partitions": 4, "replicas": 3}, nil)
	var row *Row
	s.must("row", map[string]any{"table": "temp", "hash": Bytes("h"), "sort": Bytes("s")}, &row)
	if row != nil {
		t.Errorf("a table that was made anew has %+v", row)
	}
	s.must("row", map[string]any{"table": "kept", "hash": Bytes("h"), "sort": Bytes("s")}, &row)
	if row == nil || string(row.Value) != "old" {
		t.Errorf("the renamed table has %+v", row)
	}
}

func TestTTLsThatMakeNoSense(t *testing.T) {
	s := serve(t, Options{AllowWrites: true})
	row := func(ttl float64) map[string]any {
		return map[string]any{"table": "temp", "hash": Bytes("h"), "sort": Bytes("s"), "value": Bytes("v"), "ttl": ttl}
	}
	for _, ttl := range []float64{-2, -0.5, 1e-9, 0.5, 2e9, 1e10, 1e300} {
		if status, text := s.call("row-set", row(ttl), nil); status != http.StatusBadRequest {
			t.Errorf("%v seconds: %d, %s", ttl, status, text)
		}
	}
	// There is nothing to keep, and a row that is gone is not made one that stays forever.
	if status, text := s.call("row-set", row(-1), nil); status != http.StatusBadRequest {
		t.Errorf("the time to live of a row that there is not: %d, %s", status, text)
	}
	var there *Row
	s.must("row", map[string]any{"table": "temp", "hash": Bytes("h"), "sort": Bytes("s")}, &there)
	if there != nil {
		t.Errorf("there is %+v", there)
	}
}
