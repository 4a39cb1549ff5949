package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net/netip"
	"strings"
	"testing"
)

func TestDetectFraming(t *testing.T) {
	for magic, want := range map[string]Framing{
		"THFT": FramingTHFT, "RDSN": FramingRDSN, "GET ": FramingHTTP, "POST": FramingHTTP,
		"HEAD": FramingUnknown, "thft": FramingUnknown, "\x16\x03\x01\x00": FramingUnknown,
	} {
		if got := DetectFraming([]byte(magic)); got != want {
			t.Errorf("%q: %d, want %d", magic, got, want)
		}
	}
}

// be is the bytes of 32-bit big endian integers.
func be(vs ...uint32) []byte {
	var b []byte
	for _, v := range vs {
		b = binary.BigEndian.AppendUint32(b, v)
	}
	return b
}

func le(vs ...uint32) []byte {
	var b []byte
	for _, v := range vs {
		b = binary.LittleEndian.AppendUint32(b, v)
	}
	return b
}

func TestRequestSize(t *testing.T) {
	const limit = 1 << 20
	for _, tc := range []struct {
		name   string
		prefix []byte
		want   int
		err    string
	}{
		{"version 0", cat("THFT", be(0, 48, 0, 100, 0)), 148, ""},
		{"version 0 at the limit", cat("THFT", be(0, 48, 0, limit-48, 0)), limit, ""},
		{"version 0 over the limit", cat("THFT", be(0, 48, 0, limit-47, 0)), 0, "request of 1048577 bytes, limit 1048576"},
		{"version 0, negative length", cat("THFT", be(0, 48, 0, 0xffffffff, 0)), 0, "limit"},
		{"version 0, other header length", cat("THFT", be(0, 47, 0, 100, 0)), 0, "header length 47"},
		{"version 1", cat("THFT", be(1, 37, 55, 0, 0)), 108, ""},
		{"version 1, no meta and no body", cat("THFT", be(1, 0, 0, 0, 0)), 0, "request of 16 bytes"},
		{"version 1, lengths that overflow", cat("THFT", be(1, 0xfffffff0, 0x38, 0, 0)), 0, "limit"},
		{"version 2", cat("THFT", be(2, 37, 55, 0, 0)), 0, "header version 2"},
		{"RDSN", cat("RDSN", le(0, 192, 0, 26, 0)), 218, ""},
		{"RDSN, other header length", cat("RDSN", le(0, 191, 0, 26, 0)), 0, "header length 191"},
		{"RDSN over the limit", cat("RDSN", le(0, 192, 0, 0xffffffff, 0)), 0, "limit"},
		{"HTTP", []byte("GET /version HTTP/1.1\r\nHost"), 0, `begins with "GET "`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			n, err := RequestSize(tc.prefix, limit)
			checkMalformed(t, err, tc.err)
			if n != tc.want {
				t.Errorf("got %d, want %d", n, tc.want)
			}
		})
	}
}

// checkMalformed checks err against the text it must contain; "" stands for no
// error.
func checkMalformed(t *testing.T, err error, want string) {
	t.Helper()
	if want == "" && err == nil {
		return
	}
	if want == "" || !errors.Is(err, ErrMalformed) || !strings.Contains(err.Error(), want) {
		t.Errorf("error %v, want %q", err, want)
	}
}

// v1 is a frame with a header of version 1.
func v1(meta, body []byte) []byte {
	return cat("THFT", be(1, uint32(len(meta)), uint32(len(body))), meta, body)
}

// getBody is the body of a get request for the empty key with sequence id 7.
func getBody(begin ...any) []byte {
	return cat(cat(begin...), TypeStruct, 0, 1, be(0), TypeStop)
}

