package conformance

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
)

// Framing is a way RPC messages travel on a connection.
type Framing int

// The framings a Pegasus server understands.
const (
	THFTv0 Framing = iota // 48 byte header, most clients
	THFTv1                // header with a Thrift struct, the Java client; the only THFT form of a backup request
	RDSN                  // native framing, the C++ client and shell
)

func (f Framing) String() string {
	return [...]string{"THFT v0", "THFT v1", "RDSN"}[f]
}

// Thrift message types.
const (
	msgCall   = 1
	msgReply  = 2
	msgOneway = 4

	strictVersion = 0x80010000
)

var (
	magicTHFT = [4]byte{'T', 'H', 'F', 'T'}
	magicRDSN = [4]byte{'R', 'D', 'S', 'N'}
)

// Request is one request frame.
type Request struct {
	Framing        Framing
	AppID          int32
	PartitionIndex int32
	Timeout        int32  // milliseconds, 0 = unknown
	ThreadHash     int32  // THFT v1 has none
	PartitionHash  uint64 // hash of the key, 0 when meaningless
	Backup         bool   // a replica other than the primary may answer; THFT v0 cannot say so
	OldStyle       bool   // message begin without a version
	Oneway         bool   // message type ONEWAY; official clients send CALL even where no answer comes
	ID             uint64 // sequence id; 32 bits with THFT
	Code           string // task code
	Arg            any    // dynamic form of the RPC's argument; nil for a code the interface does not have
	Body           []byte // encoded arguments, instead of Arg, of an unknown code

	rdsn rdsnHeader // what a decoded RDSN frame held beside the above
}

// Response is one response frame.
type Response struct {
	Framing Framing
	Error   string // RPC-level error, "ERR_OK" included
	Code    string // task code, without the _ACK of the wire
	ID      uint64
	Result  any    // dynamic form of the RPC's result; nil if there was none
	Body    []byte // what followed the message begin of an unknown code

	rdsn rdsnHeader
}

// thftHeader is the version 0 request header; the first two fields are those of every version.
type thftHeader struct {
	Magic                 [4]byte
	Version, Length, CRC  uint32
	BodyLength, BodyCRC   uint32
	AppID, PartitionIndex int32
	Timeout, ThreadHash   int32
	PartitionHash         uint64
}

const thftHeaderLength = 48

var requestMeta = iface.types["request_meta"].def

// AppendRequest appends the frame of q.
func AppendRequest(dst []byte, q *Request) ([]byte, error) {
	if q.Framing == RDSN {
		return appendRDSNRequest(dst, q)
	}
	body, err := appendCall(nil, q)
	if err != nil {
		return dst, err
	}
	if q.Framing == THFTv1 {
		meta, err := appendStruct(nil, requestMeta, Struct{
			"app_id": int64(q.AppID), "partition_index": int64(q.PartitionIndex), "client_timeout": int64(q.Timeout),
			"partition_hash": int64(q.PartitionHash), "is_backup_request": q.Backup,
		})
		if err != nil {
			return dst, err
		}
		dst = append(dst, magicTHFT[:]...)
		dst = binary.BigEndian.AppendUint32(dst, 1)
		dst = binary.BigEndian.AppendUint32(dst, uint32(len(meta)))
		dst = binary.BigEndian.AppendUint32(dst, uint32(len(body)))
		return append(append(dst, meta...), body...), nil
	}
	dst, err = binary.Append(dst, binary.BigEndian, thftHeader{
		Magic: magicTHFT, Length: thftHeaderLength, BodyLength: uint32(len(body)),
		AppID: q.AppID, PartitionIndex: q.PartitionIndex, Timeout: q.Timeout, ThreadHash: q.ThreadHash, PartitionHash: q.PartitionHash,
	})
	return append(dst, body...), err
}

// appendCall appends the Thrift message of a THFT request.
func appendCall(dst []byte, q *Request) ([]byte, error) {
	msgType := byte(msgCall)
	if q.Oneway {
		msgType = msgOneway
	}
	if q.OldStyle {
		dst = append(appendString(dst, q.Code), msgType)
	} else {
		dst = binary.BigEndian.AppendUint32(dst, strictVersion|uint32(msgType))
		dst = appendString(dst, q.Code)
	}
	dst = binary.BigEndian.AppendUint32(dst, uint32(q.ID))
	return appendArg(dst, q, 1)
}

// appendArg appends the one-field struct around a request's argument. The field has id 1 in THFT and 0 in RDSN.
func appendArg(dst []byte, q *Request, id byte) ([]byte, error) {
	def := iface.rpcs[q.Code]
	if def == nil {
		return append(dst, q.Body...), nil
	}
	return appendWrapped(dst, id, def.arg, q.Arg)
}

func appendWrapped(dst []byte, id byte, t *typ, v any) ([]byte, error) {
	dst = append(dst, wireCode(t), 0, id)
	dst, err := appendValue(dst, t, v)
	return append(dst, tStop), err
}

// wrapped reads the one-field struct around an argument or result.
func (r *reader) wrapped(id byte, t *typ) any {
	code, got := r.byte(), r.uint16()
	if r.err == nil && (code != wireCode(t) || got != uint16(id)) {
		r.failf("field %d of type %#x, want field %d of type %s", got, code, id, t.name)
	}
	v := r.value(t)
	if stop := r.byte(); r.err == nil && stop != tStop {
		r.failf("a second field of type %#x", stop)
	}
	return v
}

