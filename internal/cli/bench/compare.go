package bench

import (
	"encoding/json"
	"fmt"
	"slices"
)

// Difference is a figure that is not the same in two runs, beyond their noise.
type Difference struct {
	Op, Figure string
	A, B       float64 // medians of the seconds
	Percent    float64 // of A
}

// leastSeconds is how long runs must be for their noise to be told.
const leastSeconds = 5

// ReadReport returns what the command has printed as JSON.
func ReadReport(b []byte) (*Report, error) {
	var r Report
	if err := json.Unmarshal(b, &r); err != nil {
		return nil, fmt.Errorf("no report: %w", err)
	}
	if r.V != 1 || r.Result == nil || len(r.Ops) == 0 {
		return nil, fmt.Errorf("no report of version 1")
	}
	if r.Result.Seconds < leastSeconds {
		return nil, fmt.Errorf("of %.3g s: less than %d s tell nothing about noise", r.Result.Seconds, leastSeconds)
	}
	return &r, nil
}

// Compare returns in what two runs differ: a figure does if the middle half of the seconds
// of one run lies outside that of the other.
func Compare(a, b *Report) []Difference {
	var differences []Difference
	for _, op := range a.Ops {
		for _, figure := range []struct {
			name    string
			latency bool
			of      func(Second) float64
		}{
			{"rate_per_s", false, func(s Second) float64 { return float64(s.Count) }},
			{"p50_us", true, func(s Second) float64 { return s.P50 }},
			{"p99_us", true, func(s Second) float64 { return s.P99 }},
			{"max_us", true, func(s Second) float64 { return s.Max }},
			{"errors", false, func(s Second) float64 { return float64(s.Errors) }},
		} {
			x, y := a.values(op.Op, figure.latency, figure.of), b.values(op.Op, figure.latency, figure.of)
			if len(x) == 0 || len(y) == 0 {
				continue // not in both
			}
			lowX, midX, highX := quartiles(x)
			lowY, midY, highY := quartiles(y)
			if highX >= lowY && highY >= lowX {
				continue
			}
			d := Difference{Op: op.Op, Figure: figure.name, A: midX, B: midY}
			if midX != 0 {
				d.Percent = 100 * (midY - midX) / midX
			}
			differences = append(differences, d)
		}
	}
	return differences
}

// values returns a figure of all whole seconds of a run. A second in which nothing has
// succeeded has no latency.
func (r *Report) values(op string, latency bool, of func(Second) float64) []float64 {
	var v []float64
	for _, s := range r.BySecond {
		if s.Op == op && float64(s.Second) <= r.Result.Seconds && (s.Count > 0 || !latency) {
			v = append(v, of(s))
		}
	}
	return v
}

func quartiles(v []float64) (low, middle, high float64) {
	slices.Sort(v)
	n := len(v)
	return v[n/4], v[n/2], v[n-1-n/4]
}

// Unlike says in what two loads differ, of which the figures should not be compared.
func Unlike(a, b *Report) []string {
	rate := func(r *Report) any {
		if r.RateWanted == nil {
			return "none"
		}
		return *r.RateWanted
	}
	var unlike []string
	for _, x := range []struct {
		name string
		a, b any
	}{
		{"workload", a.Workload, b.Workload},
		{"reads", a.ReadsPercent, b.ReadsPercent},
		{"distribution", a.Distribution, b.Distribution},
		{"rate", rate(a), rate(b)},
		{"workers", a.Workers, b.Workers},
		{"keys", a.Keys, b.Keys},
		{"rows", a.RowsPerKey, b.RowsPerKey},
		{"value-size", a.ValueBytes, b.ValueBytes},
		{"partitions", a.Cluster.Partitions, b.Cluster.Partitions},
		{"servers", a.Cluster.Nodes, b.Cluster.Nodes},
	} {
		if x.a != x.b {
			unlike = append(unlike, fmt.Sprintf("%s %v and %v", x.name, x.a, x.b))
		}
	}
	return unlike
}
