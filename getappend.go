package pegasus

import (
	"context"

	"github.com/pegasus-go/pegasus/internal/rpc"
	"github.com/pegasus-go/pegasus/internal/wire"
)

var (
	opAppendGet       = &operation{name: "AppendGet", task: wire.TaskGet, take: takeAppended, stored: true}
	opAppendGetHedged = &operation{name: "AppendGet", task: wire.TaskGet, take: takeValue, stored: true}
)

// AppendGet is Get that appends the value to dst, which may be nil, and returns the
// extended slice: with enough capacity in dst it allocates nothing. found reports whether
// there is an entry; if not, and with an error, dst is returned as it was.
//
// dst must not be used before AppendGet has returned.
func (t *Table) AppendGet(ctx context.Context, dst, hashKey, sortKey []byte) (value []byte, found bool, err error) {
	if err := validateRowKey(hashKey, sortKey); err != nil {
		return dst, false, t.refuse(opAppendGet, err)
	}
	if h := t.hedgeOf(ctx); h != nil { // two answers cannot have one place
		value, err := t.hedgedGet(ctx, h, opAppendGetHedged, hashKey, sortKey)
		if err != nil || value == nil {
			return dst, false, err
		}
		return append(dst, value...), true, nil
	}
	x := exchange{op: opAppendGet, target: keyTarget(hashKey), into: dst}
	err = t.do(ctx, &x, func(b []byte) []byte {
		return wire.AppendArgument(b, wire.Key{HashKey: hashKey, SortKey: sortKey})
	}, nil)
	if err != nil || x.number == 0 {
		return dst, false, err
	}
	if t.values == nil {
		return x.bytes, true, nil
	}
	return append(dst, x.bytes...), true, nil
}

// takeAppended is takeValue for a value that is appended to Bytes. Number is 1 if there is
// one.
func takeAppended(a *rpc.Answer, r *wire.Reader) {
	var resp wire.ReadResponse
	resp.ReadValue(r)
	if resp.Error == wire.StatusNotFound {
		return
	}
	a.Status, a.Number = resp.Error, 1
	a.Bytes = append(a.Bytes, resp.Value...)
}
