// Package prometheus shows what a Pegasus client does as metrics of Prometheus. It
// uses no global registry and opens no port:
//
//	cluster, err := pegasus.New(cfg)
//	...
//	err = prometheus.Register(registry, cluster)
//
// The client counts by itself, so that a call costs nothing more: metrics are made
// when they are asked for.
package prometheus

import (
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/pegasus-go/pegasus"
)

// buckets are the upper bounds of the histogram of latencies: 20 µs to 10 s, about
// two and a half times as long each.
var buckets = []time.Duration{
	20 * time.Microsecond, 50 * time.Microsecond, 100 * time.Microsecond, 250 * time.Microsecond, 500 * time.Microsecond,
	time.Millisecond, 2500 * time.Microsecond, 5 * time.Millisecond, 10 * time.Millisecond, 25 * time.Millisecond,
	50 * time.Millisecond, 100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond,
	time.Second, 2500 * time.Millisecond, 5 * time.Second, 10 * time.Second,
}

// Option changes what Register does.
type Option func(*collector)

// WithConstLabels adds labels to all metrics. Clients of several clusters are
// told apart by them: all of those need labels of the same names then.
func WithConstLabels(labels map[string]string) Option {
	return func(c *collector) { c.labels = labels }
}

// WithServers adds metrics by server, with its address as a label: for clusters
// whose servers keep their addresses.
func WithServers() Option {
	return func(c *collector) { c.servers = true }
}

// Stater is what metrics are made of: a *pegasus.Cluster.
type Stater interface{ Stats() pegasus.Stats }

// Register registers the metrics of a client. It fails if metrics with the same names
// and labels are registered already.
func Register(r prometheus.Registerer, client Stater, options ...Option) error {
	return r.Register(NewCollector(client, options...))
}

// NewCollector returns the metrics of a client.
func NewCollector(client Stater, options ...Option) prometheus.Collector {
	c := &collector{client: client}
	for _, o := range options {
		o(c)
	}
	for i := range families {
		f := &families[i]
		c.descs[i] = prometheus.NewDesc(f.name, f.help, f.labels, c.labels)
	}
	return c
}

// family numbers the metrics.
type family int

const (
	operations family = iota
	duration
	retries
	hedges
	refreshes
	failedRefreshes
	partitions
	withoutPrimary
	connections
	inFlight
	dials
	lost
	bytesOut
	bytesIn
	unreachable
	serverRTT
	serverInFlight
	serverBudget
	familyCount
)

var families = [familyCount]struct {
	name, help string
	labels     []string
}{
	operations:      {"pegasus_client_operations_total", "Operations that have ended.", []string{"table", "operation", "outcome"}},
	duration:        {"pegasus_client_operation_duration_seconds", "How long the operations took that succeeded.", []string{"table", "operation"}},
	retries:         {"pegasus_client_retries_total", "Requests that were sent again, by reason.", []string{"table", "reason"}},
	hedges:          {"pegasus_client_hedges_total", "Reads that were sent to a secondary, too.", []string{"table"}},
	refreshes:       {"pegasus_client_route_refreshes_total", "Questions to the meta servers that were answered.", []string{"table"}},
	failedRefreshes: {"pegasus_client_route_refreshes_failed_total", "Questions to the meta servers that were not answered.", []string{"table"}},
	partitions:      {"pegasus_client_partitions", "Partitions of the table.", []string{"table"}},
	withoutPrimary:  {"pegasus_client_partitions_without_primary", "Partitions that no server serves, as far as the client knows.", []string{"table"}},
	connections:     {"pegasus_client_connections", "Connections that work.", nil},
	inFlight:        {"pegasus_client_requests_in_flight", "Requests that wait for an answer.", nil},
	dials:           {"pegasus_client_connections_made_total", "Connections that were made.", nil},
	lost:            {"pegasus_client_connections_lost_total", "Connections that have ended.", nil},
	bytesOut:        {"pegasus_client_sent_bytes_total", "Bytes sent to servers.", nil},
	bytesIn:         {"pegasus_client_received_bytes_total", "Bytes received from servers.", nil},
	unreachable:     {"pegasus_client_servers_unreachable", "Servers that cannot be connected to, or do not answer.", nil},
	serverRTT:       {"pegasus_client_server_rtt_seconds", "Time from a request to its answer, an average of the latest.", []string{"server"}},
	serverInFlight:  {"pegasus_client_server_requests_in_flight", "Requests to the server that wait for an answer.", []string{"server"}},
	serverBudget:    {"pegasus_client_server_retry_budget", "Requests that may be sent again to the server at once; -1: no limit.", []string{"server"}},
}

