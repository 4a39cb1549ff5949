package wire_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/pegasus-go/pegasus/internal/wire"
	"github.com/pegasus-go/pegasus/internal/wire/wiretest"
)

// A vector is a frame of testdata. Those of frames-real.json have no Decoded.
type vector struct {
	Name      string
	Direction string
	Protocol  string
	Hex       string
	Decoded   map[string]any

	frame []byte
}

func readJSON(t testing.TB, path string, v any) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	d := json.NewDecoder(f)
	d.UseNumber()
	if err := d.Decode(v); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

// vectors returns the frames of both files in the given direction.
func vectors(t testing.TB, direction string) []vector {
	t.Helper()
	var file struct{ Frames []vector }
	var recorded []vector
	readJSON(t, "testdata/vectors.json", &file)
	readJSON(t, "testdata/frames-real.json", &recorded)
	var vs []vector
	for _, v := range append(file.Frames, recorded...) {
		if v.Direction != direction {
			continue
		}
		v.frame = unhex(t, v.Hex)
		vs = append(vs, v)
	}
	if len(vs) < 100 {
		t.Fatalf("%d frames", len(vs))
	}
	return vs
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// only returns the value of a map with one entry: the argument or the result.
func only(t *testing.T, v any) any {
	t.Helper()
	m, ok := v.(map[string]any)
	if !ok || len(m) != 1 {
		t.Fatalf("%v is not one field", v)
	}
	for _, e := range m {
		return e
	}
	return nil
}

// completed names the requests that do not come out byte by byte when they are
// decoded and encoded again, because their senders leave out fields that we
// write with their defaults, and which fields these are.
var completed = map[string]string{
	"node query_cfg request":                              "partition_indices",
	"node multi_get request for sort key a":               "sort_keys, start_inclusive, stop_inclusive",
	"python multi_get request":                            "6 to 12",
	"python multi_remove request":                         "max_count",
	"python get_scanner request":                          "no_value",
	"java query_cfg request, partition_indices not set":   "partition_indices",
	"java multi_get request, nulls left out":              "start_sortkey, stop_sortkey, sort_key_filter_*",
	"java get_scanner request as PegasusScanner fills it": "*_filter_pattern",
}

func TestRequestVectors(t *testing.T) {
	for _, v := range vectors(t, "request") {
		if v.Protocol == "RDSN" {
			continue
		}
		t.Run(v.Name, func(t *testing.T) {
			if n, err := wire.RequestSize(v.frame[:wire.RequestPrefix], len(v.frame)); n != len(v.frame) || err != nil {
				t.Fatalf("RequestSize = %d, %v, want %d", n, err, len(v.frame))
			}
			var q wire.Request
			if err := q.Parse(v.frame); err != nil {
				t.Fatal(err)
			}
			rpc, ok := wiretest.RPCs[string(q.Task)]
			if !ok {
				if v.Name == "raw/unknown-rpc" {
					return
				}
				t.Fatalf("no codec for %s", q.Task)
			}
			arg := rpc.Arg()
			readArg(t, &q, arg)
			if v.Decoded != nil {
				checkHeader(t, v.Decoded, &q)
				if args, ok := v.Decoded["args"]; ok {
					for _, d := range wiretest.Mismatch("arg", only(t, args), wiretest.ValueOf(arg)) {
						t.Error(d)
					}
				}
			}

			again := wire.AppendRequest(nil, q.RequestHeader, string(q.Task), q.Seq, arg)
			var q2 wire.Request
			if err := q2.Parse(again); err != nil {
				t.Fatal(err)
			}
			got, want := again, v.frame
			if want[7] == 1 && !q.BackupRequest { // version 1 where we send version 0
				got, want = got[len(got)-q2.BodySize:], want[len(want)-q.BodySize:]
			}
			reason := completed[v.Name]
			if same := bytes.Equal(got, want); same != (reason == "") {
				t.Errorf("encoded again: same bytes: %v, known difference: %q\n got %x\nwant %x", same, reason, got, want)
			}
			q.ThreadHash, q2.ThreadHash = 0, 0 // not in version 1
			if q.RequestHeader != q2.RequestHeader || q.Seq != q2.Seq || string(q.Task) != string(q2.Task) {
				t.Errorf("encoded again: header %+v, want %+v", q2, q)
			}
			arg2 := rpc.Arg()
			readArg(t, &q2, arg2)
			checkBytes(t, arg2.AppendValue(nil), arg.AppendValue(nil))
		})
	}
}

// readArg decodes the argument, behind which nothing but the end must follow.
func readArg(t *testing.T, q *wire.Request, arg wiretest.Codec) {
	t.Helper()
	if q.ArgType != arg.ThriftType() {
		t.Fatalf("argument of type %d, want %d", q.ArgType, arg.ThriftType())
	}
	arg.Read(&q.Arg)
	if err := q.Arg.Err(); err != nil {
		t.Fatal(err)
	}
	if rest := q.Arg.Rest(); !bytes.Equal(rest, []byte{wire.TypeStop}) {
		t.Fatalf("behind the argument: %x", rest)
	}
}

func checkHeader(t *testing.T, decoded map[string]any, q *wire.Request) {
	t.Helper()
	check := func(part, name string, got any) {
		t.Helper()
		fields, _ := decoded[part].(map[string]any)
		if want, ok := fields[name]; ok && fmt.Sprint(want) != fmt.Sprint(got) {
			t.Errorf("%s %s: got %v, want %v", part, name, got, want)
		}
	}
	check("header", "app_id", q.AppID)
	check("header", "partition_index", q.PartitionIndex)
	check("header", "client_timeout", q.TimeoutMs)
	check("header", "client_thread_hash", q.ThreadHash)
	check("header", "client_partition_hash", q.PartitionHash)
	check("header", "body_length", q.BodySize)
	check("meta", "1:app_id", q.AppID)
	check("meta", "2:partition_index", q.PartitionIndex)
	check("meta", "3:client_timeout", q.TimeoutMs)
	check("meta", "4:partition_hash", q.PartitionHash)
	check("meta", "5:is_backup_request", q.BackupRequest)
	check("message", "name", string(q.Task))
	check("message", "seqid", q.Seq)
	if q.OneWay {
		t.Error("one-way: every official client sends CALL")
	}
}

func TestReplyVectors(t *testing.T) {
	for _, v := range vectors(t, "response") {
		if v.Protocol == "RDSN" {
			continue
		}
		t.Run(v.Name, func(t *testing.T) {
			if n, err := wire.ReplySize(v.frame[:wire.ReplyPrefix], len(v.frame)); n != len(v.frame) || err != nil {
				t.Fatalf("ReplySize = %d, %v, want %d", n, err, len(v.frame))
			}
			var p wire.Reply
			if err := p.Parse(v.frame[wire.ReplyPrefix:]); err != nil {
				t.Fatal(err)
			}
			if v.Decoded != nil {
				message := v.Decoded["message"].(map[string]any)
				if got, want := fmt.Sprint(p.Err, string(p.Task), p.Seq), fmt.Sprint(v.Decoded["error"], message["name"], message["seqid"]); got != want {
					t.Errorf("got %s, want %s", got, want)
				}
			}
			q := wire.Request{Seq: p.Seq} // the server's side
			if len(p.Result) == 0 {
				if p.Err == wire.ErrOK {
					t.Error("no result without an error")
				}
				checkBytes(t, wire.AppendErrorReply(nil, &q, string(p.Task), p.Err), v.frame)
				return
			}
			task, ok := strings.CutSuffix(string(p.Task), wire.AckSuffix)
			if !ok || wiretest.RPCs[task].Result == nil {
				t.Fatalf("no codec for %s", p.Task)
			}
			result := wiretest.RPCs[task].Result()
			r := p.ResultReader(result.ThriftType())
			result.Read(&r)
			if r.Err() != nil || !bytes.Equal(r.Rest(), []byte{wire.TypeStop}) {
				t.Fatalf("error %v, behind the result: %x", r.Err(), r.Rest())
			}
			if v.Decoded != nil {
				for _, d := range wiretest.Mismatch("result", only(t, v.Decoded["result"]), wiretest.ValueOf(result)) {
					t.Error(d)
				}
			}
			if p.Err == wire.ErrOK {
				checkBytes(t, wire.AppendReply(nil, &q, string(p.Task), result), v.frame)
				return
			}
			b := q.BeginReply(nil, string(p.Task), p.Err, result.ThriftType())
			checkBytes(t, q.EndReply(result.AppendValue(b), 0, result.ThriftType()), v.frame)
		})
	}
}

func checkBytes(t *testing.T, got, want []byte) {
	t.Helper()
	if !bytes.Equal(got, want) {
		t.Errorf("encoded\n got %x\nwant %x", got, want)
	}
}

func TestRDSNVectors(t *testing.T) {
	var frames [2][]byte
	for i, direction := range []string{"request", "response"} {
		for _, v := range vectors(t, direction) {
			if v.Protocol == "RDSN" {
				frames[i] = v.frame
			}
		}
	}
	if n, err := wire.RequestSize(frames[0][:wire.RequestPrefix], 1<<20); n != len(frames[0]) || err != nil {
		t.Fatalf("RequestSize = %d, %v, want %d", n, err, len(frames[0]))
	}
	var q wire.Request
	if err := q.Parse(frames[0]); err != nil {
		t.Fatal(err)
	}
	want := wire.RequestHeader{GPID: wire.GPID{2, 5}, TimeoutMs: 5000, ThreadHash: 15843, PartitionHash: 7305998816215738733}
	if q.RequestHeader != want || string(q.Task) != wire.TaskGet || q.BodySize != 26 {
		t.Errorf("got %+v", q)
	}
	key := wiretest.RPCs[wire.TaskGet].Arg()
	readArg(t, &q, key)
	if got := string(wiretest.ValueOf(key).Bytes()); got != "\x00\x08hash_keysort_key" {
		t.Errorf("key %q", got)
	}
	result := wire.ReadResponse{Value: []byte("value"), Source: wire.Source{GPID: q.GPID, Server: []byte("127.0.0.1:34801")}}
	prefix := []byte("kept") // replies are appended
	got := wire.AppendReply(prefix, &q, wire.TaskGet+wire.AckSuffix, result)
	checkBytes(t, got, append(prefix, frames[1]...))
}

func TestCustomTypeVectors(t *testing.T) {
	var file struct {
		GPID []struct {
			AppID          int32  `json:"app_id"`
			PartitionIndex int32  `json:"partition_index"`
			ThreadHash     int32  `json:"thread_hash"`
			WireHex        string `json:"wire_hex"`
		}
		Address []struct {
			Address string
			WireHex string `json:"wire_hex"`
		} `json:"rpc_address"`
		HostPort []struct {
			Host    string
			Port    uint16
			Type    byte
			WireHex string `json:"wire_hex"`
		} `json:"host_port"`
	}
	readJSON(t, "testdata/vectors.json", &file)
	for _, v := range file.GPID {
		g := wire.GPID{v.AppID, v.PartitionIndex}
		checkCustom(t, g, v.WireHex)
		if g.ThreadHash() != v.ThreadHash {
			t.Errorf("thread hash of %v: %d, want %d", g, g.ThreadHash(), v.ThreadHash)
		}
	}
	for _, v := range file.Address {
		var a wire.Address
		if v.Address != "" {
			ap := netip.MustParseAddrPort(v.Address)
			a = wire.AddressFrom(ap)
			if !a.Valid() || a.AddrPort() != ap || a.String() != v.Address {
				t.Errorf("address %v, want %v", a, ap)
			}
		}
		checkCustom(t, a, v.WireHex)
	}
	for _, v := range file.HostPort {
		checkCustom(t, wire.HostPort{v.Host, v.Port, v.Type}, v.WireHex)
	}
}

// checkCustom encodes and decodes a value as the only field of a struct.
func checkCustom[T comparable](t *testing.T, v T, wireHex string) {
	t.Helper()
	type message struct {
		V T `thrift:"1"`
	}
	b := slices.Concat([]byte{wire.TypeStruct, 0, 1}, unhex(t, wireHex), []byte{wire.TypeStop})
	if got := wire.Of(&message{v}).AppendValue(nil); !bytes.Equal(got, b) {
		t.Errorf("%v encodes as %x, want %x", v, got, b)
	}
	r := wire.NewReader(b)
	var back message
	wire.Of(&back).Read(&r)
	if r.Err() != nil || len(r.Rest()) > 0 || back.V != v {
		t.Errorf("%s decodes as %v, %v, want %v", wireHex, back.V, r.Err(), v)
	}
}
