// Package stats counts what is done with the partitions of a server, and how long
// requests take. To count is cheap; rates are worked out when somebody asks.
package stats

import "sync/atomic"

// Op is an operation of clients.
type Op uint8

// The operations. None is a request that is no operation on data.
const (
	None Op = iota
	Get
	MultiGet
	BatchGet
	TTL
	SortKeyCount
	Scan
	Put
	MultiPut
	Remove
	MultiRemove
	Incr
	CheckAndSet
	CheckAndMutate
	opCount
)

var opNames = [opCount]string{
	"none", "get", "multi_get", "batch_get", "ttl", "sortkey_count", "scan",
	"put", "multi_put", "remove", "multi_remove", "incr", "check_and_set", "check_and_mutate",
}

// String returns the name of the RPC, which for Scan is that of two.
func (o Op) String() string { return opNames[o] }

// Writes reports whether the operation writes.
func (o Op) Writes() bool { return o >= Put }

// Ops calls f with each operation.
func Ops(f func(Op)) {
	for o := Get; o < opCount; o++ {
		f(o)
	}
}

// Counter is something that is counted of a partition.
type Counter uint8

// The counters. Those of an operation are Requests and Bytes of it.
const (
	ReadUnits          Counter = 2*Counter(opCount) + iota // capacity units
	WriteUnits                                             //
	Abnormal                                               // requests that took long or read much
	ReadDelayed                                            // by throttling
	WriteDelayed                                           //
	ReadRejected                                           // by throttling
	WriteRejected                                          //
	BackupRejected                                         // requests to a secondary, by throttling
	ReadSplitRejected                                      // because of a split
	WriteSplitRejected                                     //
	Expired                                                // records that a read met and passed over
	Filtered                                               // likewise
	counterCount
)

// Requests is the counter of the requests of an operation that were carried out.
func Requests(o Op) Counter { return Counter(o) }

// Bytes is the counter of the bytes of keys and values that an operation has read or
// written.
func Bytes(o Op) Counter { return Counter(opCount) + Counter(o) }

// capacityUnit is the number of bytes of a capacity unit.
const capacityUnit = 4 << 10

// Partition counts what is done with one partition.
type Partition struct {
	counters [counterCount]atomic.Int64
	times    times // since the Sampler has looked last
}

// Add adds to a counter.
func (p *Partition) Add(c Counter, n int64) { p.counters[c].Add(n) }

// Done counts an operation on so many bytes of keys and values. Each costs a capacity
// unit for every 4096 bytes begun, one at least, of what it is: an increment and what
// checks costs one of reading beside.
func (p *Partition) Done(o Op, bytes int) {
	units := int64(max(1, (bytes+capacityUnit-1)/capacityUnit))
	p.Add(Requests(o), 1)
	p.Add(Bytes(o), int64(bytes))
	if !o.Writes() {
		p.Add(ReadUnits, units)
		return
	}
	p.Add(WriteUnits, units)
	if o >= Incr {
		p.Add(ReadUnits, 1)
	}
}

// Counts are values of all counters.
type Counts [counterCount]int64

// Counts returns what was counted so far.
func (p *Partition) Counts() (c Counts) {
	for i := range p.counters {
		c[i] = p.counters[i].Load()
	}
	return c
}

// Add adds other to c.
func (c *Counts) Add(other *Counts) {
	for i := range c {
		c[i] += other[i]
	}
}

func (c *Counts) since(earlier *Counts) (d Counts) {
	for i := range c {
		d[i] = c[i] - earlier[i]
	}
	return d
}
