package pegasus

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/pegasus-go/pegasus/internal/wire"
)

var (
	opCheckAndMutate = &operation{name: "CheckAndMutate", task: wire.TaskCheckAndMutate, kind: once}
	opDelIfEqual     = &operation{name: "DelIfEqual", task: wire.TaskCheckAndMutate, kind: once}
	opCompareAndSwap = &operation{name: "CompareAndSwap", task: wire.TaskCheckAndMutate, kind: once}
	opSetIfAbsent    = &operation{name: "SetIfAbsent", task: wire.TaskCheckAndMutate, kind: once}
)

// Check is a condition for a CheckAndMutate: a comparison of the value of one sort key with
// an operand. Except for Absent and AbsentOrEmpty it does not pass where there is no entry.
// Its zero value always passes.
type Check struct {
	SortKey []byte
	Type    CheckType
	Operand []byte
}

// Exists passes if there is an entry.
func Exists(sortKey []byte) Check { return Check{SortKey: sortKey, Type: CheckTypeValueExist} }

// NotEmpty passes if there is an entry with a value that is not empty.
func NotEmpty(sortKey []byte) Check { return Check{SortKey: sortKey, Type: CheckTypeValueNotEmpty} }

// Absent passes if there is no entry.
func Absent(sortKey []byte) Check { return Check{SortKey: sortKey, Type: CheckTypeValueNotExist} }

// AbsentOrEmpty passes if there is no entry, or one with an empty value.
func AbsentOrEmpty(sortKey []byte) Check {
	return Check{SortKey: sortKey, Type: CheckTypeValueNotExistOrEmpty}
}

// ValueEquals passes if there is an entry with that value.
func ValueEquals(sortKey, value []byte) Check {
	return Check{SortKey: sortKey, Type: CheckTypeBytesEqual, Operand: value}
}

// IntEquals passes if the value is this integer as decimal text. This and the other checks
// of integers fail with StorageInvalidArgument if the value is none of 64 bits.
func IntEquals(sortKey []byte, n int64) Check { return intCheck(sortKey, CheckTypeIntEqual, n) }

// IntLess passes if the value is an integer below n.
func IntLess(sortKey []byte, n int64) Check { return intCheck(sortKey, CheckTypeIntLess, n) }

// IntGreater passes if the value is an integer above n.
func IntGreater(sortKey []byte, n int64) Check { return intCheck(sortKey, CheckTypeIntGreater, n) }

func intCheck(sortKey []byte, t CheckType, n int64) Check {
	return Check{SortKey: sortKey, Type: t, Operand: strconv.AppendInt(nil, n, 10)}
}

// Mutation changes several entries of one hash key in one atomic step, if a check passes.
// It is made by Table.CheckAndMutate and carried out by Do. The bytes that it is given are
// copied. Its methods return it, so that a mutation reads as one sentence; what is wrong
// with an argument is the error of Do. It is not for concurrent use.
type Mutation struct {
	table   *Table
	op      *operation
	request wire.CheckAndMutateRequest
	checked bool
	size    int
	err     error
	done    bool
}

// CheckAndMutate begins a Mutation of entries of a hash key:
//
//	res, err := t.CheckAndMutate(user).
//		If(pegasus.ValueEquals(state, old)).
//		Set(state, new, pegasus.NoTTL).
//		Del(draft).
//		Do(ctx)
//
// hashKey: must not be empty.
func (t *Table) CheckAndMutate(hashKey []byte) *Mutation {
	return t.mutation(opCheckAndMutate, hashKey)
}

func (t *Table) mutation(o *operation, hashKey []byte) *Mutation {
	m := &Mutation{table: t, op: o}
	m.request.HashKey = bytes.Clone(hashKey)
	m.fail(validateRowKey(hashKey, nil))
	return m
}

func (m *Mutation) fail(err error) {
	if m.err == nil {
		m.err = err
	}
}

// If sets the check. There is one at most; without one the mutation is always applied.
func (m *Mutation) If(c Check) *Mutation {
	switch {
	case m.checked:
		m.fail(argumentError("check", "is the second one: a server takes one"))
	case c.Type < CheckTypeNoCheck || c.Type > CheckTypeIntGreater:
		m.fail(argumentError("check.Type", "is %d, not one of the check types", c.Type))
	}
	m.fail(m.table.comparable("check.Type", c.Type))
	m.fail(validateSize("check.SortKey", c.SortKey))
	m.fail(validateSize("check.Operand", c.Operand))
	m.checked = true
	m.request.CheckSortKey, m.request.CheckType, m.request.CheckOperand = bytes.Clone(c.SortKey), int32(c.Type), bytes.Clone(c.Operand)
	return m
}

// Set sets an entry, with a time to live of its own.
func (m *Mutation) Set(sortKey, value []byte, ttl time.Duration) *Mutation {
	expire, err := m.table.client.expireTS(m.name("ttl"), ttl)
	if ttl == KeepTTL {
		err = argumentError(m.name("ttl"), "is KeepTTL, which a server cannot do here")
	}
	m.fail(err)
	return m.set(sortKey, value, expire)
}

