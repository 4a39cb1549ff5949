package server

import (
	"math"
	"strings"
	"sync"
	"time"

	"github.com/pegasus-go/pegasus/internal/schema"
	"github.com/pegasus-go/pegasus/internal/wire"
)

const maxInt32 = math.MaxInt32

// rate is a throttling environment: what happens to requests beyond a number
// of units in a second.
type rate struct {
	delayUnits, rejectUnits int64 // 0: never
	delay, rejectDelay      time.Duration
}

// parseRate reads a throttling environment such as "2K*delay*100,4K*reject*200"
// for one of count partitions. It returns nil if there is none or it makes no
// sense.
func parseRate(text string, count int) *rate {
	if text == "" {
		return nil
	}
	r := new(rate)
	for _, part := range strings.Split(text, ",") {
		f := strings.Split(strings.TrimSpace(part), "*")
		if len(f) != 3 {
			return nil
		}
		units, ok := parseUnits(f[0])
		ms, ok2 := schema.ParseInt([]byte(f[2]))
		if !ok || !ok2 || ms < 0 || ms > maxInt32 {
			return nil
		}
		units = units/int64(count) + 1
		delay := time.Duration(ms) * time.Millisecond
		switch {
		case f[1] == "delay" && r.delayUnits == 0:
			r.delayUnits, r.delay = units, delay
		case f[1] == "reject" && r.rejectUnits == 0:
			r.rejectUnits, r.rejectDelay = units, delay
		default:
			return nil
		}
	}
	return r
}

// parseUnits reads a number that is not negative, with K or M for thousands or
// millions.
func parseUnits(text string) (int64, bool) {
	factor := int64(1)
	switch {
	case strings.HasSuffix(text, "K"):
		factor = 1000
	case strings.HasSuffix(text, "M"):
		factor = 1000 * 1000
	}
	if factor > 1 {
		text = text[:len(text)-1]
	}
	n, ok := schema.ParseInt([]byte(text))
	if !ok || n < 0 || n > math.MaxInt64/factor {
		return 0, false
	}
	return n * factor, true
}

// throttle counts the units of the present second.
type throttle struct {
	mu     sync.Mutex
	second uint32
	units  int64
}

// admit counts a request of a number of units. The delay is at most half of the
// time that the client waits.
func (t *throttle) admit(r *rate, k *call, units int64) admission {
	t.mu.Lock()
	defer t.mu.Unlock()
	if now := k.s.now(); now != t.second {
		t.second, t.units = now, 0
	}
	if r.rejectUnits > 0 && t.units+units > r.rejectUnits {
		return admission{code: wire.ErrBusy, delay: k.patience(r.rejectDelay)}
	}
	t.units += units
	if r.delayUnits > 0 && t.units > r.delayUnits {
		return admission{delay: k.patience(r.delay)}
	}
	return admission{}
}

// patience shortens a delay to half of the time that the client waits.
func (k *call) patience(d time.Duration) time.Duration {
	if k.req.TimeoutMs > 0 {
		return min(d, time.Duration(k.req.TimeoutMs)*time.Millisecond/2)
	}
	return d
}

// bucket limits the bytes that reads of a partition return. It holds what may
// be read at once, at most a second's worth.
type bucket struct {
	mu     sync.Mutex
	last   time.Time
	tokens float64
}

// empty reports whether reads have used up the rate, in bytes per second.
func (b *bucket) empty(rate int64, now time.Time) bool {
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

// take uses n bytes, which may be more than there are: the size of an answer is
// only known when it is there.
func (b *bucket) take(n int) {
	b.mu.Lock()
	b.tokens -= float64(n)
	b.mu.Unlock()
}
