package prometheus_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/pegasus-go/pegasus"
	observe "github.com/pegasus-go/pegasus/observe/prometheus"
	"github.com/pegasus-go/pegasus/onebox"
	"github.com/pegasus-go/pegasus/pegasustest"
)

// gather returns the metrics of a registry, with labels, and the numbers of those that
// count.
func gather(t *testing.T, r *prometheus.Registry) (names []string, counts map[string]float64) {
	t.Helper()
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	counts = make(map[string]float64)
	for _, f := range families {
		names = append(names, f.GetName())
		for _, m := range f.GetMetric() {
			var labels []string
			for _, l := range m.GetLabel() {
				labels = append(labels, l.GetValue())
			}
			key := f.GetName() + " " + strings.Join(labels, " ")
			switch {
			case m.Counter != nil:
				counts[key] = m.GetCounter().GetValue()
			case m.Gauge != nil:
				counts[key] = m.GetGauge().GetValue()
			case m.Histogram != nil:
				counts[key] = float64(m.GetHistogram().GetSampleCount())
			}
		}
	}
	return names, counts
}

// What the client does shows, by table, operation and outcome.
func TestMetrics(t *testing.T) {
	c := pegasustest.Start(t)
	r := prometheus.NewPedanticRegistry()
	if err := observe.Register(r, c.Client, observe.WithServers()); err != nil {
		t.Fatal(err)
	}
	h := []byte("user_1")
	for i := range 3 {
		if err := c.Table.Set(t.Context(), h, fmt.Append(nil, i), h); err != nil {
			t.Fatal(err)
		}
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := c.Table.Set(ended, h, h, h); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	busy := true
	c.Onebox().Intercept(func(onebox.Request) (a onebox.Action) {
		if busy {
			busy, a.Error = false, "ERR_BUSY"
		}
		return a
	})
	if _, err := c.Table.Get(t.Context(), h, h); err != nil {
		t.Fatal(err)
	}
	names, counts := gather(t, r)
	table := c.Table.Name()
	for metric, want := range map[string]float64{
		"pegasus_client_operations_total Set ok " + table:        3,
		"pegasus_client_operations_total Set canceled " + table:  1,
		"pegasus_client_operations_total Get ok " + table:        1,
		"pegasus_client_operations_total Get in_doubt " + table:  0, // and not absent
		"pegasus_client_operation_duration_seconds Set " + table: 3,
		"pegasus_client_retries_total busy " + table:             1,
		"pegasus_client_retries_total connection " + table:       0,
		"pegasus_client_partitions_without_primary " + table:     0,
		"pegasus_client_requests_in_flight ":                     0,
		"pegasus_client_connections_lost_total ":                 0,
		"pegasus_client_servers_unreachable ":                    0,
	} {
		if got, ok := counts[metric]; !ok || got != want {
			t.Errorf("%s is %v, %t, want %v", metric, got, ok, want)
		}
	}
	if want := slices.Sorted(slices.Values(observe.MetricNames())); !slices.Equal(names, want) {
		t.Errorf("there are %q, want %q", names, want)
	}
	if problems, err := testutil.GatherAndLint(r); err != nil || len(problems) > 0 {
		t.Errorf("names: %v, %v", problems, err)
	}
	for metric := range counts {
		if strings.Contains(metric, "user_1") {
			t.Errorf("%s has a key in it", metric)
		}
	}
}

// The same metrics cannot be registered twice, but those of two clusters can.
func TestRegisterTwice(t *testing.T) {
	c := pegasustest.Start(t)
	r := prometheus.NewPedanticRegistry()
	if err := observe.Register(r, c.Client); err != nil {
		t.Fatal(err)
	}
	var are prometheus.AlreadyRegisteredError
	if err := observe.Register(r, c.Client); !errors.As(err, &are) {
		t.Errorf("registered twice: %v", err)
	}
	if err := observe.Register(r, c.Client, observe.WithConstLabels(map[string]string{"cluster": "b"})); err == nil {
		t.Error("the labels of one cluster have other names than those of the other, and that is no error")
	}
	r = prometheus.NewPedanticRegistry()
	for _, name := range []string{"a", "b"} {
		if err := observe.Register(r, c.Client, observe.WithConstLabels(map[string]string{"cluster": name})); err != nil {
			t.Error(err)
		}
	}
	if _, err := r.Gather(); err != nil {
		t.Error(err)
	}
}

// A name of a table may be any text.
func TestStrangeNames(t *testing.T) {
	r := prometheus.NewPedanticRegistry()
	if err := observe.Register(r, strange{}); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Gather(); err != nil {
		t.Error(err)
	}
}

type strange struct{}

func (strange) Stats() pegasus.Stats {
	return pegasus.Stats{Tables: []pegasus.TableStats{{Table: "\xff\x00", Operations: []pegasus.OperationStats{{Operation: "Get"}}}}}
}

// known returns the names of all metrics, of the client and of the onebox.
func known(t *testing.T) []string {
	t.Helper()
	c := pegasustest.Start(t)
	server, err := http.Get("http://" + c.MetaServers()[0] + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer server.Body.Close()
	page, err := io.ReadAll(server.Body)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, m := range regexp.MustCompile(`(?m)^# TYPE (\S+) (\S+)`).FindAllStringSubmatch(string(page), -1) {
		names = append(names, m[1])
	}
	if len(names) == 0 {
		t.Fatalf("the onebox has no metrics: %s", page)
	}
	return append(names, observe.MetricNames()...)
}

// The docs, and their alerts, are about metrics that there are.
func TestDocs(t *testing.T) {
	text, err := os.ReadFile("../../docs/observing.md")
	if err != nil {
		t.Fatal(err)
	}
	names := known(t)
	ours, _, _ := strings.Cut(string(text), "## From the official Go client")
	has := func(what, name string) {
		t.Helper()
		if !strings.Contains(ours, name) {
			t.Errorf("the docs do not have the %s %s", what, name)
		}
	}
	for _, name := range observe.MetricNames() {
		has("metric", name)
	}
	for _, class := range pegasus.ErrorClasses() {
		has("outcome", "`"+string(class)+"`")
	}
	for _, reason := range pegasus.RetryReasons() {
		has("reason", "`"+string(reason)+"`")
	}
	for observer, i := reflect.TypeFor[pegasus.Observer](), 0; i < observer.NumField(); i++ {
		has("event", "`"+observer.Field(i).Name+"`")
	}
	for _, name := range regexp.MustCompile(`\bpegasus_(client|server)_[a-z_]+`).FindAllString(ours, -1) {
		for _, part := range []string{"_bucket", "_sum", "_count"} {
			name = strings.TrimSuffix(name, part)
		}
		if !slices.Contains(names, name) {
			t.Errorf("there is no metric %s", name)
		}
	}
}

// Each query of a dashboard is about metrics that there are.
func TestDashboards(t *testing.T) {
	known := known(t)
	name := regexp.MustCompile(`pegasus_[a-z_]+`)
	for _, file := range []string{"client", "onebox"} {
		b, err := os.ReadFile("dashboards/" + file + ".json")
		if err != nil {
			t.Fatal(err)
		}
		var d struct {
			Panels []struct {
				Title   string
				Targets []struct{ Expr string }
			}
		}
		if err := json.Unmarshal(b, &d); err != nil {
			t.Fatal(err)
		}
		queries := 0
		for _, p := range d.Panels {
			for _, target := range p.Targets {
				queries++
				used := name.FindAllString(target.Expr, -1)
				if len(used) == 0 {
					t.Errorf("%s: %s: %q names no metric", file, p.Title, target.Expr)
				}
				for _, u := range used {
					if !slices.Contains(known, u) && !slices.Contains(known, strings.TrimSuffix(u, "_bucket")) {
						t.Errorf("%s: %s: there is no metric %s", file, p.Title, u)
					}
				}
			}
		}
		if queries < 10 {
			t.Errorf("%s has %d queries", file, queries)
		}
	}
}
