package rpc

import "sync/atomic"

// Frame is memory that replies are read into, one after the other: that of calls
// with Lend set. Whoever has it releases it once, when nothing of the reply is
// needed any more, or leaves it to the garbage collector. A nil Frame is one that
// is not used again.
type Frame struct {
	pool *Pool
	buf  []byte
}

// maxFrame is the size up to which a frame is kept: a larger one served an unusual
// reply.
const maxFrame = 4 << 20

// Poison has frames overwritten when they are released, so that whoever still
// reads them is found. It is for tests.
var Poison atomic.Bool

// Poisoned is what they are overwritten with.
const Poisoned = 0xdb

// Release gives the frame back to its pool.
func (f *Frame) Release() {
	if f == nil || cap(f.buf) > maxFrame {
		return
	}
	if Poison.Load() {
		Overwrite(f.buf[:cap(f.buf)])
	}
	f.pool.frames.Put(f)
}

// Overwrite spoils b, as Poison says.
func Overwrite(b []byte) {
	for i := range b {
		b[i] = Poisoned
	}
}

// frame returns a frame that nobody uses.
func (p *Pool) frame() *Frame {
	if f, ok := p.frames.Get().(*Frame); ok {
		return f
	}
	return &Frame{pool: p}
}

// space returns n bytes or more of the memory of f.
func (f *Frame) space(n int) []byte {
	if f == nil {
		return make([]byte, n)
	}
	if cap(f.buf) < n {
		f.buf = make([]byte, n)
	}
	return f.buf[:cap(f.buf)]
}
