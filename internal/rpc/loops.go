package rpc

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"runtime"
	"time"

	"github.com/pegasus-go/pegasus/internal/wire"
)

const (
	readBuffer = 64 << 10
	// bulkBuffer is that of a connection for bulk: the rest of a large reply is read
	// where it stays.
	bulkBuffer = 16 << 10
	// firstChunk is what is allocated for a reply that is not there yet. The
	// rest follows as its bytes do, so that a length alone costs no memory.
	firstChunk = 1 << 20
	// piece is what is written at once. It is how the progress of a large buffer
	// is seen over a slow link.
	piece = 64 << 10
	// batch is the number of replies that are handed out under one lock.
	batch = 64
)

// writeLoop sends what the calls have appended, until the connection dies.
func (c *Conn) writeLoop() {
	var out outgoing
	for {
		select {
		case <-c.kick:
		case <-c.dead:
			return
		}
		for {
			// Callers that are about to append get their turn first, and those whom
			// they wake: one system call for many frames costs less than anything
			// else here.
			runtime.Gosched()
			runtime.Gosched()
			if c.takeOutgoing(&out); out.size == 0 {
				break
			}
			if err := out.each(c.write); err != nil {
				c.Fail(err)
				return
			}
		}
	}
}

// write writes b piece by piece.
func (c *Conn) write(b []byte) error {
	for len(b) > 0 {
		n, err := c.nc.Write(b[:min(len(b), piece)])
		if err != nil {
			return err
		}
		if b = b[n:]; len(b) > 0 {
			c.wrote(n)
		} else {
			c.progress += int64(n)
		}
	}
	return nil
}

// takeOutgoing swaps what is to be written with what was written last.
func (c *Conn) takeOutgoing(last *outgoing) {
	last.reset()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mu.out, *last = *last, c.mu.out
	c.mu.sent = c.mu.calls.next
	c.wroteLocked(c.progress)
	c.progress = 0
	c.full.Store(false)
	if c.mu.space != nil {
		close(c.mu.space)
		c.mu.space = nil
	}
}

// readLoop hands the replies to their calls, until the connection dies.
func (c *Conn) readLoop() {
	c.Fail(c.readReplies())
}

func (c *Conn) readReplies() error {
	var (
		buf     = make([]byte, c.readBuffer())
		w       int // buf[:w] is read and not decoded yet
		replies [batch]wire.Reply
		waiters [batch]*Call
	)
	for {
		n, err := c.nc.Read(buf[w:])
		if n == 0 && err != nil {
			return brokenOff(err)
		}
		w += n
		r := 0
		for k := batch; k == batch; {
			var size int
			k, size, err = parseReplies(buf[r:w], replies[:], c.opts.MaxReply)
			// Those in front of a bad one, or of one that is not all there yet,
			// do not share its fate.
			c.deliver(replies[:k], &waiters, false, nil)
			r += size
			if errors.Is(err, wire.ErrReplyTooLarge) {
				w = copy(buf, buf[r:w])
				r, w, err = c.skipReply(buf, w, err)
				k = batch // go on behind it
			}
			if err != nil {
				return err
			}
		}
		if left := buf[r:w]; len(left) >= wire.ReplyPrefix {
			if size, _ := wire.ReplySize(left, c.opts.MaxReply); size > len(buf) {
				f := c.lend(left)
				frame, err := c.largeFrame(left, size, f)
				if err == nil {
					err = replies[0].Parse(frame)
				}
				if err != nil {
					return err
				}
				c.deliver(replies[:1], &waiters, true, f)
				r = w
			}
		}
		// Keep room for a whole frame behind what is left.
		w = copy(buf, buf[r:w])
	}
}

func (c *Conn) readBuffer() int {
	if c.node != nil && c.lane == Bulk {
		return bulkBuffer
	}
	return readBuffer
}

// lend returns memory for the large reply that begins with head, if its call wants to
// have it lent, or nil.
func (c *Conn) lend(head []byte) *Frame {
	var reply wire.Reply
	if c.node == nil || reply.Parse(head[wire.ReplyPrefix:]) != nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if cl := c.mu.calls.find(reply.Seq); cl == nil || !cl.Lend {
		return nil
	}
	return c.node.pool.frame()
}

