package pegasus

import (
	"context"

	"github.com/pegasus-go/pegasus/internal/schema"
	"github.com/pegasus-go/pegasus/internal/wire"
)

var (
	opGet          = &operation{"Get", wire.TaskGet, read}
	opTTL          = &operation{"TTL", wire.TaskTTL, read}
	opExist        = &operation{"Exist", wire.TaskTTL, read}
	opSortKeyCount = &operation{"SortKeyCount", wire.TaskSortKeyCount, read}
)

// TTL of an entry without expiry, and of none.
const (
	ttlNone   = -1
	ttlAbsent = -2
)

func (t *table) Get(ctx context.Context, hashKey, sortKey []byte) ([]byte, error) {
	if err := validateKey(hashKey, sortKey); err != nil {
		return nil, t.refuse(opGet, err)
	}
	return t.get(ctx, opGet, hashKey, sortKey)
}

func (t *table) get(ctx context.Context, o *operation, hashKey, sortKey []byte) ([]byte, error) {
	x := exchange{op: o, target: keyTarget(hashKey)}
	if err := do(ctx, t, &x, &wire.Key{HashKey: hashKey, SortKey: sortKey}); err != nil {
		return nil, err
	}
	var resp wire.ReadResponse
	r := x.peek()
	defer x.release()
	resp.ReadValue(&r)
	if resp.Error == wire.StatusNotFound {
		return nil, nil
	}
	if err := t.check(&x, &r, resp.Error); err != nil {
		return nil, err
	}
	if !x.reply.Lent() && resp.Value != nil {
		return resp.Value, nil
	}
	value := make([]byte, len(resp.Value)) // not nil, even if the server left it out
	copy(value, resp.Value)
	return value, nil
}

// keyTarget is the partition of a hash key, which is never empty here.
func keyTarget(hashKey []byte) target { return target{hash: schema.Hash(hashKey)} }

func (t *table) TTL(ctx context.Context, hashKey, sortKey []byte) (int, error) {
	return t.ttl(ctx, opTTL, hashKey, sortKey)
}

func (t *table) Exist(ctx context.Context, hashKey, sortKey []byte) (bool, error) {
	ttl, err := t.ttl(ctx, opExist, hashKey, sortKey)
	return err == nil && ttl != ttlAbsent, err
}

func (t *table) ttl(ctx context.Context, o *operation, hashKey, sortKey []byte) (int, error) {
	if err := validateKey(hashKey, sortKey); err != nil {
		return 0, t.refuse(o, err)
	}
	x := exchange{op: o, target: keyTarget(hashKey)}
	if err := do(ctx, t, &x, &wire.Key{HashKey: hashKey, SortKey: sortKey}); err != nil {
		return 0, err
	}
	var resp wire.TTLResponse
	r := x.peek()
	defer x.release()
	resp.Read(&r)
	if resp.Error == wire.StatusNotFound {
		return ttlAbsent, nil
	}
	if err := t.check(&x, &r, resp.Error); err != nil {
		return 0, err
	}
	if resp.TTLSeconds < 0 && resp.TTLSeconds != ttlNone {
		// Expiries after January 2084 come as 32 bits that look negative.
		return int(uint32(resp.TTLSeconds)), nil
	}
	return int(resp.TTLSeconds), nil
}

func (t *table) SortKeyCount(ctx context.Context, hashKey []byte) (int64, error) {
	if err := validateHashKey(hashKey); err != nil {
		return 0, t.refuse(opSortKeyCount, err)
	}
	x := exchange{op: opSortKeyCount, target: keyTarget(hashKey)}
	arg := wire.Blob(hashKey)
	if err := do(ctx, t, &x, &arg); err != nil {
		return 0, err
	}
	var resp wire.CountResponse
	r := x.peek()
	defer x.release()
	resp.Read(&r)
	if err := t.check(&x, &r, resp.Error); err != nil {
		return 0, err
	}
	if resp.Count < 0 {
		return 0, t.broken(&x, ErrCountUnknown)
	}
	return resp.Count, nil
}
