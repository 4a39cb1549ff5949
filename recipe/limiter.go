package recipe

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/pegasus-go/pegasus"
)

// Limiter limits how often something is done, by all processes together: about Limit times in
// any Window. It counts in windows of fixed times, and weighs the one before by how much of it
// is within the last Window, so that there is no burst of twice the limit where two meet.
//
// Each call is an increment and a read. The rows are those of a
// hash key of its own for each key, PREFIX and the key, with the number of the window as
// sort key, 8 bytes; they expire after two windows.
type Limiter struct {
	Table  *pegasus.Table
	Prefix string // of its hash keys
	Limit  int    // must be > 0
	Window time.Duration
	// FailOpen allows what cannot be counted, because servers fail; without it that is
	// refused. Allow returns the error in both cases.
	FailOpen bool
	// Clock is time.Now by default. Processes whose clocks are apart count in windows that are
	// apart.
	Clock func() time.Time
}

// Decision is what a Limiter says.
type Decision struct {
	Allowed bool
	// Used is about how much of the limit was used in the last Window, this call included.
	Used int
	// RetryAfter is when it may be allowed again, if it was not.
	RetryAfter time.Duration
}

// Allow counts a call for key and says whether it may be made. What is refused is counted,
// too. A call whose count was lost (pegasus.ErrInDoubt) is never counted again: the count is
// too high at times then, never too low.
func (l *Limiter) Allow(ctx context.Context, key []byte) (Decision, error) {
	switch {
	case l.Limit <= 0:
		return Decision{}, argument("Limit", "is "+strconv.Itoa(l.Limit)+", must be > 0")
	case l.Window < time.Second:
		return Decision{}, argument("Window", "is "+l.Window.String()+", must be 1s at least")
	}
	now := time.Now
	if l.Clock != nil {
		now = l.Clock
	}
	at := now().UnixNano()
	number, into := uint64(at/int64(l.Window)), time.Duration(at%int64(l.Window))
	hashKey := fmt.Appendf(nil, "%s%s", l.Prefix, key)
	window := func(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }
	count, err := plain(l.Table).IncrTTL(ctx, hashKey, window(number), 1, 2*l.Window)
	if err != nil {
		return Decision{Allowed: l.FailOpen}, err
	}
	before, found, err := plain(l.Table).AppendGet(asked(ctx), nil, hashKey, window(number-1))
	if err != nil {
		return Decision{Allowed: l.FailOpen}, err
	}
	earlier := int64(0)
	if found {
		if earlier, err = strconv.ParseInt(string(before), 10, 64); err != nil {
			return Decision{Allowed: l.FailOpen}, errors.New("recipe: the row of a limiter is no number")
		}
	}
	weight := 1 - float64(into)/float64(l.Window)
	used := float64(count) + weight*float64(earlier)
	d := Decision{Allowed: used <= float64(l.Limit), Used: int(used)}
	if !d.Allowed {
		d.RetryAfter = l.retryAfter(count, earlier, into)
	}
	return d, nil
}

// retryAfter is the time until one more call fits, if there are no others.
func (l *Limiter) retryAfter(count, earlier int64, into time.Duration) time.Duration {
	// fits is how far into a window with n calls it is, when so much of the one before, with m,
	// is over that they fit.
	fits := func(n, m int64) time.Duration {
		over := 1 - float64(int64(l.Limit)-n)/float64(m)
		return time.Duration(max(0, over)*float64(l.Window)) + time.Millisecond
	}
	if next := count + 1; next <= int64(l.Limit) && earlier > 0 {
		return max(fits(next, earlier)-into, time.Millisecond)
	}
	return l.Window - into + fits(1, count)
}
