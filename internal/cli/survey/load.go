package survey

import (
	"encoding/json"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/pegasus-go/pegasus/admin"
)

// Load is what the primary of a partition counts. Negative is what is not known.
type Load struct {
	Read, Write       float64       // requests per second
	ReadP99, WriteP99 time.Duration // the slowest operation's
	Throttled         float64       // requests that were delayed or refused by throttling, per second
	Rows, Bytes       int64         // estimates
}

// NodeLoad is what a replica server counts of itself. Negative is what is not known.
type NodeLoad struct {
	ReadP99, WriteP99 time.Duration // the slowest operation's
	Learning          int64         // replicas that are made from others
	Sampled           time.Time     // by the clock of the server
	CountersErr       error         // why nothing is known
}

var (
	unknown     = Load{Read: -1, Write: -1, ReadP99: -1, WriteP99: -1, Throttled: -1, Rows: -1, Bytes: -1}
	unknownNode = NodeLoad{ReadP99: -1, WriteP99: -1, Learning: -1}
)

// sampleInterval is how often servers look at their counters: what they count between two
// looks is of that long.
const sampleInterval = 10 * time.Second

var (
	reads     = []string{"get", "multi_get", "batch_get", "scan"}
	writes    = []string{"put", "multi_put", "remove", "multi_remove", "incr", "check_and_set", "check_and_mutate", "duplicate"}
	throttles = []string{
		"recent.read.throttling.delay.count", "recent.read.throttling.reject.count",
		"recent.write.throttling.delay.count", "recent.write.throttling.reject.count",
	}
)

const (
	appCounter     = "replica*app.pegasus*"
	replicaCounter = "replica*eon.replica*"
	rows           = "rdb.estimate_num_keys"
	megabytes      = "disk.storage.sst(MB)"
	learning       = "replica*eon.replica_stub*replicas.learning.count"
	profiler       = "zion*profiler*RPC_RRDB_RRDB_"
	serverLatency  = ".latency.server"
)

// prefixes are those of all counters that are looked at, so that a server with thousands
// of replicas sends no more than that.
var prefixes = func() []string {
	p := []string{appCounter + rows + "@", appCounter + megabytes + "@", learning}
	for _, ops := range [][]string{reads, writes} {
		for _, op := range ops {
			p = append(p, appCounter+op+"_qps@", appCounter+op+"_latency@", profiler+strings.ToUpper(op)+serverLatency)
		}
	}
	for _, t := range throttles {
		p = append(p, replicaCounter+t+"@")
	}
	return p
}()

// meaning is what a counter about a partition, or one of a server, adds to.
type meaning func(l *Load, n *NodeLoad, v float64)

var meanings = func() map[string]meaning {
	m := map[string]meaning{
		rows:      func(l *Load, _ *NodeLoad, v float64) { l.Rows = int64(v) },
		megabytes: func(l *Load, _ *NodeLoad, v float64) { l.Bytes = int64(v * (1 << 20)) },
		learning:  func(_ *Load, n *NodeLoad, v float64) { n.Learning = int64(v) },
	}
	for _, op := range reads {
		m[op+"_qps"] = func(l *Load, _ *NodeLoad, v float64) { l.Read = max(l.Read, 0) + v }
		m[op+"_latency"] = func(l *Load, _ *NodeLoad, v float64) { l.ReadP99 = max(l.ReadP99, latency(v)) }
		m[profiler+strings.ToUpper(op)+serverLatency] = func(_ *Load, n *NodeLoad, v float64) { n.ReadP99 = max(n.ReadP99, latency(v)) }
	}
	for _, op := range writes {
		m[op+"_qps"] = func(l *Load, _ *NodeLoad, v float64) { l.Write = max(l.Write, 0) + v }
		m[op+"_latency"] = func(l *Load, _ *NodeLoad, v float64) { l.WriteP99 = max(l.WriteP99, latency(v)) }
		m[profiler+strings.ToUpper(op)+serverLatency] = func(_ *Load, n *NodeLoad, v float64) { n.WriteP99 = max(n.WriteP99, latency(v)) }
	}
	for _, t := range throttles {
		m[t] = func(l *Load, _ *NodeLoad, v float64) { l.Throttled = max(l.Throttled, 0) + v/sampleInterval.Seconds() }
	}
	return m
}()

