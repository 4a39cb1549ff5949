package bench

import (
	"fmt"
	"strings"
	"time"
)

// Report is a Result with what it is the result of: what the command prints as JSON.
type Report struct {
	V            int       `json:"v"`
	Command      string    `json:"command"`
	Version      string    `json:"version"` // of the program
	Go           string    `json:"go"`
	Platform     string    `json:"platform"`
	CPUs         int       `json:"cpus"` // of the machine that made the load
	Started      time.Time `json:"started"`
	Workload     string    `json:"workload"`
	ReadsPercent int       `json:"reads_percent,omitempty"` // of a mixed workload
	Distribution string    `json:"distribution"`
	RateWanted   *float64  `json:"rate_wanted_per_s"` // nil: closed loop
	Workers      int       `json:"workers"`
	Keys         int       `json:"keys"`
	RowsPerKey   int       `json:"rows_per_key"`
	ValueBytes   int       `json:"value_bytes"`
	WarmupMs     int64     `json:"warmup_ms"`
	Seed         uint64    `json:"seed"`
	Cluster      Cluster   `json:"cluster"`
	*Result
}

// Cluster is what the load was made on.
type Cluster struct {
	Meta       []string `json:"meta"`
	Nodes      int      `json:"nodes"` // alive
	Table      string   `json:"table"`
	Partitions int      `json:"partitions"`
	Replicas   int      `json:"replicas"`
}

// Sentence says in one what came of the load.
func (r *Report) Sentence() string {
	count, failed, rate := r.Total()
	var s strings.Builder
	fmt.Fprintf(&s, "%s: %s requests a second for %.3g s", r.Workload, Thousands(rate), r.Seconds)
	if r.RateWanted != nil {
		fmt.Fprintf(&s, ", %s were wanted", Thousands(*r.RateWanted))
	}
	for _, op := range r.Ops {
		if op.Count > 0 {
			fmt.Fprintf(&s, "; %s p50 %s, p99 %s, max %s", op.Op, Round(op.Latency.P50), Round(op.Latency.P99), Round(op.Latency.Max))
		}
	}
	switch {
	case failed > 0:
		fmt.Fprintf(&s, "; %s of %s failed", Thousands(float64(failed)), Thousands(float64(count+failed)))
	default:
		s.WriteString("; none failed")
	}
	if r.NotStarted > 0 {
		fmt.Fprintf(&s, "; %s could not be started in time", Thousands(float64(r.NotStarted)))
	}
	if r.Interrupted {
		s.WriteString("; interrupted")
	}
	return s.String()
}

// Caution says how the latencies are to be read, "" if they need no caution.
func (r *Report) Caution() string {
	if r.RateWanted != nil {
		return ""
	}
	return fmt.Sprintf("Closed loop: %d callers wait for their answers, so that stalls are understated. With --rate they are not.", r.Workers)
}

// Thousands returns a number in groups of three digits: 12,345.
func Thousands(x float64) string {
	digits := fmt.Sprintf("%.0f", x)
	var groups []string
	for len(digits) > 3 {
		groups = append([]string{digits[len(digits)-3:]}, groups...)
		digits = digits[:len(digits)-3]
	}
	return strings.Join(append([]string{digits}, groups...), ",")
}
