package figure

import (
	"math"
	"testing"
	"time"
)

func TestFigures(t *testing.T) {
	for want, got := range map[string]string{
		"0":        Count(0),
		"999":      Count(999.4),
		"1.00k":    Count(999.6),
		"41.0k":    Count(40_960),
		"412k":     Count(412_300),
		"8.10G":    Count(8.1e9),
		"2.00T":    Count(2e12),
		"1e+15":    Count(1e15),
		"812 B":    Bytes(812),
		"1023 B":   Bytes(1023),
		"1.00 KiB": Bytes(1024),
		"1.00 MiB": Bytes(1<<20 - 1),
		"1.21 GiB": Bytes(1_299_227_607),
		"2.31 TiB": Bytes(2_539_872_300_000),
		"0.21":     Millis(210 * time.Microsecond),
		"11.3":     Millis(11300 * time.Microsecond),
		"59s":      Age(59 * time.Second),
		"2m41s":    Age(161 * time.Second),
		"3h04m":    Age(184 * time.Minute),
		"3d04h":    Age(76 * time.Hour),
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	for _, got := range []string{Count(-1), Count(math.NaN()), Count(math.Inf(1)), Bytes(-1), Millis(-1), Age(-1)} {
		if got != Unknown {
			t.Errorf("%q for what is not known", got)
		}
	}
}

// Columns are as wide as these at most.
func FuzzCount(f *testing.F) {
	f.Add(999.5, int64(1023))
	f.Fuzz(func(t *testing.T, n float64, b int64) {
		if s := Count(n); len(s) > 6 {
			t.Errorf("%v is %q", n, s)
		}
		if s := Bytes(b); len(s) > 8 {
			t.Errorf("%v is %q", b, s)
		}
	})
}
