// Package recipe has small distributed algorithms on a Pegasus table, each made of single
// atomic operations on one hash key: a lock with a fencing token, things done once, a rate
// limiter, and a unique index. They keep their state in rows of the table, which are
// described at each of them, and work beside other data of the same hash key.
//
// All of them say what a lost answer means (pegasus.ErrInDoubt), and find out by themselves
// what became of a write where that is possible. Times are those of the callers' clocks: the
// expiry that a row is stored with is a point in time that the caller works out, and servers
// compare it with their own clocks. Clocks that are apart by more than a second or so shorten
// or stretch leases by as much.
package recipe

import (
	"context"
	"crypto/rand"
	"fmt"
	"math/big"
	"time"

	"github.com/pegasus-go/pegasus"
)

// argument is the error for a bad argument.
func argument(name, reason string) error {
	return &pegasus.ArgumentError{Name: name, Reason: reason}
}

// nonce returns bytes that nobody else has.
func nonce() []byte { return []byte(rand.Text()) }

// sleep waits between half of d and d.
func sleep(ctx context.Context, d time.Duration) error {
	n, err := rand.Int(rand.Reader, big.NewInt(int64(d/2)+1))
	if err != nil {
		return err
	}
	t := time.NewTimer(d/2 + time.Duration(n.Int64()))
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		if cause := context.Cause(ctx); cause != ctx.Err() {
			return fmt.Errorf("%w: %w", ctx.Err(), cause)
		}
		return ctx.Err()
	}
}

// plain is a table as recipes use it: what they keep is compared as it is stored. With the
// contexts of asked, reads are of the primary, since writes are based on them.
func plain(table *pegasus.Table) *pegasus.Table { return table.With(pegasus.TableOptions{}) }

// asked is the context of a recipe.
func asked(ctx context.Context) context.Context { return pegasus.WithoutHedge(ctx) }

// attempts bounds how often a write is tried whose answer was lost, and that was found not to
// have been carried out.
const attempts = 8
