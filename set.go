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
	a, err := do(ctx, t, o, keyTarget(hashKey), wire.UpdateRequest{
		Key:      wire.Key{HashKey: hashKey, SortKey: sortKey},
		Value:    value,
		ExpireTS: expire,
	})
	if err != nil {
		return err
	}
	return t.updated(o, &a)
}

// updated decodes the answer of put, multi_put and remove.
func (t *table) updated(o *operation, a *answer) error {
	var resp wire.UpdateResponse
	r := a.peek()
	defer a.release()
	resp.ReadError(&r)
	return t.check(o, a, &r, resp.Error)
}

func (t *table) Del(ctx context.Context, hashKey, sortKey []byte) error {
	if err := validateKey(hashKey, sortKey); err != nil {
		return t.refuse(opDel, err)
	}
	a, err := do(ctx, t, opDel, keyTarget(hashKey), wire.Key{HashKey: hashKey, SortKey: sortKey})
	if err != nil {
		return err
	}
	return t.updated(opDel, &a)
}

func (t *table) Incr(ctx context.Context, hashKey, sortKey []byte, increment int64) (int64, error) {
	if err := validateKey(hashKey, sortKey); err != nil {
		return 0, t.refuse(opIncr, err)
	}
	if len(sortKey) == 0 {
		return 0, t.refuse(opIncr, argumentError("sortKey", "must not be empty"))
	}
	a, err := do(ctx, t, opIncr, keyTarget(hashKey), wire.IncrRequest{
		Key:       wire.Key{HashKey: hashKey, SortKey: sortKey},
		Increment: increment,
	})
	if err != nil {
		return 0, err
	}
	var resp wire.IncrResponse
	r := a.peek()
	defer a.release()
	resp.Read(&r)
	if err := t.check(opIncr, &a, &r, resp.Error); err != nil {
		return 0, err
	}
	return resp.NewValue, nil
}
