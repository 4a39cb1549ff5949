package pegasus

import (
	"context"
	"math"

	"github.com/pegasus-go/pegasus/internal/rpc"
	"github.com/pegasus-go/pegasus/internal/schema"
	"github.com/pegasus-go/pegasus/internal/wire"
)

var (
	opGet          = &operation{name: "Get", task: wire.TaskGet, take: takeValue, stored: true}
	opTTL          = &operation{name: "TTL", task: wire.TaskTTL, take: takeTTL}
	opExist        = &operation{name: "Exist", task: wire.TaskTTL, take: takeTTL}
	opSortKeyCount = &operation{name: "SortKeyCount", task: wire.TaskSortKeyCount, take: takeCount}
)

// TTL of an entry without expiry, and of none.
const (
	ttlNone   = -1
	ttlAbsent = -2
)

// Get retrieves an entry, nil if there is none: see TableConnector.
func (t *Table) Get(ctx context.Context, hashKey, sortKey []byte) ([]byte, error) {
	if err := validateKey(hashKey, sortKey); err != nil {
		return nil, t.refuse(opGet, err)
	}
	if h := t.hedgeOf(ctx); h != nil {
		return t.hedgedGet(ctx, h, opGet, hashKey, sortKey)
	}
	x := exchange{op: opGet, target: keyTarget(hashKey)}
	return t.get(ctx, &x, hashKey, sortKey)
}

func (t *Table) hedgedGet(ctx context.Context, h *Hedge, o *operation, hashKey, sortKey []byte) ([]byte, error) {
	tg := keyTarget(hashKey)
	return hedged(ctx, t, h, o, tg.hash, tg.lane(), func(ctx context.Context, o *operation, secondary *rpc.Node) ([]byte, error) {
		x := exchange{op: o, target: tg, secondary: secondary}
		return t.get(ctx, &x, hashKey, sortKey)
	})
}

func (t *Table) get(ctx context.Context, x *exchange, hashKey, sortKey []byte) ([]byte, error) {
	err := t.do(ctx, x, func(dst []byte) []byte {
		return wire.AppendArgument(dst, wire.Key{HashKey: hashKey, SortKey: sortKey})
	}, nil)
	return x.bytes, err
}

func takeValue(a *rpc.Answer, r *wire.Reader) {
	var resp wire.ReadResponse
	resp.ReadValue(r)
	if resp.Error == wire.StatusNotFound {
		return
	}
	a.Status = resp.Error
	a.Bytes = append(make([]byte, 0, len(resp.Value)), resp.Value...) // not nil
}

// keyTarget is the partition of a hash key, which is never empty here.
func keyTarget(hashKey []byte) target { return target{hash: schema.Hash(hashKey)} }

// TTL returns the time to live of an entry in seconds: see TableConnector.
func (t *Table) TTL(ctx context.Context, hashKey, sortKey []byte) (int, error) {
	return t.ttl(ctx, opTTL, hashKey, sortKey)
}

// Exist reports whether there is an entry: see TableConnector.
func (t *Table) Exist(ctx context.Context, hashKey, sortKey []byte) (bool, error) {
	ttl, err := t.ttl(ctx, opExist, hashKey, sortKey)
	return err == nil && ttl != ttlAbsent, err
}

func (t *Table) ttl(ctx context.Context, o *operation, hashKey, sortKey []byte) (int, error) {
	if err := validateKey(hashKey, sortKey); err != nil {
		return 0, t.refuse(o, err)
	}
	tg := keyTarget(hashKey)
	ask := func(ctx context.Context, o *operation, secondary *rpc.Node) (int, error) {
		x := exchange{op: o, target: tg, secondary: secondary}
		err := t.do(ctx, &x, func(dst []byte) []byte {
			return wire.AppendArgument(dst, wire.Key{HashKey: hashKey, SortKey: sortKey})
		}, nil)
		if err != nil {
			return 0, err
		}
		return int(min(x.number, math.MaxInt)), nil // an int may have 32 bits
	}
	if h := t.hedgeOf(ctx); h != nil {
		return hedged(ctx, t, h, o, tg.hash, tg.lane(), ask)
	}
	return ask(ctx, o, nil)
}

func takeTTL(a *rpc.Answer, r *wire.Reader) {
	var resp wire.TTLResponse
	resp.Read(r)
	switch {
	case resp.Error == wire.StatusNotFound:
		a.Number = ttlAbsent
	case resp.TTLSeconds < 0 && resp.TTLSeconds != ttlNone:
		// Expiries after January 2084 come as 32 bits that look negative.
		a.Status, a.Number = resp.Error, int64(uint32(resp.TTLSeconds))
	default:
		a.Status, a.Number = resp.Error, int64(resp.TTLSeconds)
	}
}

// SortKeyCount returns the number of entries of a hash key: see TableConnector.
func (t *Table) SortKeyCount(ctx context.Context, hashKey []byte) (int64, error) {
	if err := validateHashKey(hashKey); err != nil {
		return 0, t.refuse(opSortKeyCount, err)
	}
	x := exchange{op: opSortKeyCount, target: keyTarget(hashKey)}
	err := t.do(ctx, &x, func(dst []byte) []byte {
		return wire.AppendArgument(dst, wire.Blob(hashKey))
	}, nil)
	switch {
	case err != nil:
		return 0, err
	case x.number < 0:
		return 0, t.failure(&x, ErrCountUnknown)
	}
	return x.number, nil
}

func takeCount(a *rpc.Answer, r *wire.Reader) {
	var resp wire.CountResponse
	resp.Read(r)
	a.Status, a.Number = resp.Error, resp.Count
}
