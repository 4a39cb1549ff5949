package pegasus

import (
	"bytes"
	"cmp"
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
// answer to a write is lost, Update looks: the new value means that it is there; while the old
// one is there the same is sent again, of which one is carried out, whatever arrives late; any
// other value, or no time left, and the error has ErrInDoubt. Values are all that it goes by:
// where two writers write equal bytes, each may take those of the other for its own, so put
// something unique into values that count.
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
				return nil, cmp.Or(u.doubt, t.refuse(opUpdate, err))
			}
		}
		done, err := u.try(change)
		if err != nil {
			return nil, err
		}
		if !done {
			continue
		}
		if value, err = t.restore(u.value); err != nil {
			return nil, t.refuse(opUpdate, err)
		}
		return value, nil
	}
	return nil, cmp.Or(u.doubt, error(&PError{Op: opUpdate.name, Table: t.name, Attempts: updateAttempts, Err: ErrContention}))
}

// update is an Update under way.
type update struct {
	table            *Table
	ctx              context.Context
	hashKey, sortKey []byte
	ttl              time.Duration // KeepTTL or what is to be set

	// The present change, and how long the new value is to live.
	old, value []byte
	left       time.Duration
	// doubt is not nil if the change may have been carried out, or may be yet. It stays the
	// change then: what is sent again is the same, so that one of the two is refused.
	doubt error
}

// try makes an attempt. done is false if there is to be another one.
func (u *update) try(change func(Current) ([]byte, error)) (done bool, err error) {
	if u.doubt == nil {
		if done, err := u.plan(change); done || err != nil {
			return done, err
		}
	}
	check := Absent(u.sortKey)
	if u.old != nil {
		check = ValueEquals(u.sortKey, u.old)
	}
	res, err := u.table.mutation(opUpdateSet, u.hashKey).If(check).Set(u.sortKey, u.value, u.left).Do(u.ctx)
	switch {
	case errors.Is(err, ErrInDoubt):
		u.doubt = err
	case err != nil:
		return false, cmp.Or(u.doubt, err)
	case res.Applied:
		return true, nil
	}
	if u.doubt == nil {
		return false, nil // another writer was faster
	}
	return u.look()
}

// plan reads the entry and works out the change. done is true if nothing is to be written.
func (u *update) plan(change func(Current) ([]byte, error)) (done bool, err error) {
	if u.old, err = u.read(); err != nil {
		return false, err
	}
	u.left = u.ttl
	if u.ttl == KeepTTL {
		if u.left, err = u.timeLeft(); err != nil {
			return false, err
		}
	}
	u.value, err = change(Current{Value: bytes.Clone(u.old), Exists: u.old != nil})
	switch {
	case errors.Is(err, ErrSkip):
		u.value = u.old
		return true, nil
	case err != nil:
		return false, &PError{Op: opUpdate.name, Table: u.table.name, Err: err}
	}
	return u.ttl == KeepTTL && u.old != nil && bytes.Equal(u.value, u.old), nil
}

func (u *update) read() ([]byte, error) {
	x := exchange{op: opUpdate, target: keyTarget(u.hashKey)}
	return u.table.get(u.ctx, &x, u.hashKey, u.sortKey)
}

// timeLeft returns the time to live that the entry has.
func (u *update) timeLeft() (time.Duration, error) {
	if u.old == nil {
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

// look finds out what became of a change in doubt. While the old value is there it may be on
// its way, or was one of the time to live alone: sending it again does no harm.
func (u *update) look() (done bool, err error) {
	now, err := u.read()
	switch {
	case err != nil:
		return false, u.doubt
	case (now == nil) == (u.old == nil) && bytes.Equal(now, u.old):
		return false, nil
	case now != nil && bytes.Equal(now, u.value):
		return true, nil
	}
	var pe *PError
	errors.As(u.doubt, &pe)
	copied := *pe
	copied.Err = &cause{fmt.Sprintf("%v; another value is there now", pe.Err), []error{pe.Err}}
	return false, &copied
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
