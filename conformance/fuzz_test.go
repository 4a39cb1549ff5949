package conformance

import (
	"encoding/hex"
	"encoding/json"
	"os"
	"testing"
)

// addFrames seeds a fuzz test with the known frames of one direction.
func addFrames(f *testing.F, direction string) {
	f.Helper()
	var vectors struct{ Frames []frameVector }
	var captured []frameVector
	for name, into := range map[string]any{"testdata/vectors.json": &vectors, "testdata/frames-real.json": &captured} {
		b, err := os.ReadFile(name)
		if err == nil {
			err = json.Unmarshal(b, into)
		}
		if err != nil {
			f.Fatal(err)
		}
	}
	for _, v := range append(vectors.Frames, captured...) {
		if v.Direction == direction {
			raw, err := hex.DecodeString(v.Hex)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(raw)
		}
	}
}

// FuzzDecodeRequest decodes arbitrary bytes; what decodes must mean the same after it was encoded again.
func FuzzDecodeRequest(f *testing.F) {
	addFrames(f, "request")
	f.Fuzz(func(t *testing.T, frame []byte) {
		q, err := DecodeRequest(frame)
		if err != nil {
			return
		}
		again, err := AppendRequest(nil, q)
		if err != nil {
			t.Fatal(err)
		}
		q2, err := DecodeRequest(again)
		if err != nil {
			t.Fatal(err)
		}
		if q2.Code != q.Code || q2.ID != q.ID || q2.PartitionHash != q.PartitionHash || show(q2.Arg) != show(q.Arg) {
			t.Errorf("%+v became %+v", q, q2)
		}
	})
}

// FuzzDecodeResponse is FuzzDecodeRequest for responses.
func FuzzDecodeResponse(f *testing.F) {
	addFrames(f, "response")
	f.Fuzz(func(t *testing.T, frame []byte) {
		p, err := DecodeResponse(frame)
		if err != nil {
			return
		}
		again, err := AppendResponse(nil, p)
		if err != nil {
			t.Fatal(err)
		}
		p2, err := DecodeResponse(again)
		if err != nil {
			t.Fatal(err)
		}
		if p2.Code != p.Code || p2.ID != p.ID || p2.Error != p.Error || show(p2.Result) != show(p.Result) {
			t.Errorf("%+v became %+v", p, p2)
		}
	})
}
