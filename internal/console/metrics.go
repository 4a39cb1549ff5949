package console

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/pegasus-go/pegasus/admin"
)

// metricsReader reads the page /metrics that a onebox has, in the text format of
// Prometheus, and remembers it, because rates are differences. Other clusters have none.
type metricsReader struct {
	metas  []string
	http   http.Client
	told   string    // who answered last
	absent time.Time // when it was found that the cluster has none
	before *counted
}

const (
	absentPause = time.Minute // before servers without the page are asked again
	metricsTime = time.Second // that all servers together have to answer
	hedgeAfter  = 250 * time.Millisecond
	maxAsked    = 8 // servers: a onebox has few, and a large cluster has no such page
)

func newMetricsReader(metas []string) *metricsReader {
	return &metricsReader{metas: metas, http: newHTTPClient()}
}

func (r *metricsReader) close() { r.http.CloseIdleConnections() }

func (r *metricsReader) forget() { r.before = nil }

// counted is what servers had counted at a time.
type counted struct {
	at        time.Time
	requests  map[tableKey]float64 // by operation
	errors    map[tableKey]float64 // by code
	throttled map[tableKey]float64 // by kind
	// Requests that took at most so many seconds, by operation.
	latency map[tableKey]map[float64]float64
	bytes   map[string]float64 // by table
	records map[string]float64
	total   float64 // disk, bytes
	free    float64
}

// tableKey is a table, "" for all, and what is counted of it.
type tableKey struct{ table, key string }

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
	now, err := r.ask(ctx, addrs[:min(len(addrs), maxAsked)])
	if errors.Is(err, errNoMetrics) {
		r.absent = time.Now()
	}
	if err != nil {
		return nil
	}
	v := &rated{now, r.before}
	r.before = now
	return v
}

var errNoMetrics = errors.New("no metrics of a onebox")

// ask asks the server that answered last, and when that one fails or is slow all others side by
// side: all tell the same, and one that is silent must not cost a sample.
func (r *metricsReader) ask(ctx context.Context, addrs []string) (*counted, error) {
	type answer struct {
		addr string
		now  *counted
		err  error
	}
	answers := make(chan answer, len(addrs))
	var asked sync.WaitGroup
	defer asked.Wait()
	ctx, cancel := context.WithTimeout(ctx, metricsTime)
	defer cancel() // ends what is under way still
	ask := func(addrs ...string) {
		for _, addr := range addrs {
			asked.Go(func() {
				now, err := r.get(ctx, addr)
				answers <- answer{addr, now, err}
			})
		}
	}
	pending := len(addrs)
	if i := slices.Index(addrs, r.told); i >= 0 {
		ask(r.told)
		addrs = slices.Delete(addrs, i, i+1)
	} else {
		ask(addrs...)
		addrs = nil
	}
	hedge := time.NewTimer(hedgeAfter)
	defer hedge.Stop()
	err := errNoMetrics
	for pending > 0 {
		select {
		case a := <-answers:
			if a.err == nil {
				r.told = a.addr
			}
			if a.err == nil || errors.Is(a.err, errNoMetrics) {
				return a.now, a.err
			}
			pending, err = pending-1, a.err
		case <-hedge.C:
		}
		ask(addrs...)
		addrs = nil
	}
	return nil, err
}

func (r *metricsReader) get(ctx context.Context, addr string) (now *counted, err error) {
	err = getMetrics(ctx, &r.http, addr, "", func(body io.Reader) error {
		now, err = parseMetrics(body)
		return err
	})
	return now, err
}

func parseMetrics(body io.Reader) (*counted, error) {
	c := &counted{
		at: time.Now(), requests: make(map[tableKey]float64), errors: make(map[tableKey]float64), throttled: make(map[tableKey]float64),
		latency: make(map[tableKey]map[float64]float64), bytes: make(map[string]float64), records: make(map[string]float64),
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
		table := labels["table"]
		switch name {
		case "requests_total":
			c.requests[tableKey{table, labels["op"]}] = value
		case "errors_total":
			c.errors[tableKey{table, labels["code"]}] = value
		case "throttled_total":
			c.throttled[tableKey{table, throttledKind(labels["kind"], labels["action"] == "reject")}] = value
		case "split_rejected_total":
			c.throttled[tableKey{table, splitKind(labels["kind"])}] = value
		case "request_duration_seconds_bucket": // has a label for the server
			c.bucket("", labels, value)
		case "table_request_duration_seconds_bucket":
			c.bucket(table, labels, value)
		case "table_bytes":
			c.bytes[table] = value
		case "table_records":
			c.records[table] = value
		case "disk_bytes":
			c.total = value
		case "disk_free_bytes":
			c.free = value
		}
	}
	// The page of another kind of server may be one long line.
	err := lines.Err()
	if !known && (err == nil || errors.Is(err, bufio.ErrTooLong)) {
		err = errNoMetrics
	}
	if err != nil {
		return nil, err
	}
	return c, nil
}

func (c *counted) bucket(table string, labels map[string]string, value float64) {
	le, err := strconv.ParseFloat(labels["le"], 64)
	if err != nil {
		return
	}
	key := tableKey{table, labels["op"]}
	if c.latency[key] == nil {
		c.latency[key] = make(map[float64]float64)
	}
	c.latency[key][le] += value
}

// throttledKind names requests of a kind that throttling has met.
func throttledKind(kind string, rejected bool) string {
	if rejected {
		return requestsOf[kind] + " rejected by throttling"
	}
	return requestsOf[kind] + " delayed by throttling"
}

func splitKind(kind string) string { return requestsOf[kind] + " rejected by a split" }

var requestsOf = map[string]string{"read": "reads", "write": "writes", "backup": "reads of secondaries"}

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
	sample.Ops = r.perSecond(r.now.requests, r.before.requests)
	sample.Errors = r.perSecond(r.now.errors, r.before.errors)
	sample.Throttled = r.perSecond(r.now.throttled, r.before.throttled)
	sample.Latency = make(map[string]map[string]Quantiles)
	for key, buckets := range r.now.latency {
		if key.table != "" && sample.Ops[key.table][key.key] == 0 {
			continue // it is not among those that there is room for
		}
		var us [3]float64
		for i, q := range []float64{0.5, 0.99, 0.999} {
			seconds, ok := quantile(buckets, r.before.latency[key], q)
			if !ok {
				break
			}
			us[i] = seconds * 1e6
		}
		if us[1] > 0 {
			of(sample.Latency, key.table)[key.key] = Quantiles{us[0], us[1], us[2]}
		}
	}
}

// perSecond returns the rates of what was counted, of the busiest if there are many.
func (r *rated) perSecond(now, before map[tableKey]float64) map[string]map[string]float64 {
	seconds := r.now.at.Sub(r.before.at).Seconds()
	done := make(map[tableKey]float64)
	for key, n := range now {
		if n -= before[key]; n > 0 { // or the servers count anew
			done[key] = n / seconds
		}
	}
	rates := make(map[string]map[string]float64)
	for _, key := range busiest(done) {
		add(rates, key.table, key.key, done[key])
	}
	return rates
}

// busiest returns those that there is room for in a sample.
func busiest(rates map[tableKey]float64) []tableKey {
	keys := slices.SortedFunc(maps.Keys(rates), func(a, b tableKey) int {
		return cmp.Or(cmp.Compare(rates[b], rates[a]), cmp.Compare(a.table, b.table), cmp.Compare(a.key, b.key))
	})
	return keys[:min(len(keys), maxOps)]
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
