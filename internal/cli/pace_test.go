package cli

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pegasus-go/pegasus"
)

// Rows come at the lower one of two rates, and what is large is paid for by who comes next.
func TestPaces(t *testing.T) {
	for name, tc := range map[string]struct {
		rows, bytes string
		want        time.Duration // for 1000 rows of 100 bytes
	}{
		"none":  {"", "", 0},
		"rows":  {"100", "", 10 * time.Second},
		"bytes": {"", "10000", 10 * time.Second},
		"both":  {"1k", "10000", 10 * time.Second},
		"KiB":   {"1M", "5KiB", 100_000 * time.Second / (5 << 10)},
	} {
		synctest.Test(t, func(t *testing.T) {
			var p paces
			p.bytes.of = bytesASecond
			if tc.rows != "" {
				if err := p.rows.Set(tc.rows); err != nil {
					t.Fatal(err)
				}
			}
			if tc.bytes != "" {
				if err := p.bytes.Set(tc.bytes); err != nil {
					t.Fatal(err)
				}
			}
			began := time.Now()
			row := &pegasus.Row{HashKey: make([]byte, 10), SortKey: make([]byte, 10), Value: make([]byte, 80)}
			for range 1000 {
				if err := p.wait(t.Context(), row); err != nil {
					t.Fatal(err)
				}
			}
			if got := time.Since(began); got < tc.want-100*time.Millisecond || got > tc.want {
				t.Errorf("%s: 1000 rows have taken %s, want %s", name, got, tc.want)
			}
		})
	}
}

func TestPaceSet(t *testing.T) {
	rows, bytes := pace{}, pace{of: bytesASecond}
	for text, want := range map[string]float64{"500": 500, "20k": 20_000, "1.5M": 1_500_000} {
		if err := rows.Set(text); err != nil || rows.rate != want || rows.String() != text {
			t.Errorf("%s rows: %v, %v", text, rows.rate, err)
		}
	}
	for text, want := range map[string]float64{"500": 500, "512KiB": 512 << 10, "0.5GiB": 1 << 29} {
		if err := bytes.Set(text); err != nil || bytes.rate != want {
			t.Errorf("%s bytes: %v, %v", text, bytes.rate, err)
		}
	}
	for _, text := range []string{"", "k", "0", "-1", "NaN", "Inf", "1MiB", "1kk"} {
		if err := rows.Set(text); err == nil {
			t.Errorf("%q rows a second", text)
		}
	}
	for _, text := range []string{"20k", "1e50", "MiB"} {
		if err := bytes.Set(text); err == nil {
			t.Errorf("%q bytes a second", text)
		}
	}
	if rows.Type() != "rows/s" || bytes.Type() != "bytes/s" {
		t.Error(rows.Type(), bytes.Type())
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := rows.wait(ctx, 1); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
