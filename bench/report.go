package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
)

// result is a measured case.
type result struct {
	Case     string
	Variants []variant
	Notes    []string `json:",omitempty"`
}

// variant is one column of comparison.
type variant struct {
	Name    string
	Samples []sample
}

func (v *variant) median(of func(sample) float64) (mid, spread float64) {
	values := make([]float64, len(v.Samples))
	for i, s := range v.Samples {
		values[i] = of(s)
	}
	return median(values)
}

// ratio returns the median over the rounds of a measure of v relative to that
// of base in the same round.
func (v *variant) ratio(base *variant, of func(sample) float64) float64 {
	var ratios []float64
	for i := range min(len(v.Samples), len(base.Samples)) {
		if b := of(base.Samples[i]); b != 0 {
			ratios = append(ratios, of(v.Samples[i])/b)
		}
	}
	r, _ := median(ratios)
	return r
}

func nsPerOp(s sample) float64    { return s.NsPerOp }
func cpuPerOp(s sample) float64   { return s.CPUNsPerOp }
func throughput(s sample) float64 { return 1 / s.NsPerOp }

// print writes the table of a case.
func (r *result) print(w io.Writer) {
	fmt.Fprintln(w, r.Case)
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(tw, "\tns/op\t±\tCPU ns/op\tallocs/op\tB/op\tstack\tp50\tp99\tthroughput/floor\tCPU/floor\tthroughput/null\t\n")
	for i := range r.Variants {
		v := &r.Variants[i]
		floor, null := r.base(v, "floor"), r.base(v, "null")
		ns, spread := v.median(nsPerOp)
		cpu, _ := v.median(cpuPerOp)
		allocs, _ := v.median(func(s sample) float64 { return s.AllocsPerOp })
		bytes, _ := v.median(func(s sample) float64 { return s.BytesPerOp })
		stack, _ := v.median(func(s sample) float64 { return s.StackBytes })
		p50, _ := v.median(func(s sample) float64 { return float64(s.P50) })
		p99, _ := v.median(func(s sample) float64 { return float64(s.P99) })
		fmt.Fprintf(tw, "%s\t%.0f\t%.0f%%\t%.0f\t%.1f\t%.0f\t%.0f\t%v\t%v\t", v.Name, ns, 100*spread, cpu, allocs, bytes, stack,
			time.Duration(p50).Round(100*time.Nanosecond), time.Duration(p99).Round(100*time.Nanosecond))
		writeRatio(tw, r, v, floor, throughput)
		writeRatio(tw, r, v, floor, cpuPerOp)
		writeRatio(tw, r, v, null, throughput)
		fmt.Fprintln(tw)
	}
	tw.Flush()
	for _, n := range r.Notes {
		fmt.Fprintln(w, "  "+n)
	}
	fmt.Fprintln(w)
}

// base returns the index of the variant that v is compared with: the one whose
// calls, too, end with a deadline, or the one whose calls do not.
func (r *result) base(v *variant, name string) int {
	if strings.HasSuffix(v.Name, withDeadline) {
		name += withDeadline
	}
	return r.index(name)
}

func writeRatio(w io.Writer, r *result, v *variant, base int, of func(sample) float64) {
	if base < 0 || v.Name == "wire" || v.Name == "fsync" || v.Name == r.Variants[base].Name {
		fmt.Fprint(w, "\t")
		return
	}
	fmt.Fprintf(w, "%.2f\t", v.ratio(&r.Variants[base], of))
}
