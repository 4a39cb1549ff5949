package pegasus

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pegasus-go/pegasus/internal/histogram"
)

// mostOperations is the number of names of operations that are told apart.
const mostOperations = 128

// index returns a small number that stands for the name of the operation, the same
// for all clients.
func (o *operation) index() int {
	if i := o.slot.Load(); i > 0 {
		return int(i - 1)
	}
	i := operationNames.index(o.name)
	o.slot.Store(int32(i + 1))
	return i
}

// operationNames are the names of operations in the order in which they were first
// carried out.
var operationNames nameList

type nameList struct {
	mu    sync.Mutex
	names []string
}

func (l *nameList) index(name string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	i := slices.Index(l.names, name)
	if i < 0 {
		i = len(l.names)
		l.names = append(l.names, name)
	}
	return min(i, mostOperations-1)
}

func (l *nameList) all() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.names)
}

// counters count the operations of a table, or those that are of none.
type counters struct {
	operations [mostOperations]atomic.Pointer[operationCounters]
	retries    [len(retryReasons)]atomic.Int64
	hedges     atomic.Int64
}

// operationCounters are those of the operations of one name.
type operationCounters struct {
	succeeded histogram.Histogram
	failed    [len(classes)]atomic.Int64 // but for the first outcome
}

// note counts an operation that has ended.
func (c *counters) note(o *operation, took time.Duration, err error) {
	p := &c.operations[o.index()]
	oc := p.Load()
	if oc == nil {
		p.CompareAndSwap(nil, new(operationCounters))
		oc = p.Load()
	}
	if err == nil {
		oc.succeeded.Record(took)
	} else {
		oc.failed[classIndex(err)].Add(1)
	}
}

// retried counts a request that is sent again.
func (c *counters) retried(reason RetryReason) {
	c.retries[slices.Index(retryReasons[:], reason)].Add(1)
}

// operationStats returns what was counted, by name.
func (c *counters) operationStats() []OperationStats {
	var all []OperationStats
	for i, name := range operationNames.all() {
		if i == mostOperations {
			break
		}
		oc := c.operations[i].Load()
		if oc == nil {
			continue
		}
		s := OperationStats{Operation: name, Latency: latencyOf(oc.succeeded.Snapshot())}
		for j := range oc.failed {
			if n := oc.failed[j].Load(); n > 0 {
				if s.Failed == nil {
					s.Failed = make(map[ErrorClass]int64)
				}
				s.Failed[classes[j]] = n
			}
		}
		all = append(all, s)
	}
	slices.SortFunc(all, func(a, b OperationStats) int { return strings.Compare(a.Operation, b.Operation) })
	return all
}

func (c *counters) retryStats() map[RetryReason]int64 {
	m := make(map[RetryReason]int64)
	for i := range c.retries {
		if n := c.retries[i].Load(); n > 0 {
			m[retryReasons[i]] = n
		}
	}
	return m
}

// countersOf returns the counters of a table, which are kept when it is closed.
func (c *Cluster) countersOf(table string) *counters {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.tables[table] == nil {
		c.tables[table] = new(counters)
	}
	return c.tables[table]
}
