package bench

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"math"
	"strings"
)

//go:embed report.html
var pageText string

var page = template.Must(template.New("report").Funcs(template.FuncMap{"round": Round, "thousands": func(v any) string {
	switch v := v.(type) {
	case int64:
		return Thousands(float64(v))
	case float64:
		return Thousands(v)
	}
	return fmt.Sprint(v)
}}).Parse(pageText))

// mostPoints is how many a line has at most: a plot of more shows no more.
const mostPoints = 900

// HTML writes the report as a page that needs nothing else, of less than 2 MiB.
func (r *Report) HTML(w io.Writer) error {
	thin := *r
	result := *r.Result
	result.BySecond = thinOut(r.BySecond, len(r.Ops))
	thin.Result = &result
	raw, err := json.MarshalIndent(&thin, "", " ")
	if err != nil {
		return err
	}
	return page.Execute(w, map[string]any{"R": &thin, "Plots": thin.plots(), "Raw": string(raw)})
}

// thinOut joins neighbouring seconds where there are too many for a plot. Of joined ones
// it keeps the worst latencies, and the mean of the counts.
func thinOut(seconds []Second, ops int) []Second {
	if ops == 0 || len(seconds)/ops <= mostPoints {
		return seconds
	}
	join := int(math.Ceil(float64(len(seconds)/ops) / mostPoints))
	var thin []Second
	for i := 0; i < len(seconds); i += join * ops {
		for op := range ops {
			var s Second
			n := int64(0)
			for j := i + op; j < min(len(seconds), i+join*ops); j += ops {
				x := seconds[j]
				if n++; n == 1 {
					s.Second, s.Op = x.Second, x.Op
				}
				s.Count, s.Errors = s.Count+x.Count, s.Errors+x.Errors
				s.P50, s.P99, s.Max = max(s.P50, x.P50), max(s.P99, x.P99), max(s.Max, x.Max)
			}
			if n > 0 {
				s.Count /= n
				thin = append(thin, s)
			}
		}
	}
	return thin
}

func (r *Report) plots() []plot {
	var plots []plot
	for _, op := range r.Ops {
		if op.Count > 0 {
			plots = append(plots, r.overTime(op.Op))
		}
	}
	if p := r.spectrum(); len(p.lines) > 0 {
		plots = append(plots, p)
	}
	return append(plots, r.rates())
}

func (r *Report) timeAxis() axis {
	last := 1
	for _, s := range r.BySecond {
		last = max(last, s.Second)
	}
	a := linearAxis(0, float64(last), integer)
	a.name = "seconds of the time that counts"
	return a
}

// overTime plots the latency of one kind of request.
func (r *Report) overTime(op string) plot {
	p := plot{
		Title: "Latency over time: " + op, x: r.timeAxis(),
		About: "Of the requests that ended in each second: half took no longer than p50, and 99 of 100 no longer than p99.",
		lines: []line{{Name: "max", Class: "c"}, {Name: "p99", Class: "b"}, {Name: "p50", Class: "a"}},
	}
	low, high, late := math.Inf(1), 0.0, false
	for _, s := range r.BySecond {
		if s.Op != op {
			continue
		}
		if s.Errors > 0 {
			p.marks = append(p.marks, float64(s.Second)-0.5)
		}
		after := float64(s.Second) > math.Ceil(r.Seconds) // too few for percentiles
		late = late || after
		for i, v := range []float64{s.Max, s.P99, s.P50} {
			if s.Count == 0 || after && i > 0 {
				v = math.NaN()
			} else {
				low, high = min(low, max(v, 0.1)), max(high, v)
			}
			p.lines[i].xy = append(p.lines[i].xy, [2]float64{float64(s.Second) - 0.5, v})
		}
	}
	if high == 0 {
		low, high = 1, 10
	}
	if len(p.marks) > 0 {
		p.About += " A red line is a second in which requests have failed."
	}
	if late {
		p.About += " Of those that ended after the time there is the max."
	}
	p.y = logAxis(low, max(high, 0.2), roundTick)
	return p
}

