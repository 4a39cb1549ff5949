package console

import (
	"bufio"
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pegasus-go/pegasus/admin"
)

// metricsReader reads the page /metrics that a onebox has, in the text format of
// Prometheus, and remembers it, because rates are differences. Other clusters have none.
type metricsReader struct {
	metas  []string
	http   http.Client
	absent time.Time // when it was found that the cluster has none
	before *counted
}

const (
	maxMetrics  = 8 << 20
	absentPause = time.Minute // before servers without the page are asked again
)

func newMetricsReader(metas []string) *metricsReader {
	return &metricsReader{metas: metas, http: http.Client{
		Transport:     &http.Transport{MaxIdleConnsPerHost: 1, IdleConnTimeout: idleAfter}, // no proxy
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

func (r *metricsReader) close() { r.http.CloseIdleConnections() }

func (r *metricsReader) forget() { r.before = nil }

// counted is what servers had counted at a time.
type counted struct {
	at       time.Time
	requests map[tableOp]float64
	refused  map[string]float64
	latency  map[string]map[float64]float64 // by operation: how many took at most so many seconds
	bytes    map[string]float64             // by table
	records  map[string]float64
	total    float64 // disk, bytes
	free     float64
}

type tableOp struct{ table, op string }

// rated is what was counted between two times.
type rated struct{ now, before *counted }

// read returns what was counted since the read before, nil if no server has the page.
func (r *metricsReader) read(ctx context.Context, nodes []admin.Node) *rated {
	if time.Since(r.absent) < absentPause {
		return nil
	}
	addrs := slices.Clone(r.metas)
	for _, n := range nodes {
		if n.Alive {
			addrs = append(addrs, n.Address)
		}
	}
	for _, addr := range addrs {
		now, err := r.get(ctx, addr)
		if err == nil {
			v := &rated{now, r.before}
			r.before = now
			return v
		}
		if errors.Is(err, errNoMetrics) {
			r.absent = time.Now()
			return nil
		}
	}
	return nil
}

var errNoMetrics = errors.New("no metrics of a onebox")

func (r *metricsReader) get(ctx context.Context, addr string) (*counted, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/metrics", nil)
	if err != nil {
		return nil, err
	}
	resp, err := r.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	return parseMetrics(io.LimitReader(resp.Body, maxMetrics))
}

func parseMetrics(body io.Reader) (*counted, error) {
	c := &counted{
		at: time.Now(), requests: make(map[tableOp]float64), refused: make(map[string]float64),
		latency: make(map[string]map[float64]float64), bytes: make(map[string]float64), records: make(map[string]float64),
	}
	known := false
	lines := bufio.NewScanner(body)
	for lines.Scan() {
		name, labels, value, ok := parseMetric(lines.Text())
		if !ok {
			continue
		}
		name, ok = strings.CutPrefix(name, "pegasus_server_")
		known = known || ok
		switch name {
		case "requests_total":
			c.requests[tableOp{labels["table"], labels["op"]}] = value
		case "throttled_total":
			c.refused["throttled "+labels["kind"]+" "+labels["action"]] += value
		case "split_rejected_total":
			c.refused["rejected by a split"] += value
		case "request_duration_seconds_bucket":
			le, err := strconv.ParseFloat(labels["le"], 64)
			if err != nil {
				continue
			}
			op := labels["op"]
			if c.latency[op] == nil {
				c.latency[op] = make(map[float64]float64)
			}
			c.latency[op][le] += value
		case "table_bytes":
			c.bytes[labels["table"]] = value
		case "table_records":
			c.records[labels["table"]] = value
		case "disk_bytes":
			c.total = value
		case "disk_free_bytes":
			c.free = value
		}
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	if !known {
		return nil, errNoMetrics
	}
	return c, nil
}

// parseMetric parses a line such as name{label="value"} 1.
func parseMetric(line string) (name string, labels map[string]string, value float64, ok bool) {
	if strings.HasPrefix(line, "#") {
		return "", nil, 0, false
	}
	i := strings.IndexAny(line, "{ ")
	if i < 0 {
		return "", nil, 0, false
	}
	name, rest := line[:i], line[i:]
	labels = make(map[string]string)
	for strings.HasPrefix(rest, "{") || strings.HasPrefix(rest, ",") {
		label, quoted, ok := strings.Cut(rest[1:], "=")
		if !ok {
			return "", nil, 0, false
		}
		prefix, err := strconv.QuotedPrefix(quoted)
		if err != nil {
			return "", nil, 0, false
		}
		if labels[label], err = strconv.Unquote(prefix); err != nil {
			return "", nil, 0, false
		}
		rest = quoted[len(prefix):]
	}
	value, err := strconv.ParseFloat(strings.TrimSpace(strings.TrimPrefix(rest, "}")), 64)
	return name, labels, value, err == nil
}

// fill adds to a snapshot and a sample what was counted.
func (r *rated) fill(snap *Snapshot, sample *Sample) {
	snap.Rates = "metrics"
	for i := range snap.Tables {
		t := &snap.Tables[i]
		if bytes, ok := r.now.bytes[t.Name]; ok {
			t.Bytes, t.Records = bytes, r.now.records[t.Name]
		}
	}
	for i := range snap.Nodes {
		if n := &snap.Nodes[i]; n.DiskTotal == 0 {
			n.DiskTotal, n.DiskFree = r.now.total/(1<<20), r.now.free/(1<<20)
		}
	}
	if r.before == nil {
		return
	}
	seconds := r.now.at.Sub(r.before.at).Seconds()
	ops, series := make(map[string]map[string]float64), 0
	for _, key := range slices.SortedFunc(maps.Keys(r.now.requests), func(a, b tableOp) int {
		return strings.Compare(a.table+"\x00"+a.op, b.table+"\x00"+b.op)
	}) {
		n := r.now.requests[key] - r.before.requests[key]
		if n <= 0 || series == maxOps { // less than before: the servers count anew
			continue
		}
		if ops[key.table] == nil {
			ops[key.table] = make(map[string]float64)
		}
		ops[key.table][key.op] = n / seconds
		series++
	}
	sample.Ops = ops
	sample.Refused = make(map[string]float64)
	for reason, n := range r.now.refused {
		if n -= r.before.refused[reason]; n > 0 {
			sample.Refused[reason] = n / seconds
		}
	}
	sample.Latency = make(map[string]Quantiles)
	for op, buckets := range r.now.latency {
		if p50, ok := quantile(buckets, r.before.latency[op], 0.5); ok {
			p99, _ := quantile(buckets, r.before.latency[op], 0.99)
			sample.Latency[op] = Quantiles{p50 * 1e6, p99 * 1e6}
		}
	}
}

// quantile returns a time in seconds that a share q did not exceed, interpolated within
// its bucket. Buckets are cumulative.
func quantile(now, before map[float64]float64, q float64) (seconds float64, ok bool) {
	bounds := slices.Sorted(maps.Keys(now))
	if len(bounds) == 0 {
		return 0, false
	}
	last := bounds[len(bounds)-1]
	total := now[last] - before[last]
	if total <= 0 {
		return 0, false
	}
	low, passed := 0.0, 0.0
	for _, le := range bounds {
		n := now[le] - before[le]
		if n >= q*total {
			if le == last { // has no end
				return low, true
			}
			return low + (le-low)*(q*total-passed)/max(n-passed, 1), true
		}
		low, passed = le, n
	}
	return low, true
}
