package recipe

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/pegasus-go/pegasus"
)

var (
	// ErrLocked: somebody else has the lock.
	ErrLocked = errors.New("recipe: the lock is taken")
	// ErrLockLost: the lease has ended, or somebody else may have the lock by now. It is the
	// cause of the end of Lease.Context.
	ErrLockLost = errors.New("recipe: the lock is lost")
)

// Lock is a lock that one process at a time holds, for as long as it lives and renews its
// lease. It guards data of the hash key that it belongs to: writes that go through
// Lease.Guard are refused once another lease was given out, however late they arrive. What
// is under another hash key, or in another system, is only guarded if that compares
// Lease.Token by itself: the token grows with each lease.
//
// Its rows, of the hash key, are "lock/NAME/fence", the token of the latest lease as decimal
// text, which never expires, and "lock/NAME/owner", which exists while the lock is held.
type Lock struct {
	table   *pegasus.Table
	hashKey []byte
	fence   []byte
	owner   []byte
}

// NewLock returns the lock of that name of a hash key. It asks nobody.
func NewLock(table *pegasus.Table, hashKey []byte, name string) *Lock {
	return &Lock{
		table: plain(table), hashKey: bytes.Clone(hashKey),
		fence: fmt.Appendf(nil, "lock/%s/fence", name), owner: fmt.Appendf(nil, "lock/%s/owner", name),
	}
}

// LockOptions say how long a lease lasts. The zero value is 15 s.
type LockOptions struct {
	// TTL is how long a lease lasts that is not renewed, because its process has died: 2 s at
	// least. It is renewed three times in that time. Others can have the lock up to a second
	// later, because times of expiry are whole seconds.
	TTL time.Duration
	// Poll is the pause between attempts of Acquire while the lock is taken. Default: a
	// tenth of the TTL.
	Poll time.Duration
}

// Acquire waits until it has the lock, or ctx ends. The lease must be released.
func (l *Lock) Acquire(ctx context.Context, o LockOptions) (*Lease, error) {
	for {
		lease, err := l.TryAcquire(ctx, o)
		if !errors.Is(err, ErrLocked) {
			return lease, err
		}
		poll := o.Poll
		if poll <= 0 {
			poll = o.ttl() / 10
		}
		if err := sleep(ctx, poll); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrLocked, err)
		}
	}
}

func (o *LockOptions) ttl() time.Duration {
	if o.TTL == 0 {
		return 15 * time.Second
	}
	return o.TTL
}

// TryAcquire takes the lock, or fails with ErrLocked if somebody has it. A lost answer is
// looked into; if what became of it cannot be found out, the error has pegasus.ErrInDoubt, and
// the lock is taken for a TTL and a second at most. With ErrLockLost taking it took longer than
// the lease lasts.
func (l *Lock) TryAcquire(ctx context.Context, o LockOptions) (*Lease, error) {
	ttl := o.ttl()
	if ttl < 2*time.Second {
		return nil, argument("o.TTL", "is "+ttl.String()+", must be 2s at least")
	}
	ctx = asked(ctx)
	mine, began := nonce(), time.Now()
	var doubt error // an attempt may have come through, or may yet
	for try := 0; ; try++ {
		token, old, held, err := l.look(ctx)
		switch {
		case err != nil:
			return nil, cmp.Or(doubt, err)
		case held != nil && bytes.Equal(held, mine): // by an attempt in doubt, the first perhaps
			return l.lease(ctx, token, mine, ttl, began)
		case held != nil:
			return nil, ErrLocked
		}
		check := pegasus.Absent(l.fence)
		if old != nil {
			check = pegasus.ValueEquals(l.fence, old)
		}
		next := strconv.AppendUint(nil, token+1, 10)
		res, err := l.table.CheckAndMutate(l.hashKey).If(check).
			Set(l.fence, next, pegasus.NoTTL).Set(l.owner, mine, stored(ttl)).Do(ctx)
		switch {
		case res.Applied:
			return l.lease(ctx, token+1, mine, ttl, began)
		case errors.Is(err, pegasus.ErrInDoubt):
			doubt = err
		case doubt == nil && err == nil:
			return nil, ErrLocked // somebody was faster
		case doubt == nil:
			return nil, err
		}
		if try == attempts || ctx.Err() != nil {
			return nil, doubt
		}
	}
}

