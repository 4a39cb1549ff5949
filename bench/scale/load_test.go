package scale

import (
	"context"
	"encoding/binary"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	pegasus "github.com/pegasus-go/pegasus"
)

// load is a number of callers, each of which calls Get with random keys, one
// after the other, thinking for think on average in between.
type load struct {
	table   pegasus.TableConnector
	cluster *cluster
	think   time.Duration
	late    time.Duration // calls that take longer are noted

	stop  atomic.Bool
	wg    sync.WaitGroup
	calls []caller
}

// caller is one of them.
type caller struct {
	mu       sync.Mutex
	begun    time.Time // of the call under way; zero: it thinks
	count    int
	lateOnes []lateCall
}

type lateCall struct {
	begun  time.Time
	took   time.Duration
	server *server // that had the partition in the beginning
	err    error
}

func (l *load) start(callers int) {
	l.calls = make([]caller, callers)
	for i := range l.calls {
		l.wg.Go(func() { l.run(&l.calls[i], rand.New(rand.NewPCG(1, uint64(i)))) })
	}
}

func (l *load) run(c *caller, rng *rand.Rand) {
	pause := time.Duration(rng.Int64N(int64(l.think)))
	key := make([]byte, 8)
	for {
		time.Sleep(pause)
		if l.stop.Load() {
			return
		}
		binary.BigEndian.PutUint64(key, rng.Uint64())
		server := l.cluster.first(l.cluster.locate(key))
		begun := c.begin()
		_, err := l.table.Get(context.Background(), key, []byte("s"))
		c.end(lateCall{begun, time.Since(begun), server, err}, l.late)
		pause = l.think/2 + time.Duration(rng.Int64N(int64(l.think)))
	}
}

func (c *caller) begin() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.begun = time.Now()
	return c.begun
}

func (c *caller) end(call lateCall, late time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.begun = time.Time{}
	c.count++
	if call.took > late || call.err != nil {
		c.lateOnes = append(c.lateOnes, call)
	}
}

// settled reports whether no call is late at present, and none was since.
func (l *load) settled(since time.Time) bool {
	for i := range l.calls {
		if !l.calls[i].settled(since, l.late) {
			return false
		}
	}
	return true
}

func (c *caller) settled(since time.Time, late time.Duration) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.begun.IsZero() && time.Since(c.begun) > late {
		return false
	}
	if n := len(c.lateOnes); n > 0 {
		last := c.lateOnes[n-1]
		return last.begun.Add(last.took).Before(since)
	}
	return true
}

// finish stops the callers and returns the calls that were late, and how many
// there were of all.
func (l *load) finish() (late []lateCall, count int) {
	l.stop.Store(true)
	l.wg.Wait()
	for i := range l.calls {
		late = append(late, l.calls[i].lateOnes...)
		count += l.calls[i].count
	}
	return late, count
}
