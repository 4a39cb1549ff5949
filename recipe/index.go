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

// ErrTaken: the value belongs to somebody else, or somebody is about to take it.
var ErrTaken = errors.New("recipe: the value is taken")

// UniqueIndex makes sure that a value, such as a mail address, belongs to one owner at most,
// though owner and value are under different hash keys. A value is reserved first, then the
// row of the owner is written, then the reservation is confirmed; one that is not confirmed
// ends by itself.
//
// The row of a value has PREFIX and the value as hash key, an empty sort key, and as value
// a letter, R while it is reserved and O when it is owned, and the owner.
type UniqueIndex struct {
	Table  *pegasus.Table
	Prefix string // of its hash keys
	// Reserve is how long a reservation holds: longer than the row takes to be written. 2 s
	// at least, default 1 minute.
	Reserve time.Duration
}

func (x *UniqueIndex) row(value []byte) []byte { return fmt.Appendf(nil, "%s%s", x.Prefix, value) }

// Insert makes owner the owner of value: it reserves the value, calls write, which is to
// write what the owner says about itself, and confirms. It fails with ErrTaken if the
// value belongs to somebody else. If write fails the value is free again.
//
// Calling it again after any failure is safe if write is: for the owner of the value it
// writes and confirms once more.
func (x *UniqueIndex) Insert(ctx context.Context, value, owner []byte, write func(context.Context) error) error {
	reserve := x.Reserve
	if reserve == 0 {
		reserve = time.Minute
	}
	if reserve < 2*time.Second {
		return argument("Reserve", "is "+reserve.String()+", must be 2s at least")
	}
	h := x.row(value)
	reserved, owned := fmt.Appendf(nil, "R%s", owner), fmt.Appendf(nil, "O%s", owner)
	fresh, err := plain(x.Table).SetIfAbsent(ctx, h, nil, reserved, reserve)
	if err != nil && !errors.Is(err, pegasus.ErrInDoubt) {
		return err
	}
	if !fresh {
		found, there, lookErr := plain(x.Table).AppendGet(asked(ctx), nil, h, nil)
		switch {
		case lookErr != nil:
			return errors.Join(err, lookErr)
		case !there:
			return errors.Join(err, fmt.Errorf("%w, or was until now", ErrTaken))
		case !bytes.Equal(found, reserved) && !bytes.Equal(found, owned):
			return ErrTaken
		}
		fresh = err != nil && bytes.Equal(found, reserved) // the answer was lost
	}
	if err := write(ctx); err != nil {
		if fresh {
			_, freeErr := plain(x.Table).DelIfEqual(context.WithoutCancel(ctx), h, nil, reserved)
			err = errors.Join(err, freeErr)
		}
		return err
	}
	return x.confirm(ctx, h, reserved, owned)
}

// confirm makes a reservation ownership. It does so again if the answer is lost.
func (x *UniqueIndex) confirm(ctx context.Context, h, reserved, owned []byte) error {
	for try := 0; ; try++ {
		swapped, err := plain(x.Table).CompareAndSwap(ctx, h, nil, reserved, owned, pegasus.NoTTL)
		if swapped {
			return nil
		}
		found, there, lookErr := plain(x.Table).AppendGet(asked(ctx), nil, h, nil)
		switch {
		case lookErr == nil && there && bytes.Equal(found, owned):
			return nil
		case err != nil && !errors.Is(err, pegasus.ErrInDoubt), lookErr != nil:
			return errors.Join(err, lookErr)
		case try == attempts:
			return cmp.Or(err, error(ErrTaken))
		case there && !bytes.Equal(found, reserved), !there:
			return fmt.Errorf("%w: the reservation has ended before it was confirmed", ErrTaken)
		}
	}
}

// Owner returns who owns a value. A reservation is no ownership. Compare with the row of
// the owner, which may have been written without being confirmed, or deleted since.
func (x *UniqueIndex) Owner(ctx context.Context, value []byte) (owner []byte, found bool, err error) {
	row, there, err := plain(x.Table).AppendGet(asked(ctx), nil, x.row(value), nil)
	if err != nil || !there || len(row) == 0 || row[0] != 'O' {
		return nil, false, err
	}
	return row[1:], true, nil
}

// Delete takes a value away from its owner, and reports whether owner had it. With
// pegasus.ErrInDoubt call it again.
func (x *UniqueIndex) Delete(ctx context.Context, value, owner []byte) (deleted bool, err error) {
	return plain(x.Table).DelIfEqual(ctx, x.row(value), nil, fmt.Appendf(nil, "O%s", owner))
}