// MetricNames returns the names of all metrics.
func MetricNames() []string {
	names := make([]string, len(families))
	for i := range families {
		names[i] = families[i].name
	}
	return names
}

type collector struct {
	client  Stater
	labels  map[string]string
	servers bool
	descs   [familyCount]*prometheus.Desc
}

// Describe tells the names, so that no others can be registered twice.
func (c *collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range c.descs {
		ch <- d
	}
}

// Collect makes the metrics.
func (c *collector) Collect(ch chan<- prometheus.Metric) {
	send := func(f family, kind prometheus.ValueType, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(c.descs[f], kind, v, labels...)
	}
	count := func(f family, n int64, labels ...string) { send(f, prometheus.CounterValue, float64(n), labels...) }
	gauge := func(f family, v float64, labels ...string) { send(f, prometheus.GaugeValue, v, labels...) }
	ops := func(table string, all []pegasus.OperationStats) {
		for _, o := range all {
			// Also what has not happened, else the rate would not show when it first does.
			for _, outcome := range pegasus.ErrorClasses() {
				n := o.Failed[outcome]
				if outcome == pegasus.ClassOK {
					n = o.Latency.Count
				}
				count(operations, n, table, o.Operation, string(outcome))
			}
			within := make(map[float64]uint64, len(buckets))
			for _, b := range buckets {
				within[b.Seconds()] = uint64(o.Latency.AtMost(b))
			}
			ch <- prometheus.MustNewConstHistogram(c.descs[duration], uint64(o.Latency.Count), o.Latency.Sum.Seconds(), within, table, o.Operation)
		}
	}
	s := c.client.Stats()
	ops("", s.Operations)
	for _, t := range s.Tables {
		t.Table = strings.ToValidUTF8(t.Table, "\uFFFD")
		ops(t.Table, t.Operations)
		for _, reason := range pegasus.RetryReasons() {
			count(retries, t.Retries[reason], t.Table, string(reason))
		}
		count(hedges, t.Hedges, t.Table)
		without := 0
		for _, p := range t.Partitions {
			if p.Primary == "" {
				without++
			}
		}
		count(refreshes, t.Refreshes, t.Table)
		count(failedRefreshes, t.FailedRefreshes, t.Table)
		gauge(partitions, float64(len(t.Partitions)), t.Table)
		gauge(withoutPrimary, float64(without), t.Table)
	}
	var sum pegasus.ServerStats
	sick := 0
	for _, v := range s.Servers {
		sum.Connections += v.Connections
		sum.InFlight += v.InFlight
		sum.Dials += v.Dials
		sum.Lost += v.Lost
		sum.BytesOut += v.BytesOut
		sum.BytesIn += v.BytesIn
		if v.DialError != "" || v.Hung {
			sick++
		}
		if c.servers {
			gauge(serverRTT, v.RTT.Seconds(), v.Server)
			gauge(serverInFlight, float64(v.InFlight), v.Server)
			gauge(serverBudget, v.RetryBudget, v.Server)
		}
	}
	gauge(connections, float64(sum.Connections))
	gauge(inFlight, float64(sum.InFlight))
	count(dials, sum.Dials)
	count(lost, sum.Lost)
	count(bytesOut, sum.BytesOut)
	count(bytesIn, sum.BytesIn)
	gauge(unreachable, float64(sick))
}
