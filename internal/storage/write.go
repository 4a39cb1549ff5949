package storage

import (
	"encoding/binary"

	"github.com/cockroachdb/pebble/v2"
	"github.com/pegasus-go/pegasus/internal/schema"
)

// addPut adds a record to a batch. expire is what to store: p.expiry was applied.
func (p *Partition) addPut(b *pebble.Batch, key rawKey, value []byte, expire uint32) {
	op := b.SetDeferred(prefixLen+key.len(), expireLen+len(value))
	key.put(op.Key[copy(op.Key, p.prefix[:]):])
	binary.BigEndian.PutUint32(op.Value, expire)
	copy(op.Value[expireLen:], value)
	_ = op.Finish() // only an indexed batch can fail
	p.unflushed.add(len(op.Key)+len(op.Value), p.db.flushes.Load())
}

func (p *Partition) addRemove(b *pebble.Batch, key rawKey) {
	op := b.DeleteDeferred(prefixLen + key.len())
	key.put(op.Key[copy(op.Key, p.prefix[:]):])
	_ = op.Finish() // as in addPut
	p.db.reclaimer.deleted(p)
}

// A rawKey is a raw key that is not put together yet, to be written straight into a batch.
type rawKey struct {
	whole            []byte // if not nil the key
	hashKey, sortKey []byte
}

func (k *rawKey) len() int {
	if k.whole != nil {
		return len(k.whole)
	}
	return 2 + len(k.hashKey) + len(k.sortKey)
}

func (k *rawKey) put(dst []byte) {
	if k.whole != nil {
		copy(dst, k.whole)
		return
	}
	schema.AppendKey(dst[:0], k.hashKey, k.sortKey)
}

// Put stores a record, whatever was there before. Status InvalidArgument: malformed key.
func (p *Partition) Put(key, value []byte, expire, now uint32) (WriteResult, Commit) {
	if _, _, ok := schema.SplitKey(key); !ok {
		return p.refuse(InvalidArgument)
	}
	expire = p.expiry(expire, now)
	b := p.db.pebble.NewBatch()
	p.addPut(b, rawKey{whole: key}, value, expire)
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.commitLocked(b, expire)
}

// Remove deletes a record; it is fine if there is none. Status InvalidArgument: malformed key.
func (p *Partition) Remove(key []byte) (WriteResult, Commit) {
	if _, _, ok := schema.SplitKey(key); !ok {
		return p.refuse(InvalidArgument)
	}
	b := p.db.pebble.NewBatch()
	p.addRemove(b, rawKey{whole: key})
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.commitLocked(b, 0)
}

// KV is a sort key and its value.
type KV struct {
	SortKey, Value []byte
}

// MultiPut stores records of one hash key at once, the last one of equal sort keys. Status
// InvalidArgument: no kvs, hash key too long.
func (p *Partition) MultiPut(hashKey []byte, kvs []KV, expire, now uint32) (WriteResult, Commit) {
	if len(kvs) == 0 || len(hashKey) > schema.MaxHashKeyLen {
		return p.refuse(InvalidArgument)
	}
	expire = p.expiry(expire, now)
	b := p.db.pebble.NewBatch()
	for i := range kvs {
		p.addPut(b, rawKey{hashKey: hashKey, sortKey: kvs[i].SortKey}, kvs[i].Value, expire)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.commitLocked(b, expire)
}

// MultiRemoveResult is the outcome of MultiRemove.
type MultiRemoveResult struct {
	WriteResult
	Count int64 // of sort keys in the request, whether there were records or not
}

// MultiRemove deletes records of one hash key at once. Status InvalidArgument: no sort keys, hash
// key too long.
func (p *Partition) MultiRemove(hashKey []byte, sortKeys [][]byte) (MultiRemoveResult, Commit) {
	if len(sortKeys) == 0 || len(hashKey) > schema.MaxHashKeyLen {
		res, c := p.refuse(InvalidArgument)
		return MultiRemoveResult{WriteResult: res}, c
	}
	b := p.db.pebble.NewBatch()
	for _, sortKey := range sortKeys {
		p.addRemove(b, rawKey{hashKey: hashKey, sortKey: sortKey})
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	res, c := p.commitLocked(b, 0)
	count := int64(len(sortKeys))
	if res.Status != OK {
		count = 0
	}
	return MultiRemoveResult{WriteResult: res, Count: count}, c
}
