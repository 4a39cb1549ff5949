package pegasus

import (
	"context"
	"time"

	"github.com/pegasus-go/pegasus/internal/rpc"
	"github.com/pegasus-go/pegasus/internal/wire"
)

var (
	opSet    = &operation{name: "Set", task: wire.TaskPut, kind: idempotent, take: takeStatus}
	opSetTTL = &operation{name: "SetTTL", task: wire.TaskPut, kind: idempotent, take: takeStatus}
	opDel    = &operation{name: "Del", task: wire.TaskRemove, kind: idempotent, take: takeStatus}
	opIncr   = &operation{name: "Incr", task: wire.TaskIncr, kind: once, take: takeSum}
)

// Set sets an entry: see TableConnector.
func (t *Table) Set(ctx context.Context, hashKey, sortKey, value []byte) error {
	return t.set(ctx, opSet, hashKey, sortKey, value, 0)
}

// SetTTL is Set with an expiry: see TableConnector.
func (t *Table) SetTTL(ctx context.Context, hashKey, sortKey, value []byte, ttl time.Duration) error {
	return t.set(ctx, opSetTTL, hashKey, sortKey, value, ttl)
}

func (t *Table) set(ctx context.Context, o *operation, hashKey, sortKey, value []byte, ttl time.Duration) error {
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
	x := exchange{op: o, target: keyTarget(hashKey), large: len(value) > bulkRequest}
	return t.do(ctx, &x, func(dst []byte) []byte {
		return wire.AppendArgument(dst, wire.UpdateRequest{
			Key:      wire.Key{HashKey: hashKey, SortKey: sortKey},
			Value:    value,
			ExpireTS: expire,
		})
	}, nil)
}

// takeStatus decodes the answers of writes, which have their status in front.
func takeStatus(a *rpc.Answer, r *wire.Reader) {
	var resp wire.UpdateResponse
	resp.ReadError(r)
	a.Status = resp.Error
}

// Del deletes an entry: see TableConnector.
func (t *Table) Del(ctx context.Context, hashKey, sortKey []byte) error {
	if err := validateKey(hashKey, sortKey); err != nil {
		return t.refuse(opDel, err)
	}
	x := exchange{op: opDel, target: keyTarget(hashKey)}
	return t.do(ctx, &x, func(dst []byte) []byte {
		return wire.AppendArgument(dst, wire.Key{HashKey: hashKey, SortKey: sortKey})
	}, nil)
}

// Incr adds to an integer: see TableConnector.
func (t *Table) Incr(ctx context.Context, hashKey, sortKey []byte, increment int64) (int64, error) {
	if err := validateKey(hashKey, sortKey); err != nil {
		return 0, t.refuse(opIncr, err)
	}
	if len(sortKey) == 0 {
		return 0, t.refuse(opIncr, argumentError("sortKey", "must not be empty"))
	}
	x := exchange{op: opIncr, target: keyTarget(hashKey)}
	err := t.do(ctx, &x, func(dst []byte) []byte {
		return wire.AppendArgument(dst, wire.IncrRequest{
			Key:       wire.Key{HashKey: hashKey, SortKey: sortKey},
			Increment: increment,
		})
	}, nil)
	if err != nil {
		return 0, err
	}
	return x.number, nil
}

func takeSum(a *rpc.Answer, r *wire.Reader) {
	var resp wire.IncrResponse
	resp.Read(r)
	a.Status, a.Number = resp.Error, resp.NewValue
}
