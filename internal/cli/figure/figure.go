// Package figure writes numbers for a screen: short, and with their unit.
package figure

import (
	"fmt"
	"math"
	"time"
)

// Unknown stands for a number that nobody has told.
const Unknown = "-"

// Count writes a number in at most six characters: 950, 41.0k, 4.8M, 8.1G. Negative is
// Unknown.
func Count(n float64) string {
	switch {
	case n < 0 || math.IsNaN(n) || math.IsInf(n, 0):
		return Unknown
	case n < 999.5:
		return fmt.Sprintf("%.0f", n)
	case n >= 999.5e12:
		return fmt.Sprintf("%.0e", n)
	}
	for _, unit := range []string{"k", "M", "G"} {
		if n /= 1000; n < 999.5 {
			return scaled(n) + unit
		}
	}
	return scaled(n/1000) + "T"
}

// scaled writes three digits: 1.21, 41.0, 412.
func scaled(n float64) string {
	switch {
	case n < 9.995:
		return fmt.Sprintf("%.2f", n)
	case n < 99.95:
		return fmt.Sprintf("%.1f", n)
	}
	return fmt.Sprintf("%.0f", n)
}

// Bytes writes a size: 812 B, 1.21 GiB. Negative is Unknown.
func Bytes(n int64) string {
	if n < 0 {
		return Unknown
	}
	if n < 1024 {
		return fmt.Sprintf("%d B", n)
	}
	f := float64(n)
	for _, unit := range []string{"KiB", "MiB", "GiB", "TiB"} {
		if f /= 1024; f < 999.5 {
			return scaled(f) + " " + unit
		}
	}
	return scaled(f/1024) + " PiB"
}

// Millis writes a time in milliseconds, without the unit: 0.21, 11.3, 412. Negative is
// Unknown.
func Millis(d time.Duration) string {
	if d < 0 {
		return Unknown
	}
	return scaled(float64(d) / float64(time.Millisecond))
}

// Age writes a time in two units: 41s, 2m41s, 3h04m, 3d04h.
func Age(d time.Duration) string {
	switch s := int64(d / time.Second); {
	case d < 0:
		return Unknown
	case s < 60:
		return fmt.Sprintf("%ds", s)
	case s < 3600:
		return fmt.Sprintf("%dm%02ds", s/60, s%60)
	case s < 86400:
		return fmt.Sprintf("%dh%02dm", s/3600, s%3600/60)
	default:
		return fmt.Sprintf("%dd%02dh", s/86400, s%86400/3600)
	}
}
