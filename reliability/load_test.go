package reliability

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/internal/schema"
)

// callers is the number of goroutines of a load.
const callers = 256

// load is what many goroutines do with a table while something is broken: each
// writes entries of its own, reads them back, deletes some, and counts. No entry
// is written twice, so that a request that was sent twice does not matter.
type load struct {
	t       *testing.T
	table   pegasus.TableConnector
	timeout time.Duration // of each call
	pause   time.Duration // between two calls of a goroutine
	// tolerated says which errors of retry-safe calls may be. Those of others
	// must say that the call is in doubt, or be tolerated.
	tolerated func(error) bool

	stop    context.CancelFunc
	running sync.WaitGroup
	callers []*caller
}

// caller is one goroutine of a load.
type caller struct {
	l       *load
	hashKey []byte

	calls   []call
	next    int             // names the next entry
	stored  map[string]bool // acknowledged; false: the deletion of it was
	unsure  map[string]bool // neither acknowledged nor refused
	counted int64           // acknowledged increments
	doubted int64
}

type call struct {
	name         string
	hash         uint64 // of the hash key, which has the partition
	begun, ended time.Time
	err          error
}

// startLoad starts a load that finish ends.
func startLoad(t *testing.T, table pegasus.TableConnector, timeout, pause time.Duration) *load {
	l := &load{t: t, table: table, timeout: timeout, pause: pause, tolerated: func(error) bool { return false }}
	ctx, stop := context.WithCancel(context.Background())
	l.stop = stop
	for i := range callers {
		c := &caller{l: l, hashKey: fmt.Appendf(nil, "caller%d", i), stored: make(map[string]bool), unsure: make(map[string]bool)}
		l.callers = append(l.callers, c)
		l.running.Go(func() {
			time.Sleep(pause * time.Duration(i) / callers) // not all at the same moment
			for ctx.Err() == nil {
				c.step()
			}
		})
	}
	return l
}

// do makes a call with the time that calls have.
func (c *caller) do(name string, f func(ctx context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), c.l.timeout)
	defer cancel()
	begun := time.Now()
	err := f(ctx)
	c.calls = append(c.calls, call{name, schema.Hash(c.hashKey), begun, time.Now(), err})
	if c.l.pause > 0 {
		time.Sleep(c.l.pause)
	}
	return err
}

// write makes a call that changes entries, and notes what it did.
func (c *caller) write(name string, keys []string, stored bool, f func(ctx context.Context) error) bool {
	err := c.do(name, f)
	for _, k := range keys {
		switch {
		case err == nil:
			c.stored[k] = stored
		case errors.Is(err, pegasus.ErrInDoubt):
			c.unsure[k] = true
		}
	}
	return err == nil
}

// step makes one call of each kind.
func (c *caller) step() {
	table := c.l.table
	one, two, gone := fmt.Sprintf("%06da", c.next), fmt.Sprintf("%06db", c.next), fmt.Sprintf("%06dc", c.next)
	c.next++
	value := []byte(one)
	if c.write("Set", []string{one}, true, func(ctx context.Context) error {
		return table.Set(ctx, c.hashKey, []byte(one), value)
	}) {
		c.read(one, value)
	}
	if c.write("MultiSet", []string{two, gone}, true, func(ctx context.Context) error {
		return table.MultiSet(ctx, c.hashKey, [][]byte{[]byte(two), []byte(gone)}, [][]byte{value, value})
	}) {
		c.readBoth(two, gone)
		c.write("Del", []string{gone}, false, func(ctx context.Context) error {
			return table.Del(ctx, c.hashKey, []byte(gone))
		})
	}
	err := c.do("Incr", func(ctx context.Context) error {
		_, err := table.Incr(ctx, c.hashKey, []byte(countKey), 1)
		return err
	})
	switch {
	case err == nil:
		c.counted++
	case errors.Is(err, pegasus.ErrInDoubt):
		c.doubted++
	}
}

// countKey is the sort key that callers count under.
const countKey = "n"

func (c *caller) read(key string, want []byte) {
	c.do("Get", func(ctx context.Context) error {
		v, err := c.l.table.Get(ctx, c.hashKey, []byte(key))
		if err == nil && string(v) != string(want) {
			c.l.t.Errorf("%s/%s is %q, want %q", c.hashKey, key, v, want)
		}
		return err
	})
}

