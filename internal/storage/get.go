package storage

import (
	"errors"

	"github.com/cockroachdb/pebble/v2"
	"github.com/pegasus-go/pegasus/internal/schema"
)

// Get appends the value of a record to dst and returns it with the record's expiry timestamp.
// Except with status OK it returns dst as it was: NotFound if there is no record or it has
// expired, InvalidArgument for a malformed key. The key must not be in the room behind dst, which is
// written to in any case.
func (p *Partition) Get(dst, key []byte, now uint32) (value []byte, expire uint32, status Status) {
	if _, _, ok := schema.SplitKey(key); !ok {
		return dst, 0, InvalidArgument
	}
	p.gate.RLock()
	defer p.gate.RUnlock()
	if p.closed {
		return dst, 0, IOError
	}
	return p.get(p.db.pebble, dst, key, now)
}

// get is Get with a raw key that was checked, from the database or a snapshot of it.
func (p *Partition) get(r pebble.Reader, dst, key []byte, now uint32) ([]byte, uint32, Status) {
	// The key is made where the value goes when it is not needed any more.
	n := len(dst)
	dst = append(append(dst, p.prefix[:]...), key...)
	return p.getStored(r, dst[:n], dst[n:], now)
}

// getStored is get with the key as it is stored.
func (p *Partition) getStored(r pebble.Reader, dst, storedKey []byte, now uint32) ([]byte, uint32, Status) {
	v, closer, err := r.Get(storedKey)
	if errors.Is(err, pebble.ErrNotFound) {
		return dst, 0, NotFound
	}
	if err != nil {
		return dst, 0, p.db.readStatus(err)
	}
	defer closer.Close()
	expire, user, err := splitValue(v)
	if err != nil {
		return dst, 0, p.db.readStatus(err)
	}
	if expired(expire, now) {
		p.expired.Add(1)
		return dst, 0, NotFound
	}
	return append(dst, user...), expire, OK
}

// HashSortKey names a record for BatchGet.
type HashSortKey struct {
	HashKey, SortKey []byte
}

// BatchGet calls emit for every one of keys that exists, in the order of keys and as often as it
// is in there. All are read at one point in time. The value is valid during the call only. Status
// InvalidArgument: no keys, or a hash key that is too long. Incomplete: ended by pace.
func (p *Partition) BatchGet(keys []HashSortKey, now uint32, pace Pace, emit func(i int, value []byte)) Status {
	if len(keys) == 0 {
		return InvalidArgument
	}
	for i := range keys {
		if len(keys[i].HashKey) > schema.MaxHashKeyLen {
			return InvalidArgument
		}
	}
	p.gate.RLock()
	defer p.gate.RUnlock()
	if p.closed {
		return IOError
	}
	r, done := p.reader(len(keys))
	defer done()
	kb := newKeyBuf()
	defer kb.release()
	for i, k := range keys {
		if !pace.on(i) {
			return Incomplete
		}
		kb.key = schema.AppendKey(append(kb.key[:0], p.prefix[:]...), k.HashKey, k.SortKey)
		var status Status
		if kb.other, _, status = p.getStored(r, kb.other[:0], kb.key, now); status == OK {
			emit(i, kb.other)
		} else if status != NotFound {
			return status
		}
	}
	return OK
}

// reader returns what to look up n records in, so that they are of one point in time. A single
// one needs no snapshot.
func (p *Partition) reader(n int) (pebble.Reader, func()) {
	if n == 1 {
		return p.db.pebble, func() {}
	}
	s := p.db.pebble.NewSnapshot()
	return s, func() { _ = s.Close() }
}
