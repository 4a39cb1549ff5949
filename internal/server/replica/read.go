package replica

import (
	"math"

	"github.com/pegasus-go/pegasus/internal/server/stats"
	"github.com/pegasus-go/pegasus/internal/storage"
	"github.com/pegasus-go/pegasus/internal/wire"
)

func readHandlers() []*handler {
	return []*handler{
		{task: wire.TaskGet, op: stats.Get, kind: readRPC, serve: (*call).get},
		{task: wire.TaskTTL, op: stats.TTL, kind: readRPC, serve: (*call).ttl},
		{task: wire.TaskMultiGet, op: stats.MultiGet, kind: readRPC, lists: true, slow: slowMultiGet, serve: (*call).multiGet},
		{task: wire.TaskBatchGet, op: stats.BatchGet, kind: readRPC, lists: true, slow: slowBatchGet, serve: (*call).batchGet},
		{task: wire.TaskSortKeyCount, op: stats.SortKeyCount, kind: readRPC, slow: always, serve: (*call).sortKeyCount},
	}
}

// A read of several records is quick if it asks for no more than so many keys,
// or looks at no more than so many records and bytes. Mostly it does, and to let
// it wait for its turn would cost more than the read.
const (
	quickKeys    = 100
	quickRecords = 300
	quickSize    = 128 << 10
)

// slowMultiGet lets a range be tried: how much is in it is not known before. With
// a filter it may look at many records and return none.
func slowMultiGet(arg wire.Reader, keys int) bool {
	if keys > 0 {
		return keys > quickKeys
	}
	var m wire.MultiGetRequest
	m.Read(&arg)
	return storage.FilterType(m.FilterType) != storage.NoFilter && (m.MaxKVSize <= 0 || m.MaxKVSize > quickSize)
}

func slowBatchGet(_ wire.Reader, keys int) bool { return keys > quickKeys }

func (k *call) get(dst []byte) []byte {
	key := k.r.Arg.Blob()
	if k.r.Undecodable() {
		return dst
	}
	start := len(dst)
	dst = k.r.BeginReply(dst, k.h.ack, wire.ErrOK, wire.TypeStruct)
	at := len(dst)
	dst = wire.BeginRead(dst)
	dst, _, status := k.p.Store.Get(dst, key, k.r.Now)
	k.read(1, len(key)+len(dst)-at-wire.ReadOverhead)
	dst = wire.EndRead(dst, at, wire.Status(status), k.source())
	return k.finishRead(dst, start, len(dst)-at)
}

func (k *call) ttl(dst []byte) []byte {
	key := k.r.Arg.Blob()
	if k.r.Undecodable() {
		return dst
	}
	resp := wire.TTLResponse{Source: k.source()}
	_, expire, status := k.p.Store.Get(nil, key, k.r.Now)
	resp.Error = wire.Status(status)
	if status == storage.OK {
		resp.TTLSeconds = -1
		if expire != 0 {
			resp.TTLSeconds = int32(expire - k.r.Now)
		}
	}
	return reply(k, dst, resp)
}

func (k *call) multiGet(dst []byte) []byte {
	var m wire.MultiGetRequest
	m.Read(&k.r.Arg)
	if k.r.Undecodable() {
		return dst
	}
	r := k.beginRecords(dst)
	status := k.p.Store.MultiGet(&storage.MultiGet{
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
		Room:           r.room,
		Pace:           k.pace(),
	}, k.r.Now, func(sortKey, value []byte) {
		r.n++
		r.size += len(sortKey) + len(value)
		r.dst = wire.KeyValue{Key: sortKey, Value: value}.AppendValue(r.dst)
	})
	return r.end(status)
}

// maxSize returns how many bytes a multi_get that asks for at most size may
// return. A size that is not positive asks for everything.
func (k *call) maxSize(size int32) int32 {
	limit := int32(min(k.ReplySize, math.MaxInt32))
	if size <= 0 {
		return limit
	}
	return min(size, limit)
}

func (k *call) batchGet(dst []byte) []byte {
	var m wire.BatchGetRequest
	m.Read(&k.r.Arg)
	if k.r.Undecodable() {
		return dst
	}
	keys := make([]storage.HashSortKey, len(m.Keys))
	for i, key := range m.Keys {
		keys[i] = storage.HashSortKey(key)
	}
	r := k.beginRecords(dst)
	limit := len(dst) + k.ReplySize
	status := k.p.Store.BatchGet(keys, k.r.Now, k.pace(), func(i int, value []byte) {
		if len(r.dst) < limit && !r.refused && r.room(len(value)) {
			r.n++
			r.size += len(keys[i].HashKey) + len(keys[i].SortKey) + len(value)
			r.dst = wire.FullData{HashKey: keys[i].HashKey, SortKey: keys[i].SortKey, Value: value}.AppendValue(r.dst)
		}
	})
	switch {
	case r.refused, status == storage.Incomplete: // it has no way to say that
		return k.fail(r.dst[:r.start], wire.ErrBusy)
	case len(r.dst) >= limit:
		return k.fail(r.dst[:r.start], wire.ErrInvalidData)
	}
	return r.end(status)
}

func (k *call) sortKeyCount(dst []byte) []byte {
	hashKey := k.r.Arg.Blob()
	if k.r.Undecodable() {
		return dst
	}
	n, status := k.p.Store.SortKeyCount(hashKey, k.r.Now, k.pace())
	return reply(k, dst, wire.CountResponse{Error: wire.Status(status), Count: n, Source: k.source()})
}

// finishRead completes the reply begun at start, with a response of size bytes,
// for the reads that are throttled by size.
func (k *call) finishRead(dst []byte, start, size int) []byte {
	if rate := k.p.Table.View().Policy.ReadSize; rate > 0 {
		k.p.ReadSize.Take(size)
	}
	return k.r.EndReply(dst, start, wire.TypeStruct)
}