func TestParseRequest(t *testing.T) {
	strict := getBody(be(0x80010001, 3), "GET", be(7))
	meta := cat(TypeI32, 0, 1, be(2), TypeStop)
	rdsn := func(change func(h []byte)) []byte {
		h := cat("RDSN", le(0, 192, 0, 8, 0), make([]byte, 192-24), TypeStruct, 0, 0, be(0), TypeStop)
		copy(h[rdsnName:], "GET")
		binary.LittleEndian.PutUint64(h[rdsnContext:], rdsnIsRequest|rdsnThriftBinary)
		change(h)
		return h
	}
	for _, tc := range []struct {
		name  string
		frame []byte
		err   string
		check func(q *Request) bool
	}{
		{"strict", v1(meta, strict), "", func(q *Request) bool {
			return string(q.Task) == "GET" && q.Seq == 7 && q.AppID == 2 && !q.OneWay && q.ArgType == TypeStruct && q.BodySize == len(strict)
		}},
		{"old style", v1(meta, getBody(be(3), "GET", 1, be(7))), "", func(q *Request) bool {
			return string(q.Task) == "GET" && q.Seq == 7 && !q.OneWay && q.ArgType == TypeStruct
		}},
		{"one-way", v1(meta, getBody(be(0x80010004, 3), "GET", be(7))), "", func(q *Request) bool { return q.OneWay }},
		{"no argument", v1(meta, cat(be(0x80010001, 3), "GET", be(7), TypeStop)), "", func(q *Request) bool { return q.ArgType == TypeStop }},
		{"negative sequence id", v1(meta, getBody(be(0x80010001, 3), "GET", be(0xffffffff))), "", func(q *Request) bool { return q.Seq == -1 }},
		{"reply", v1(meta, getBody(be(0x80010002, 3), "GET", be(7))), "message of type 2", nil},
		{"old-style exception", v1(meta, getBody(be(3), "GET", 3, be(7))), "message of type 3", nil},
		{"message version 2", v1(meta, getBody(be(0x80020001, 3), "GET", be(7))), "message version 0x8002", nil},
		{"name beyond the body", v1(meta, be(0x80010001, 0x7fffffff)), "2147483647 bytes wanted", nil},
		{"negative name", v1(meta, getBody(be(0x80010001, 0xfffffffd), "GET", be(7))), "-3 bytes wanted", nil},
		{"empty body", v1(meta, nil), "4 bytes wanted", nil},
		{"empty meta", v1(nil, strict), "field header missing", nil},
		{"meta without fields", v1([]byte{TypeStop}, strict), "", func(q *Request) bool { return q.RequestHeader == RequestHeader{} }},
		{"meta with unknown fields", v1(cat(TypeString, 0, 9, be(1), "x", TypeI64, 0, 1, be(0, 9), TypeI32, 0, 4, be(9), TypeBool, 0, 5, 1, TypeStop), strict), "", func(q *Request) bool {
			return q.RequestHeader == RequestHeader{BackupRequest: true}
		}},
		{"meta without an end", v1(cat(TypeI32, 0, 1, be(2)), strict), "field header missing", nil},
		{"short frame", []byte("THFT"), "request of 4 bytes", nil},
		{"cut frame", v1(meta, strict)[:40], "limit 40", nil},
		{"bytes behind the frame", cat(v1(meta, strict), 0), "in a frame of", nil},
		{"RDSN", rdsn(func([]byte) {}), "", func(q *Request) bool {
			return string(q.Task) == "GET" && q.ArgType == TypeStruct && q.BodySize == 8 && !q.BackupRequest
		}},
		{"RDSN backup request", rdsn(func(h []byte) { h[rdsnContext+1] |= rdsnIsBackup >> 8 }), "", func(q *Request) bool { return q.BackupRequest }},
		{"RDSN reply", rdsn(func(h []byte) { h[rdsnContext] &^= rdsnIsRequest }), "an RDSN reply", nil},
		{"RDSN in JSON", rdsn(func(h []byte) { h[rdsnContext] = rdsnIsRequest | 3<<6 }), "serialization format 3", nil},
		{"RDSN name without an end", rdsn(func(h []byte) { copy(h[rdsnName:], strings.Repeat("x", rdsnNameSize)) }), "name without an end", nil},
		{"RDSN without a body", rdsn(func(h []byte) { clear(h[rdsnBodyLength : rdsnBodyLength+4]) })[:rdsnHeaderSize], "field header missing", nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			q := Request{Seq: 99, RequestHeader: RequestHeader{TimeoutMs: 99}} // must not survive
			err := q.Parse(tc.frame)
			checkMalformed(t, err, tc.err)
			if err == nil && !tc.check(&q) {
				t.Errorf("got %+v", q)
			}
		})
	}
}

