package throttle

import (
	"sync"
	"time"
)

// Counter counts the units of the present second.
type Counter struct {
	mu     sync.Mutex
	second uint32
	units  int64
}

// Count counts units in the second now. If they are beyond the rate it returns
// how long to delay the request, and whether to reject it then.
func (t *Counter) Count(r *Rate, now uint32, units int64) (delay time.Duration, reject bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if now != t.second {
		t.second, t.units = now, 0
	}
	if r.rejectUnits > 0 && t.units+units > r.rejectUnits {
		return r.rejectDelay, true
	}
	t.units += units
	if r.delayUnits > 0 && t.units > r.delayUnits {
		return r.delay, false
	}
	return 0, false
}

// Bucket limits the bytes that reads return. It holds what may be read at once,
// at most a second's worth.
type Bucket struct {
	mu     sync.Mutex
	last   time.Time
	tokens float64
}

// Empty reports whether reads have used up the rate, in bytes per second.
func (b *Bucket) Empty(rate int64, now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.last.IsZero() {
		b.tokens = float64(rate)
	} else if d := now.Sub(b.last); d > 0 {
		b.tokens = min(float64(rate), b.tokens+d.Seconds()*float64(rate))
	}
	b.last = now
	return b.tokens <= 0
}

// Take uses n bytes, which may be more than there are: the size of an answer is
// only known when it is there.
func (b *Bucket) Take(n int) {
	b.mu.Lock()
	b.tokens -= float64(n)
	b.mu.Unlock()
}
