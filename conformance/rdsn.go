package conformance

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// rdsnHeader is the header of the native framing in both directions; its integers are little endian.
type rdsnHeader struct {
	Magic                 [4]byte
	Version, Length, CRC  uint32
	BodyLength, BodyCRC   uint32
	ID, TraceID           uint64
	Name                  [48]byte // NUL padded
	CodeLocal, CodeHash   uint32
	AppID, PartitionIndex int32
	Context               uint64
	From                  uint64
	Timeout, ThreadHash   int32
	PartitionHash         uint64
	Error                 [48]byte // NUL padded, responses only
	ErrorLocal, ErrorHash uint32
}

const rdsnHeaderLength = 192

// Bits of rdsnHeader.Context.
const (
	rdsnRequest          = 0x1
	rdsnThriftBinary     = 0x40
	rdsnForwardSupported = 0x400
	rdsnBackup           = 0x800
)

func appendRDSNRequest(dst []byte, q *Request) ([]byte, error) {
	body, err := appendArg(nil, q, 0)
	if err != nil {
		return dst, err
	}
	h := q.rdsn
	if h.Length == 0 { // not decoded from a frame
		h = rdsnHeader{Magic: magicRDSN, Length: rdsnHeaderLength, Context: rdsnRequest | rdsnThriftBinary | rdsnForwardSupported}
	}
	if q.Backup {
		h.Context |= rdsnBackup
	}
	h.ID, h.BodyLength = q.ID, uint32(len(body))
	h.AppID, h.PartitionIndex, h.Timeout, h.ThreadHash, h.PartitionHash = q.AppID, q.PartitionIndex, q.Timeout, q.ThreadHash, q.PartitionHash
	if copy(h.Name[:len(h.Name)-1], q.Code) < len(q.Code) {
		return dst, fmt.Errorf("rpc name %q is too long", q.Code)
	}
	dst, err = binary.Append(dst, binary.LittleEndian, &h)
	return append(dst, body...), err
}

func decodeRDSNHeader(frame []byte) (h rdsnHeader, body []byte, err error) {
	n, err := binary.Decode(frame, binary.LittleEndian, &h)
	if err != nil {
		return h, nil, err
	}
	if h.Magic != magicRDSN || h.Version != 0 || h.Length != rdsnHeaderLength || int64(h.BodyLength) != int64(len(frame)-n) {
		return h, nil, fmt.Errorf("header version %d, length %d, body length %d in a frame of %d bytes", h.Version, h.Length, h.BodyLength, len(frame))
	}
	if h.Name[len(h.Name)-1] != 0 || h.Error[len(h.Error)-1] != 0 {
		return h, nil, fmt.Errorf("name %q or %q without an end", h.Name, h.Error)
	}
	return h, frame[n:], nil
}

func decodeRDSNRequest(frame []byte) (*Request, error) {
	h, body, err := decodeRDSNHeader(frame)
	if err != nil {
		return nil, err
	}
	q := &Request{
		Framing: RDSN, ID: h.ID, Code: paddedName(h.Name[:]), AppID: h.AppID, PartitionIndex: h.PartitionIndex,
		Timeout: h.Timeout, ThreadHash: h.ThreadHash, PartitionHash: h.PartitionHash, Backup: h.Context&rdsnBackup != 0, rdsn: h,
	}
	r := reader{b: body}
	q.Arg, q.Body = r.rest(0, argType(q.Code))
	return q, r.err
}

func appendRDSNResponse(dst []byte, p *Response) ([]byte, error) {
	var body []byte
	var err error
	if p.Result != nil {
		if body, err = appendWrapped(nil, 0, iface.rpcs[p.Code].result, p.Result); err != nil {
			return dst, err
		}
	}
	body = append(body, p.Body...)
	h := p.rdsn
	if h.Length == 0 { // not decoded from a frame
		h = rdsnHeader{Magic: magicRDSN, Length: rdsnHeaderLength, Context: rdsnThriftBinary}
	}
	h.ID, h.BodyLength = p.ID, uint32(len(body))
	copy(h.Name[:], p.Code+ackSuffix)
	copy(h.Error[:], p.Error)
	dst, err = binary.Append(dst, binary.LittleEndian, &h)
	return append(dst, body...), err
}

func decodeRDSNResponse(frame []byte) (*Response, error) {
	h, body, err := decodeRDSNHeader(frame)
	if err != nil {
		return nil, err
	}
	if h.Context&rdsnRequest != 0 {
		return nil, fmt.Errorf("context %#x is that of a request", h.Context)
	}
	p := &Response{Framing: RDSN, ID: h.ID, Error: paddedName(h.Error[:]), rdsn: h}
	return p, p.decodeResult(&reader{b: body}, paddedName(h.Name[:]))
}

// paddedName returns the text before the first NUL.
func paddedName(b []byte) string {
	name, _, _ := bytes.Cut(b, []byte{0})
	return string(name)
}
