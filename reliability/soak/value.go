package main

import (
	"bytes"
	"encoding/binary"
	"hash/fnv"
)

// version numbers the values of an entry. 0 is no entry.
type version int64

// value returns the value of a version of an entry, "" of no entry. Most are
// small, some are large.
func value(hashKey, sortKey string, v version) []byte {
	if v == 0 {
		return nil
	}
	h := fnv.New64a()
	h.Write([]byte(hashKey))
	h.Write([]byte{0})
	h.Write([]byte(sortKey))
	h.Write(binary.BigEndian.AppendUint64(nil, uint64(v)))
	sum := h.Sum64()
	repeat := 1 + sum%16
	switch {
	case sum>>32%64 == 0:
		repeat *= 500 // up to 64000 bytes
	case sum>>32%8 == 0:
		repeat *= 30
	}
	return bytes.Repeat(binary.BigEndian.AppendUint64(nil, sum), int(repeat))
}
