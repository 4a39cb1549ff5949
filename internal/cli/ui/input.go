package cli

import (
	"context"
	"io"
	"os"
	"strings"
)

// openInput opens a file, or standard input for -.
func (a *app) openInput(ctx context.Context, name string) (io.Reader, func(), error) {
	switch {
	case name == "-" && a.streams.In == nil:
		return strings.NewReader(""), func() {}, nil
	case name == "-":
		return &input{ctx: ctx, r: a.streams.In}, func() {}, nil
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, nil, err
	}
	return f, func() { f.Close() }, nil
}

// input is standard input that an interrupt ends also while nothing comes.
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
