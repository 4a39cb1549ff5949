package pegasus

import (
	"bytes"
	"context"
	"math"
	"time"

	"github.com/pegasus-go/pegasus/internal/wire"
)

var opCheckAndSet = &operation{name: "CheckAndSet", task: wire.TaskCheckAndSet, kind: once}

// CheckAndSet sets a value if a check passes: see TableConnector.
func (t *Table) CheckAndSet(ctx context.Context, hashKey, checkSortKey []byte, checkType CheckType,
	checkOperand, setSortKey, setValue []byte, options *CheckAndSetOptions,
) (*CheckAndSetResult, error) {
	var opts CheckAndSetOptions
	if options != nil {
		opts = *options
	}
	expire, err := t.validateCheckAndSet(hashKey, checkSortKey, checkType, checkOperand, setSortKey, setValue, &opts)
	if err != nil {
		return nil, t.refuse(opCheckAndSet, err)
	}
	stored, err := t.store(setValue)
	if err == nil {
		err = t.comparable("checkType", checkType)
	}
	if err != nil {
		return nil, t.refuse(opCheckAndSet, err)
	}
	x := exchange{op: opCheckAndSet, target: keyTarget(hashKey), large: len(checkOperand)+len(stored) > bulkRequest}
	q := wire.CheckAndSetRequest{
		HashKey:          hashKey,
		CheckSortKey:     checkSortKey,
		CheckType:        int32(checkType),
		CheckOperand:     checkOperand,
		SetDiffSortKey:   !bytes.Equal(checkSortKey, setSortKey),
		SetSortKey:       setSortKey,
		SetValue:         stored,
		SetExpireTS:      expire,
		ReturnCheckValue: opts.ReturnCheckValue,
	}
	res := new(CheckAndSetResult)
	err = t.do(ctx, &x, func(dst []byte) []byte { return wire.AppendArgument(dst, q) }, func(r *wire.Reader) wire.Status {
		var resp wire.CheckResponse
		resp.Read(r)
		res.SetSucceed = resp.Error == wire.StatusOK
		res.CheckValueReturned = resp.CheckValueReturned
		if resp.CheckValueReturned && resp.CheckValueExist {
			res.CheckValueExist = true
			res.CheckValue = append([]byte{}, resp.CheckValue...) // not nil, even if empty
			res.CheckValue, x.undecodable = t.restore(res.CheckValue)
		}
		if resp.Error == wire.StatusTryAgain { // the check has failed
			return wire.StatusOK
		}
		return resp.Error
	})
	if err != nil && x.undecodable == nil {
		return nil, err
	}
	return res, err // it is known what became of it, although the value is not
}

func (t *Table) validateCheckAndSet(hashKey, checkSortKey []byte, checkType CheckType, checkOperand, setSortKey, setValue []byte, opts *CheckAndSetOptions) (expire int32, err error) {
	if err := validateHashKey(hashKey); err != nil {
		return 0, err
	}
	for _, arg := range []struct {
		name string
		b    []byte
	}{{"checkSortKey", checkSortKey}, {"checkOperand", checkOperand}, {"setSortKey", setSortKey}, {"setValue", setValue}} {
		if err := validateSize(arg.name, arg.b); err != nil {
			return 0, err
		}
	}
	if checkType < CheckTypeNoCheck || checkType > CheckTypeIntGreater {
		return 0, argumentError("checkType", "is %d, not one of the check types", checkType)
	}
	seconds := opts.SetValueTTLSeconds
	switch {
	case seconds < 0:
		return 0, argumentError("options.SetValueTTLSeconds", "is %d, must be >= 0", seconds)
	case seconds > math.MaxInt32:
		return 0, argumentError("options.SetValueTTLSeconds", "is %d, which ends after January 2084", seconds)
	}
	return t.client.expireTS("options.SetValueTTLSeconds", time.Duration(seconds)*time.Second)
}
