package server

import (
	"bytes"
	"runtime/debug"
	"sync"
	"time"

	"github.com/pegasus-go/pegasus/internal/wire"
)

// detour is what a request that runs aside goes through first.
type detour struct {
	delay time.Duration
	until <-chan struct{} // if not nil, wait for it to be closed
	// code, if not empty, is the answer.
	code wire.ErrorCode
	// throttled is set if the delay was for throttling, which a request goes
	// through only once.
	throttled bool
	// lose is set if the answer is not to be sent.
	lose bool
}

// keepReply is the largest buffer that is used again. The batch of a scan, 1000
// records, mostly fits.
const keepReply = 1 << 20

// replyBuffers are the buffers of requests that run aside.
var replyBuffers = sync.Pool{New: func() any { return new([]byte) }}

// runAside handles a request in a goroutine of its own. If there are too many
// already it waits for one of them to end, which keeps a client from piling up
// work faster than it accepts answers.
func (c *conn) runAside(frame []byte, d detour) bool {
	if c.tokens == nil {
		c.tokens = make(chan struct{}, maxAside)
	}
	select {
	case c.tokens <- struct{}{}:
	default:
		if !c.flush() { // nobody should wait for answers that are there
			return false
		}
		c.tokens <- struct{}{}
	}
	if !c.charge(asideCharge(frame)) {
		c.charge(-asideCharge(frame))
		<-c.tokens
		return false
	}
	frame = bytes.Clone(frame)
	c.aside.Add(1)
	go c.serveAside(frame, d)
	return true
}

// asideCharge is what the copy of a request counts for in Server.buffered.
func asideCharge(frame []byte) int64 { return int64(max(0, len(frame)-roundBuffer)) }

func (c *conn) serveAside(frame []byte, d detour) {
	k := &call{s: c.s, n: c.n, conn: c}
	defer c.leaveAside(frame, k)
	if err := k.parse(frame); err != nil {
		return // it was parsed before
	}
	a, ok := c.takeDetour(k, d)
	if !ok {
		return
	}
	k.memory = answerMemory{a: &c.s.answers, c: c}
	buf := replyBuffers.Get().(*[]byte)
	out := k.answer((*buf)[:0], a)
	k.settle(out)
	if k.bad {
		c.log("connection closed: malformed body", "task", string(k.req.Task), "err", k.req.Arg.Err())
		c.abort()
	} else if len(out) > 0 && !d.lose {
		k.memory.wait(cap(out))
		c.send(out)
	}
	if cap(out) <= keepReply {
		*buf = out
	}
	replyBuffers.Put(buf)
}

// takeDetour waits as d says and decides on the request. It returns false if
// the connection ended meanwhile.
func (c *conn) takeDetour(k *call, d detour) (admission, bool) {
	if !c.sleep(d.delay) {
		return admission{}, false
	}
	if d.until != nil {
		select {
		case <-d.until:
		case <-c.halt:
			return admission{}, false
		}
	}
	if d.code != "" {
		return admission{code: d.code}, true
	}
	k.throttled = d.throttled
	a := k.admit()
	if a.delay > 0 {
		if !c.sleep(a.delay) {
			return admission{}, false
		}
		if a.code == "" {
			k.throttled = true
			a = k.admit() // the partition may have moved
		}
	}
	return a, true
}

func (c *conn) leaveAside(frame []byte, k *call) {
	if p := recover(); p != nil {
		c.s.log.Error("handler panicked", "client", c.nc.RemoteAddr(), "panic", p, "stack", string(debug.Stack()))
		k.abandon()
		c.abort()
	}
	k.memory.end()
	c.charge(-asideCharge(frame))
	<-c.tokens
	c.aside.Done()
}

// sleep returns false if the connection ends first.
func (c *conn) sleep(d time.Duration) bool {
	if d <= 0 {
		return true
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-c.halt:
		return false
	}
}
