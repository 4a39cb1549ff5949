package pegasus

import (
	"encoding/json"
	"maps"
	"slices"
	"time"

	"github.com/pegasus-go/pegasus/internal/histogram"
)

// Stats is what a client has done since it was made, and what it knows of its
// servers and tables. Counts never become less while the client lives, but for those of
// refreshes, which begin anew when a table is opened again.
type Stats struct {
	// Operations are those that are of no open table: the opening of tables.
	Operations []OperationStats `json:"operations,omitempty"`
	Tables     []TableStats     `json:"tables,omitempty"`
	Servers    []ServerStats    `json:"servers,omitempty"`
}

// TableStats is about a table that is open, or was.
type TableStats struct {
	Table string `json:"table"`
	// These are zero while the table is not open, or does not exist.
	ID         int32            `json:"id,omitempty"`
	Partitions []PartitionStats `json:"partitions,omitempty"`
	// Questions to the meta servers since it was opened: those that were answered, and
	// the others.
	Refreshes       int64 `json:"refreshes"`
	FailedRefreshes int64 `json:"failed_refreshes"`

	Operations []OperationStats      `json:"operations,omitempty"`
	Retries    map[RetryReason]int64 `json:"retries,omitempty"` // requests that were sent again
	Hedges     int64                 `json:"hedges,omitempty"`  // reads that were sent to a secondary, too
}

// PartitionStats is the place of a partition.
type PartitionStats struct {
	Partition int32  `json:"partition"`
	Primary   string `json:"primary"` // "host:port", "" if it has none
	Ballot    int64  `json:"ballot"`
}

// OperationStats counts the operations of one name.
type OperationStats struct {
	Operation string               `json:"operation"`        // the public method, as in PError.Op
	Failed    map[ErrorClass]int64 `json:"failed,omitempty"` // those that returned an error
	Latency   Latency              `json:"latency"`          // of those that returned none
}

// Latency is how long things have taken.
type Latency struct {
	Count          int64
	Sum            time.Duration
	P50, P99, P999 time.Duration // at most an eighth too long

	counts *histogram.Snapshot
}

func latencyOf(s *histogram.Snapshot) Latency {
	return Latency{Count: s.Count, Sum: s.Sum, P50: s.Quantile(0.5), P99: s.Quantile(0.99), P999: s.Quantile(0.999), counts: s}
}

// AtMost returns how many have taken d or less. Some that have taken up to an eighth
// less than d are not counted.
func (l Latency) AtMost(d time.Duration) int64 {
	if l.counts == nil {
		return 0
	}
	return l.counts.AtMost(d)
}

// MarshalJSON writes durations in nanoseconds.
func (l Latency) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Count int64         `json:"count"`
		Sum   time.Duration `json:"sum_ns"`
		P50   time.Duration `json:"p50_ns"`
		P99   time.Duration `json:"p99_ns"`
		P999  time.Duration `json:"p999_ns"`
	}{l.Count, l.Sum, l.P50, l.P99, l.P999})
}

// ServerStats is about a server that the client has gone to, a meta server or a
// replica server.
type ServerStats struct {
	Server      string        `json:"server"`      // "host:port"
	Connections int           `json:"connections"` // that work at present
	InFlight    int           `json:"in_flight"`   // requests that wait for an answer
	BytesOut    int64         `json:"bytes_out"`
	BytesIn     int64         `json:"bytes_in"`
	Dials       int64         `json:"dials"`                // connections that were made
	Lost        int64         `json:"lost"`                 // connections that have ended
	RTT         time.Duration `json:"rtt_ns"`               // from a request to its answer: an average of the latest; 0 if there were none
	Hung        bool          `json:"hung"`                 // it was found not to answer, and has not answered since
	DialError   string        `json:"dial_error,omitempty"` // why it cannot be connected to; "" if it can, as far as is known
	// RetryBudget is how many requests may be sent again to the server at once, see
	// Config.RetryBudget; negative: no limit.
	RetryBudget float64 `json:"retry_budget"`
}

// Stats returns what the client has done so far. It asks no server, and is cheap
// enough to be called every second.
func (c *Cluster) Stats() Stats {
	c.mu.Lock()
	tables, routes := maps.Clone(c.tables), maps.Clone(c.routes)
	c.mu.Unlock()
	s := Stats{Operations: c.counters.operationStats()}
	for _, name := range slices.Sorted(maps.Keys(tables)) {
		t := TableStats{Table: name, Operations: tables[name].operationStats(), Retries: tables[name].retryStats(), Hedges: tables[name].hedges.Load()}
		if r := routes[name]; r != nil {
			known := r.Stats()
			t.ID, t.Refreshes, t.FailedRefreshes = known.AppID, known.Refreshes, known.Failures
			for _, p := range known.Places {
				t.Partitions = append(t.Partitions, PartitionStats{p.PartitionIndex, addrOf(p.Primary), p.Ballot})
			}
		}
		s.Tables = append(s.Tables, t)
	}
	for _, n := range c.pool.Stats() {
		e := ServerStats{
			Server: n.Addr, Connections: n.Connections, InFlight: n.InFlight, BytesOut: n.BytesOut, BytesIn: n.BytesIn,
			Dials: n.Dials, Lost: n.Lost, RTT: n.Latency, Hung: n.Hung, RetryBudget: n.Budget,
		}
		if n.Err != nil {
			e.DialError = n.Err.Error()
		}
		s.Servers = append(s.Servers, e)
	}
	return s
}
