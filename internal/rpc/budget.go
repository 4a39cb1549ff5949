package rpc

import (
	"sync"
	"sync/atomic"
	"time"
)

// Budget limits how many requests are sent again to a server that answers with
// errors, so that it can recover: a burst, then so many a second, and some more
// for each answer that is none. All callers of the server share it.
type Budget struct {
	perSecond int // negative: no limit

	low atomic.Bool // tokens may be below burst

	mu     sync.Mutex
	tokens float64
	filled time.Time // when tokens were counted last
}

// The budget of a server unless configured: enough for a lone caller to try as
// often as its pauses allow.
const defaultPerSecond = 10

// burst is what a full budget allows, in seconds.
const burst = 10

// perSuccess is what an answer that is no error allows. So a server that is busy
// for nine in ten requests is asked as often as callers like.
const perSuccess = 10

// Take takes a token. If there is none it returns how long to wait before
// asking again.
func (b *Budget) Take(now time.Time) time.Duration {
	if b.perSecond < 0 {
		return 0
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fillLocked(now)
	if b.tokens < 1 {
		missing := (1 - b.tokens) / float64(b.perSecond)
		return max(time.Duration(missing*float64(time.Second)), time.Millisecond)
	}
	b.tokens--
	b.low.Store(true)
	return 0
}

// Succeeded notes an answer that is no error. It costs one load while the
// budget is full.
func (b *Budget) Succeeded() {
	if !b.low.Load() {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fillLocked(time.Now())
	b.addLocked(perSuccess)
}

func (b *Budget) fillLocked(now time.Time) {
	if b.low.Load() {
		b.addLocked(now.Sub(b.filled).Seconds() * float64(b.perSecond))
	} else {
		b.tokens = float64(b.perSecond) * burst
	}
	b.filled = now
}

func (b *Budget) addLocked(n float64) {
	full := float64(b.perSecond) * burst
	if b.tokens = min(b.tokens+n, full); b.tokens == full {
		b.low.Store(false)
	}
}
