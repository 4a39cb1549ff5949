package replica

import (
	"github.com/pegasus-go/pegasus/internal/server/stats"
	"github.com/pegasus-go/pegasus/internal/storage"
	"github.com/pegasus-go/pegasus/internal/wire"
)

func writeHandlers() []*handler {
	return []*handler{
		{task: wire.TaskPut, op: stats.Put, kind: writeRPC, joins: true, serve: (*call).put},
		{task: wire.TaskRemove, op: stats.Remove, kind: writeRPC, joins: true, serve: (*call).remove},
		{task: wire.TaskMultiPut, op: stats.MultiPut, kind: writeRPC, lists: true, slow: slowWrite, serve: (*call).multiPut},
		{task: wire.TaskMultiRemove, op: stats.MultiRemove, kind: writeRPC, lists: true, slow: slowWrite, serve: (*call).multiRemove},
		{task: wire.TaskIncr, op: stats.Incr, kind: writeRPC, serve: (*call).incr},
		{task: wire.TaskCheckAndSet, op: stats.CheckAndSet, kind: writeRPC, serve: (*call).checkAndSet},
		{task: wire.TaskCheckAndMutate, op: stats.CheckAndMutate, kind: writeRPC, lists: true, slow: slowWrite, serve: (*call).checkAndMutate},
	}
}

// quickWrites is the number of records that a quick write changes.
const quickWrites = 1000

func slowWrite(_ wire.Reader, n int) bool { return n > quickWrites }

func (k *call) put(dst []byte) []byte {
	var m wire.UpdateRequest
	m.Read(&k.r.Arg)
	if k.r.Undecodable() {
		return dst
	}
	k.size = len(m.Key.Raw) + len(m.Value)
	if k.r.Quick && k.staged.group.Put(k.p.Store, m.Key.Raw, m.Value, uint32(m.ExpireTS), k.r.Now) {
		return k.stage(dst)
	}
	res, commit := k.p.Store.Put(m.Key.Raw, m.Value, uint32(m.ExpireTS), k.r.Now)
	return k.updated(dst, res, commit)
}

func (k *call) remove(dst []byte) []byte {
	key := k.r.Arg.Blob()
	if k.r.Undecodable() {
		return dst
	}
	k.size = len(key)
	if k.r.Quick && k.staged.group.Remove(k.p.Store, key) {
		return k.stage(dst)
	}
	res, commit := k.p.Store.Remove(key)
	return k.updated(dst, res, commit)
}

func (k *call) multiPut(dst []byte) []byte {
	m := &k.multiPutRequest
	*m = wire.MultiPutRequest{KVs: m.KVs[:0]}
	m.Read(&k.r.Arg)
	if k.r.Undecodable() {
		return dst
	}
	kvs := k.kvs[:0]
	for i := range m.KVs {
		k.size += len(m.KVs[i].Key) + len(m.KVs[i].Value)
		kvs = append(kvs, storage.KV{SortKey: m.KVs[i].Key, Value: m.KVs[i].Value})
	}
	res, commit := k.p.Store.MultiPut(m.HashKey, kvs, uint32(m.ExpireTS), k.r.Now)
	clear(m.KVs) // they keep the frame
	clear(kvs)
	if k.kvs = kvs; len(kvs) > quickWrites {
		k.kvs, m.KVs = nil, nil
	}
	return k.updated(dst, res, commit)
}

// updated appends the answer to a put, remove or multi_put.
func (k *call) updated(dst []byte, res storage.WriteResult, commit storage.Commit) []byte {
	return replyWrite(k, dst, wire.UpdateResponse{
		Error:  wire.Status(res.Status),
		Decree: res.Decree,
		Source: k.source(),
	}, commit)
}

func (k *call) multiRemove(dst []byte) []byte {
	var m wire.MultiRemoveRequest
	m.Read(&k.r.Arg)
	if k.r.Undecodable() {
		return dst
	}
	for _, sortKey := range m.SortKeys {
		k.size += len(sortKey)
	}
	res, commit := k.p.Store.MultiRemove(m.HashKey, m.SortKeys)
	return replyWrite(k, dst, wire.MultiRemoveResponse{
		Error:  wire.Status(res.Status),
		Count:  res.Count,
		Decree: res.Decree,
		Source: k.source(),
	}, commit)
}

func (k *call) incr(dst []byte) []byte {
	var m wire.IncrRequest
	m.Read(&k.r.Arg)
	if k.r.Undecodable() {
		return dst
	}
	k.size = len(m.Key.Raw)
	res, commit := k.p.Store.Incr(m.Key.Raw, m.Increment, m.ExpireTS, k.r.Now)
	return replyWrite(k, dst, wire.IncrResponse{
		Error:    wire.Status(res.Status),
		NewValue: res.NewValue,
		Decree:   res.Decree,
		Source:   k.source(),
	}, commit)
}

func (k *call) checkAndSet(dst []byte) []byte {
	var m wire.CheckAndSetRequest
	m.Read(&k.r.Arg)
	if k.r.Undecodable() {
		return dst
	}
	k.size = len(m.HashKey) + len(m.SetSortKey) + len(m.SetValue)
	res, commit := k.p.Store.CheckAndSet(&storage.CheckAndSet{
		HashKey:          m.HashKey,
		CheckSortKey:     m.CheckSortKey,
		Check:            storage.CheckType(m.CheckType),
		Operand:          m.CheckOperand,
		SetDiffSortKey:   m.SetDiffSortKey,
		SetSortKey:       m.SetSortKey,
		SetValue:         m.SetValue,
		SetExpire:        uint32(m.SetExpireTS),
		ReturnCheckValue: m.ReturnCheckValue,
	}, k.r.Now)
	return k.checked(dst, res, commit)
}

func (k *call) checkAndMutate(dst []byte) []byte {
	var m wire.CheckAndMutateRequest
	m.Read(&k.r.Arg)
	if k.r.Undecodable() {
		return dst
	}
	mutations := make([]storage.Mutation, len(m.Mutates))
	for i, e := range m.Mutates {
		k.size += len(e.SortKey) + len(e.Value)
		mutations[i] = storage.Mutation{
			Operation: storage.MutateOperation(e.Operation),
			SortKey:   e.SortKey,
			Value:     e.Value,
			Expire:    uint32(e.SetExpireTS),
		}
	}
	res, commit := k.p.Store.CheckAndMutate(&storage.CheckAndMutate{
		HashKey:          m.HashKey,
		CheckSortKey:     m.CheckSortKey,
		Check:            storage.CheckType(m.CheckType),
		Operand:          m.CheckOperand,
		Mutations:        mutations,
		ReturnCheckValue: m.ReturnCheckValue,
	}, k.r.Now)
	return k.checked(dst, res, commit)
}

// checked appends the answer to a check_and_set or check_and_mutate.
func (k *call) checked(dst []byte, res storage.CheckResult, commit storage.Commit) []byte {
	return replyWrite(k, dst, wire.CheckResponse{
		Error:              wire.Status(res.Status),
		CheckValueReturned: res.CheckValueReturned,
		CheckValueExist:    res.CheckValueExist,
		CheckValue:         res.CheckValue,
		Decree:             res.Decree,
		Source:             k.source(),
	}, commit)
}