// latency is a time as servers count it, who have 0 where there was no request.
func latency(v float64) time.Duration {
	if v <= 0 {
		return -1
	}
	return time.Duration(v)
}

// load notes what the nodes count. Of a partition only its primary is heard.
func (s *Survey) load(counters []admin.Counters) {
	type place struct{ table, partition int }
	type held struct {
		p       *Partition
		primary string
	}
	at := make(map[place]held)
	for i := range s.Tables {
		for j := range s.Tables[i].Partitions {
			p := &s.Tables[i].Partitions[j]
			at[place{p.TableID, p.Index}] = held{p, p.Primary}
		}
	}
	for i := range s.Nodes {
		n := &s.Nodes[i]
		n.Sampled = counters[i].Sampled
		for _, c := range counters[i].Values {
			name, id, ofPartition := strings.Cut(c.Name, "@")
			name = strings.TrimPrefix(strings.TrimPrefix(name, appCounter), replicaCounter)
			f := meanings[name]
			if f == nil {
				continue
			}
			if !ofPartition {
				f(new(Load), &n.NodeLoad, c.Value)
				continue
			}
			table, partition, ok := parseGPID(id)
			if h := at[place{table, partition}]; ok && h.primary == n.Addr {
				f(&h.p.Load, new(NodeLoad), c.Value)
			}
		}
	}
}

// parseGPID reads "1.0". "1.0.p999" is another percentile, and none.
func parseGPID(s string) (table, partition int, ok bool) {
	a, b, _ := strings.Cut(s, ".")
	table, err1 := strconv.Atoi(a)
	partition, err2 := strconv.Atoi(b)
	return table, partition, err1 == nil && err2 == nil
}

// Sum is the load of all partitions of a table: rates and sizes are added, of latencies
// it is the worst. What one partition does not tell is not known of the table either,
// but for rates, whose sum is of those that do.
func (t *Table) Sum() Load {
	sum, first := unknown, true
	for _, p := range t.Partitions {
		if p.Health == Splitting {
			continue
		}
		if p.Read >= 0 {
			sum.Read = max(sum.Read, 0) + p.Read
		}
		if p.Write >= 0 {
			sum.Write = max(sum.Write, 0) + p.Write
		}
		if p.Throttled >= 0 {
			sum.Throttled = max(sum.Throttled, 0) + p.Throttled
		}
		sum.ReadP99, sum.WriteP99 = max(sum.ReadP99, p.ReadP99), max(sum.WriteP99, p.WriteP99)
		if first {
			sum.Rows, sum.Bytes, first = p.Rows, p.Bytes, false
			continue
		}
		sum.Rows, sum.Bytes = addKnown(sum.Rows, p.Rows), addKnown(sum.Bytes, p.Bytes)
	}
	return sum
}

func addKnown(a, b int64) int64 {
	if a < 0 || b < 0 {
		return -1
	}
	return a + b
}

// Count returns how many partitions of the table are of a health.
func (t *Table) Count(h Health) int {
	n := 0
	for _, p := range t.Partitions {
		if p.Health == h {
			n++
		}
	}
	return n
}

// released is how servers before and after 2.5 tell their version.
var released = regexp.MustCompile(`^Pegasus Server (\S+)`)

// version returns the version in the answer to server-info, "" if there is none.
func version(text string) string {
	if m := released.FindStringSubmatch(text); m != nil {
		return m[1]
	}
	var parsed struct{ Version string }
	if json.Unmarshal([]byte(text), &parsed) != nil {
		return ""
	}
	return parsed.Version
}
