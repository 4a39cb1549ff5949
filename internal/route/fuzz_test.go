package route

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"testing"

	"github.com/pegasus-go/pegasus/internal/wire"
)

// recordedConfigurations returns the answers to query_cfg among the frames of
// the official codecs and of a real server.
func recordedConfigurations(f *testing.F) [][]byte {
	type frame struct{ Direction, Hex string }
	var vectors struct{ Frames []frame }
	var captured []frame
	for name, into := range map[string]any{"vectors.json": &vectors, "frames-real.json": &captured} {
		b, err := os.ReadFile("../wire/testdata/" + name)
		if err == nil {
			err = json.Unmarshal(b, into)
		}
		if err != nil {
			f.Fatal(err)
		}
	}
	var found [][]byte
	for _, v := range append(vectors.Frames, captured...) {
		b, err := hex.DecodeString(v.Hex)
		if err != nil {
			f.Fatal(err)
		}
		var reply wire.Reply
		if v.Direction != "response" || reply.Parse(b[wire.ReplyPrefix:]) != nil || !reply.Answers(wire.TaskQueryConfig) {
			continue
		}
		if r := reply.ResultReader(wire.TypeStruct); r.Err() == nil {
			found = append(found, r.Rest())
		}
	}
	if len(found) < 5 {
		f.Fatalf("%d recorded answers", len(found))
	}
	return found
}

// Any two answers of a meta server, one after the other: each is refused, or
// makes a routing in which every key has a partition of the table.
func FuzzConfiguration(f *testing.F) {
	recorded := recordedConfigurations(f)
	for i, b := range recorded {
		f.Add(b, recorded[(i+1)%len(recorded)])
	}
	f.Fuzz(func(t *testing.T, first, second []byte) {
		tb := unconnected(t)
		for _, b := range [][]byte{first, second} {
			var resp wire.QueryConfigResponse
			r := wire.NewReader(b)
			wire.Of(&resp).Read(&r)
			if r.Err() != nil {
				continue
			}
			s, err := tb.build(&resp)
			if err != nil {
				if !errors.Is(err, wire.ErrMalformed) {
					t.Errorf("error %v does not wrap ErrMalformed", err)
				}
				continue
			}
			for i := range s.Count {
				if p := s.Locate(uint64(i)); p == nil || p.AppID != s.AppID || p.PartitionIndex < 0 || int(p.PartitionIndex) > i {
					t.Fatalf("partition %d of %+v is %+v", i, resp, p)
				}
			}
			for _, r := range s.Ranges() {
				if !s.Holds(r) || s.At(r.Index) == nil {
					t.Errorf("range %v of %+v", r, resp)
				}
			}
			tb.snap.Store(s)
		}
	})
}
