package rpc

import (
	"slices"
	"time"

	"github.com/pegasus-go/pegasus/internal/wire"
)

// taskProbe is no RPC of any server. Every server answers an unknown one at
// once, with ERR_HANDLER_NOT_FOUND, which is the sign of life wanted. A real
// server also logs a line about it, hence the pauses.
const taskProbe = "RPC_PEGASUS_GO_PROBE"

// maxProbePause is the longest time between two probes. It is twice as long
// each time while the same calls are pending: what has taken long so far may
// take as long again, and it is found out that much later if it never ends.
const maxProbePause = 30 * time.Second

// slowLink is the least that a network is taken to carry, in bytes per second.
// What is on its way to a server delays the answer to a probe behind it.
const slowLink = 128 << 10

// watch sees to it that somebody notices when a server does not answer: a timer
// that runs while answers are owed, and only then. What a silence leads to:
//
//	after SilentAfter        the listeners of the pending calls are told, see also demand
//	after ProbeAfter         the server is asked for a sign of life
//	after ProbeAfter again   the connection counts as dead (later if much is on its way)
//
// The mutex of the connection guards it.
type watch struct {
	timer *time.Timer
	at    time.Time // when it fires; zero if it is not running
	owing bool      // a call was given up since the server was last heard

	since   time.Time // the beginning of the silence, as far as it was noticed; zero after a sign of life
	probed  bool      // a probe is under way
	deadAt  time.Time // when it is due to be answered
	silent  []Listener
	heardOf overs // what to call when the silence is over
	// What to call when the server has sent something after all, or nil.
	recovered func()

	// The latest probe.
	probe     int32         // its id
	probeEnd  int64         // where it ends in the stream
	pause     time.Duration // no probe again before, unless somebody calls
	notBefore time.Time     // the end of that

	demand demand
}

// overs are functions that listeners have returned. They are called without
// the mutex.
type overs []func()

func (o overs) run() {
	for _, f := range o {
		f()
	}
}

// startWatchLocked makes the watch fire when a silence that begins now is to be
// noticed, or at the deadline of a call if that is sooner.
func (c *Conn) startWatchLocked(deadline time.Time) {
	w := &c.mu.watch
	now := time.Now()
	if w.at.IsZero() || w.since.IsZero() {
		// The first call after a pause, or after a sign of life.
		w.since, w.probed = now, false
	}
	at := c.nextLocked(now)
	if !deadline.IsZero() && deadline.Before(at) {
		at = deadline
	}
	w.set(now, at, c.onWatch)
}

func (w *watch) set(now, at time.Time, f func()) {
	w.at = at
	if w.timer == nil {
		w.timer = time.AfterFunc(at.Sub(now), f)
	} else {
		w.timer.Reset(at.Sub(now))
	}
}

// nextLocked returns when to look again. That is soon: calls of listeners that
// are not told yet may come in.
func (c *Conn) nextLocked(now time.Time) time.Time {
	w := &c.mu.watch
	at := w.since.Add(c.opts.ProbeAfter)
	switch {
	case w.probed:
		at = w.deadAt
	case c.answeredLocked(now) && at.Before(w.notBefore):
		at = w.notBefore
	}
	if soon := now.Add(c.opts.SilentAfter); !at.After(now) || soon.Before(at) {
		return soon
	}
	return at
}

// answeredLocked reports whether the server has answered a probe, nobody has
// called since, and it is too early for another one. It is at work, then.
func (c *Conn) answeredLocked(now time.Time) bool {
	w := &c.mu.watch
	return !w.probed && c.mu.calls.next == w.probe+1 && now.Before(w.notBefore)
}

// stop ends the watch of a connection that is dead.
func (w *watch) stop() overs {
	if w.timer != nil {
		w.timer.Stop()
	}
	w.recovered = nil
	return w.heard()
}

// heard notes that the server has sent something.
func (w *watch) heard() overs {
	w.since = time.Time{} // onWatch begins a new wait
	w.probed = false
	w.owing = false
	over := w.heardOf
	if w.recovered != nil {
		over = append(over, w.recovered)
	}
	w.silent, w.heardOf, w.recovered = nil, nil, nil
	return over
}

// heard notes that the server has sent a part of something.
func (c *Conn) heard() {
	c.mu.Lock()
	over := c.mu.watch.heard()
	c.mu.Unlock()
	over.run()
}

// wrote notes that the writer has got on by n bytes. While it has not come to
// the end of the probe the server cannot have answered that.
func (c *Conn) wrote(n int) {
	c.mu.Lock()
	c.wroteLocked(int64(n))
	c.mu.Unlock()
}

func (c *Conn) wroteLocked(n int64) {
	before := c.mu.written
	c.mu.written += n
	w := &c.mu.watch
	switch {
	case !w.probed || n == 0 || before >= w.probeEnd:
	case c.mu.written < w.probeEnd:
		w.deadAt = time.Now().Add(c.opts.ProbeAfter)
	default:
		w.deadAt = time.Now().Add(c.patienceLocked())
	}
}

