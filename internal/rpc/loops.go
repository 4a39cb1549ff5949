package rpc

import (
	"io"
	"runtime"

	"github.com/pegasus-go/pegasus/internal/wire"
)

const (
	readBuffer = 64 << 10
	// keepBuffer is the largest outgoing buffer that is kept for the next
	// round; a larger one served an unusual burst.
	keepBuffer = 1 << 20
	// firstChunk is what is allocated for a reply that is not there yet. The
	// rest follows as its bytes do, so that a length alone costs no memory.
	firstChunk = 1 << 20
	// batch is the number of replies that are handed out under one lock.
	batch = 64
)

// writeLoop sends what the calls have appended, until the connection dies.
func (c *Conn) writeLoop() {
	defer c.wg.Done()
	var buf []byte
	for {
		select {
		case <-c.kick:
		case <-c.dead:
			return
		}
		for {
			// Callers that are about to append get their turn first: one system
			// call for many frames costs less than anything else here.
			runtime.Gosched()
			buf = c.takeOutgoing(buf)
			if len(buf) == 0 {
				break
			}
			if _, err := c.nc.Write(buf); err != nil {
				c.Fail(err)
				return
			}
		}
	}
}

// takeOutgoing swaps the outgoing buffer with the one written last.
func (c *Conn) takeOutgoing(last []byte) []byte {
	if cap(last) > keepBuffer {
		last = nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	buf := c.mu.out
	c.mu.out = last[:0]
	c.mu.sent = c.mu.calls.next
	if c.mu.space != nil {
		close(c.mu.space)
		c.mu.space = nil
	}
	return buf
}

// readLoop hands the replies to their calls, until the connection dies.
func (c *Conn) readLoop() {
	defer c.wg.Done()
	c.Fail(c.readReplies())
}

func (c *Conn) readReplies() error {
	var (
		buf     = make([]byte, readBuffer)
		r, w    int // buf[r:w] is not decoded yet
		replies [batch]wire.Reply
		waiters [batch]*call
	)
	for {
		n, err := c.nc.Read(buf[w:])
		if err != nil {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return err
		}
		w += n
		for more := true; more; {
			var k int
			for k, more = 0, true; k < batch; k++ {
				if w-r < wire.ReplyPrefix {
					more = false
					break
				}
				size, err := wire.ReplySize(buf[r:], c.opts.MaxReply)
				if err != nil {
					return err
				}
				if size > w-r && size <= len(buf) {
					more = false
					break
				}
				frame, err := c.frame(buf[r:w], size)
				if err != nil {
					return err
				}
				r = min(r+size, w)
				if err := replies[k].Parse(frame); err != nil {
					return err
				}
			}
			c.deliver(replies[:k], &waiters)
		}
		// Keep room for a whole frame behind what is left.
		w = copy(buf, buf[r:w])
		r = 0
	}
}

// frame returns a copy of the reply of the given size, without its prefix,
// that begins with have; it reads what is missing.
func (c *Conn) frame(have []byte, size int) ([]byte, error) {
	if size <= len(have) {
		frame := make([]byte, size-wire.ReplyPrefix)
		copy(frame, have[wire.ReplyPrefix:])
		return frame, nil
	}
	size -= wire.ReplyPrefix
	frame := make([]byte, min(size, max(firstChunk, len(have))))
	got := copy(frame, have[wire.ReplyPrefix:])
	for {
		n, err := c.nc.Read(frame[got:])
		if err != nil {
			return nil, err
		}
		c.heard()
		got += n
		switch {
		case got == size:
			return frame, nil
		case got == len(frame):
			grown := make([]byte, min(size, 2*len(frame)))
			copy(grown, frame)
			frame = grown
		}
	}
}

// deliver completes the calls of the replies. A reply without a call came too
// late and is dropped.
func (c *Conn) deliver(replies []wire.Reply, waiters *[batch]*call) {
	c.mu.Lock()
	c.heardLocked()
	for i := range replies {
		waiters[i] = c.mu.calls.take(replies[i].Seq)
	}
	c.mu.Unlock()
	for i := range replies {
		if cl := waiters[i]; cl != nil {
			cl.reply = replies[i]
			cl.done <- struct{}{}
			waiters[i] = nil
		}
		replies[i] = wire.Reply{}
	}
}
