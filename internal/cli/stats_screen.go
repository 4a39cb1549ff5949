package cli

import (
	"fmt"
	"strings"

	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/pegasus-go/pegasus/internal/cli/esc"
	"github.com/pegasus-go/pegasus/internal/cli/figure"
	"github.com/pegasus-go/pegasus/internal/cli/tally"
)

// whole returns about how many there are in the whole table.
func (s *tableStats) whole(n int64) float64 {
	if s.end != nil {
		return float64(n)
	}
	return float64(n) * float64(s.of) / float64(s.partitions)
}

// sized is something whose sizes were counted.
type sized struct {
	name, json string
	of         *tally.Sizes
	bytes      bool
}

func (s *tableStats) sizes() []sized {
	return []sized{
		{"row", "row_bytes", &s.row, true},
		{"hash key", "hash_key_bytes", &s.hashKey, true},
		{"sort key", "sort_key_bytes", &s.sortKey, true},
		{"value", "value_bytes", &s.value, true},
		{"all of a hash key", "per_hash_key_bytes", &s.perHashKeySum, true},
		{"rows of a hash key", "per_hash_key_rows", &s.perHashKeyRows, false},
	}
}

func statsScreen(s *tableStats, table string) string {
	var b strings.Builder
	line := func(format string, args ...any) {
		b.WriteString(strings.TrimRight(fmt.Sprintf(format, args...), " ") + "\n")
	}
	seen := fmt.Sprintf("%d of %d partitions", s.partitions, s.of)
	right := seen + "   " + s.now.UTC().Format("2006-01-02 15:04:05Z")
	left := text.Snip("pegasus stats "+esc.Text(table), screenWidth-len(right)-1, "…")
	line("%s%s", text.Pad(left, screenWidth-len(right), ' '), right)
	about := ""
	switch {
	case s.end != nil:
		about = "at least "
	case s.partitions < s.of:
		about = "~"
	}
	line(" %s%s rows   %s%s hash keys   %s%s", about, figure.Count(s.whole(s.rows)), about, figure.Count(s.whole(s.hashKeys)), about, figure.Bytes(int64(s.whole(s.row.Sum))))
	if s.rows == 0 {
		return b.String()
	}
	line("\n %-19s%9s %9s %9s %9s %9s %9s", "SIZES", "MEAN", "P50", "P90", "P99", "P99.9", "MAX")
	for _, e := range s.sizes() {
		show := func(n float64) string {
			switch {
			case n < 0:
				return figure.Unknown
			case e.bytes:
				return figure.Bytes(int64(n))
			}
			return figure.Count(n)
		}
		line(" %-19s%9s %9s %9s %9s %9s %9s", e.name, show(e.of.Mean()), show(float64(e.of.Quantile(0.5))), show(float64(e.of.Quantile(0.9))),
			show(float64(e.of.Quantile(0.99))), show(float64(e.of.Quantile(0.999))), show(float64(e.of.Max)))
	}
	line("\n EXPIRE")
	for i, e := range expirySpread {
		if s.expiry[i] > 0 {
			part := float64(s.expiry[i]) / float64(s.rows)
			line(" %-10s %5.1f%%  %s", e.name, 100*part, strings.Repeat("#", int(part*50+0.5)))
		}
	}
	statsLargest(line, s)
	return b.String()
}

func statsLargest(line func(string, ...any), s *tableStats) {
	key := func(shown string, width int) string {
		if shown == "" {
			shown = `""`
		}
		return text.Pad(text.Snip(shown, width, "…"), width, ' ')
	}
	head := "\n LARGEST ROWS\n     SIZE  HASH KEY                       SORT KEY"
	s.largestRows.All(func(size int64, keys [2]string) {
		if head != "" {
			line("%s", head)
			head = ""
		}
		line(" %8s  %s  %s", figure.Bytes(size), key(keys[0], 29), key(keys[1], 38))
	})
	head = "\n LARGEST HASH KEYS\n     SIZE    ROWS  HASH KEY"
	s.largestKeys.All(func(size int64, k keyText) {
		if head != "" {
			line("%s", head)
			head = ""
		}
		line(" %8s  %6s  %s", figure.Bytes(size), figure.Count(float64(k.rows)), key(k.key, 61))
	})
}

// statsReport is the JSON form. Fields are only added; what is estimated is of the part
// that was read.
type statsReport struct {
	Version     int                  `json:"v"`
	Time        string               `json:"time"`
	Table       string               `json:"table"`
	Partitions  int                  `json:"partitions_read"`
	Of          int                  `json:"partitions"`
	Complete    bool                 `json:"complete"` // false: it was interrupted or has failed
	Rows        int64                `json:"rows_read"`
	HashKeys    int64                `json:"hash_keys_read"`
	Bytes       int64                `json:"bytes_read"`
	Encoding    string               `json:"enc"`
	Sizes       map[string]statsSize `json:"sizes"`
	Expire      []statsExpiry        `json:"expire"`
	LargestRows []statsLargestRow    `json:"largest_rows"`
	LargestKeys []statsLargestKey    `json:"largest_hash_keys"`
}

type statsSize struct {
	Mean float64 `json:"mean"`
	P50  int64   `json:"p50"`
	P90  int64   `json:"p90"`
	P99  int64   `json:"p99"`
	P999 int64   `json:"p999"`
	Max  int64   `json:"max"`
}

type statsExpiry struct {
	In   string `json:"in"`
	Rows int64  `json:"rows"`
}

type statsLargestRow struct {
	Bytes   int64  `json:"bytes"`
	HashKey string `json:"hk"`
	SortKey string `json:"sk"`
}

type statsLargestKey struct {
	Bytes   int64  `json:"bytes"`
	Rows    int64  `json:"rows"`
	HashKey string `json:"hk"`
}

func statsDocument(s *tableStats, table string) statsReport {
	r := statsReport{
		Version: 1, Time: s.now.UTC().Format("2006-01-02T15:04:05Z"), Table: table, Partitions: s.partitions, Of: s.of, Complete: s.end == nil,
		Rows: s.rows, HashKeys: s.hashKeys, Bytes: s.row.Sum, Encoding: s.codings.String(),
		Sizes: make(map[string]statsSize), Expire: []statsExpiry{}, LargestRows: []statsLargestRow{}, LargestKeys: []statsLargestKey{},
	}
	for _, e := range s.sizes() {
		if e.of.N > 0 {
			r.Sizes[e.json] = statsSize{e.of.Mean(), e.of.Quantile(0.5), e.of.Quantile(0.9), e.of.Quantile(0.99), e.of.Quantile(0.999), e.of.Max}
		}
	}
	for i, e := range expirySpread {
		r.Expire = append(r.Expire, statsExpiry{e.name, s.expiry[i]})
	}
	s.largestRows.All(func(size int64, keys [2]string) {
		r.LargestRows = append(r.LargestRows, statsLargestRow{size, keys[0], keys[1]})
	})
	s.largestKeys.All(func(size int64, k keyText) {
		r.LargestKeys = append(r.LargestKeys, statsLargestKey{size, k.rows, k.key})
	})
	return r
}
