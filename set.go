package pegasus

import (
	"context"
	"time"

	"github.com/pegasus-go/pegasus/internal/rpc"
	"github.com/pegasus-go/pegasus/internal/wire"
)

var (
	opSet     = &operation{name: "Set", task: wire.TaskPut, kind: idempotent, take: takeStatus}
	opSetTTL  = &operation{name: "SetTTL", task: wire.TaskPut, kind: idempotent, take: takeStatus}
	opDel     = &operation{name: "Del", task: wire.TaskRemove, kind: idempotent, take: takeStatus}
	opIncr    = &operation{name: "Incr", task: wire.TaskIncr, kind: once, take: takeSum}
	opIncrTTL = &operation{name: "IncrTTL", task: wire.TaskIncr, kind: once, take: takeSum}
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
	stored, err := t.store(value)
	if err != nil {
		return t.refuse(o, err)
	}
	x := exchange{op: o, target: keyTarget(hashKey), large: len(stored) > bulkRequest}
	return t.do(ctx, &x, func(dst []byte) []byte {
		return wire.AppendArgument(dst, wire.UpdateRequest{
			Key:      wire.Key{HashKey: hashKey, SortKey: sortKey},
			Value:    stored,
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
	return t.incr(ctx, opIncr, hashKey, sortKey, increment, 0)
}

// IncrTTL is Incr that says what becomes of the expiry: with KeepTTL it stays, and a new
// entry has none; with NoTTL the entry does not expire any more; else the time to live is
// ttl from now on.
// hashKey: must not be empty. sortKey: nil counts as empty.
//
// As with Incr an ErrInDoubt says that it may have been added, and it is not sent again.
// It fails with StorageInvalidArgument, and changes nothing, if the value is not an integer
// of 64 bits or the result would not be one.
func (t *Table) IncrTTL(ctx context.Context, hashKey, sortKey []byte, increment int64, ttl time.Duration) (int64, error) {
	err := validateRowKey(hashKey, sortKey)
	var expire int32
	switch ttl {
	case KeepTTL:
	case NoTTL:
		expire = -1
	default:
		if err == nil {
			expire, err = t.client.expireTS("ttl", ttl)
		}
	}
	if err != nil {
		return 0, t.refuse(opIncrTTL, err)
	}
	return t.incr(ctx, opIncrTTL, hashKey, sortKey, increment, expire)
}

// incr adds. expire is in the wire's form, which differs from that of other writes.
func (t *Table) incr(ctx context.Context, o *operation, hashKey, sortKey []byte, increment int64, expire int32) (int64, error) {
	x := exchange{op: o, target: keyTarget(hashKey)}
	err := t.do(ctx, &x, func(dst []byte) []byte {
		return wire.AppendArgument(dst, wire.IncrRequest{
			Key:       wire.Key{HashKey: hashKey, SortKey: sortKey},
			Increment: increment,
			ExpireTS:  expire,
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
