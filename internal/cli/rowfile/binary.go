package rowfile

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	"github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/internal/cli/coding"
)

// The binary form is magic, which has the version in it, the length of a JSON object and that
// object, for each row a mark and the row, and for the footer a mark, the number of rows and
// their checksum. Numbers are uvarints, the checksum is 8 bytes, big-endian.
const (
	magicName = "pegasusrows"
	magic     = magicName + "\x01"
	markRow   = 'r'
	markEnd   = 'e'
	maxHeader = 1 << 20
)

type binaryForm struct{}

type binaryHeader struct {
	Table      string `json:"table"`
	TableID    int    `json:"table_id"`
	Partitions int    `json:"partitions"`
	Time       string `json:"time"`
}

func (binaryForm) header(dst []byte, h *Header) []byte {
	b, _ := json.Marshal(binaryHeader{h.Table, h.TableID, h.Partitions, timeText(h.Time)}) // text and numbers
	return append(binary.AppendUvarint(append(dst, magic...), uint64(len(b))), b...)
}

func (binaryForm) row(dst []byte, r *pegasus.Row) ([]byte, error) {
	return appendRow(append(dst, markRow), r), nil
}

func (binaryForm) footer(dst []byte, f Footer) []byte {
	dst = binary.AppendUvarint(append(dst, markEnd), uint64(f.Rows))
	return binary.BigEndian.AppendUint64(dst, f.Sum)
}

type binaryReader struct {
	r     *bufio.Reader
	n     int64 // rows that were read
	parts [3][]byte
}

func newBinary(r io.Reader) decoder { return &binaryReader{r: bufio.NewReaderSize(r, 64<<10)} }

func (b *binaryReader) header() (*Header, error) {
	start := make([]byte, len(magic))
	if _, err := io.ReadFull(b.r, start); err != nil {
		return nil, cut(err)
	}
	if string(start) != magic {
		return nil, fmt.Errorf("it is of version %d, which this program does not know", start[len(magic)-1])
	}
	text, err := b.bytes(nil, maxHeader)
	if err != nil {
		return nil, err
	}
	var h binaryHeader
	if err := json.Unmarshal(text, &h); err != nil {
		return nil, fmt.Errorf("%w: the header: %w", ErrDamaged, err)
	}
	return &Header{Table: h.Table, TableID: h.TableID, Partitions: h.Partitions, Codings: coding.NewRow()}, nil
}

// cut makes the end of the file amid something what it is.
func cut(err error) error {
	if err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF) {
		return ErrTruncated
	}
	return err
}

func (b *binaryReader) number() (uint64, error) {
	n, err := binary.ReadUvarint(b.r)
	if err = cut(err); err != nil && err != ErrTruncated {
		err = b.damaged("%w", err)
	}
	return n, err
}

// damaged is an error about the row that comes next.
func (b *binaryReader) damaged(format string, args ...any) error {
	return fmt.Errorf("%w: row %d: %w", ErrDamaged, b.n+1, fmt.Errorf(format, args...))
}

// bytes reads a length and so many bytes into buf. Memory is taken as bytes arrive, since a
// length may be damaged.
func (b *binaryReader) bytes(buf []byte, most uint64) ([]byte, error) {
	n, err := b.number()
	if err != nil {
		return nil, err
	}
	if n > most {
		return nil, b.damaged("a length of %d", n)
	}
	const step = 1 << 20
	buf = buf[:0]
	for left := int(n); left > 0; {
		k := min(left, step)
		at := len(buf)
		buf = append(buf, make([]byte, k)...)
		if _, err := io.ReadFull(b.r, buf[at:]); err != nil {
			return nil, cut(err)
		}
		left -= k
	}
	return buf, nil
}

func (b *binaryReader) next(row *pegasus.Row) (*Footer, error) {
	mark, err := b.r.ReadByte()
	switch {
	case err != nil:
		return nil, err
	case mark == markEnd:
		return b.footer()
	case mark != markRow:
		return nil, b.damaged("it begins with the byte %d", mark)
	}
	expires, err := b.number()
	if err != nil {
		return nil, err
	}
	if expires > math.MaxUint32 {
		return nil, b.damaged("it expires at %d", expires)
	}
	row.Expires = time.Time{}
	if expires > 0 {
		row.Expires = time.Unix(int64(expires), 0)
	}
	for i, most := range []uint64{maxHashKey, maxPart, maxPart} {
		if b.parts[i], err = b.bytes(b.parts[i], most); err != nil {
			return nil, err
		}
	}
	row.HashKey, row.SortKey, row.Value = b.parts[0], b.parts[1], b.parts[2]
	if err := checkRow(row); err != nil {
		return nil, b.damaged("%w", err)
	}
	b.n++
	return nil, nil
}

func (b *binaryReader) footer() (*Footer, error) {
	rows, err := b.number()
	if err != nil {
		return nil, err
	}
	var sum [8]byte
	if _, err := io.ReadFull(b.r, sum[:]); err != nil {
		return nil, cut(err)
	}
	if rows > math.MaxInt64 {
		return nil, fmt.Errorf("%w: %d rows", ErrDamaged, rows)
	}
	return &Footer{Rows: int64(rows), Sum: binary.BigEndian.Uint64(sum[:])}, nil
}
