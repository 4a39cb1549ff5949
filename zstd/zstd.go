// Package zstd compresses the values of a table, as the Java client does with compression on:
// each value is a zstd frame that has its size in it, and what is no such frame is read as it
// is. So a table may have both, and be used by both clients.
//
//	users := table.With(pegasus.TableOptions{Values: zstd.Values()})
package zstd

import (
	"fmt"

	"github.com/klauspost/compress/zstd"
	"github.com/pegasus-go/pegasus"
)

// maxSize is the size of a value, decompressed, above which it is taken for damaged or
// hostile: more than any server stores in one piece.
const maxSize = 256 << 20

var (
	encoder = must(zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(false), zstd.WithSingleSegment(true)))
	decoder = must(zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderMaxMemory(maxSize)))
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err) // options that are none
	}
	return v
}

type codec struct{}

// Values returns the codec. It has no state: all are the same. A value whose frame says that
// it has more than 256 MiB, or is damaged, is an error when it is read.
func Values() pegasus.ValueCodec { return codec{} }

// Encode implements pegasus.ValueCodec.
func (codec) Encode(value []byte) ([]byte, error) {
	return encoder.EncodeAll(value, make([]byte, 0, len(value)/2)), nil
}

// Decode implements pegasus.ValueCodec.
func (codec) Decode(stored []byte) ([]byte, error) {
	var h zstd.Header
	if err := h.Decode(stored); err != nil || h.Skippable || !h.HasFCS || h.FrameContentSize == 0 {
		return stored, nil // was not compressed
	}
	if h.FrameContentSize > maxSize {
		return nil, fmt.Errorf("zstd: a value of %d bytes, the limit is %d", h.FrameContentSize, maxSize)
	}
	return decoder.DecodeAll(stored, nil)
}
