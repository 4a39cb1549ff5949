package pegasus

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/pegasus-go/pegasus/internal/wire"
)

var (
	opUpdate    = &operation{name: "Update", task: wire.TaskGet, take: takeValue, part: true}
	opUpdateTTL = &operation{name: "Update", task: wire.TaskTTL, take: takeTTL, part: true}
	opUpdateSet = &operation{name: "Update", task: wire.TaskCheckAndMutate, kind: once, part: true}
)

var (
	// ErrSkip is for the function of an Update to return: the entry stays as it is, and
	// Update succeeds.
	ErrSkip = errors.New("the entry is left as it is")

	// ErrContention: an Update met another writer again and again, and has changed nothing.
	ErrContention = errors.New("other writers were faster each time")
)

// Current is an entry as an Update has found it.
type Current struct {
	Value  []byte // a copy, to be changed at will; nil if there is no entry
	Exists bool
}

const (
	updateAttempts = 64
	updatePause    = 100 * time.Millisecond // the longest, before an attempt
)

// Update changes an entry by a function of its value: it reads the entry, calls change, and
// sets what that returns if the entry is still the same, in one atomic step; if another
// writer was faster it begins again. It returns the new value.
//
// ttl is the time to live of the new value; with KeepTTL the entry keeps its own, to a second,
// or has none if it is new. change may be called many times: it should do nothing but work out a
// value. An error of it ends Update and is returned as it is in the chain; ErrSkip leaves
// the entry as it is, without an error. nil counts as an empty value.
//
// After 64 attempts it fails with ErrContention. All has the time of one operation. If the
// answer to a write is lost, Update looks: the new value means that it is there, the old one
// that it is not, and it goes on; any other value that both may be, and the error has
// ErrInDoubt. Values are all that it goes by: where two writers write equal bytes, each may
// take those of the other for its own, so put something unique into values that count.
func (t *Table) Update(ctx context.Context, hashKey, sortKey []byte, ttl time.Duration, change func(Current) ([]byte, error)) (value []byte, err error) {
	err = validateRowKey(hashKey, sortKey)
	if err == nil && change == nil {
		err = argumentError("change", "must not be nil")
	}
	if err == nil && ttl != KeepTTL {
		_, err = t.client.expireTS("ttl", ttl)
	}
	if err != nil {
		return nil, t.refuse(opUpdate, err)
	}
	ctx, run := t.client.begin(ctx, opUpdate, t.name, t.counters)
	defer func() { run.end(ctx, err) }()
	ctx, cancel := t.client.bound(ctx)
	defer cancel()
	if t.values != nil {
		change = t.changeStored(change)
	}
	u := &update{table: t.plain(), ctx: ctx, hashKey: hashKey, sortKey: sortKey, ttl: ttl}
	for attempt := range updateAttempts {
		if attempt > 0 {
			longest := min(time.Millisecond<<min(attempt, 10), updatePause)
			if err := t.sleep(ctx, rand.N(longest), nil); err != nil {
				return nil, t.refuse(opUpdate, err)
			}
		}
		value, done, err := u.try(change)
		if done || err != nil {
			if err != nil {
				return nil, err
			}
			if value, err = t.restore(value); err != nil {
				return nil, t.refuse(opUpdate, err)
			}
			return value, nil
		}
	}
	return nil, &PError{Op: opUpdate.name, Table: t.name, Attempts: updateAttempts, Err: ErrContention}
}

// update is an Update under way.
type update struct {
	table            *Table
	ctx              context.Context
	hashKey, sortKey []byte
	ttl              time.Duration
}

// try makes an attempt. done is false if another writer was faster.
func (u *update) try(change func(Current) ([]byte, error)) (value []byte, done bool, err error) {
	old, err := u.read()
	if err != nil {
		return nil, false, err
	}
	ttl := u.ttl
	if ttl == KeepTTL {
		if ttl, err = u.left(old); err != nil {
			return nil, false, err
		}
	}
	value, err = change(Current{Value: bytes.Clone(old), Exists: old != nil})
	switch {
	case errors.Is(err, ErrSkip):
		return old, true, nil
	case err != nil:
		return nil, false, &PError{Op: opUpdate.name, Table: u.table.name, Err: err}
	case u.ttl == KeepTTL && old != nil && bytes.Equal(value, old):
		return value, true, nil // there is nothing to write
	}
	check := Absent(u.sortKey)
	if old != nil {
		check = ValueEquals(u.sortKey, old)
	}
	res, err := u.table.mutation(opUpdateSet, u.hashKey).If(check).Set(u.sortKey, value, ttl).Do(u.ctx)
	if errors.Is(err, ErrInDoubt) {
		return u.look(old, value, err)
	}
	return value, res.Applied, err
}

func (u *update) read() ([]byte, error) {
	x := exchange{op: opUpdate, target: keyTarget(u.hashKey)}
	return u.table.get(u.ctx, &x, u.hashKey, u.sortKey)
}

// left returns the time to live that the entry has.
func (u *update) left(old []byte) (time.Duration, error) {
	if old == nil {
		return NoTTL, nil
	}
	x := exchange{op: opUpdateTTL, target: keyTarget(u.hashKey)}
	err := u.table.do(u.ctx, &x, func(dst []byte) []byte {
		return wire.AppendArgument(dst, wire.Key{HashKey: u.hashKey, SortKey: u.sortKey})
	}, nil)
	switch {
	case err != nil:
		return 0, err
	case x.number == ttlNone, x.number == ttlAbsent: // it expired meanwhile: the check will not pass
		return NoTTL, nil
	}
	return max(time.Duration(x.number)*time.Second, time.Second), nil
}

// look finds out what became of a write whose answer was lost.
func (u *update) look(old, value []byte, doubt error) ([]byte, bool, error) {
	now, err := u.read()
	switch {
	case err != nil:
		return nil, false, doubt
	case now != nil && bytes.Equal(now, value):
		return value, true, nil
	case (now == nil) == (old == nil) && bytes.Equal(now, old):
		return nil, false, nil
	}
	var pe *PError
	errors.As(doubt, &pe)
	copied := *pe
	copied.Err = &cause{fmt.Sprintf("%v; another value is there now", pe.Err), []error{pe.Err}}
	return nil, false, &copied
}

// changeStored makes a change of values one of what is stored.
func (t *Table) changeStored(change func(Current) ([]byte, error)) func(Current) ([]byte, error) {
	return func(cur Current) ([]byte, error) {
		var err error
		if cur.Value, err = t.restore(cur.Value); err != nil {
			return nil, err
		}
		value, err := change(cur)
		if err != nil {
			return nil, err
		}
		return t.store(value)
	}
}
