package catalog

import (
	"sync"
	"time"
)

// alarm is a timer that is armed only while there is something to do.
type alarm struct {
	mu      sync.Mutex
	timer   *time.Timer
	stopped bool
}

// alarmAtMost is the longest time until the clock is looked at again, which may
// not run as fast as package time's.
const alarmAtMost = time.Hour

// set calls f after a time, a second at least, instead of what it was set to.
func (a *alarm) set(d time.Duration, f func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.stopped {
		return
	}
	if a.timer != nil {
		a.timer.Stop()
	}
	a.timer = time.AfterFunc(max(time.Second, min(d, alarmAtMost)), f)
}

func (a *alarm) stop() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.stopped = true
	if a.timer != nil {
		a.timer.Stop()
	}
}
