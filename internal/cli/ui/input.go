package ui

import (
	"context"
	"io"
	"os"
	"strings"
)

// Input is In, of which an end of ctx ends a Read also while nothing comes.
func (s Streams) Input(ctx context.Context) io.Reader {
	switch in := s.In.(type) {
	case nil:
		return strings.NewReader("")
	case *os.File:
		if canWait {
			return &file{ctx, in}
		}
	}
	return &input{ctx: ctx, r: s.In}
}

// file is a file that is read when there is something in it, so that nothing is taken from
// whoever reads next.
type file struct {
	ctx context.Context
	f   *os.File
}

func (f *file) Read(b []byte) (int, error) {
	if err := wait(f.ctx, f.f); err != nil {
		return 0, err
	}
	return f.f.Read(b)
}

// input is a reader that is read by a goroutine, which may outlive ctx.
type input struct {
	ctx  context.Context
	r    io.Reader
	buf  []byte
	left []byte        // of buf, not yet read
	read chan readDone // of the read that is under way; nil if none is
}

type readDone struct {
	n   int
	err error
}

func (i *input) Read(b []byte) (int, error) {
	if len(i.left) > 0 {
		n := copy(b, i.left)
		i.left = i.left[n:]
		return n, nil
	}
	if i.read == nil {
		if i.buf == nil {
			i.buf = make([]byte, 64<<10)
		}
		i.read = make(chan readDone, 1)
		go func() { // ends with the process if nothing comes any more
			n, err := i.r.Read(i.buf)
			i.read <- readDone{n, err}
		}()
	}
	select {
	case <-i.ctx.Done():
		return 0, i.ctx.Err()
	case d := <-i.read:
		i.read, i.left = nil, i.buf[:d.n]
		n := copy(b, i.left)
		i.left = i.left[n:]
		if len(i.left) > 0 && d.err != nil {
			i.r = failed{d.err} // comes again when all is read
			return n, nil
		}
		return n, d.err
	}
}

// failed is a reader whose end is known.
type failed struct{ err error }

func (f failed) Read([]byte) (int, error) { return 0, f.err }
