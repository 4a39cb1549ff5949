package storage

import (
	"fmt"
	"strings"
	"testing"

	"github.com/pegasus-go/pegasus/internal/schema"
)

// fullScan asks for a whole partition, as clients do.
func fullScan() *Scan {
	return &Scan{StartKey: []byte{0, 0}, StartInclusive: true, StopKey: []byte{0xff, 0xff}, FullScan: true}
}

// next returns what one call of Next emits, as "hash/sort=value" separated by spaces.
func next(t testing.TB, s *Scanner) (string, ScanResult) {
	t.Helper()
	var got []string
	res := s.Next(testNow, func(key, value []byte, expire uint32) {
		h, k, ok := schema.SplitKey(key)
		if !ok {
			t.Errorf("scan returned the key %x", key)
		}
		got = append(got, fmt.Sprintf("%s/%s=%s", h, k, value))
	})
	return strings.Join(got, " "), res
}

// scanAll returns all records of a partition.
func scanAll(t testing.TB, p *Partition) string {
	t.Helper()
	s, status := p.NewScanner(fullScan())
	if status != OK {
		t.Fatalf("scan: status %d", status)
	}
	defer s.Close()
	var got []string
	for {
		batch, res := next(t, s)
		if res.Status != OK {
			t.Fatalf("scan: status %d", res.Status)
		}
		if batch != "" {
			got = append(got, batch)
		}
		if !res.More {
			return strings.Join(got, " ")
		}
	}
}