func TestRDSNErrorReply(t *testing.T) {
	frame := cat("RDSN", le(0, 192, 0xc4c4c4c4, 8, 0xc4c4c4c4, 77, 0), make([]byte, 192-32), TypeStruct, 0, 0, be(0), TypeStop)
	name := strings.Repeat("N", rdsnNameSize-1)
	copy(frame[rdsnName:], name)
	copy(frame[88:96], "numbers!")
	copy(frame[184:192], "numbers!")
	binary.LittleEndian.PutUint64(frame[rdsnContext:], rdsnIsRequest|rdsnThriftBinary)
	var q Request
	if err := q.Parse(frame); err != nil {
		t.Fatal(err)
	}
	got := AppendErrorReply(nil, &q, name+AckSuffix, ErrHandlerNotFound)
	want := bytes.Clone(frame[:rdsnHeaderSize])
	clear(want[12:24]) // no checksums, no body
	clear(want[88:96]) // the name's number at the sender
	clear(want[184:192])
	binary.LittleEndian.PutUint64(want[rdsnContext:], rdsnThriftBinary)
	copy(want[rdsnErrorName:], "ERR_HANDLER_NOT_FOUND")
	if !bytes.Equal(got, want) { // the name that is too long with its suffix stays cut
		t.Errorf("got\n     %x\nwant %x", got, want)
	}
}

// The thread hash of a request that we send is right whatever the caller says.
func TestThreadHashIsComputed(t *testing.T) {
	b := AppendRequest(nil, RequestHeader{GPID: GPID{2, 5}, ThreadHash: 1}, TaskGet, 1, Key{})
	if got := binary.BigEndian.Uint32(b[36:]); got != 15843 {
		t.Errorf("thread hash %d, want 15843", got)
	}
}

func TestReplySize(t *testing.T) {
	const limit = 1 << 20
	for _, tc := range []struct {
		name   string
		prefix []byte
		want   int
		err    string
	}{
		{"smallest", be(20), 20, ""},
		{"at the limit", be(limit), limit, ""},
		{"too small", be(19), 0, "reply of 19 bytes"},
		{"zero", be(0), 0, "reply of 0 bytes"},
		{"negative", be(0xffffffff), 0, "reply of 4294967295 bytes"},
		{"HTTP", []byte("HTTP"), 0, "the peer speaks HTTP"},
		{"TLS alert", []byte{0x15, 3, 3, 0}, 0, "the peer speaks TLS"},
		{"TLS handshake", []byte{0x16, 3, 1, 0}, 0, "the peer speaks TLS"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			n, err := ReplySize(tc.prefix, limit)
			checkMalformed(t, err, tc.err)
			if n != tc.want {
				t.Errorf("got %d, want %d", n, tc.want)
			}
		})
	}
	n, err := ReplySize(be(limit+1), limit)
	if n != limit+1 || !errors.Is(err, ErrReplyTooLarge) || errors.Is(err, ErrMalformed) || !strings.Contains(err.Error(), "limit 1048576") {
		t.Errorf("over the limit: %d, %v", n, err)
	}
}