// parseReplies decodes the whole replies that b begins with into replies, which
// alias b, and returns how many they are and their size. An error is about the
// one behind.
func parseReplies(b []byte, replies []wire.Reply, limit int) (k, size int, err error) {
	for k < len(replies) && len(b)-size >= wire.ReplyPrefix {
		n, err := wire.ReplySize(b[size:], limit)
		if err != nil {
			return k, size, err
		}
		if n > len(b)-size {
			break
		}
		if err := replies[k].Parse(b[size+wire.ReplyPrefix : size+n]); err != nil {
			return k, size, err
		}
		k++
		size += n
	}
	return k, size, nil
}

// largeFrame returns a reply of the given size, larger than the read buffer,
// without its prefix: it begins with have and is read to its end, into the memory of
// f if that is not nil.
func (c *Conn) largeFrame(have []byte, size int, f *Frame) ([]byte, error) {
	size -= wire.ReplyPrefix
	frame := f.space(min(size, firstChunk))
	frame = frame[:min(size, len(frame))]
	got := copy(frame, have[wire.ReplyPrefix:])
	for {
		n, err := c.nc.Read(frame[got:])
		if n == 0 && err != nil {
			return nil, brokenOff(err)
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
			if f != nil {
				f.buf = grown
			}
		}
	}
}

// skipReply passes over a reply that is larger than the limit, and that buf[:w]
// begins with. Only its call fails, with tooLarge; but what is no reply is not
// waited for. buf[r:w] is what is read behind it.
func (c *Conn) skipReply(buf []byte, w int, tooLarge error) (r, end int, err error) {
	size := int(binary.BigEndian.Uint32(buf))
	read := func(b []byte) (int, error) {
		n, err := c.nc.Read(b)
		if n == 0 && err != nil {
			return 0, brokenOff(err)
		}
		c.heard()
		return n, nil
	}
	for w < min(size, wire.ReplyHead) && wire.BeginsReply(buf[:w]) {
		n, err := read(buf[w:])
		if err != nil {
			return 0, 0, fmt.Errorf("%w: %v: %w", wire.ErrMalformed, tooLarge, err)
		}
		w += n
	}
	var reply wire.Reply
	if !wire.BeginsReply(buf[:min(w, wire.ReplyHead)]) || reply.Parse(buf[wire.ReplyPrefix:min(w, size)]) != nil {
		return 0, 0, fmt.Errorf("%w: %v", wire.ErrMalformed, tooLarge)
	}
	c.mu.Lock()
	cl := c.mu.calls.take(reply.Seq)
	c.mu.Unlock()
	if cl != nil {
		cl.complete(&Error{Addr: c.addr, Sent: true, Err: tooLarge})
	}
	for w < size {
		size -= w
		if w, err = read(buf); err != nil {
			return 0, 0, err
		}
	}
	return size, w, nil
}

// brokenOff returns the error of a connection on which reading failed. Its end
// is never expected.
func brokenOff(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// deliver completes the calls of the replies. A reply without a call came too
// late and is dropped. The replies are in the read buffer, or a single one is in
// memory of its own, perhaps that of a frame.
func (c *Conn) deliver(replies []wire.Reply, waiters *[batch]*Call, own bool, f *Frame) {
	if len(replies) == 0 {
		c.heard()
		return
	}
	now := time.Now() // one for all: a clock costs as much as decoding an answer
	c.mu.Lock()
	over := c.mu.watch.heard()
	for i := range replies {
		cl := c.mu.calls.take(replies[i].Seq)
		switch {
		case cl != nil:
			c.mu.received = max(c.mu.received, cl.end)
		case replies[i].Seq == c.mu.watch.probe:
			c.mu.received = max(c.mu.received, c.mu.watch.probeEnd)
		default:
			c.mu.watch.demand.answeredLocked(c, &replies[i], now)
		}
		waiters[i] = cl
	}
	c.mu.Unlock()
	over.run()
	if cl := waiters[0]; cl != nil && cl.Attempts == 1 && !cl.Began.IsZero() && c.node != nil && c.lane != Bulk {
		c.node.traffic.noteLatency(now.Sub(cl.Began)) // one stands for all that came together
	}
	for i := range replies {
		if cl := waiters[i]; cl != nil {
			cl.At = now
			cl.take(&replies[i], own, f)
			cl.complete(nil)
			waiters[i] = nil
		} else {
			f.Release()
		}
		replies[i] = wire.Reply{}
	}
}
