package server

import (
	"bytes"
	"runtime/debug"
	"sync"
	"time"

	"github.com/pegasus-go/pegasus/internal/wire"
)

// detour is what a request goes through before it is carried out aside.
type detour struct {
	delay time.Duration
	until <-chan struct{} // if not nil, wait for it to be closed
	// code, if not empty, is the answer.
	code wire.ErrorCode
	// throttled is set if throttling was gone through, which happens only once.
	throttled bool
	// lose is set if the answer is not to be sent.
	lose bool
}

const (
	// maxAside is the number of requests of one connection that are carried out
	// in goroutines of their own. Further ones hold up the connection, which
	// keeps a client from piling up work faster than it accepts answers.
	maxAside = 8
	// maxWaiting is that of requests that are to wait first.
	maxWaiting = 4096
	// waitingCost is what one of these counts for beside its bytes.
	waitingCost = 4 << 10
)

// keepReply is the largest buffer that is used again. The batch of a scan, 1000
// records, mostly fits.
const keepReply = 1 << 20

// replyBuffers are the buffers of requests that run aside.
var replyBuffers = sync.Pool{New: func() any { return new([]byte) }}

// runAside handles a request that may take long, and has been throttled, in a
// goroutine of its own.
func (c *conn) runAside(frame []byte) bool {
	charge := int64(max(0, len(frame)-roundBuffer))
	return c.goAside(frame, charge, c.tokens, func(k *call) {
		c.answerAside(k, detour{throttled: true})
	})
}

// runLater handles a request after a detour, in a goroutine of its own.
func (c *conn) runLater(frame []byte, d detour) bool {
	charge := int64(len(frame) + waitingCost)
	return c.goAside(frame, charge, c.waiting, func(k *call) {
		if c.wait(k, &d) {
			c.tokens <- struct{}{}
			defer func() { <-c.tokens }()
			c.answerAside(k, d)
		}
	})
}

// goAside calls f with a request in a new goroutine that has a token and counts
// for charge in Server.buffered. If no token is free it waits for one.
func (c *conn) goAside(frame []byte, charge int64, tokens chan struct{}, f func(k *call)) bool {
	select {
	case tokens <- struct{}{}:
	default:
		if !c.flush() { // nobody should wait for answers that are there
			return false
		}
		tokens <- struct{}{}
	}
	if !c.charge(charge) {
		c.charge(-charge)
		<-tokens
		return false
	}
	frame = bytes.Clone(frame)
	c.aside.Add(1)
	go func() {
		k := &call{s: c.s, n: c.n, conn: c}
		defer func() {
			c.endAside(k, recover())
			c.charge(-charge)
			<-tokens
			c.aside.Done()
		}()
		if k.parse(frame) == nil { // as it was before
			f(k)
		}
	}()
	return true
}

// wait takes a request through a detour. It returns false if the connection
// ended meanwhile.
func (c *conn) wait(k *call, d *detour) bool {
	if !c.sleep(d.delay) {
		return false
	}
	if d.until != nil {
		select {
		case <-d.until:
		case <-c.halt:
			return false
		}
	}
	if d.code != "" || d.throttled {
		return true
	}
	a := k.admit()
	d.code, d.throttled = a.code, true
	return !a.drop && c.sleep(a.delay)
}

// answerAside carries out a request and sends the answer.
func (c *conn) answerAside(k *call, d detour) {
	c.hang()
	k.throttled = d.throttled
	a := admission{code: d.code}
	if d.code == "" {
		a = k.admit() // the partition may have moved
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

// endAside cleans up after a request, which may have panicked.
func (c *conn) endAside(k *call, panicked any) {
	if panicked != nil {
		c.s.log.Error("handler panicked", "client", c.nc.RemoteAddr(), "panic", panicked, "stack", string(debug.Stack()))
		k.abandon()
		c.abort()
	}
	k.memory.end()
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
