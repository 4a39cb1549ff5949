package rpc

import "github.com/pegasus-go/pegasus/internal/wire"

// keepBuffer is the largest outgoing buffer that is kept for the next round; a
// larger one served an unusual burst.
const keepBuffer = 1 << 20

// outgoing is what the writer has to send: frames, without the arguments that
// are large.
type outgoing struct {
	buf   []byte
	large []largeArg
	size  int // of all
}

// largeArg is an argument that is sent in front of buf[at:].
type largeArg struct {
	at  int
	arg []byte
}

// call appends the frame of a call. large is its argument if it is encoded already.
func (o *outgoing) call(cl *Call, h *wire.RequestHeader, encode Encode, large []byte) {
	start := len(o.buf)
	o.buf = wire.AppendHead(o.buf, h, cl.task, cl.seq, len(large))
	cl.size = len(large)
	if large != nil {
		o.large = append(o.large, largeArg{len(o.buf), large})
		o.size += len(large)
	} else {
		head := len(o.buf)
		o.buf = encode(o.buf)
		cl.size = len(o.buf) - head
		wire.AddSize(o.buf[start:], h, cl.size)
	}
	o.size += len(o.buf) - start
}

// request appends the frame of a request that is no call.
func (o *outgoing) request(h wire.RequestHeader, task string, seq int32, arg wire.Message) {
	before := len(o.buf)
	o.buf = wire.AppendRequest(o.buf, h, task, seq, arg)
	o.size += len(o.buf) - before
}

// reset empties o, to be used again.
func (o *outgoing) reset() {
	clear(o.large)
	o.buf, o.large, o.size = o.buf[:0], o.large[:0], 0
	if cap(o.buf) > keepBuffer {
		o.buf = nil
	}
}

// each passes everything to write, in order.
func (o *outgoing) each(write func([]byte) error) error {
	at := 0
	for _, l := range o.large {
		if err := write(o.buf[at:l.at]); err != nil {
			return err
		}
		if err := write(l.arg); err != nil {
			return err
		}
		at = l.at
	}
	return write(o.buf[at:])
}
