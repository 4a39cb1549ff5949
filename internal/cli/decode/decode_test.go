package decode

import (
	"encoding/hex"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/pegasus-go/pegasus/conformance"
	"github.com/pegasus-go/pegasus/internal/cli/esc"
	"github.com/pegasus-go/pegasus/internal/schema"
)

func text(t *testing.T, b []byte) string {
	t.Helper()
	lines, err := Bytes(b)
	if err != nil {
		t.Fatal(err)
	}
	var s strings.Builder
	for _, l := range lines {
		s.WriteString(l.Field + "|" + l.Value + "|" + l.Meaning + "\n")
	}
	return s.String()
}

func TestRequest(t *testing.T) {
	key := schema.AppendKey(nil, []byte("u1"), []byte("na\"me"))
	for _, framing := range []conformance.Framing{conformance.THFTv0, conformance.THFTv1, conformance.RDSN} {
		q := &conformance.Request{
			Framing: framing, AppID: 2, PartitionIndex: 3, Timeout: 1000, PartitionHash: schema.Hash([]byte("u1")), ID: 7,
			Code: "RPC_RRDB_RRDB_PUT", Arg: conformance.Struct{"key": key, "value": []byte("\x1b[31m"), "expire_ts_seconds": int64(1)},
		}
		frame, err := conformance.AppendRequest(nil, q)
		if err != nil {
			t.Fatal(err)
		}
		got := text(t, frame)
		for _, want := range []string{
			"kind|request|" + framing.String() + ", ", `task|"RPC_RRDB_RRDB_PUT"|`, "id|7|", "table_id|2|", "partition|3|", "timeout_ms|1000|", "|that of the key\n",
			`  key|"\x00\x02u1na\x22me"|hash key "u1", sort key "na\x22me"`, `  value|"\x1b[31m"|`, "  expire_ts_seconds|1|expires 2016-01-01T00:00:01Z",
		} {
			if !strings.Contains(got, want) {
				t.Errorf("%s: no %q in\n%s", framing, want, got)
			}
		}
		q.PartitionHash++
		if frame, err = conformance.AppendRequest(nil, q); err != nil {
			t.Fatal(err)
		}
		if got := text(t, frame); !strings.Contains(got, "|NOT that of the key, which is ") {
			t.Errorf("%s: a wrong hash:\n%s", framing, got)
		}
		if lines, err := Bytes(frame[:len(frame)-1]); err == nil {
			t.Errorf("%s: a frame that was cut is %v", framing, lines)
		}
	}
}

func TestResponse(t *testing.T) {
	kv := conformance.Struct{"key": schema.AppendKey(nil, []byte("h"), []byte("s")), "value": []byte("v")}
	for _, framing := range []conformance.Framing{conformance.THFTv0, conformance.RDSN} {
		frame, err := conformance.AppendResponse(nil, &conformance.Response{
			Framing: framing, Error: "ERR_OK", Code: "RPC_RRDB_RRDB_SCAN", ID: 9,
			Result: conformance.Struct{"error": int64(7), "kvs": []any{kv}, "context_id": int64(-1)},
		})
		if err != nil {
			t.Fatal(err)
		}
		got := text(t, frame)
		for _, want := range []string{"kind|answer|", `error|"ERR_OK"|`, "id|9|", "  error|7|storage: incomplete", `  kvs[0].key|"\x00\x01hs"|hash key "h", sort key "s"`, "  context_id|-1|"} {
			if !strings.Contains(got, want) {
				t.Errorf("%s: no %q in\n%s", framing, want, got)
			}
		}
	}
}

func TestKey(t *testing.T) {
	got := text(t, []byte("\x00\x02u1name"))
	for _, want := range []string{"kind|key|8 bytes", `hash_key|"u1"|2 bytes`, `sort_key|"name"|4 bytes`, "hash|"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	for in, want := range map[string]string{"": "two bytes", "\x00": "two bytes", "\x00\x05a": "would have 5 bytes, and there are 1", "THFT": "begins as a request"} {
		if lines, err := Bytes([]byte(in)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, %v, want %s", in, lines, err, want)
		}
	}
}

// Bytes of any kind are refused, or explained in a form that is safe.
func FuzzBytes(f *testing.F) {
	b, err := os.ReadFile("../../../conformance/testdata/frames-real.json")
	if err != nil {
		f.Fatal(err)
	}
	var frames []struct{ Hex string }
	if err := json.Unmarshal(b, &frames); err != nil {
		f.Fatal(err)
	}
	for _, frame := range frames {
		b, err := hex.DecodeString(frame.Hex)
		if err != nil {
			f.Fatal(err)
		}
		if _, err := Bytes(b); err != nil {
			f.Errorf("a frame of a real server: %v: %s", err, frame.Hex)
		}
		f.Add(b)
	}
	f.Add([]byte("\x00\x02u1name"))
	f.Fuzz(func(t *testing.T, b []byte) {
		lines, err := Bytes(b)
		if err != nil {
			return // printed as all errors are
		}
		for _, l := range lines {
			for _, s := range []string{l.Field, l.Value, l.Meaning} {
				if esc.Message(s) != s || strings.Contains(s, "\n") {
					t.Errorf("%q", s)
				}
			}
		}
	})
}
