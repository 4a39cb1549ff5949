package bench

import (
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// What histograms can hold, in nanoseconds, to three digits. What takes longer counts as
// the longest.
const (
	shortest = 100
	longest  = int64(10 * time.Minute)
	digits   = 3
	shards   = 8 // callers share them: a histogram has 200 KiB
)

func newHistogram() *hdrhistogram.Histogram { return hdrhistogram.New(shortest, longest, digits) }

// sample is one request that has ended.
type sample struct {
	latency, service time.Duration
	rows             int
	late             bool
	failed, timeout  bool
	err              error
}

// tally is what was recorded of one kind of request.
type tally struct {
	latency, service                    *hdrhistogram.Histogram // of those that succeeded
	count, errors, timeouts, late, rows int64
	firstError                          string
}

func newTally() *tally { return &tally{latency: newHistogram(), service: newHistogram()} }

func (t *tally) add(s sample) {
	if s.late {
		t.late++
	}
	if s.failed {
		t.errors++
		if s.timeout {
			t.timeouts++
		}
		if t.firstError == "" {
			t.firstError = s.err.Error()
		}
		return
	}
	t.count++
	t.rows += int64(s.rows)
	_ = t.latency.RecordValue(min(int64(s.latency), longest)) // which is in its range
	_ = t.service.RecordValue(min(int64(s.service), longest))
}

func (t *tally) merge(o *tally) {
	t.latency.Merge(o.latency)
	t.service.Merge(o.service)
	t.count += o.count
	t.errors += o.errors
	t.timeouts += o.timeouts
	t.late += o.late
	t.rows += o.rows
	if t.firstError == "" {
		t.firstError = o.firstError
	}
}

func (t *tally) reset() {
	latency, service := t.latency, t.service
	latency.Reset()
	service.Reset()
	*t = tally{latency: latency, service: service}
}

// shard is where some callers record.
type shard struct {
	mu  sync.Mutex
	ops []*tally
}

func (s *shard) record(op int, x sample) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ops[op].add(x)
}

// recorder has what was recorded since the last take, by shard, and all that was taken.
type recorder struct {
	ops    []string
	shards []*shard
	second []*tally // of the second that is being taken
	total  []*tally
}

func newRecorder(ops []string, workers int) *recorder {
	r := &recorder{ops: ops}
	for range min(workers, shards) {
		s := new(shard)
		for range ops {
			s.ops = append(s.ops, newTally())
		}
		r.shards = append(r.shards, s)
	}
	for range ops {
		r.second, r.total = append(r.second, newTally()), append(r.total, newTally())
	}
	return r
}

func (r *recorder) shard(worker int) *shard { return r.shards[worker%len(r.shards)] }

// take ends second n.
func (r *recorder) take(n int) []Second {
	for _, s := range r.shards {
		s.mu.Lock()
		for i, t := range s.ops {
			r.second[i].merge(t)
			t.reset()
		}
		s.mu.Unlock()
	}
	var taken []Second
	for i, t := range r.second {
		s := Second{Second: n, Op: r.ops[i], Count: t.count, Errors: t.errors}
		if t.count > 0 {
			s.P50, s.P99, s.Max = micros(t.latency.ValueAtQuantile(50)), micros(t.latency.ValueAtQuantile(99)), micros(t.latency.Max())
		}
		taken = append(taken, s)
		r.total[i].merge(t)
		t.reset()
	}
	return taken
}

// micros returns nanoseconds in microseconds, to a tenth.
func micros(ns int64) float64 { return float64((ns+50)/100) / 10 }