// look returns the latest token, as a number and as it is stored, and who has the lock.
func (l *Lock) look(ctx context.Context) (token uint64, stored, held []byte, err error) {
	res, err := l.table.MultiGetMany(ctx, []pegasus.HashKeyRows{{HashKey: l.hashKey, SortKeys: [][]byte{l.fence, l.owner}}})
	if err == nil {
		err = res.Err()
	}
	if err != nil {
		return 0, nil, nil, err
	}
	for _, row := range res[0].Rows {
		if bytes.Equal(row.SortKey, l.owner) {
			held = row.Value
			continue
		}
		stored = row.Value
		if token, err = strconv.ParseUint(string(stored), 10, 64); err != nil {
			return 0, nil, nil, fmt.Errorf("recipe: the row %q is not that of a lock: %w", l.fence, err)
		}
	}
	return token, stored, held, nil
}

// Lease is a lock that is held.
type Lease struct {
	lock  *Lock
	token uint64
	fence []byte // the token as it is stored
	nonce []byte
	ttl   time.Duration

	ctx    context.Context
	cancel context.CancelCauseFunc
	stop   chan struct{}
	done   sync.WaitGroup
	once   sync.Once
}

// stored is how long the row of a lease lives: times of expiry are whole seconds, so that up to
// one is missing.
func stored(ttl time.Duration) time.Duration { return ttl + time.Second }

// lease begins a lease that was taken by a request sent at began, unless it has ended already.
func (l *Lock) lease(ctx context.Context, token uint64, mine []byte, ttl time.Duration, began time.Time) (*Lease, error) {
	le := &Lease{lock: l, token: token, fence: strconv.AppendUint(nil, token, 10), nonce: mine, ttl: ttl, stop: make(chan struct{})}
	if took := time.Since(began); took >= ttl-le.margin() {
		_, err := l.table.DelIfEqual(ctx, l.hashKey, l.owner, mine)
		return nil, errors.Join(fmt.Errorf("%w: to take it took %v, and the lease lasts %v", ErrLockLost, took, ttl), err)
	}
	le.ctx, le.cancel = context.WithCancelCause(asked(context.Background()))
	le.done.Go(func() { le.renew(began) })
	return le, nil
}

// Token is the fencing token: higher than that of all leases before.
func (l *Lease) Token() uint64 { return l.token }

// Context is done when the lease is lost or released: what is done under the lock should end
// with it. Its cause is ErrLockLost if it was lost.
func (l *Lease) Context() context.Context { return l.ctx }

// Guard makes a mutation of the hash key of the lock a guarded one: it is applied only if no
// other lease was given out since. It is the check of the mutation, which can have no other.
// MutateResult.Applied is false if the lock was lost.
func (l *Lease) Guard(m *pegasus.Mutation) *pegasus.Mutation {
	return m.If(pegasus.ValueEquals(l.lock.fence, l.fence))
}

// margin is the part of a lease at its end in which it counts as lost already.
func (l *Lease) margin() time.Duration { return l.ttl / 10 }

// renew renews the lease until it is lost or released.
func (l *Lease) renew(began time.Time) {
	for {
		end := began.Add(l.ttl - l.margin())
		pause := time.NewTimer(min(l.ttl/3, time.Until(end)))
		select {
		case <-pause.C:
		case <-l.stop:
			pause.Stop()
			return
		}
		ctx, cancel := context.WithDeadline(l.ctx, end)
		for {
			began = time.Now()
			renewed, err := l.lock.table.CompareAndSwap(ctx, l.lock.hashKey, l.lock.owner, l.nonce, l.nonce, stored(l.ttl))
			if renewed {
				break
			}
			// Another attempt does no harm, and neither does one that comes after the release: it
			// finds no row of this lease.
			if err == nil || sleep(ctx, l.ttl/30) != nil {
				cancel()
				l.cancel(ErrLockLost)
				return
			}
		}
		cancel()
	}
}

// Release gives the lock back; after it Context is done. If the answer is lost it is tried
// again, which does no harm. If it fails all the same, the lock is free when the TTL is over, and
// a second.
func (l *Lease) Release(ctx context.Context) error {
	var err error
	l.once.Do(func() {
		close(l.stop)
		l.cancel(context.Canceled)
		l.done.Wait()
		for range attempts {
			_, err = l.lock.table.DelIfEqual(ctx, l.lock.hashKey, l.lock.owner, l.nonce)
			if !errors.Is(err, pegasus.ErrInDoubt) || ctx.Err() != nil {
				return
			}
		}
	})
	return err
}
