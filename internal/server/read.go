package server

import (
	"github.com/pegasus-go/pegasus/internal/storage"
	"github.com/pegasus-go/pegasus/internal/wire"
)

func readHandlers() []*handler {
	read := func(task string, slow func(wire.Reader) bool, serve func(*call, []byte) []byte) *handler {
		return &handler{task: task, roles: replicaRole, kind: readRPC, slow: slow, serve: serve}
	}
	return []*handler{
		read(wire.TaskGet, nil, (*call).get),
		read(wire.TaskTTL, nil, (*call).ttl),
		read(wire.TaskMultiGet, slowMultiGet, (*call).multiGet),
		read(wire.TaskBatchGet, slowBatchGet, (*call).batchGet),
		read(wire.TaskSortKeyCount, always, (*call).sortKeyCount),
	}
}

// A read of several records is quick if it asks for no more than this. Mostly
// it then returns a few KiB, for which a goroutine and a system call of its own
// would cost more than the read.
const (
	quickKeys = 100
	quickSize = 256 << 10
)

func slowMultiGet(arg wire.Reader) bool {
	var m wire.MultiGetRequest
	m.Read(&arg)
	if len(m.SortKeys) > 0 {
		return len(m.SortKeys) > quickKeys
	}
	return m.MaxKVSize <= 0 || m.MaxKVSize > quickSize
}

func slowBatchGet(arg wire.Reader) bool {
	var m wire.BatchGetRequest
	m.Read(&arg)
	return len(m.Keys) > quickKeys
}

func (k *call) get(dst []byte) []byte {
	key := k.req.Arg.Blob()
	if k.undecodable() {
		return dst
	}
	start := len(dst)
	dst = k.req.BeginReply(dst, k.h.ack, wire.ErrOK, wire.TypeStruct)
	at := len(dst)
	dst = wire.BeginRead(dst)
	dst, _, status := k.p.store.Get(dst, key, k.now)
	dst = wire.EndRead(dst, at, wire.Status(status), k.source())
	return k.finishRead(dst, start, len(dst)-at)
}

func (k *call) ttl(dst []byte) []byte {
	key := k.req.Arg.Blob()
	if k.undecodable() {
		return dst
	}
	resp := wire.TTLResponse{Source: k.source()}
	_, expire, status := k.p.store.Get(nil, key, k.now)
	resp.Error = wire.Status(status)
	if status == storage.OK {
		resp.TTLSeconds = -1
		if expire != 0 {
			resp.TTLSeconds = int32(expire - k.now)
		}
	}
	return reply(k, dst, resp)
}

func (k *call) multiGet(dst []byte) []byte {
	var m wire.MultiGetRequest
	m.Read(&k.req.Arg)
	if k.undecodable() {
		return dst
	}
	req := storage.MultiGet{
		HashKey:        m.HashKey,
		SortKeys:       m.SortKeys,
		MaxCount:       m.MaxKVCount,
		MaxSize:        k.maxSize(m.MaxKVSize),
		NoValue:        m.NoValue,
		Start:          m.StartSortKey,
		Stop:           m.StopSortKey,
		StartInclusive: m.StartInclusive,
		StopInclusive:  m.StopInclusive,
		Filter:         storage.Filter{Type: storage.FilterType(m.FilterType), Pattern: m.FilterPattern},
		Reverse:        m.Reverse,
		Room:           k.room(),
	}
	r := k.beginRecords(dst)
	status := k.p.store.MultiGet(&req, k.now, func(sortKey, value []byte) {
		r.n++
		r.dst = wire.KeyValue{Key: sortKey, Value: value}.AppendValue(r.dst)
	})
	return r.end(status)
}

// maxSize returns how many bytes a multi_get that asks for at most size may
// return. A size that is not positive asks for everything.
func (k *call) maxSize(size int32) int32 {
	limit := int32(min(k.s.opts.Limits.ReplySize, maxInt32))
	if size <= 0 {
		return limit
	}
	return min(size, limit)
}

func (k *call) batchGet(dst []byte) []byte {
	var m wire.BatchGetRequest
	m.Read(&k.req.Arg)
	if k.undecodable() {
		return dst
	}
	keys := make([]storage.HashSortKey, len(m.Keys))
	for i := range m.Keys {
		keys[i] = storage.HashSortKey{HashKey: m.Keys[i].HashKey, SortKey: m.Keys[i].SortKey}
	}
	r := k.beginRecords(dst)
	limit := len(dst) + k.s.opts.Limits.ReplySize
	room := k.room()
	status := k.p.store.BatchGet(keys, k.now, func(i int, value []byte) {
		if k.memory.refused || room != nil && !room(len(value)) {
			return
		}
		if len(r.dst) < limit {
			r.n++
			r.dst = wire.FullData{HashKey: keys[i].HashKey, SortKey: keys[i].SortKey, Value: value}.AppendValue(r.dst)
		}
	})
	switch {
	case k.memory.refused:
		return k.fail(r.dst[:r.start], wire.ErrBusy)
	case len(r.dst) >= limit:
		return k.fail(r.dst[:r.start], wire.ErrInvalidData)
	}
	return r.end(status)
}

func (k *call) sortKeyCount(dst []byte) []byte {
	hashKey := k.req.Arg.Blob()
	if k.undecodable() {
		return dst
	}
	n, status := k.p.store.SortKeyCount(hashKey, k.now)
	return reply(k, dst, wire.CountResponse{Error: wire.Status(status), Count: n, Source: k.source()})
}

// records is an answer that records are being appended to.
type records struct {
	k         *call
	dst       []byte
	start, at int // of the reply, of the response in it
	n         int
}

func (k *call) beginRecords(dst []byte) *records {
	r := &records{k: k, start: len(dst)}
	dst = k.req.BeginReply(dst, k.h.ack, wire.ErrOK, wire.TypeStruct)
	r.at = len(dst)
	r.dst = wire.BeginRecords(dst)
	return r
}

// end completes the answer to a multi_get or batch_get.
func (r *records) end(status storage.Status) []byte {
	k := r.k
	if k.memory.refused && r.n == 0 {
		return k.fail(r.dst[:r.start], wire.ErrBusy)
	}
	dst := wire.EndRecords(r.dst, r.at, wire.Status(status), r.n, k.source())
	return k.finishRead(dst, r.start, len(dst)-r.at)
}

// finishRead completes the reply begun at start, with a response of size bytes,
// for the reads that are throttled by size.
func (k *call) finishRead(dst []byte, start, size int) []byte {
	if rate := k.p.policy().readSize; rate > 0 {
		k.p.readSize.take(size)
	}
	return k.req.EndReply(dst, start, wire.TypeStruct)
}
