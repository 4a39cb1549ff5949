package transport

import (
	"errors"
	"io"
	"os"
	"time"

	"github.com/pegasus-go/pegasus/internal/wire"
)

const (
	firstBuffer = 2 << 10  // of a connection; most of many connections are idle
	roundBuffer = 64 << 10 // what a busy connection reads at once
)

// input is what a connection has read and not handled.
type input struct {
	c       *conn
	buf     []byte // buf[r:w] is what was read
	r, w    int
	charged int64 // of Hub.requests

	began    bool // the rest of a request is awaited
	deadline bool // reads have one
}

func (in *input) init(c *conn) {
	in.c = c
	in.buf = make([]byte, firstBuffer)
}

// free gives the memory back.
func (in *input) free() {
	in.c.discharge(in.charged)
	in.buf, in.charged = nil, 0
}

// rest returns what was read and not handled.
func (in *input) rest() []byte { return in.buf[in.r:in.w] }

// next returns the next whole frame, or nil if there is none. It detects the
// framing of the connection, which later frames must have as well.
func (in *input) next(framing *wire.Framing) ([]byte, error) {
	b := in.rest()
	if len(b) < 4 {
		return nil, nil
	}
	if *framing == wire.FramingUnknown {
		switch *framing = wire.DetectFraming(b); *framing {
		case wire.FramingUnknown:
			return nil, errFraming
		case wire.FramingHTTP:
			return nil, nil
		}
	}
	if len(b) < wire.RequestPrefix {
		return nil, nil
	}
	size, err := wire.RequestSize(b, in.c.hub.opts.Limits.RequestSize)
	if err == nil && wire.DetectFraming(b) != *framing {
		err = errFraming
	}
	if err != nil || len(b) < size {
		return nil, err
	}
	in.r += size
	in.began = false
	return b[:size:size], nil
}

var errFraming = errors.New("server: unknown framing")

// fill reads more. It returns false at the end.
func (in *input) fill() bool {
	if in.r == in.w {
		in.r, in.w = 0, 0
		if len(in.buf) > roundBuffer && !in.resize(roundBuffer) {
			return false
		}
	} else if in.r > 0 {
		in.w = copy(in.buf, in.rest())
		in.r = 0
	}
	// The buffer grows with what has arrived, not with what a header promises.
	if in.w == len(in.buf) && !in.resize(2*len(in.buf)) {
		return false
	}
	if !in.await() {
		return false
	}
	n, err := in.c.nc.Read(in.buf[in.w:])
	in.w += n
	if n > 0 {
		if in.w == len(in.buf) && len(in.buf) < roundBuffer {
			return in.resize(2 * len(in.buf))
		}
		return true
	}
	switch {
	case in.c.closing.Load(), errors.Is(err, io.EOF):
	case errors.Is(err, os.ErrDeadlineExceeded):
		in.c.log("connection closed: request did not arrive in time", "bytes", in.w)
	default:
		in.c.log("connection broke", "error", err)
	}
	return false
}

// await sets or clears the deadline of the next read: an idle connection may
// stay, one in the middle of a request must go on. It returns false if nothing
// more is to be read.
func (in *input) await() bool {
	if in.w > 0 && !in.began {
		in.began = true
		_ = in.c.nc.SetReadDeadline(time.Now().Add(in.c.hub.opts.Limits.RequestTime))
		in.deadline = true
	} else if in.w == 0 && in.deadline {
		_ = in.c.nc.SetReadDeadline(time.Time{})
		in.deadline = false
	}
	return !in.c.closing.Load()
}

// resize replaces the buffer. It returns false if the memory for it is not to be
// had.
func (in *input) resize(size int) bool {
	charge := int64(max(0, size-roundBuffer))
	if more := charge - in.charged; more < 0 {
		in.c.discharge(-more)
	} else if more > 0 && !in.c.charge(more) {
		return false
	}
	in.charged = charge
	buf := make([]byte, size)
	in.w = copy(buf, in.rest())
	in.buf, in.r = buf, 0
	return true
}