func (c *caller) readBoth(one, two string) {
	c.do("MultiGet", func(ctx context.Context) error {
		kvs, all, err := c.l.table.MultiGet(ctx, c.hashKey, [][]byte{[]byte(one), []byte(two)})
		if err == nil && (len(kvs) != 2 || !all) {
			c.l.t.Errorf("%s: %d of 2 entries of a MultiSet", c.hashKey, len(kvs))
		}
		return err
	})
}

// finish ends the load and checks all errors, and everything that is stored.
func (l *load) finish() {
	l.t.Helper()
	l.halt()
	l.checkErrors()
	l.checkStored(l.table)
}

// halt ends the load.
func (l *load) halt() {
	l.stop()
	l.running.Wait()
}

// checkErrors expects only errors that are allowed.
func (l *load) checkErrors() {
	l.t.Helper()
	n, failed := 0, 0
	for _, c := range l.callers {
		for _, call := range c.calls {
			n++
			if call.err == nil {
				continue
			}
			failed++
			if l.tolerated(call.err) || call.name == "Incr" && errors.Is(call.err, pegasus.ErrInDoubt) {
				continue
			}
			l.t.Errorf("after %v: %v", call.ended.Sub(call.begun), call.err)
		}
	}
	if n < callers {
		l.t.Errorf("only %d calls", n)
	}
	l.t.Logf("%d calls, %d of them failed as they may", n, failed)
}

// checkStored compares what is stored with what was acknowledged.
func (l *load) checkStored(table pegasus.TableConnector) {
	l.t.Helper()
	for _, c := range l.callers {
		found := make(map[string]bool)
		s, err := table.GetScanner(context.Background(), c.hashKey, nil, nil, nil)
		if err != nil {
			l.t.Fatal(err)
		}
		for {
			done, _, sortKey, _, err := s.Next(context.Background())
			if err != nil {
				l.t.Fatal(err)
			}
			if done {
				break
			}
			found[string(sortKey)] = true
		}
		s.Close()
		delete(found, countKey)
		for k, want := range c.stored {
			if found[k] != want && !c.unsure[k] {
				l.t.Errorf("%s/%s is stored: %v, acknowledged: %v", c.hashKey, k, found[k], want)
			}
			delete(found, k)
		}
		for k := range found {
			if !c.unsure[k] {
				l.t.Errorf("%s/%s is stored although that was refused", c.hashKey, k)
			}
		}
		n, err := table.Incr(context.Background(), c.hashKey, []byte(countKey), 0)
		if err != nil {
			l.t.Fatal(err)
		}
		if n < c.counted || n > c.counted+c.doubted {
			l.t.Errorf("%s counted to %d, acknowledged were %d, in doubt %d", c.hashKey, n, c.counted, c.doubted)
		}
	}
}

// all returns the calls of all goroutines that f accepts.
func (l *load) all(f func(call) bool) []call {
	var calls []call
	for _, c := range l.callers {
		for _, call := range c.calls {
			if f(call) {
				calls = append(calls, call)
			}
		}
	}
	return calls
}

// checkDurations expects no call that f accepts to have taken longer than most.
func (l *load) checkDurations(most time.Duration, f func(call) bool) {
	l.t.Helper()
	n, longest := 0, time.Duration(0)
	for _, c := range l.all(f) {
		if d := c.ended.Sub(c.begun); d > most {
			n++
			longest = max(longest, d)
		}
	}
	if n > 0 {
		l.t.Errorf("%d calls took longer than %v, up to %v", n, most, longest)
	}
}

// anyCall accepts every call.
func anyCall(call) bool { return true }

// firstSuccess returns when the first call that began after a moment succeeded.
func (l *load) firstSuccess(after time.Time, f func(call) bool) time.Duration {
	l.t.Helper()
	var first time.Time
	for _, c := range l.all(f) {
		if c.err == nil && c.ended.After(after) && (first.IsZero() || c.ended.Before(first)) {
			first = c.ended
		}
	}
	if first.IsZero() {
		l.t.Fatal("no call succeeded any more")
	}
	return first.Sub(after)
}
