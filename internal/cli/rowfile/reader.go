package rowfile

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/internal/cli/coding"
)

// Reader reads a file of rows, whose form and compression it finds out by itself.
type Reader struct {
	Header *Header // nil if the file has none
	Format Format
	// Reject, if it is set, is told of lines that are no rows, and returns whether to go on
	// behind them.
	Reject func(*RowError) bool

	rejected int64

	d     decoder
	sums  sums
	noSum bool // the footer has no checksum
	done  bool
	close func()
}

// NewReader begins to read a file. codings are for one that does not name its own.
func NewReader(r io.Reader, codings coding.Row) (*Reader, error) {
	in := &Reader{close: func() {}}
	plain := bufio.NewReaderSize(r, 64<<10)
	switch start, _ := plain.Peek(4); {
	case bytes.HasPrefix(start, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		z, err := zstd.NewReader(plain, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(64<<20))
		if err != nil {
			return nil, err
		}
		in.close = z.Close
		plain = bufio.NewReaderSize(z, 64<<10)
	case bytes.HasPrefix(start, []byte{0x1f, 0x8b}):
		z, err := gzip.NewReader(plain)
		if err != nil {
			return nil, whole(err)
		}
		plain = bufio.NewReaderSize(z, 64<<10)
	}
	start, err := plain.Peek(len(magicName))
	if err != nil && err != io.EOF {
		in.close()
		return nil, whole(err)
	}
	switch {
	case string(start) == magicName:
		in.Format, in.d = Binary, newBinary(plain)
	case bytes.HasPrefix(start, []byte("{")):
		in.Format, in.d = JSONL, newJSONL(plain, codings)
	default:
		in.Format, in.d = CSV, newCSV(plain, codings)
	}
	if in.Header, err = in.d.header(); err != nil {
		in.close()
		return nil, whole(err)
	}
	return in, nil
}

// Close releases what reading has taken. It does not close the file.
func (r *Reader) Close() { r.close() }

// whole makes the end of a file amid something what it is.
func whole(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) || err == io.EOF {
		return ErrTruncated
	}
	return err
}

// Read reads the next row, whose bytes are valid until the next call. At the end the error is
// io.EOF if all rows are there and unchanged, or else ErrTruncated or ErrDamaged.
func (r *Reader) Read(row *pegasus.Row) error {
	if r.done {
		return io.EOF
	}
	f, err := r.d.next(row)
	for re := new(RowError); r.Reject != nil && errors.As(err, &re) && r.Reject(re); {
		r.rejected++
		f, err = r.d.next(row)
	}
	r.noSum = errors.Is(err, errNoSum)
	switch {
	case err != nil && !r.noSum:
		return whole(err)
	case f == nil:
		r.sums.add(row)
		return nil
	case f.Rows != r.sums.footer.Rows+r.rejected:
		return fmt.Errorf("%w: it has %d rows, and had %d", ErrDamaged, r.sums.footer.Rows+r.rejected, f.Rows)
	case !r.noSum && f.Sum != r.sums.footer.Sum:
		return fmt.Errorf("%w: the checksum of its rows is %016x, and was %016x", ErrDamaged, r.sums.footer.Sum, f.Sum)
	}
	switch f, err := r.d.next(new(pegasus.Row)); {
	case err == nil || f != nil:
		return fmt.Errorf("%w: there is more behind its footer", ErrDamaged)
	case err != io.EOF:
		return whole(err)
	}
	r.done = true
	return io.EOF
}

// Seen is what was read so far.
func (r *Reader) Seen() (f Footer, bytes int64) { return r.sums.footer, r.sums.bytes }
