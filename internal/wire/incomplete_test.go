package wire_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"github.com/pegasus-go/pegasus/internal/wire"
	"github.com/pegasus-go/pegasus/internal/wire/wiretest"
)

func TestMissingFieldsHaveDefaults(t *testing.T) {
	for name, newCodec := range wiretest.Structs {
		c := newCodec()
		r := wire.NewReader([]byte{wire.TypeStop})
		c.Read(&r)
		if r.Err() != nil {
			t.Errorf("%s: %v", name, r.Err())
		}
		for _, d := range wiretest.Mismatch(name, map[string]any{}, wiretest.ValueOf(c)) {
			t.Error(d)
		}
	}
}

// Every prefix of a recorded frame is an error, whether the frame is cut or
// its length is corrected. Only the STOP behind the argument or the result,
// the last byte, is not read.
func TestPrefixesAreErrors(t *testing.T) {
	decodeRequest := func(frame []byte) error {
		var q wire.Request
		if err := q.Parse(frame); err != nil {
			return err
		}
		rpc, ok := wiretest.RPCs[string(q.Task)]
		if !ok {
			return nil
		}
		rpc.Arg().Read(&q.Arg)
		return q.Arg.Err()
	}
	for _, v := range vectors(t, "request") {
		if v.Name == "raw/unknown-rpc" {
			continue
		}
		for n := range v.frame {
			if decodeRequest(v.frame[:n]) == nil {
				t.Errorf("%s: %d of %d bytes are a request", v.Name, n, len(v.frame))
			}
		}
		var q wire.Request
		if err := q.Parse(v.frame); err != nil {
			t.Fatal(err)
		}
		head := len(v.frame) - q.BodySize
		for n := range q.BodySize - 1 {
			cut := bytes.Clone(v.frame[:head+n])
			switch {
			case v.Protocol == "RDSN":
				binary.LittleEndian.PutUint32(cut[16:], uint32(n))
			case cut[7] == 1:
				binary.BigEndian.PutUint32(cut[12:], uint32(n))
			default:
				binary.BigEndian.PutUint32(cut[16:], uint32(n))
			}
			if err := decodeRequest(cut); !errors.Is(err, wire.ErrMalformed) {
				t.Errorf("%s: %d of %d bytes of the body: %v", v.Name, n, q.BodySize, err)
			}
		}
	}

	for _, v := range vectors(t, "response") {
		if v.Protocol == "RDSN" {
			continue
		}
		frame := v.frame[wire.ReplyPrefix:]
		last := len(frame)
		var p wire.Reply
		if err := p.Parse(frame); err != nil {
			t.Fatal(err)
		}
		if len(p.Result) > 0 {
			last--
		}
		for n := range last {
			if err := decodeReply(frame[:n]); !errors.Is(err, wire.ErrMalformed) {
				// An error may come without a result.
				if p.Err != wire.ErrOK && n == len(frame)-len(p.Result) {
					continue
				}
				t.Errorf("%s: %d of %d bytes: %v", v.Name, n, len(frame), err)
			}
		}
	}
}

func decodeReply(frame []byte) error {
	var p wire.Reply
	if err := p.Parse(frame); err != nil {
		return err
	}
	if p.Err != wire.ErrOK && len(p.Result) == 0 {
		return nil
	}
	result := wiretest.RPCs[strings.TrimSuffix(string(p.Task), wire.AckSuffix)].Result()
	r := p.ResultReader(result.ThriftType())
	result.Read(&r)
	return r.Err()
}
