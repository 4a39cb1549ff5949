package replica

import (
	"errors"
	"time"

	"github.com/pegasus-go/pegasus/internal/server/catalog"
	"github.com/pegasus-go/pegasus/internal/server/request"
	"github.com/pegasus-go/pegasus/internal/server/stats"
	"github.com/pegasus-go/pegasus/internal/server/throttle"
	"github.com/pegasus-go/pegasus/internal/storage"
	"github.com/pegasus-go/pegasus/internal/wire"
)

// elementMemory is what an element of a list in a request takes, decoded for us
// and for the store, at most.
const elementMemory = 128

// Table implements request.Call.
func (k *call) Table(r *request.Request) string {
	_, v := k.Catalog.Partition(r.GPID)
	if v == nil {
		return ""
	}
	return v.Info.AppName
}

// Admit implements request.Call. The order of the checks is that of a Pegasus
// server: the first one that fails is the answer. An RPC about a partition with
// a table id that cannot be one is unknown, as it is to a Pegasus server.
func (k *call) Admit(r *request.Request) request.Verdict {
	k.r, k.p = r, nil
	if !r.Client.Heard(r.Task) {
		return request.Verdict{Drop: true}
	}
	if k.h == nil || k.h.task != string(r.Task) { // mostly it is that of the request before
		k.h = handlers[string(r.Task)]
	}
	switch {
	case k.h == nil && k.Console.Answers(r):
		return k.Console.Admit(r)
	case k.h == nil, k.h.kind != noPartition && r.AppID <= 0:
		return request.Verdict{Code: wire.ErrHandlerNotFound}
	case k.h.kind == noPartition:
		return request.Verdict{Slow: true, Memory: r.DecodedMemory()}
	}
	p, table := k.Catalog.Partition(r.GPID)
	if p == nil {
		return request.Verdict{Code: wire.ErrObjectNotFound}
	}
	primary, secondary := table.Serves(r.PartitionIndex, k.Index)
	if !primary && !secondary {
		return request.Verdict{Code: wire.ErrObjectNotFound}
	}
	k.p = p
	if !r.Client.May(table.Policy.Users) {
		return request.Verdict{Code: wire.ErrACLDeny}
	}
	var v request.Verdict
	if k.h.kind == readRPC {
		v = k.admitRead(table.Policy, primary)
	} else {
		v = k.admitWrite(table.Policy, primary)
	}
	if v.Code == "" && !v.Drop {
		k.estimate(&v)
	}
	return v
}

// estimate says what carrying out the request will take.
func (k *call) estimate(v *request.Verdict) {
	n := 0
	if k.h.lists {
		n = wire.ListLen(k.r.Arg)
		k.r.Arg.LimitLists(n)
		v.Memory = n * elementMemory
	}
	v.Slow = k.h.slow != nil && k.h.slow(k.r.Arg, n)
	v.OnlyAnswers = k.h.kind == readRPC && k.h.op != stats.None // clear_scanner has none
	v.Joins = k.h.joins && v.Delay == 0
}

func (k *call) admitRead(pol *catalog.Policy, primary bool) request.Verdict {
	if v, refused := deny(pol.DenyRead); refused {
		return v
	}
	if k.r.BackupRequest {
		if !k.r.Waited && pol.BackupQPS != nil {
			if _, reject := k.p.BackupQPS.Count(pol.BackupQPS, k.now(), 1); reject {
				k.p.Stats().Add(stats.BackupRejected, 1)
				return request.Verdict{Drop: true}
			}
		}
		return request.Verdict{}
	}
	if v, throttled := k.count(&k.p.ReadQPS, pol.ReadQPS, 1); throttled {
		return v
	}
	if !primary {
		return request.Verdict{Code: wire.ErrInvalidState}
	}
	if pol.ReadSize > 0 && k.p.ReadSize.Empty(pol.ReadSize, k.Clock()) {
		k.p.Stats().Add(stats.ReadRejected, 1)
		return request.Verdict{Code: wire.ErrBusy}
	}
	return request.Verdict{}
}

func (k *call) admitWrite(pol *catalog.Policy, primary bool) request.Verdict {
	if v, refused := deny(pol.DenyWrite); refused {
		return v
	}
	switch {
	case k.WriteSize > 0 && k.r.BodySize > k.WriteSize:
		return request.Verdict{Code: wire.ErrInvalidData}
	case k.ReadOnly:
		return request.Verdict{Code: wire.ErrOperationDisabled}
	case !primary:
		return request.Verdict{Code: wire.ErrInvalidState}
	}
	if code := k.admitToDisk(); code != "" {
		return request.Verdict{Code: code}
	}
	if v, throttled := k.count(&k.p.WriteQPS, pol.WriteQPS, 1); throttled {
		return v
	}
	v, _ := k.count(&k.p.WriteSize, pol.WriteSize, int64(k.r.BodySize))
	return v
}

// admitToDisk refuses writes that the disk has no room for, or does not take for
// now. What only deletes may use room that is kept for that.
func (k *call) admitToDisk() wire.ErrorCode {
	if k.diskFull.Load() {
		return wire.ErrDiskInsufficient
	}
	deletes := k.h.task == wire.TaskRemove || k.h.task == wire.TaskMultiRemove
	switch err := k.DB.Admit(deletes); {
	case errors.Is(err, storage.ErrFull):
		return wire.ErrDiskInsufficient
	case err != nil:
		return wire.ErrBusy
	}
	return ""
}

// deny returns how to refuse a request.
func deny(d catalog.Denial) (v request.Verdict, refused bool) {
	switch d {
	case catalog.DenyByTimeout:
		return request.Verdict{Drop: true}, true
	case catalog.DenyByReconfig:
		return request.Verdict{Code: wire.ErrInvalidState}, true
	}
	return request.Verdict{}, false
}

// count counts units of a request towards a rate, unless that is nil or the
// request has been through it. A delay is at most half of the time that the
// client waits.
func (k *call) count(c *throttle.Counter, rate *throttle.Rate, units int64) (v request.Verdict, throttled bool) {
	if rate == nil || k.r.Waited {
		return request.Verdict{}, false
	}
	delay, reject := c.Count(rate, k.now(), units)
	if k.r.TimeoutMs > 0 {
		delay = min(delay, time.Duration(k.r.TimeoutMs)*time.Millisecond/2)
	}
	v.Delay = delay
	switch {
	case reject:
		v.Code = wire.ErrBusy
		k.countOne(stats.ReadRejected, stats.WriteRejected)
	case delay > 0:
		k.countOne(stats.ReadDelayed, stats.WriteDelayed)
	}
	return v, delay > 0 || reject
}

// checkView refuses requests while a split moves records, and afterwards those
// that were sent by the old partition count. Tables do not look at the hash
// before their first split. It also refuses those to a table that was dropped
// since they were admitted. The partition is in use.
func (k *call) checkView() wire.ErrorCode {
	table := k.p.Table.View()
	switch {
	case !table.Available():
		return wire.ErrObjectNotFound
	case table.Moving():
		return wire.ErrSplitting
	}
	if !table.Policy.ValidateHash || k.h.ownsContext {
		return ""
	}
	if k.r.PartitionHash%uint64(table.Count()) != uint64(k.p.GPID.PartitionIndex) {
		return wire.ErrParentMisused
	}
	return ""
}
