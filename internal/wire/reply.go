package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// ErrReplyTooLarge is wrapped by the errors about replies larger than the limit.
var ErrReplyTooLarge = errors.New("reply too large")

// ReplyPrefix is the number of bytes that tell the size of a THFT reply.
const ReplyPrefix = 4

// ReplyHead is the number of bytes, prefix included, that all of a reply but
// its result lies within.
const ReplyHead = 512

// ReplySize returns the size of the THFT reply, prefix included, that begins
// with the ReplyPrefix bytes of b. A frame too small to be one, or too large for
// any server, is an error that names the protocol it looks like. For one that
// is larger than limit it returns the size and ErrReplyTooLarge.
func ReplySize(b []byte, limit int) (int, error) {
	const least = ReplyPrefix + 4 + 4 + 4 + 4
	n := binary.BigEndian.Uint32(b)
	if n >= least && uint64(n) <= uint64(limit) {
		return int(n), nil
	}
	if p := looksLike(b); p != "" {
		return 0, OtherProtocol(p)
	}
	if n < least || n > math.MaxInt32 {
		return 0, malformed("reply of %d bytes", n)
	}
	return int(n), fmt.Errorf("%w: %d bytes, limit %d", ErrReplyTooLarge, n, limit)
}

// BeginsReply reports whether b, of ReplyHead bytes or fewer, begins as replies
// do: with a size, and the name of an error.
func BeginsReply(b []byte) bool {
	const name = "ERR_"
	b = b[min(len(b), ReplyPrefix):]
	if len(b) >= 4 && binary.BigEndian.Uint32(b) > ReplyHead/4 {
		return false
	}
	b = b[min(len(b), 4):]
	return bytes.HasPrefix([]byte(name), b[:min(len(b), len(name))])
}

// Reply is a THFT reply as a client sees it.
type Reply struct {
	// Err is the leading error. If it is not ErrOK the result is absent or
	// meaningless.
	Err ErrorCode
	// Task is the task code with AckSuffix. It aliases the frame.
	Task []byte
	// Seq is the sequence id of the request.
	Seq int32
	// Result is the rest of the frame: a struct with the result as field 0.
	Result []byte
}

// Parse decodes a reply frame without its length prefix. The reply aliases
// the frame.
func (p *Reply) Parse(frame []byte) error {
	r := NewReader(frame)
	p.Err = errorCode(r.Blob())
	var typ byte
	typ, p.Task, p.Seq = readMessageBegin(&r)
	if r.Err() == nil && typ != messageReply {
		r.fail("message of type %d where a reply was expected", typ)
	}
	p.Result = r.Rest()
	return r.Err()
}

// Size is the number of bytes that the reply aliases.
func (p *Reply) Size() int { return len(p.Task) + len(p.Result) }

// MoveTo appends the bytes that the reply aliases to dst, and makes it alias
// those. It returns the extended slice.
func (p *Reply) MoveTo(dst []byte) []byte {
	start := len(dst)
	dst = append(append(dst, p.Task...), p.Result...)
	moved := dst[start:]
	n := len(p.Task)
	p.Task, p.Result = moved[:n:n], moved[n:len(moved):len(moved)]
	return dst
}

// Answers reports whether the reply is one to the RPC with the given task code.
func (p *Reply) Answers(task string) bool {
	n := len(task)
	return len(p.Task) == n+len(AckSuffix) && string(p.Task[:n]) == task && string(p.Task[n:]) == AckSuffix
}

// ResultReader returns a Reader placed at the value of the result, which must
// have the type code typ.
func (p *Reply) ResultReader(typ byte) Reader {
	r := NewReader(p.Result)
	if t, _ := r.Field(); t != typ && r.Err() == nil {
		r.fail("result of type %d, want %d", t, typ)
	}
	return r
}

// BeginReply appends the part of a reply to q that precedes the result's
// value, for a result with the type code typ, or for none if typ is TypeStop.
// ack is the task code with AckSuffix. The caller appends the value, if any,
// and calls EndReply.
func (q *Request) BeginReply(dst []byte, ack string, code ErrorCode, typ byte) []byte {
	if q.header != nil {
		dst = q.appendRDSNReplyHeader(dst, ack, code)
	} else {
		dst = append(dst, 0, 0, 0, 0)
		dst = appendBlob(dst, code)
		dst = appendMessageBegin(dst, messageReply, ack, q.Seq)
	}
	if typ == TypeStop {
		return dst
	}
	return AppendField(dst, typ, 0)
}

// EndReply completes the reply that BeginReply started at dst[start:]. typ is
// the one given to BeginReply.
func (q *Request) EndReply(dst []byte, start int, typ byte) []byte {
	if typ != TypeStop {
		dst = append(dst, TypeStop)
	}
	if q.header != nil {
		binary.LittleEndian.PutUint32(dst[start+rdsnBodyLength:], uint32(len(dst)-start-rdsnHeaderSize))
	} else {
		binary.BigEndian.PutUint32(dst[start:], uint32(len(dst)-start))
	}
	return dst
}

// AppendReply appends a whole reply to q with a result.
func AppendReply[M Message](dst []byte, q *Request, ack string, result M) []byte {
	start := len(dst)
	dst = q.BeginReply(dst, ack, ErrOK, result.ThriftType())
	dst = result.AppendValue(dst)
	return q.EndReply(dst, start, result.ThriftType())
}

// AppendErrorReply appends a whole reply to q that carries only an error.
func AppendErrorReply(dst []byte, q *Request, ack string, code ErrorCode) []byte {
	start := len(dst)
	dst = q.BeginReply(dst, ack, code, TypeStop)
	return q.EndReply(dst, start, TypeStop)
}
