package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
)

const (
	magicTHFT = "THFT"
	magicRDSN = "RDSN"

	thftV0Size   = 48
	thftV1Prefix = 16

	// Where a request has the length of its body.
	lengthAt   = 16
	lengthAtV1 = 12

	messageVersion = 0x80010000
	messageCall    = 1
	messageReply   = 2
	messageOneWay  = 4
)

// RequestHeader is what the header of a request says beside its lengths.
type RequestHeader struct {
	GPID
	// TimeoutMs is the time the client waits for the answer, 0 if it does not
	// say.
	TimeoutMs int32
	// ThreadHash is what the client sent; a header of version 1 has none. A
	// request that we send always carries GPID.ThreadHash.
	ThreadHash int32
	// PartitionHash is the hash of the key, or the partition index in a full
	// scan, or 0.
	PartitionHash uint64
	// BackupRequest allows a secondary to answer. Version 0 cannot express it.
	BackupRequest bool
}

// AppendRequest appends a THFT request, version 0, or version 1 if it is a
// backup request.
func AppendRequest[M Message](dst []byte, h RequestHeader, task string, seq int32, arg M) []byte {
	start := len(dst)
	dst = AppendHead(dst, &h, task, seq, 0)
	head := len(dst)
	dst = AppendArgument(dst, arg)
	AddSize(dst[start:], &h, len(dst)-head)
	return dst
}

// AddSize adds to the size that the head of a request, which b begins with, tells
// of its argument.
func AddSize(b []byte, h *RequestHeader, size int) {
	at := lengthAt
	if h.BackupRequest {
		at = lengthAtV1
	}
	binary.BigEndian.PutUint32(b[at:], binary.BigEndian.Uint32(b[at:])+uint32(size))
}

// AppendHead appends the part of a request in front of its argument, which has
// size bytes once AppendArgument has encoded it.
func AppendHead(dst []byte, h *RequestHeader, task string, seq int32, size int) []byte {
	size += 4 + 4 + len(task) + 4
	if h.BackupRequest {
		start := len(dst)
		dst = append(dst, magicTHFT...)
		dst = appendI32(dst, 1)
		dst = append(dst, 0, 0, 0, 0)
		dst = appendI32(dst, int32(size))
		meta := len(dst)
		dst = appendI32Field(dst, 1, h.AppID)
		dst = appendI32Field(dst, 2, h.PartitionIndex)
		dst = appendI32Field(dst, 3, h.TimeoutMs)
		dst = appendI64Field(dst, 4, int64(h.PartitionHash))
		dst = appendBoolField(dst, 5, true)
		dst = append(dst, TypeStop)
		binary.BigEndian.PutUint32(dst[start+8:], uint32(len(dst)-meta))
	} else {
		dst = append(dst,
			'T', 'H', 'F', 'T',
			0, 0, 0, 0, // header version
			0, 0, 0, thftV0Size,
			0, 0, 0, 0) // no checksum of the header
		dst = appendI32(dst, int32(size))
		dst = append(dst, 0, 0, 0, 0) // no checksum of the body
		dst = appendI32(dst, h.AppID)
		dst = appendI32(dst, h.PartitionIndex)
		dst = appendI32(dst, h.TimeoutMs)
		dst = appendI32(dst, h.GPID.ThreadHash())
		dst = appendI64(dst, int64(h.PartitionHash))
	}
	return appendMessageBegin(dst, messageCall, task, seq)
}

// AppendArgument appends the argument of a THFT request: what follows its head.
func AppendArgument[M Message](dst []byte, arg M) []byte { return appendArgument(dst, 1, arg) }

func appendMessageBegin(dst []byte, typ uint32, name string, seq int32) []byte {
	dst = binary.BigEndian.AppendUint32(dst, messageVersion|typ)
	dst = appendBlob(dst, name)
	return appendI32(dst, seq)
}

// Framing is the protocol of a connection. Its first four bytes decide it.
type Framing byte

// The framings.
const (
	FramingUnknown Framing = iota
	FramingTHFT
	FramingRDSN
	FramingHTTP
)

// DetectFraming returns the framing that begins with the four bytes of magic.
func DetectFraming(magic []byte) Framing {
	switch string(magic[:4]) {
	case magicTHFT:
		return FramingTHFT
	case magicRDSN:
		return FramingRDSN
	case "GET ", "POST":
		return FramingHTTP
	}
	return FramingUnknown
}

// RequestPrefix is the number of bytes that tell the size of a request.
const RequestPrefix = 24

// RequestSize returns the size of the request frame, header included, that
// begins with the RequestPrefix bytes of b. It accepts THFT and RDSN. A frame
// larger than limit is an error.
func RequestSize(b []byte, limit int) (int, error) {
	var size uint64
	switch DetectFraming(b) {
	case FramingTHFT:
		switch v := binary.BigEndian.Uint32(b[4:]); v {
		case 0:
			if n := binary.BigEndian.Uint32(b[8:]); n != thftV0Size {
				return 0, malformed("header length %d in a version 0 header", n)
			}
			size = thftV0Size + uint64(binary.BigEndian.Uint32(b[16:]))
		case 1:
			size = thftV1Prefix + uint64(binary.BigEndian.Uint32(b[8:])) + uint64(binary.BigEndian.Uint32(b[12:]))
		default:
			return 0, malformed("THFT header version %d", v)
		}
	case FramingRDSN:
		if n := binary.LittleEndian.Uint32(b[8:]); n != rdsnHeaderSize {
			return 0, malformed("RDSN header length %d", n)
		}
		size = rdsnHeaderSize + uint64(binary.LittleEndian.Uint32(b[16:]))
	default:
		return 0, malformed("frame begins with %q", b[:4])
	}
	// The prefix must lie within the frame.
	if size < RequestPrefix {
		return 0, malformed("request of %d bytes", size)
	}
	if size > uint64(limit) {
		return 0, malformed("request of %d bytes, limit %d", size, limit)
	}
	return int(size), nil
}

