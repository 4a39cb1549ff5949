package replica

import (
	"sync/atomic"
	"time"

	"github.com/pegasus-go/pegasus/internal/server/catalog"
	"github.com/pegasus-go/pegasus/internal/server/request"
	"github.com/pegasus-go/pegasus/internal/server/stats"
	"github.com/pegasus-go/pegasus/internal/wire"
)

// Unusual is from when on a request counts as abnormal. It may be changed at any
// time; 0 is no limit.
type Unusual struct {
	GetBytes        atomic.Int64
	MultiGetBytes   atomic.Int64 // also of scans and batches
	MultiGetRecords atomic.Int64
	Nanoseconds     atomic.Int64 // of requests that are no quick ones
}

// Default sets the limits that a Pegasus server has.
func (u *Unusual) Default() {
	u.GetBytes.Store(1000000)
	u.MultiGetBytes.Store(10000000)
	u.MultiGetRecords.Store(1000)
	u.Nanoseconds.Store(int64(100 * time.Millisecond))
}

// serveCounted carries out an operation on data and counts it.
func (k *call) serveCounted(dst []byte) []byte {
	k.size, k.records = 0, 0
	var began time.Time
	if !k.r.Quick {
		began = time.Now()
	}
	dst = k.h.serve(k, dst)
	if k.r.Malformed || k.r.Long {
		return dst
	}
	k.r.Done = stats.Request{Op: k.h.op, Partition: k.p.Stats(), Table: k.p.Table.Stats()}
	k.p.Stats().Done(k.h.op, k.size)
	if k.unusual(began) {
		k.p.Stats().Add(stats.Abnormal, 1)
	}
	return dst
}

// unusual reports whether a request that was carried out is abnormal.
func (k *call) unusual(began time.Time) bool {
	over := func(limit *atomic.Int64, n int64) bool {
		l := limit.Load()
		return l > 0 && n > l
	}
	switch {
	case !began.IsZero() && over(&k.Unusual.Nanoseconds, int64(time.Since(began))):
		return true
	case k.h.op.Writes():
		return false
	case k.h.op == stats.Get:
		return over(&k.Unusual.GetBytes, int64(k.size))
	}
	return over(&k.Unusual.MultiGetBytes, int64(k.size)) || over(&k.Unusual.MultiGetRecords, int64(k.records))
}

// read notes what the request has read.
func (k *call) read(records, size int) { k.records, k.size = records, size }

// countOne counts the request by one counter of its partition or the other.
func (k *call) countOne(read, write stats.Counter) {
	if k.h.kind == writeRPC {
		read = write
	}
	k.p.Stats().Add(read, 1)
}

// Observe implements request.Call.
func (k *call) Observe(done stats.Request, d time.Duration) { k.Stats.Observe(done, d) }

// Failed implements request.Call.
func (k *call) Failed(r *request.Request, code wire.ErrorCode) {
	h := handlers[string(r.Task)]
	if h == nil || h.kind == noPartition {
		k.Stats.Errors.Add(string(code))
		return
	}
	k.failed(h.kind, k.Catalog.Available(r.AppID), code)
}

// failed counts an answer that is an error; table is nil if there is no such table.
func (n *Role) failed(kind kind, table *catalog.Table, code wire.ErrorCode) {
	errors, failure := &n.Stats.Errors, stats.ReadFailed
	if table != nil {
		errors = &table.Stats().Errors
	}
	errors.Add(string(code))
	if kind == writeRPC {
		failure = stats.WriteFailed
	}
	if code == wire.ErrBusy {
		failure++
	}
	n.Stats.Fail(failure)
}
