package replica

import (
	"github.com/pegasus-go/pegasus/internal/server/stats"
	"github.com/pegasus-go/pegasus/internal/storage"
	"github.com/pegasus-go/pegasus/internal/wire"
)

func scanHandlers() []*handler {
	return []*handler{
		{task: wire.TaskGetScanner, op: stats.Scan, kind: readRPC, slow: always, serve: (*call).getScanner},
		{task: wire.TaskScan, op: stats.Scan, kind: readRPC, slow: always, ownsContext: true, serve: (*call).scan},
		{task: wire.TaskClearScanner, kind: readRPC, ownsContext: true, serve: (*call).clearScanner},
	}
}

func isSet(b *bool) bool { return b != nil && *b }

func (k *call) getScanner(dst []byte) []byte {
	var m wire.GetScannerRequest
	m.Read(&k.r.Arg)
	if k.r.Undecodable() {
		return dst
	}
	req := storage.Scan{
		StartKey:       m.StartKey.Raw,
		StopKey:        m.StopKey.Raw,
		StartInclusive: m.StartInclusive,
		StopInclusive:  m.StopInclusive,
		FullScan:       isSet(m.FullScan),
		HashFilter:     storage.Filter{Type: storage.FilterType(m.HashFilterType), Pattern: m.HashFilterPattern},
		SortFilter:     storage.Filter{Type: storage.FilterType(m.SortFilterType), Pattern: m.SortFilterPattern},
		BatchSize:      m.BatchSize,
		MaxBytes:       k.ReplySize,
		NoValue:        m.NoValue,
		OnlyCount:      isSet(m.OnlyReturnCount),
	}
	if table := k.p.Table.View(); table.Policy.ValidateHash && (m.ValidatePartitionHash == nil || *m.ValidatePartitionHash) {
		req.PartitionCount = int32(table.Count())
	}
	scanner, status := k.p.Store.NewScanner(&req)
	if scanner == nil {
		// No context id either: a server answers an empty range with the
		// default, 0, and counts nothing.
		return reply(k, dst, wire.ScanResponse{Error: wire.Status(status), Source: k.source()})
	}
	return k.nextBatch(dst, &scanContext{
		node:         k.Role,
		gpid:         k.p.GPID,
		scanner:      scanner,
		onlyCount:    req.OnlyCount,
		returnExpire: isSet(m.ReturnExpireTS),
	})
}

func (k *call) scan(dst []byte) []byte {
	var m wire.ScanRequest
	m.Read(&k.r.Arg)
	if k.r.Undecodable() {
		return dst
	}
	c := k.Scans.take(k.Role, k.p.GPID, m.ContextID)
	if c == nil {
		return reply(k, dst, wire.ScanResponse{Error: wire.StatusNotFound, Source: k.source()})
	}
	return k.nextBatch(dst, c)
}

// nextBatch appends an answer with the next records of a scan, which it keeps
// for the next call if there are more.
func (k *call) nextBatch(dst []byte, c *scanContext) []byte {
	r := k.beginRecords(dst)
	c.scanner.Room, c.scanner.Pace = r.room, k.pace()
	res := c.scanner.Next(k.r.Now, func(key, value []byte, expire uint32) {
		r.n++
		r.size += len(key) + len(value)
		r.dst = wire.KeyValue{
			Key: key, Value: value,
			ExpireTS: int32(expire), HasExpireTS: c.returnExpire,
		}.AppendValue(r.dst)
	})
	k.read(r.n, r.size)
	switch {
	case k.ended != "":
		c.scanner.Close() // the client begins another one when it tries again
		return r.dst[:r.start]
	case r.refused && r.n == 0:
		c.scanner.Close() // likewise
		return k.fail(r.dst[:r.start], wire.ErrBusy)
	}
	id := wire.ScanCompleted
	switch {
	case res.Status != storage.OK:
		id = 0
	case res.More:
		id = k.Scans.put(c)
	}
	count := int32(-1)
	if c.onlyCount {
		count = int32(res.Count)
	}
	out := wire.EndScan(r.dst, r.at, wire.Status(res.Status), r.n, id, count, k.source())
	return k.finishRead(out, r.start, len(out)-r.at)
}

// clearScanner ends a scan. It is never answered.
func (k *call) clearScanner(dst []byte) []byte {
	id := k.r.Arg.I64()
	if k.r.Undecodable() {
		return dst
	}
	if c := k.Scans.take(k.Role, k.p.GPID, id); c != nil {
		c.scanner.Close()
	}
	return dst
}