// Request is a request as a server sees it, in whichever framing.
type Request struct {
	RequestHeader
	// Task is the task code. It aliases the frame.
	Task []byte
	// OneWay is set if the client says that it expects no answer.
	OneWay bool
	// BodySize is the number of bytes after the header.
	BodySize int
	// ArgType is the type code of the argument, TypeStop if there is none.
	ArgType byte
	// Arg is the rest of the frame, from the argument's value on.
	Arg Reader

	// Seq is the sequence id of a THFT request.
	Seq int32
	// header is the header of an RDSN request, which the reply repeats.
	header []byte
}

// Parse decodes a whole request frame, as delimited by RequestSize. The
// request aliases the frame; so does a reply to it until it is complete.
func (q *Request) Parse(frame []byte) error {
	*q = Request{}
	if len(frame) < RequestPrefix {
		return malformed("request of %d bytes", len(frame))
	}
	if n, err := RequestSize(frame, len(frame)); err != nil {
		return err
	} else if n < len(frame) {
		return malformed("request of %d bytes in a frame of %d", n, len(frame))
	}
	if DetectFraming(frame) == FramingRDSN {
		return q.parseRDSN(frame)
	}
	var body []byte
	if binary.BigEndian.Uint32(frame[4:]) == 0 {
		h := frame[24:thftV0Size]
		q.AppID = int32(binary.BigEndian.Uint32(h))
		q.PartitionIndex = int32(binary.BigEndian.Uint32(h[4:]))
		q.TimeoutMs = int32(binary.BigEndian.Uint32(h[8:]))
		q.ThreadHash = int32(binary.BigEndian.Uint32(h[12:]))
		q.PartitionHash = binary.BigEndian.Uint64(h[16:])
		body = frame[thftV0Size:]
	} else {
		meta := thftV1Prefix + int(binary.BigEndian.Uint32(frame[8:]))
		r := NewReader(frame[thftV1Prefix:meta])
		q.readMeta(&r)
		if r.Err() != nil {
			return r.Err()
		}
		body = frame[meta:]
	}
	q.BodySize = len(body)
	return q.parseBody(body)
}

func (h *RequestHeader) readMeta(r *Reader) {
	for {
		switch typ, id := r.Field(); {
		case typ == TypeStop:
			return
		case id == 1 && typ == TypeI32:
			h.AppID = r.I32()
		case id == 2 && typ == TypeI32:
			h.PartitionIndex = r.I32()
		case id == 3 && typ == TypeI32:
			h.TimeoutMs = r.I32()
		case id == 4 && typ == TypeI64:
			h.PartitionHash = uint64(r.I64())
		case id == 5 && typ == TypeBool:
			h.BackupRequest = r.Bool()
		default:
			r.Skip(typ)
		}
	}
}

func (q *Request) parseBody(body []byte) error {
	r := NewReader(body)
	var typ byte
	typ, q.Task, q.Seq = readMessageBegin(&r)
	if r.Err() == nil && typ != messageCall && typ != messageOneWay {
		r.fail("message of type %d", typ)
	}
	q.OneWay = typ == messageOneWay
	q.ArgType, _ = r.Field()
	q.Arg = r
	return r.Err()
}

// readMessageBegin reads the strict form, which starts with a version, and the
// old one, which starts with the length of the name.
func readMessageBegin(r *Reader) (typ byte, name []byte, seq int32) {
	first := uint32(r.I32())
	if first&0x80000000 != 0 {
		if first&0xffff0000 != messageVersion {
			r.fail("message version %#x", first>>16)
		}
		typ = byte(first)
		name = r.Blob()
	} else {
		name = r.take(int(first))
		typ = r.Byte()
	}
	seq = r.I32()
	return typ, name, seq
}

// ErrOtherProtocol is wrapped, beside ErrMalformed, by the errors about peers that
// speak another protocol. They have not understood anything that they were sent.
var ErrOtherProtocol = errors.New("not the Pegasus protocol")

// OtherProtocol returns the error about a peer that speaks the named protocol.
func OtherProtocol(name string) error {
	return fmt.Errorf("%w: the peer speaks %s, %w", ErrMalformed, name, ErrOtherProtocol)
}

// looksLike names the protocol that b begins with, for error messages about
// bytes that are not ours.
func looksLike(b []byte) string {
	switch {
	case bytes.HasPrefix(b, []byte("HTTP")):
		return "HTTP"
	case len(b) >= 2 && b[0] == 0x15 && b[1] == 3, len(b) >= 2 && b[0] == 0x16 && b[1] == 3:
		return "TLS"
	}
	return ""
}
