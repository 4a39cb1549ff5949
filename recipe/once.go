package recipe

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/pegasus-go/pegasus"
)

// Once changes rows of a hash key, unless that was done before under the same key: the
// changes and the marker that they were made are one atomic step. It reports whether it was
// this call that made them. effect adds to a mutation, which must get no check.
//
// The marker is the row "once/KEY" of the hash key. It expires after ttl, which should be
// longer than anybody may try again; with pegasus.NoTTL it stays.
//
// A lost answer is looked into, and the changes are tried again if they were not made. The
// error has pegasus.ErrInDoubt only if that fails, too: calling Once again then is safe.
func Once(ctx context.Context, table *pegasus.Table, hashKey []byte, key string, ttl time.Duration, effect func(*pegasus.Mutation)) (first bool, err error) {
	marker, mine := []byte("once/"+key), nonce()
	var doubt error // an attempt may have come through, or may yet
	for try := 0; ; try++ {
		m := table.CheckAndMutate(hashKey).If(pegasus.Absent(marker)).Set(marker, mine, ttl)
		effect(m)
		res, err := m.Do(ctx)
		switch {
		case res.Applied:
			return true, nil
		case errors.Is(err, pegasus.ErrInDoubt):
			doubt = err
		case doubt == nil:
			return false, err
		}
		found, there, err := table.AppendGet(asked(ctx), nil, hashKey, marker)
		switch {
		case err == nil && there:
			return bytes.Equal(found, mine), nil
		case err != nil, try == attempts:
			return false, doubt
		}
	}
}

var (
	// ErrPending: the same work is being done by somebody else, or was until a short time ago.
	ErrPending = errors.New("recipe: the work is being done")
	// ErrOtherRequest: the key was used for another request.
	ErrOtherRequest = errors.New("recipe: the key was used for another request")
)

// WorkOptions are those of Work.
type WorkOptions struct {
	// Lease is how long others take the work for being done: 2 s at least, default 1 minute.
	// It must be longer than the work takes: after it somebody else begins.
	Lease time.Duration
	// Keep is how long the result is kept. It should be longer than anybody may ask again.
	// Default 1 day.
	Keep time.Duration
	// Request tells requests apart that have the same key by mistake: with another one Work
	// fails with ErrOtherRequest. It may be empty.
	Request []byte
}

// Work does something that is not in the table, such as a call of another system, and keeps
// the result: who asks again with the same key gets that. It is done once if nothing fails,
// and at least once else: whoever does it can die after it is done and before the result is
// kept, or take longer than the lease.
//
// If do fails nothing is kept, and the next call does the work again. While the work is
// done others fail with ErrPending. The row is "work/KEY" of the hash key. Lost answers are
// looked into; with pegasus.ErrInDoubt call it again.
func Work(ctx context.Context, table *pegasus.Table, hashKey []byte, key string, o WorkOptions, do func(context.Context) ([]byte, error)) (result []byte, err error) {
	if o.Lease == 0 {
		o.Lease = time.Minute
	}
	if o.Keep == 0 {
		o.Keep = 24 * time.Hour
	}
	if o.Lease < 2*time.Second {
		return nil, argument("o.Lease", "is "+o.Lease.String()+", must be 2s at least")
	}
	table, row := plain(table), []byte("work/"+key)
	request := fmt.Appendf(nil, "%d:%s", len(o.Request), o.Request)
	pending := fmt.Appendf(nil, "P%s%s", request, nonce())
	var doubt error // an attempt may have come through, or may yet
	for try := 0; ; try++ {
		set, err := table.SetIfAbsent(ctx, hashKey, row, pending, o.Lease)
		switch {
		case errors.Is(err, pegasus.ErrInDoubt):
			doubt = err
		case err != nil && doubt == nil:
			return nil, err
		}
		if set {
			break
		}
		found, there, lookErr := table.AppendGet(asked(ctx), nil, hashKey, row)
		switch {
		case lookErr != nil:
			return nil, errors.Join(doubt, lookErr)
		case there && bytes.Equal(found, pending):
		case there:
			return known(found, request)
		case try == attempts:
			return nil, cmp.Or(doubt, ErrPending)
		default:
			continue // it has expired, or was not set
		}
		break
	}
	result, err = do(ctx)
	if err != nil {
		// Others need not wait for the end of the lease.
		_, freeErr := table.DelIfEqual(context.WithoutCancel(ctx), hashKey, row, pending)
		return nil, errors.Join(err, freeErr)
	}
	kept := fmt.Appendf(nil, "D%s%s", request, result)
	// Whoever has begun after the end of the lease has done the same work.
	if err := table.SetTTL(ctx, hashKey, row, kept, o.Keep); err != nil {
		return result, err
	}
	return result, nil
}

// known is the outcome of work that somebody else has begun.
func known(found, request []byte) ([]byte, error) {
	if len(found) == 0 || !bytes.HasPrefix(found[1:], request) {
		return nil, ErrOtherRequest
	}
	if found[0] == 'P' {
		return nil, ErrPending
	}
	return found[1+len(request):], nil
}
