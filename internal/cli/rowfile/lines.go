package rowfile

import (
	"bufio"
	"errors"
	"fmt"
	"io"
)

// maxLine is the longest line that is read.
const maxLine = 1 << 28

// lines reads the lines of a file and knows their numbers.
type lines struct {
	r    *bufio.Reader
	n    int64
	long []byte
	cut  bool // the last one has no end
}

func newLines(r io.Reader) *lines { return &lines{r: bufio.NewReaderSize(r, 64<<10)} }

// next returns a line without its end, valid until the next call. A line without an end is
// one that was cut, unless the file is one that people write; so it counts.
func (l *lines) next() ([]byte, error) {
	l.n++
	b, err := l.r.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		l.long = append(l.long[:0], b...)
		for errors.Is(err, bufio.ErrBufferFull) && len(l.long) < maxLine {
			b, err = l.r.ReadSlice('\n')
			l.long = append(l.long, b...)
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			return nil, fmt.Errorf("line %d is longer than %d bytes", l.n, maxLine)
		}
		b = l.long
	}
	if len(b) == 0 || err != nil && err != io.EOF {
		return nil, err
	}
	if l.cut = b[len(b)-1] != '\n'; !l.cut {
		b = b[:len(b)-1]
	}
	return b, nil
}

// wrap says which line an error is about. JSON that ends too early is a file that was cut only
// where the file ends.
func (l *lines) wrap(text []byte, err error) error {
	switch {
	case err == nil || errors.Is(err, errNoSum):
		return err
	case errors.Is(err, io.ErrUnexpectedEOF) && l.cut:
		return ErrCutLine
	case errors.Is(err, io.ErrUnexpectedEOF):
		err = errors.New("the object has no end")
	}
	return &RowError{l.n, string(text), err}
}

// RowError is the error of a line that is no row.
type RowError struct {
	Line int64
	Text string
	Err  error
}

// Error says which line it is.
func (e *RowError) Error() string { return fmt.Sprintf("line %d: %v", e.Line, e.Err) }

// Unwrap returns what is wrong with it.
func (e *RowError) Unwrap() error { return e.Err }
