package bench

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"testing"
	"time"
)

// report is one of a load of so many seconds.
func report(seconds int, rate *float64) *Report {
	h := newHistogram()
	for i := range int64(100_000) {
		_ = h.RecordValue(50_000 + i*i/100)
	}
	failure := "<img src=x onerror=alert(1)>"
	r := &Report{
		V: 1, Command: "pegasus bench mixed", Started: time.Unix(0, 0).UTC(), Workload: "mixed", Distribution: "zipfian", RateWanted: rate, Workers: 3,
		Cluster: Cluster{Table: "<script>", Meta: []string{"127.0.0.1:1"}},
		Result: &Result{Seconds: float64(seconds), Ops: []Op{
			{Op: "read", Count: 100_000, Latency: times(h), Service: times(h)},
			{Op: "write", Count: 10, Errors: 2, FirstError: &failure, Latency: times(h), Service: times(h)},
		}},
	}
	for i := range seconds {
		for _, op := range r.Ops {
			s := Second{Second: i + 1, Op: op.Op, Count: 10, P50: 60, P99: 700, Max: float64(8000 + i)}
			if i == 1 && op.Op == "write" {
				s = Second{Second: i + 1, Op: op.Op, Errors: 2}
			}
			r.BySecond = append(r.BySecond, s)
		}
	}
	return r
}

func TestHTML(t *testing.T) {
	wanted := 1234.0
	for seconds, rate := range map[int]*float64{3: &wanted, 86400: nil} {
		var b bytes.Buffer
		r := report(seconds, rate)
		if err := r.HTML(&b); err != nil {
			t.Fatal(err)
		}
		page := b.String()
		if len(page) > 2<<20 {
			t.Errorf("a report of %d seconds has %d bytes", seconds, len(page))
		}
		for _, part := range []string{"<h1>mixed: ", "Latency over time: write", "2 of 100,012 failed", "&lt;img src=x", "&lt;script&gt;", `class="fault"`, "p99.9"} {
			if !strings.Contains(page, part) {
				t.Errorf("%d seconds: no %s", seconds, part)
			}
		}
		if caution := strings.Contains(page, "Closed loop"); caution != (rate == nil) {
			t.Errorf("%d seconds: it says that the loop is closed: %v", seconds, caution)
		}
		for _, part := range []string{"<script", "<img", "http:", "https:", "url(", "NaN", "Inf"} {
			if strings.Contains(page, part) {
				t.Errorf("%d seconds: there is %s", seconds, part)
			}
		}
		if len(r.BySecond) != 2*seconds {
			t.Errorf("the report was changed: %d seconds are left", len(r.BySecond)/2)
		}
	}
}

// Plots are well-formed whatever was measured, also if nothing was.
func TestPlots(t *testing.T) {
	empty := report(0, nil)
	for i := range empty.Ops {
		empty.Ops[i] = Op{Op: empty.Ops[i].Op}
	}
	one := report(1, nil)
	one.Ops = one.Ops[:1]
	for _, r := range []*Report{empty, one, report(3, nil), report(1000, nil)} {
		for _, p := range r.plots() {
			d := xml.NewDecoder(strings.NewReader(string(p.SVG())))
			for {
				if _, err := d.Token(); errors.Is(err, io.EOF) {
					break
				} else if err != nil {
					t.Fatalf("%s: %v", p.Title, err)
				}
			}
			if len(p.x.ticks) < 2 || len(p.y.ticks) < 2 || len(p.x.ticks) > 12 || len(p.y.ticks) > 12 {
				t.Errorf("%s of %d seconds: %d and %d ticks", p.Title, len(r.BySecond)/2, len(p.x.ticks), len(p.y.ticks))
			}
		}
	}
}

// Of the few requests that end after the time that counts there are no percentiles.
func TestAfterTheTime(t *testing.T) {
	r := report(3, nil)
	r.BySecond = append(r.BySecond, Second{Second: 4, Op: "read", Count: 2, P50: 5000, P99: 9000, Max: 9000})
	p := r.overTime("read")
	for _, l := range p.lines {
		if last := l.xy[len(l.xy)-1]; last[0] != 3.5 || math.IsNaN(last[1]) != (l.Name != "max") {
			t.Errorf("%s ends at %v", l.Name, last)
		}
	}
	if !strings.HasSuffix(p.About, "Of those that ended after the time there is the max.") {
		t.Error(p.About)
	}
}

func TestAxes(t *testing.T) {
	for _, x := range []float64{0.2, 1, 7, 10, 99, 3000, 123_456} {
		for name, a := range map[string]axis{"log": logAxis(0.1, max(x, 0.2), Round), "linear": linearAxis(0, max(1, x), integer)} {
			if len(a.ticks) < 2 || len(a.ticks) > 12 || !slices.IsSorted(a.ticks) || a.at(a.low) != 0 || math.Abs(a.at(a.high)-1) > 1e-9 || a.at(a.high*2) != 1 {
				t.Errorf("%s axis to %g: %v from %g to %g", name, x, a.ticks, a.low, a.high)
			}
		}
	}
}

// Joined seconds keep the worst.
func TestThinOut(t *testing.T) {
	r := report(2000, nil)
	r.BySecond[100].Max = 1e6
	thin := thinOut(r.BySecond, 2)
	if len(thin) > 2*mostPoints || thin[0].Op != "read" || thin[1].Op != "write" || thin[2].Second != 4 {
		t.Errorf("%d points, first %+v", len(thin), thin[:3])
	}
	if !slices.ContainsFunc(thin, func(s Second) bool { return s.Max == 1e6 }) {
		t.Error("the worst is lost")
	}
}

func TestSentence(t *testing.T) {
	wanted := 1234.0
	r := report(3, &wanted)
	r.NotStarted, r.Interrupted = 5, true
	r.Ops[0].Rate = 33_336.7
	if got, want := r.Sentence(), "mixed: 33,337 requests a second for 3 s, 1,234 were wanted; read p50 "; !strings.HasPrefix(got, want) {
		t.Errorf("%s, want %s", got, want)
	}
	if got, want := r.Sentence(), "; 2 of 100,012 failed; 5 could not be started in time; interrupted"; !strings.HasSuffix(got, want) {
		t.Errorf("%s, want %s", got, want)
	}
	for x, want := range map[float64]string{0: "0", 999: "999", 1000: "1,000", 1234567.4: "1,234,567"} {
		if got := Thousands(x); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	if r.Caution() != "" || fmt.Sprint(report(1, nil).Caution()) == "" {
		t.Error("caution where there is none needed, or none where there is")
	}
}
