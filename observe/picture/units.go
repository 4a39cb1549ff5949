package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// units are those of Grafana that the dashboards use, with how they are called here. A value is
// divided by base as often as it goes.
var units = map[string]struct {
	base  float64
	names []string
}{
	"short": {1000, []string{"", " K", " Mil", " Bil"}},
	"ops":   {1000, []string{" ops/s", "K ops/s", "M ops/s"}},
	"Bps":   {1000, []string{" B/s", " kB/s", " MB/s", " GB/s"}},
	"bytes": {1024, []string{" B", " KiB", " MiB", " GiB", " TiB"}},
	"s":     {},
}

// text returns a value as a person reads it.
func text(unit string, v float64) (string, error) {
	u, ok := units[unit]
	switch {
	case !ok:
		return "", fmt.Errorf("the unit %q is not known", unit)
	case unit == "s":
		return seconds(v), nil
	}
	i := 0
	for ; math.Abs(v) >= u.base && i < len(u.names)-1; i++ {
		v /= u.base
	}
	return short(v) + u.names[i], nil
}

func seconds(v float64) string {
	switch {
	case v == 0:
		return "0 s"
	case v < 1e-3:
		return short(v*1e6) + " µs"
	case v < 1:
		return short(v*1e3) + " ms"
	}
	return short(v) + " s"
}

func short(v float64) string {
	s := strconv.FormatFloat(v, 'f', 2, 64)
	return strings.TrimSuffix(strings.TrimRight(s, "0"), ".")
}

// ticks returns round values from 0 to most, or above, that are of a step of the unit.
func ticks(unit string, most float64, whole bool) []float64 {
	if most <= 0 {
		most = 1
	}
	scale := math.Pow(10, math.Floor(math.Log10(most/4)))
	steps := []float64{1, 2, 2.5, 5, 10}
	if units[unit].base == 1024 {
		scale = math.Pow(1024, math.Max(0, math.Floor(math.Log2(most/4)/10)))
		steps = []float64{1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024}
	}
	step := steps[len(steps)-1] * scale
	for _, s := range steps {
		if s*scale*4 >= most {
			step = s * scale
			break
		}
	}
	if whole {
		step = math.Max(1, math.Ceil(step))
	}
	var all []float64
	for i := 0; ; i++ {
		v := float64(i) * step
		if all = append(all, v); v >= most {
			return all
		}
	}
}

// decades returns the powers of ten around a range.
func decades(least, most float64) []float64 {
	var all []float64
	for e := math.Floor(math.Log10(least)); ; e++ {
		v := math.Pow(10, e)
		if all = append(all, v); v >= most {
			return all
		}
	}
}
