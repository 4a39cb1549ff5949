package pegasus

import (
	"context"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// Diagnosis is what a client knows and what its servers say, for a ticket: names of
// tables, addresses of servers and counts, but no keys, values or secrets. It encodes
// to JSON; String is for people.
type Diagnosis struct {
	Time        time.Time        `json:"time"`
	Go          string           `json:"go"` // version, system and architecture
	MetaServers []string         `json:"meta_servers"`
	Steps       []DiagnosisStep  `json:"steps"`
	Pongs       map[string]Pongs `json:"pongs"` // by table; "" for the meta servers alone
	Stats       Stats            `json:"stats"`
}

// DiagnosisStep is something that was tried.
type DiagnosisStep struct {
	Step     string        `json:"step"`
	Duration time.Duration `json:"duration_ns"`
	Err      string        `json:"error,omitempty"`
}

// Diagnose asks the meta servers about each open table, and the servers of each for a
// sign of life. It takes up to four seconds for each table that something is wrong
// with, and ends with ctx.
func (c *Cluster) Diagnose(ctx context.Context) *Diagnosis {
	d := &Diagnosis{
		Time:        time.Now(),
		Go:          fmt.Sprintf("%s %s/%s", runtime.Version(), runtime.GOOS, runtime.GOARCH),
		MetaServers: c.meta.Servers(),
		Pongs:       make(map[string]Pongs),
	}
	c.mu.Lock()
	routes := maps.Clone(c.routes)
	c.mu.Unlock()
	d.try(ctx, "meta servers", func(ctx context.Context) error {
		d.Pongs[""] = c.Ping(ctx)
		return d.Pongs[""].Err()
	})
	for _, name := range slices.Sorted(maps.Keys(routes)) {
		r := routes[name]
		d.try(ctx, "place of "+name, r.Load)
		d.try(ctx, "servers of "+name, func(ctx context.Context) error {
			d.Pongs[name] = c.ping(ctx, r.Stats().Places)
			return d.Pongs[name].Err()
		})
	}
	d.Stats = c.Stats()
	return d
}

func (d *Diagnosis) try(ctx context.Context, step string, f func(context.Context) error) {
	ctx, cancel := context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	began := time.Now()
	err := f(ctx)
	s := DiagnosisStep{Step: step, Duration: time.Since(began)}
	if err != nil {
		s.Err = err.Error()
	}
	d.Steps = append(d.Steps, s)
}

// String returns the diagnosis as tables of text.
func (d *Diagnosis) String() string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	line := func(format string, args ...any) { fmt.Fprintf(w, format+"\n", args...) }
	orOK := func(err string) string {
		if err == "" {
			return "ok"
		}
		return strings.ReplaceAll(err, "\n", "; ")
	}
	line("%s  %s  meta servers %s", d.Time.Format(time.RFC3339), d.Go, strings.Join(d.MetaServers, ", "))
	line("\nSTEP\tTIME\tRESULT")
	for _, s := range d.Steps {
		line("%s\t%v\t%s", s.Step, s.Duration.Round(time.Microsecond), orOK(s.Err))
	}
	line("\nSERVER\tCONNECTIONS\tIN FLIGHT\tBYTES OUT\tBYTES IN\tDIALS\tLOST\tRTT\tRETRY BUDGET\tSTATE")
	for _, s := range d.Stats.Servers {
		state := orOK(s.DialError)
		if s.Hung {
			state = "does not answer"
		}
		line("%s\t%d\t%d\t%d\t%d\t%d\t%d\t%v\t%.0f\t%s", s.Server, s.Connections, s.InFlight, s.BytesOut, s.BytesIn,
			s.Dials, s.Lost, s.RTT.Round(time.Microsecond), s.RetryBudget, state)
	}
	line("\nTABLE\tID\tPARTITIONS\tWITHOUT PRIMARY\tREFRESHES\tFAILED REFRESHES\tRETRIES")
	for _, t := range d.Stats.Tables {
		without, retries := 0, int64(0)
		for _, p := range t.Partitions {
			if p.Primary == "" {
				without++
			}
		}
		for _, n := range t.Retries {
			retries += n
		}
		line("%s\t%d\t%d\t%d\t%d\t%d\t%d", t.Table, t.ID, len(t.Partitions), without, t.Refreshes, t.FailedRefreshes, retries)
	}
	line("\nTABLE\tOPERATION\tSUCCEEDED\tFAILED\tP50\tP99\tP999")
	for _, t := range d.Stats.Tables {
		for _, o := range t.Operations {
			var failed int64
			for _, n := range o.Failed {
				failed += n
			}
			line("%s\t%s\t%d\t%d\t%v\t%v\t%v", t.Table, o.Operation, o.Latency.Count, failed, o.Latency.P50, o.Latency.P99, o.Latency.P999)
		}
	}
	w.Flush()
	return b.String()
}
