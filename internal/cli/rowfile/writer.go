package rowfile

import (
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/pegasus-go/pegasus"
)

// Position is a place in a file that is written, at which writing can go on: what is behind
// it is to be cut off.
type Position struct {
	Offset int64 // in the file, which is whole up to there
	Rows   int64
	Bytes  int64 // of keys and values
	Sum    uint64
}

// Writer writes a file of rows.
type Writer struct {
	out    *counter
	packed io.WriteCloser // nil: not compressed
	reset  func()         // begins another compressed part
	e      encoder
	sums   sums
	buf    []byte
	dirty  bool  // packed has got something since its last part
	failed error // to write; what was to be written is lost then
}

// counter counts what is written to a file.
type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	c.n += int64(n)
	return n, err
}

// bufferSize is how much is encoded before it is passed on.
const bufferSize = 256 << 10

// NewWriter begins a file, or goes on at a position of one, which w has to be at.
func NewWriter(w io.Writer, f Format, c Compression, h Header, from Position) (*Writer, error) {
	out := &Writer{out: &counter{w, from.Offset}}
	out.sums.footer = Footer{from.Rows, from.Sum}
	out.sums.bytes = from.Bytes
	switch f {
	case JSONL:
		out.e = &jsonl{codings: rowCodings{h.Codings}}
	case CSV:
		out.e = &csvForm{codings: rowCodings{h.Codings}}
	default:
		out.e = binaryForm{}
	}
	switch c {
	case Gzip:
		z := gzip.NewWriter(out.out)
		out.packed, out.reset = z, func() { z.Reset(out.out) }
	case Zstd:
		z, err := zstd.NewWriter(out.out, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(1<<20))
		if err != nil {
			return nil, err
		}
		out.packed, out.reset = z, func() { z.Reset(out.out) }
	}
	if from == (Position{}) {
		out.buf = out.e.header(out.buf, &h)
	}
	return out, nil
}

// Write adds a row.
func (w *Writer) Write(r *pegasus.Row) error {
	var err error
	if w.buf, err = w.e.row(w.buf, r); err != nil {
		return fmt.Errorf("row %d: %w", w.sums.footer.Rows+1, err)
	}
	w.sums.add(r)
	if len(w.buf) >= bufferSize {
		return w.flush()
	}
	return nil
}

// flush passes on what was encoded.
func (w *Writer) flush() error {
	if w.failed != nil || len(w.buf) == 0 {
		return w.failed // an empty part would be one all the same
	}
	var to io.Writer = w.out
	if w.packed != nil {
		to = w.packed
	}
	w.dirty = true
	_, w.failed = to.Write(w.buf)
	w.buf = w.buf[:0]
	return w.failed
}

// Position passes everything on, ends what is compressed, and returns where that is.
func (w *Writer) Position() (Position, error) {
	if err := w.flush(); err != nil {
		return Position{}, err
	}
	if w.packed != nil && w.dirty {
		if w.failed = w.packed.Close(); w.failed != nil {
			return Position{}, w.failed
		}
		w.reset()
	}
	w.dirty = false
	return Position{w.out.n, w.sums.footer.Rows, w.sums.bytes, w.sums.footer.Sum}, nil
}

// Close writes the footer. It does not close the file.
func (w *Writer) Close() (Position, error) {
	w.buf = w.e.footer(w.buf, w.sums.footer)
	return w.Position()
}

// Progress is the number of rows that were added, and of bytes of keys and values.
func (w *Writer) Progress() (rows, bytes int64) { return w.sums.footer.Rows, w.sums.bytes }
