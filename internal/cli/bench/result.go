package bench

import (
	"context"
	"math"
	"strconv"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Result is what a load came to. Latencies are in microseconds.
type Result struct {
	Seconds     float64  `json:"seconds"` // that count
	Interrupted bool     `json:"interrupted"`
	NotStarted  int64    `json:"not_started"` // requests that were due, for which there was no caller in time
	Ops         []Op     `json:"ops"`
	BySecond    []Second `json:"by_second"` // in which requests have ended
}

// Op is what came of one kind of request.
type Op struct {
	Op         string  `json:"op"`
	Count      int64   `json:"count"` // that succeeded
	Rows       int64   `json:"rows"`
	Rate       float64 `json:"rate_per_s"`
	Errors     int64   `json:"errors"` // timeouts among them
	Timeouts   int64   `json:"timeouts"`
	FirstError *string `json:"first_error"`
	LateStarts int64   `json:"late_starts"` // more than a millisecond after they were due
	Latency    Times   `json:"latency"`     // from when it was due, or else from its start
	Service    Times   `json:"service"`     // from its start
}

// Times are those of requests that succeeded.
type Times struct {
	Mean     float64 `json:"mean_us"`
	P50      float64 `json:"p50_us"`
	P90      float64 `json:"p90_us"`
	P99      float64 `json:"p99_us"`
	P999     float64 `json:"p999_us"`
	Max      float64 `json:"max_us"`
	Spectrum []Point `json:"spectrum"`
	HDR      string  `json:"hdr"` // the histogram, in nanoseconds, in the form of HdrHistogram
}

// Point says that a share of the requests took no longer.
type Point struct {
	Quantile float64 `json:"q"`
	Micros   float64 `json:"us"`
}

// Second is what ended in one second.
type Second struct {
	Second int     `json:"second"` // from 1
	Op     string  `json:"op"`
	Count  int64   `json:"count"`
	Errors int64   `json:"errors"`
	P50    float64 `json:"p50_us"`
	P99    float64 `json:"p99_us"`
	Max    float64 `json:"max_us"`
}

func (r *run) result(ctx context.Context) *Result {
	res := &Result{Seconds: r.Duration.Seconds(), Interrupted: ctx.Err() != nil, BySecond: r.seconds}
	if res.Interrupted {
		res.Seconds = max(0, min(res.Seconds, r.stopped.Sub(r.counts).Seconds()))
	}
	if r.Rate > 0 && !res.Interrupted {
		due := int64(math.Ceil(r.Duration.Seconds() * r.Rate))
		res.NotStarted = max(0, due-int64(r.next))
	}
	for i, t := range r.recorder.total {
		op := Op{
			Op: r.Ops[i], Count: t.count, Rows: t.rows, Errors: t.errors, Timeouts: t.timeouts, LateStarts: t.late,
			Latency: times(t.latency), Service: times(t.service),
		}
		if t.firstError != "" {
			op.FirstError = &t.firstError
		}
		if res.Seconds > 0 {
			op.Rate = math.Round(float64(t.count)/res.Seconds*10) / 10
		}
		res.Ops = append(res.Ops, op)
	}
	return res
}

func times(h *hdrhistogram.Histogram) Times {
	if h.TotalCount() == 0 {
		return Times{}
	}
	at := func(q float64) float64 { return micros(h.ValueAtQuantile(q)) }
	t := Times{Mean: micros(int64(h.Mean())), P50: at(50), P90: at(90), P99: at(99), P999: at(99.9), Max: micros(h.Max())}
	// Half, three quarters, and so on, with steps between, as far as there are requests.
	for left := 1.0; left*float64(h.TotalCount()) >= 1; left /= math.Sqrt2 {
		t.Spectrum = append(t.Spectrum, Point{1 - left, at(100 * (1 - left))})
	}
	t.Spectrum = append(t.Spectrum, Point{1, t.Max})
	encoded, err := h.EncodeV2()
	if err == nil { // it is in memory
		t.HDR = string(encoded)
	}
	return t
}

// Total returns how many requests have succeeded and how many have failed, and the rate of
// the former.
func (r *Result) Total() (count, failed int64, rate float64) {
	for _, op := range r.Ops {
		count, failed, rate = count+op.Count, failed+op.Errors, rate+op.Rate
	}
	return count, failed, rate
}

// Round returns microseconds as they are read best: 85 µs, 1.2 ms, 3.4 s.
func Round(us float64) string {
	unit := "µs"
	for _, next := range []string{"ms", "s"} {
		if us < 999.5 {
			break
		}
		us, unit = us/1e3, next
	}
	if us < 9.95 && unit != "µs" {
		return strconv.FormatFloat(us, 'f', 1, 64) + " " + unit
	}
	return strconv.FormatFloat(us, 'f', 0, 64) + " " + unit
}