// SetUntil sets an entry that expires at a time, in whole seconds, as that of a Row; the zero
// time is never. What is over is written, and hides an entry that is there.
func (m *Mutation) SetUntil(sortKey, value []byte, expires time.Time) *Mutation {
	expire, err := untilTS(m.name("expires"), expires)
	m.fail(err)
	return m.set(sortKey, value, expire)
}

func (m *Mutation) set(sortKey, value []byte, expire int32) *Mutation {
	m.fail(validateSize(m.name("sortKey"), sortKey))
	m.fail(validateSize(m.name("value"), value))
	stored, err := m.table.store(value)
	m.fail(err)
	m.request.Mutates = append(m.request.Mutates, wire.Mutate{
		Operation: wire.MutatePut, SortKey: bytes.Clone(sortKey), Value: bytes.Clone(stored), SetExpireTS: expire,
	})
	m.size += len(sortKey) + len(stored)
	return m
}

// Del deletes an entry, if there is one.
func (m *Mutation) Del(sortKey []byte) *Mutation {
	m.fail(validateSize(m.name("sortKey"), sortKey))
	m.request.Mutates = append(m.request.Mutates, wire.Mutate{Operation: wire.MutateDelete, SortKey: bytes.Clone(sortKey)})
	m.size += len(sortKey)
	return m
}

// name names an argument of the mutation that is being added.
func (m *Mutation) name(of string) string {
	return fmt.Sprintf("mutation %d: %s", len(m.request.Mutates), of)
}

// ReturnChecked asks for the value of the sort key of the check, as it was before.
func (m *Mutation) ReturnChecked() *Mutation {
	m.request.ReturnCheckValue = true
	return m
}

// MutateResult is the result of a Mutation.
type MutateResult struct {
	// Applied is whether the check has passed, and everything was carried out. If not,
	// nothing was.
	Applied bool

	// With ReturnChecked, CheckedExists is whether there was an entry at the sort key of the
	// check, and Checked its value, which is the caller's: nil if there was none, not nil if
	// it was empty.
	Checked       []byte
	CheckedExists bool
}

// Do carries the mutation out, once: to do it again, make another one. That a check does
// not pass is a result, not an error.
//
// It is atomic. If the answer is lost the error has ErrInDoubt, and it is not sent again. If
// only the value that it returns cannot be decoded, Applied is right beside the error. A
// check of integers fails with StorageInvalidArgument if the value or the operand is not an
// integer.
func (m *Mutation) Do(ctx context.Context) (MutateResult, error) {
	switch {
	case m.done:
		m.fail(argumentError("mutation", "was carried out before"))
	case len(m.request.Mutates) == 0:
		m.fail(argumentError("mutation", "has nothing to set or delete"))
	default:
		m.fail(validateTotal("mutation", m.size+32*len(m.request.Mutates)))
	}
	m.done = true
	if m.err != nil {
		return MutateResult{}, m.table.refuse(m.op, m.err)
	}
	x := exchange{op: m.op, target: keyTarget(m.request.HashKey), large: m.size+len(m.request.CheckOperand) > bulkRequest}
	var res MutateResult
	err := m.table.do(ctx, &x, func(dst []byte) []byte { return wire.AppendArgument(dst, m.request) }, func(r *wire.Reader) wire.Status {
		var resp wire.CheckResponse
		resp.Read(r)
		res.Applied = resp.Error == wire.StatusOK
		if resp.CheckValueReturned && resp.CheckValueExist {
			res.CheckedExists = true
			res.Checked = append([]byte{}, resp.CheckValue...) // not nil, even if empty
			res.Checked, x.undecodable = m.table.restore(res.Checked)
		}
		if resp.Error == wire.StatusTryAgain { // the check has not passed
			return wire.StatusOK
		}
		return resp.Error
	})
	if err != nil && x.undecodable == nil {
		return MutateResult{}, err
	}
	return res, err // it is known what became of it, although the value is not
}

// DelIfEqual deletes an entry if it has that value, in one atomic step, and reports
// whether it did. If the answer is lost the error has ErrInDoubt.
func (t *Table) DelIfEqual(ctx context.Context, hashKey, sortKey, value []byte) (deleted bool, err error) {
	res, err := t.mutation(opDelIfEqual, hashKey).If(ValueEquals(sortKey, value)).Del(sortKey).Do(ctx)
	return res.Applied, err
}

// CompareAndSwap sets the value of an entry to new if it is old, in one atomic step, and
// reports whether it did. Where there is no entry it does not: see SetIfAbsent. If the
// answer is lost the error has ErrInDoubt.
func (t *Table) CompareAndSwap(ctx context.Context, hashKey, sortKey, old, new []byte, ttl time.Duration) (swapped bool, err error) {
	res, err := t.mutation(opCompareAndSwap, hashKey).If(ValueEquals(sortKey, old)).Set(sortKey, new, ttl).Do(ctx)
	return res.Applied, err
}

// SetIfAbsent sets an entry if there is none, in one atomic step, and reports whether it
// did. If the answer is lost the error has ErrInDoubt.
func (t *Table) SetIfAbsent(ctx context.Context, hashKey, sortKey, value []byte, ttl time.Duration) (set bool, err error) {
	res, err := t.mutation(opSetIfAbsent, hashKey).If(Absent(sortKey)).Set(sortKey, value, ttl).Do(ctx)
	return res.Applied, err
}