// DecodeRequest decodes one complete request frame.
func DecodeRequest(frame []byte) (*Request, error) {
	if bytes.HasPrefix(frame, magicRDSN[:]) {
		return decodeRDSNRequest(frame)
	}
	if len(frame) < 16 || !bytes.HasPrefix(frame, magicTHFT[:]) {
		return nil, errors.New("not a THFT or RDSN request")
	}
	q := &Request{}
	var body []byte
	switch version := binary.BigEndian.Uint32(frame[4:]); version {
	case 0:
		var h thftHeader
		n, err := binary.Decode(frame, binary.BigEndian, &h)
		if err != nil {
			return nil, err
		}
		if h.Length != thftHeaderLength || int(h.BodyLength) != len(frame)-n {
			return nil, fmt.Errorf("header length %d, body length %d in a frame of %d bytes", h.Length, h.BodyLength, len(frame))
		}
		q.AppID, q.PartitionIndex, q.Timeout, q.ThreadHash, q.PartitionHash = h.AppID, h.PartitionIndex, h.Timeout, h.ThreadHash, h.PartitionHash
		body = frame[n:]
	case 1:
		metaLength, bodyLength := int64(binary.BigEndian.Uint32(frame[8:])), int64(binary.BigEndian.Uint32(frame[12:]))
		if 16+metaLength+bodyLength != int64(len(frame)) {
			return nil, fmt.Errorf("meta length %d, body length %d in a frame of %d bytes", metaLength, bodyLength, len(frame))
		}
		r := reader{b: frame[16 : 16+metaLength]}
		m := completed(requestMeta, r.structure(requestMeta))
		if r.err != nil {
			return nil, r.err
		}
		q.Framing = THFTv1
		q.AppID, q.PartitionIndex = int32(m["app_id"].(int64)), int32(m["partition_index"].(int64))
		q.Timeout, q.PartitionHash, q.Backup = int32(m["client_timeout"].(int64)), uint64(m["partition_hash"].(int64)), m["is_backup_request"].(bool)
		body = frame[16+metaLength:]
	default:
		return nil, fmt.Errorf("header version %d", version)
	}
	r := reader{b: body}
	msgType := r.messageBegin(&q.Code, &q.ID, &q.OldStyle)
	q.Oneway = msgType == msgOneway
	if r.err == nil && msgType != msgCall && msgType != msgOneway {
		r.failf("message type %d", msgType)
	}
	q.Arg, q.Body = r.rest(1, argType(q.Code))
	return q, r.err
}

func argType(code string) *typ {
	if def := iface.rpcs[code]; def != nil {
		return def.arg
	}
	return nil
}

// messageBegin reads a Thrift message header of either style and returns the message type.
func (r *reader) messageBegin(name *string, id *uint64, oldStyle *bool) byte {
	var msgType byte
	if len(r.b) > 0 && r.b[0]&0x80 == 0 {
		*oldStyle = true
		*name = r.string()
		msgType = r.byte()
	} else {
		v := r.uint32()
		if r.err == nil && v&0xffff0000 != strictVersion {
			r.failf("message version %#x", v)
		}
		msgType = byte(v)
		*name = r.string()
	}
	*id = uint64(r.uint32())
	return msgType
}

// rest reads a frame to its end: as the field id of type t, or undecoded if t is nil.
func (r *reader) rest(id byte, t *typ) (v any, body []byte) {
	if t == nil {
		return nil, r.bytes(len(r.b))
	}
	v = r.wrapped(id, t)
	if r.err == nil && len(r.b) > 0 {
		r.failf("%d bytes after the end", len(r.b))
	}
	return v, nil
}

// AppendResponse appends the frame of p.
func AppendResponse(dst []byte, p *Response) ([]byte, error) {
	if p.Framing == RDSN {
		return appendRDSNResponse(dst, p)
	}
	start := len(dst)
	dst = append(dst, 0, 0, 0, 0)
	dst = appendString(dst, p.Error)
	dst = binary.BigEndian.AppendUint32(dst, strictVersion|msgReply)
	dst = appendString(dst, p.Code+ackSuffix)
	dst = binary.BigEndian.AppendUint32(dst, uint32(p.ID))
	var err error
	if p.Result != nil {
		if dst, err = appendWrapped(dst, 0, iface.rpcs[p.Code].result, p.Result); err != nil {
			return dst[:start], err
		}
	}
	dst = append(dst, p.Body...)
	binary.BigEndian.PutUint32(dst[start:], uint32(len(dst)-start))
	return dst, nil
}

// ackSuffix makes a response's name out of its request's.
const ackSuffix = "_ACK"

// DecodeResponse decodes one complete response frame.
func DecodeResponse(frame []byte) (*Response, error) {
	if bytes.HasPrefix(frame, magicRDSN[:]) {
		return decodeRDSNResponse(frame)
	}
	p := &Response{}
	r := reader{b: frame}
	if n := r.uint32(); r.err == nil && int64(n) != int64(len(frame)) {
		r.failf("total length %d in a frame of %d bytes", n, len(frame))
	}
	p.Error = r.string()
	var name string
	var oldStyle bool
	if msgType := r.messageBegin(&name, &p.ID, &oldStyle); r.err == nil && (msgType != msgReply || oldStyle) {
		r.failf("message begin is not a strict reply")
	}
	if r.err != nil {
		return nil, r.err
	}
	return p, p.decodeResult(&r, name)
}

// decodeResult fills in Code, Result and Body from a response name and the bytes after the headers.
func (p *Response) decodeResult(r *reader, name string) error {
	code, ok := strings.CutSuffix(name, ackSuffix)
	if !ok {
		r.failf("response name %q does not end in %s", name, ackSuffix)
	}
	p.Code = code
	var result *typ
	if def := iface.rpcs[code]; def != nil {
		result = def.result
	}
	if len(r.b) > 0 || p.Error == "ERR_OK" { // a result after another error is allowed, not required
		p.Result, p.Body = r.rest(0, result)
	}
	return r.err
}
