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
			return nil, l.wrap(fmt.Errorf("is longer than %d bytes", maxLine))
		}
		b = l.long
	}
	if len(b) == 0 || err != nil && err != io.EOF {
		return nil, err
	}
	if b[len(b)-1] == '\n' {
		b = b[:len(b)-1]
	}
	return b, nil
}

// wrap says which line an error is about.
func (l *lines) wrap(err error) error {
	if err == nil || errors.Is(err, errNoSum) {
		return err
	}
	return fmt.Errorf("line %d: %w", l.n, err)
}
