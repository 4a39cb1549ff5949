package wire

import (
	"bytes"
	"encoding/binary"
)

// The RDSN header is little endian: the layout in memory of the C++ servers.
const (
	rdsnHeaderSize = 192

	rdsnBodyLength    = 16
	rdsnName          = 40
	rdsnNameSize      = 48
	rdsnAppID         = 96
	rdsnPartition     = 100
	rdsnContext       = 104
	rdsnTimeout       = 120
	rdsnThreadHash    = 124
	rdsnPartitionHash = 128
	rdsnErrorName     = 136
	rdsnErrorSize     = 48

	rdsnIsRequest    = 1 << 0
	rdsnFormatMask   = 0xf << 6
	rdsnThriftBinary = 1 << 6
	rdsnIsBackup     = 1 << 11
)

func (q *Request) parseRDSN(frame []byte) error {
	h := frame[:rdsnHeaderSize]
	name := h[rdsnName : rdsnName+rdsnNameSize]
	n := bytes.IndexByte(name, 0)
	if n < 0 {
		return malformed("RPC name without an end")
	}
	context := binary.LittleEndian.Uint64(h[rdsnContext:])
	if context&rdsnIsRequest == 0 {
		return malformed("an RDSN reply where a request was expected")
	}
	if context&rdsnFormatMask != rdsnThriftBinary {
		return malformed("RDSN request in serialization format %d", context&rdsnFormatMask>>6)
	}
	q.header = h
	q.Task = name[:n]
	q.AppID = int32(binary.LittleEndian.Uint32(h[rdsnAppID:]))
	q.PartitionIndex = int32(binary.LittleEndian.Uint32(h[rdsnPartition:]))
	q.TimeoutMs = int32(binary.LittleEndian.Uint32(h[rdsnTimeout:]))
	q.ThreadHash = int32(binary.LittleEndian.Uint32(h[rdsnThreadHash:]))
	q.PartitionHash = binary.LittleEndian.Uint64(h[rdsnPartitionHash:])
	q.BackupRequest = context&rdsnIsBackup != 0
	q.BodySize = len(frame) - rdsnHeaderSize
	r := NewReader(frame[rdsnHeaderSize:])
	q.ArgType, _ = r.Field()
	q.Arg = r
	return r.Err()
}

// appendRDSNReplyHeader repeats the header of the request, which carries the
// id that matches the reply, with what differs in a reply.
func (q *Request) appendRDSNReplyHeader(dst []byte, ack string, code ErrorCode) []byte {
	start := len(dst)
	dst = append(dst, q.header...)
	h := dst[start:]
	clear(h[12:24]) // checksums and body length
	name := h[rdsnName : rdsnName+rdsnNameSize]
	clear(name)
	copy(name[:rdsnNameSize-1], ack)
	clear(h[88:96]) // local numbers of the name: the receiver goes by the text
	context := binary.LittleEndian.Uint64(h[rdsnContext:])
	binary.LittleEndian.PutUint64(h[rdsnContext:], context&^rdsnIsRequest)
	clear(h[rdsnErrorName:])
	copy(h[rdsnErrorName:rdsnErrorName+rdsnErrorSize-1], code)
	return dst
}
