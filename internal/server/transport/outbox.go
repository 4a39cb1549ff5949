package transport

import (
	"net"
	"sync"
	"time"
)

// outbox is the answers of a connection that are to be sent. Whoever puts the
// first ones in sees to it that they are written; what others put in meanwhile
// goes out with the next write, in one piece.
type outbox struct {
	c *conn

	mu      sync.Mutex
	fewer   sync.Cond // on mu: something was written
	small   []byte    // answers, one behind the other
	large   []letter  // answers that are not copied
	spare   []byte    // the buffer that small takes turns with
	writing bool
}

// letter is an answer that counts, by its size or because many wait already.
type letter struct {
	out    []byte
	memory *answerMemory
	sent   func() // if not nil called when it was written, or cannot be
}

// copyAtMost is the size of answers that are copied, so that they go out with
// others. Copying one costs less than a system call.
const copyAtMost = 32 << 10

func (o *outbox) init(c *conn) {
	o.c = c
	o.fewer.L = &o.mu
}

// sendRound sends the answers of a round of requests, as the goroutine that
// reads them: while the client does not accept answers nothing more is read. It
// returns a buffer to use for the next round.
func (o *outbox) sendRound(out []byte) []byte {
	o.mu.Lock()
	defer o.mu.Unlock()
	for o.writing && len(o.small)+len(o.large) > 0 && len(o.small)+len(out) > flushSize && !o.c.broken.Load() {
		o.fewer.Wait()
	}
	if cap(out) > 2*flushSize {
		m := &answerMemory{a: &o.c.hub.answers, c: o.c}
		m.wait(cap(out))
		o.large = append(o.large, letter{out: out, memory: m})
		out = nil
	} else if len(o.small) == 0 {
		out, o.small = o.small, out
	} else {
		o.small = append(o.small, out...)
	}
	if !o.writing {
		o.writing = true
		o.writeLocked()
	}
	if out == nil {
		out, o.spare = o.spare, nil
	}
	return out[:0]
}

// send sends a small answer that does not come from the goroutine that reads,
// which goes on reading. It copies out. It returns false if there is so much to
// send already that it has to count.
func (o *outbox) send(out []byte) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(out) > copyAtMost || len(o.small)+len(out) > flushSize {
		return false
	}
	o.small = append(o.small, out...)
	o.writeAsideLocked()
	return true
}

// sendLetter is send for an answer that counts, which it takes over.
func (o *outbox) sendLetter(l letter) {
	l.memory.wait(cap(l.out))
	o.mu.Lock()
	defer o.mu.Unlock()
	o.large = append(o.large, l)
	o.writeAsideLocked()
}

func (o *outbox) writeAsideLocked() {
	if o.writing {
		return
	}
	o.writing = true
	o.c.jobs.Go(func() {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.writeLocked()
	})
}

// writeLocked writes until nothing is left to write. mu is released meanwhile.
func (o *outbox) writeLocked() {
	for len(o.small)+len(o.large) > 0 {
		small, large := o.small, o.large
		o.small, o.large = o.spare[:0], nil
		o.spare = nil
		o.mu.Unlock()
		o.c.write(small, large)
		for _, l := range large {
			l.memory.end()
			if l.sent != nil {
				l.sent()
			}
		}
		o.mu.Lock()
		if cap(small) <= 2*flushSize && cap(small) > cap(o.spare) {
			o.spare = small[:0]
		}
		o.fewer.Broadcast()
	}
	o.writing = false
	o.fewer.Broadcast()
}

// end waits until everything was written, or cannot be.
func (o *outbox) end() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for o.writing {
		o.fewer.Wait()
	}
}

// write writes answers to the network.
func (c *conn) write(small []byte, large []letter) {
	c.hang()
	if c.broken.Load() {
		return
	}
	_ = c.nc.SetWriteDeadline(time.Now().Add(c.hub.opts.Limits.AnswerTime))
	if by := c.closeBy.Load(); by != 0 {
		_ = c.nc.SetWriteDeadline(time.Unix(0, by))
	}
	var err error
	if len(large) == 0 {
		_, err = c.nc.Write(small)
	} else {
		all := make(net.Buffers, 0, 1+len(large))
		if len(small) > 0 {
			all = append(all, small)
		}
		for _, l := range large {
			all = append(all, l.out)
		}
		_, err = all.WriteTo(c.nc)
	}
	if err != nil {
		c.log("connection broke", "error", err)
		c.abort()
	}
}