// spectrum plots how slow the slowest are: of ten, a hundred, a thousand.
func (r *Report) spectrum() plot {
	p := plot{Title: "Latency by share of requests", About: "So many of the requests took no longer."}
	low, high, most := math.Inf(1), 0.0, 10.0
	add := func(name, class string, t Times) {
		l := line{Name: name, Class: class}
		for _, point := range t.Spectrum {
			if point.Quantile >= 1 {
				continue
			}
			inverse := 1 / (1 - point.Quantile)
			l.xy = append(l.xy, [2]float64{inverse, point.Micros})
			low, high, most = min(low, max(point.Micros, 0.1)), max(high, point.Micros), max(most, inverse)
		}
		p.lines = append(p.lines, l)
	}
	classes := [][2]string{{"a", "d"}, {"b", "e"}}
	for i, op := range r.Ops {
		if op.Count == 0 {
			continue
		}
		class := classes[i%2]
		add(op.Op, class[0], op.Latency)
		if r.RateWanted != nil {
			add(op.Op+", service time", class[1], op.Service)
		}
	}
	if r.RateWanted != nil {
		p.About += " Latencies are from when a request was due, service times from when it began."
	}
	p.x = logAxis(1, most, func(inverse float64) string {
		return fmt.Sprintf("%.6g %%", 100*(1-1/inverse))
	})
	p.x.high = most
	p.x.ticks = nil
	for nines := 1.0; nines <= most; nines *= 10 {
		p.x.ticks = append(p.x.ticks, nines)
	}
	p.x.name = "share of requests"
	p.y = logAxis(low, max(high, 0.2), roundTick)
	return p
}

// rates plots how many requests ended in each second.
func (r *Report) rates() plot {
	p := plot{Title: "Requests per second", x: r.timeAxis(), About: "That succeeded, by the second in which they ended."}
	high := 1.0
	for i, op := range r.Ops {
		l := line{Name: op.Op, Class: []string{"a", "b"}[i%2]}
		for _, s := range r.BySecond {
			if s.Op == op.Op && float64(s.Second) <= math.Ceil(r.Seconds) { // not those that ended after the time
				l.xy = append(l.xy, [2]float64{float64(s.Second) - 0.5, float64(s.Count)})
				high = max(high, float64(s.Count))
			}
		}
		p.lines = append(p.lines, l)
	}
	if r.RateWanted != nil {
		p.lines = append(p.lines, line{Name: "wanted, in all", Class: "c", xy: [][2]float64{{0, *r.RateWanted}, {p.x.high, *r.RateWanted}}})
		high = max(high, *r.RateWanted)
	}
	p.y = linearAxis(0, high*1.05, Thousands)
	return p
}

// Took says from when latencies are counted.
func (r *Report) Took() string {
	if r.RateWanted != nil {
		return "from when a request was due"
	}
	return "from when a request began"
}

// Shape says what the load was and what it was made on.
func (r *Report) Shape() [][2]string {
	mode := fmt.Sprintf("closed loop, %d callers", r.Workers)
	if r.RateWanted != nil {
		mode = fmt.Sprintf("open loop, %s requests per second, %d callers at most", Thousands(*r.RateWanted), r.Workers)
	}
	return [][2]string{
		{"command", r.Command},
		{"load", r.Workload + ", " + mode},
		{"keys", fmt.Sprintf("%s hash keys, %s, %d rows each, values of %s bytes, seed %d", Thousands(float64(r.Keys)), r.Distribution, r.RowsPerKey, Thousands(float64(r.ValueBytes)), r.Seed)},
		{"time", fmt.Sprintf("%.4g s that count, after %.4g s of warm-up, from %s", r.Seconds, float64(r.WarmupMs)/1e3, r.Started.Format("2006-01-02 15:04:05Z"))},
		{"cluster", fmt.Sprintf("%d servers, table %s of %d partitions with %d copies, meta servers %s", r.Cluster.Nodes, r.Cluster.Table, r.Cluster.Partitions, r.Cluster.Replicas, strings.Join(r.Cluster.Meta, " "))},
		{"made by", fmt.Sprintf("pegasus %s, %s, %s, %d CPUs", r.Version, r.Go, r.Platform, r.CPUs)},
	}
}

// roundTick is Round for a value that is round.
func roundTick(us float64) string { return strings.Replace(Round(us), ".0 ", " ", 1) }
