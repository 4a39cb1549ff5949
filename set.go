package pegasus

import (
	"context"
	"time"

	"github.com/pegasus-go/pegasus/internal/wire"
)

var (
	opSet    = &operation{"Set", wire.TaskPut, idempotent}
	opSetTTL = &operation{"SetTTL", wire.TaskPut, idempotent}
	opDel    = &operation{"Del", wire.TaskRemove, idempotent}
	opIncr   = &operation{"Incr", wire.TaskIncr, once}
)

func (t *table) Set(ctx context.Context, hashKey, sortKey, value []byte) error {
	return t.set(ctx, opSet, hashKey, sortKey, value, 0)
}

func (t *table) SetTTL(ctx context.Context, hashKey, sortKey, value []byte, ttl time.Duration) error {
	return t.set(ctx, opSetTTL, hashKey, sortKey, value, ttl)
}

func (t *table) set(ctx context.Context, o *operation, hashKey, sortKey, value []byte, ttl time.Duration) error {
	if err := validateKey(hashKey, sortKey); err != nil {
		return t.refuse(o, err)
	}
	if err := validateBytes("value", value); err != nil {
		return t.refuse(o, err)
	}
	expire, err := t.client.expireTS("ttl", ttl)
	if err != nil {
		return t.refuse(o, err)
	}
	x := exchange{op: o, target: keyTarget(hashKey)}
	if err := do(ctx, t, &x, &wire.UpdateRequest{
		Key:      wire.Key{HashKey: hashKey, SortKey: sortKey},
		Value:    value,
		ExpireTS: expire,
	}); err != nil {
		return err
	}
	return t.updated(&x)
}

// updated decodes the answer of put, multi_put and remove.
func (t *table) updated(x *exchange) error {
	var resp wire.UpdateResponse
	r := x.peek()
	defer x.release()
	resp.ReadError(&r)
	return t.check(x, &r, resp.Error)
}

func (t *table) Del(ctx context.Context, hashKey, sortKey []byte) error {
	if err := validateKey(hashKey, sortKey); err != nil {
		return t.refuse(opDel, err)
	}
	x := exchange{op: opDel, target: keyTarget(hashKey)}
	if err := do(ctx, t, &x, &wire.Key{HashKey: hashKey, SortKey: sortKey}); err != nil {
		return err
	}
	return t.updated(&x)
}

func (t *table) Incr(ctx context.Context, hashKey, sortKey []byte, increment int64) (int64, error) {
	if err := validateKey(hashKey, sortKey); err != nil {
		return 0, t.refuse(opIncr, err)
	}
	if len(sortKey) == 0 {
		return 0, t.refuse(opIncr, argumentError("sortKey", "must not be empty"))
	}
	x := exchange{op: opIncr, target: keyTarget(hashKey)}
	if err := do(ctx, t, &x, &wire.IncrRequest{
		Key:       wire.Key{HashKey: hashKey, SortKey: sortKey},
		Increment: increment,
	}); err != nil {
		return 0, err
	}
	var resp wire.IncrResponse
	r := x.peek()
	defer x.release()
	resp.Read(&r)
	if err := t.check(&x, &r, resp.Error); err != nil {
		return 0, err
	}
	return resp.NewValue, nil
}