func TestBeginsReply(t *testing.T) {
	reply := cat(be(1000), be(6), "ERR_OK", be(0x80010002))
	for n := range reply {
		if !BeginsReply(reply[:n]) {
			t.Errorf("%d bytes of a reply do not begin one", n)
		}
	}
	for _, b := range [][]byte{cat(be(1000), be(1000), "ERR_OK"), cat(be(1000), be(6), "E_"), cat("THFT", be(0), be(48)), []byte("SSH-2.0-OpenSSH")} {
		if BeginsReply(b) {
			t.Errorf("%q begins a reply", b)
		}
	}
}

func TestParseReply(t *testing.T) {
	for _, tc := range []struct {
		name  string
		frame []byte
		err   string
	}{
		{"unknown error name", cat(be(7), "ERR_NEW", be(0x80010002, 1), "A", be(7)), ""},
		{"old style", cat(be(7), "ERR_NEW", be(1), "A", 2, be(7)), ""},
		{"call", cat(be(7), "ERR_NEW", be(0x80010001, 1), "A", be(7)), "message of type 1 where a reply was expected"},
		{"error name beyond the frame", cat(be(8), "ERR_NEW"), "8 bytes wanted, 7 left"},
		{"nothing behind the error", cat(be(7), "ERR_NEW"), "4 bytes wanted"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var p Reply
			err := p.Parse(tc.frame)
			checkMalformed(t, err, tc.err)
			if err == nil && (p.Err != "ERR_NEW" || string(p.Task) != "A" || p.Seq != 7 || len(p.Result) > 0) {
				t.Errorf("got %+v", p)
			}
		})
	}
}

func TestAnswers(t *testing.T) {
	for name, want := range map[string]bool{"GET_ACK": true, "GET": false, "GET_ACK_ACK": false, "PUT_ACK": false, "GET_NAK": false, "": false} {
		if got := (&Reply{Task: []byte(name)}).Answers("GET"); got != want {
			t.Errorf("%q: %v, want %v", name, got, want)
		}
	}
}

func TestResultReader(t *testing.T) {
	p := Reply{Result: cat(TypeString, 0, 0, be(1), "x", TypeStop)}
	if r := p.ResultReader(TypeString); string(r.Blob()) != "x" || r.Err() != nil {
		t.Error("the text was not read")
	}
	r := p.ResultReader(TypeStruct)
	checkMalformed(t, r.Err(), "result of type 11, want 12")
	r = (&Reply{}).ResultReader(TypeStruct)
	checkMalformed(t, r.Err(), "field header missing")
}

func TestAddress(t *testing.T) {
	if a := AddressFrom(netip.MustParseAddrPort("[2001:db8::1]:34801")); a != 0 || a.Valid() || a.String() != "invalid address" {
		t.Errorf("IPv6: %v", a)
	}
	if a := AddressFrom(netip.AddrPort{}); a != 0 {
		t.Errorf("zero: %v", a)
	}
	if a := AddressFrom(netip.MustParseAddrPort("[::ffff:10.0.0.1]:34801")); a.String() != "10.0.0.1:34801" {
		t.Errorf("IPv4 in IPv6: %v", a)
	}
	for _, a := range []Address{1, 0x7f000001_87f1_0002, 0x7f000001_87f1_0000} {
		if a.Valid() {
			t.Errorf("%#x is valid", uint64(a))
		}
	}
}

func TestErrorCode(t *testing.T) {
	for name, want := range map[string]ErrorCode{"": ErrOK, "ERR_OK": ErrOK, "ERR_BUSY": ErrBusy, "ERR_NEW": "ERR_NEW"} {
		if got := errorCode([]byte(name)); got != want {
			t.Errorf("%q: got %v, want %v", name, got, want)
		}
	}
	if got := appendValueOf(ErrorCode("")); string(got) != "\x00\x00\x00\x06ERR_OK" {
		t.Errorf("the zero code is written as %q", got)
	}
	var err error = ErrBusy
	if err.Error() != "ERR_BUSY" {
		t.Errorf("got %q", err)
	}
}