// patienceLocked is how long the answer to a probe may take that was written
// just now. Buffers of the network may hold much of what was written before, or
// nothing, which does not show.
func (c *Conn) patienceLocked() time.Duration {
	onItsWay := time.Duration(c.mu.written-c.mu.received) * time.Second / slowLink
	return c.opts.ProbeAfter + min(onItsWay, 2*c.opts.ProbeAfter).Truncate(c.opts.ProbeAfter/4)
}

// onWatch fails the calls whose time is over, and does what follows from a
// silence. It runs only while the server owes an answer: to a call that is
// pending, or to one that was given up without a sign of life since. (Calls
// that are given up sooner than a probe is due would hide a dead server.)
func (c *Conn) onWatch() {
	now := time.Now()
	w := &c.mu.watch
	c.mu.Lock()
	if c.mu.err != nil {
		c.mu.Unlock()
		return
	}
	expired, next := c.mu.calls.takeExpired(now)
	if len(expired) > 0 {
		w.owing = true
	}
	var listeners []Listener
	var dead error
	probed := w.probed
	var quiet time.Duration
	if c.mu.calls.n == 0 && !w.owing {
		w.at = time.Time{}
		c.mu.calls.shrink()
	} else {
		listeners, dead = c.silenceLocked(now)
		if at := c.nextLocked(now); next.IsZero() || at.Before(next) {
			next = at
		}
		w.set(now, next, c.onWatch)
	}
	if probed = w.probed && !probed; probed {
		quiet = now.Sub(w.since)
	}
	c.mu.Unlock()

	for _, cl := range expired {
		// As in abandon, what is not written yet will be.
		cl.complete(&Error{Addr: c.addr, Sent: true, Err: ErrTimeout})
	}
	if dead != nil {
		c.Fail(dead)
		return
	}
	c.tell(listeners)
	if probed {
		c.tellStalled(quiet)
	}
}

// silenceLocked does what is due. It returns the listeners that are to be told,
// and why the connection counts as dead, if it does.
func (c *Conn) silenceLocked(now time.Time) (listeners []Listener, dead error) {
	w := &c.mu.watch
	switch {
	case c.demandedLocked(now):
		return nil, ErrAuthRequired
	case w.since.IsZero():
		w.since = now
		return nil, nil
	case c.answeredLocked(now):
		return nil, nil
	}
	quiet := now.Sub(w.since)
	if quiet >= c.opts.SilentAfter {
		listeners = c.listenersLocked()
		if c.asksLocked() {
			c.askLocked()
		}
	}
	switch {
	case w.probed && !now.Before(w.deadAt):
		return nil, ErrStalled
	case !w.probed && quiet >= c.opts.ProbeAfter:
		c.probeLocked(now)
	}
	return listeners, nil
}

// listenersLocked returns the listeners of calls that are pending, or wait for
// space, and that are not told yet.
func (c *Conn) listenersLocked() []Listener {
	var fresh []Listener
	w := &c.mu.watch
	add := func(cl *Call) {
		if cl != nil && cl.Listener != nil && !slices.Contains(w.silent, cl.Listener) {
			w.silent = append(w.silent, cl.Listener)
			fresh = append(fresh, cl.Listener)
		}
	}
	for _, cl := range c.mu.calls.slots {
		add(cl)
	}
	for cl := range c.mu.waiting {
		add(cl)
	}
	return fresh
}

// tell tells listeners that the server is silent, and that this is over if it
// is meanwhile.
func (c *Conn) tell(listeners []Listener) {
	if len(listeners) == 0 || c.node == nil {
		return
	}
	var over overs
	for _, l := range listeners {
		over = append(over, l.Silent(c.node))
	}
	c.mu.Lock()
	if len(c.mu.watch.silent) > 0 {
		c.mu.watch.heardOf = append(c.mu.watch.heardOf, over...)
		over = nil
	}
	c.mu.Unlock()
	over.run()
}

// probeLocked asks the server for a sign of life.
func (c *Conn) probeLocked(now time.Time) {
	w := &c.mu.watch
	if c.mu.calls.next != w.probe+1 {
		w.pause = 0 // somebody has called since
	}
	w.pause = min(2*max(w.pause, c.opts.ProbeAfter), maxProbePause)
	w.notBefore = now.Add(w.pause)
	w.probe = c.mu.calls.next
	w.probed = true
	c.tellLocked(wire.RequestHeader{TimeoutMs: TimeoutMs(c.opts.ProbeAfter)}, taskProbe, wire.Blob(nil))
	w.probeEnd = c.mu.queued
	w.deadAt = now.Add(c.opts.ProbeAfter)
}
