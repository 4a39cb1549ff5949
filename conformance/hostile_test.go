package conformance

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestInputsThatEndARealServer sends, one after another, every input that is known to end the process of a real server,
// and expects the answer that a server should give instead.
func TestInputsThatEndARealServer(t *testing.T) {
	target := startTarget(t)
	if !target.Embedded {
		t.Skip("a real server would not survive it")
	}
	c, tbl := ownTable(t, target, runPrefix()+"hostile")
	long := bytes.Repeat([]byte("k"), 65535)
	cut, short := []byte("\x00\x0aaa"), []byte("\x00")
	type input struct {
		name string
		code string
		arg  any
		want []int64 // storage errors that will do
	}
	var inputs []input
	for _, key := range [][]byte{{}, short, cut} {
		inputs = append(inputs,
			input{"get " + show(key), "GET", key, []int64{1, 4}},
			input{"ttl " + show(key), "TTL", key, []int64{1, 4}},
			input{"remove " + show(key), "REMOVE", key, []int64{4}},
			input{"put " + show(key), "PUT", Struct{"key": key, "value": []byte("v")}, []int64{4}},
			input{"incr " + show(key), "INCR", Struct{"key": key, "increment": int64(1)}, []int64{4}},
			input{"get_scanner from " + show(key), "GET_SCANNER", Struct{"start_key": key, "stop_key": []byte{0xff, 0xff}, "start_inclusive": true}, []int64{4}},
		)
	}
	for _, h := range [][]byte{long, append(long, 'k')} {
		name := map[bool]string{true: "65535", false: "65536"}[len(h) == 65535]
		key := []any{completed(iface.types["full_key"].def, Struct{"hash_key": h})}
		kv := []any{completed(iface.types["key_value"].def, Struct{"key": []byte("s")})}
		mutate := []any{completed(iface.types["mutate"].def, Struct{"sort_key": []byte("s")})}
		inputs = append(inputs,
			input{"multi_put " + name, "MULTI_PUT", Struct{"hash_key": h, "kvs": kv}, []int64{4}},
			input{"multi_get " + name, "MULTI_GET", Struct{"hash_key": h, "start_inclusive": true}, []int64{4}},
			input{"multi_get keys " + name, "MULTI_GET", Struct{"hash_key": h, "sort_keys": []any{[]byte("s")}}, []int64{4}},
			input{"multi_remove " + name, "MULTI_REMOVE", Struct{"hash_key": h, "sort_keys": []any{[]byte("s")}}, []int64{4}},
			input{"batch_get " + name, "BATCH_GET", Struct{"keys": key}, []int64{4}},
			input{"sortkey_count " + name, "SORTKEY_COUNT", h, []int64{4}},
			input{"check_and_set " + name, "CHECK_AND_SET", Struct{"hash_key": h}, []int64{4}},
			input{"check_and_mutate " + name, "CHECK_AND_MUTATE", Struct{"hash_key": h, "mutate_list": mutate}, []int64{4}},
		)
	}
	inputs = append(inputs, input{"scan, hash prefix above the start key", "GET_SCANNER", Struct{
		"start_key": rawKey([]byte("a"), nil), "stop_key": []byte{0xff, 0xff}, "start_inclusive": true,
		"hash_key_filter_type": iface.enums["FT_MATCH_PREFIX"], "hash_key_filter_pattern": []byte("ab"),
	}, []int64{0}})
	for _, in := range inputs {
		t.Run(in.name, func(t *testing.T) {
			code := "RPC_RRDB_RRDB_" + in.code
			q := tbl.header(code, 0)
			if q.Arg = in.arg; iface.rpcs[code].arg.kind == kindStruct {
				q.Arg = completed(iface.rpcs[code].arg.def, in.arg.(Struct))
			}
			resp, err := c.call(t.Context(), tbl.node(0), q)
			if err != nil {
				t.Fatal(err)
			}
			result, _ := resp.Result.(Struct)
			if e, _ := result["error"].(int64); resp.Error != "ERR_OK" || !slices.Contains(in.want, e) {
				t.Errorf("answered %s %s, want a storage error of %v", resp.Error, show(result), in.want)
			}
			stillServes(t, target, tbl)
		})
	}
}

func TestHeadersThatEndARealServer(t *testing.T) {
	target := startTarget(t)
	if !target.Embedded {
		t.Skip("a real server would not survive it")
	}
	c, tbl := ownTable(t, target, runPrefix()+"hostile")
	key := rawKey([]byte("a"), []byte("s"))
	put := func() *Request {
		q := tbl.header("RPC_RRDB_RRDB_PUT", 0)
		q.Arg = Struct{"key": key, "value": []byte("v"), "expire_ts_seconds": int64(0)}
		return q
	}
	wrongHash, wrongThread := put(), put()
	wrongHash.PartitionHash = rawKeyHash(key) + 1
	wrongThread.ThreadHash++
	for name, q := range map[string]*Request{"partition hash": wrongHash, "thread hash": wrongThread} {
		t.Run(name, func(t *testing.T) {
			resp, err := c.call(t.Context(), tbl.node(0), q)
			if err != nil || resp.Error != "ERR_OK" && resp.Error != "ERR_PARENT_PARTITION_MISUSED" {
				t.Errorf("answered %v, %v", resp, err)
			}
			stillServes(t, target, tbl)
		})
	}
	t.Run("data request to a meta server", func(t *testing.T) {
		q := tbl.header("RPC_RRDB_RRDB_GET", 0)
		q.Arg = key
		resp, err := c.call(t.Context(), c.leader, q)
		if err != nil || resp.Error != "ERR_OK" && resp.Error != "ERR_HANDLER_NOT_FOUND" && resp.Error != "ERR_OBJECT_NOT_FOUND" {
			t.Errorf("answered %v, %v", resp, err)
		}
		stillServes(t, target, tbl)
	})
	t.Run("create_app of another type", func(t *testing.T) {
		result, err := c.meta(t.Context(), "RPC_CM_CREATE_APP", Struct{"app_name": "other_type", "options": Struct{
			"partition_count": int64(1), "replica_count": int64(1), "success_if_exist": false, "app_type": "memcached", "is_stateful": true, "envs": []Pair{},
		}})
		if result["err"] != "ERR_INVALID_PARAMETERS" {
			t.Errorf("answered %s, %v", show(result), err)
		}
		stillServes(t, target, tbl)
	})
}

// TestUndecodableFrames sends bytes that are no request. The server may answer with an error or close the connection, and
// goes on serving others.
func TestUndecodableFrames(t *testing.T) {
	target := startTarget(t)
	if !target.Embedded {
		t.Skip("a real server would not survive it")
	}
	_, tbl := ownTable(t, target, runPrefix()+"hostile")
	frame := func(framing Framing, code string, body []byte) []byte {
		q := tbl.header(code, 0)
		q.Framing, q.ID, q.Body = framing, 1, body
		q.Code = "?" // an unknown code is encoded with the given body
		out, err := AppendRequest(nil, q)
		if err != nil {
			t.Fatal(err)
		}
		return renamed(t, out, framing, code)
	}
	get, put, multiPut := "RPC_RRDB_RRDB_GET", "RPC_RRDB_RRDB_PUT", "RPC_RRDB_RRDB_MULTI_PUT"
	frames := map[string][]byte{
		"get, blob beyond the end":          frame(THFTv0, get, []byte("\x0c\x00\x01\x00\x00\x10\x00ab\x00")),
		"put, blob beyond the end":          frame(THFTv0, put, []byte("\x0c\x00\x01\x0c\x00\x01\x00\x00\x10\x00ab\x00\x00")),
		"multi_put, blob beyond the end":    frame(THFTv0, multiPut, []byte("\x0c\x00\x01\x0c\x00\x01\x00\x00\x10\x00ab\x00\x00")),
		"get, negative blob length":         frame(THFTv0, get, []byte("\x0c\x00\x01\xff\xff\xff\xff\x00")),
		"get, no arguments":                 frame(THFTv0, get, nil),
		"get, a string where a blob is due": frame(THFTv0, get, []byte("\x0b\x00\x01\x00\x00\x00\x02ab")),
		"multi_put, list of 2^31-1":         frame(THFTv0, multiPut, []byte("\x0c\x00\x01\x0f\x00\x02\x0c\x7f\xff\xff\xff")),
		"put, unknown nested structs":       frame(THFTv0, put, append([]byte("\x0c\x00\x01"), bytes.Repeat([]byte("\x0c\x00\x63"), 100_000)...)),
		"put, unknown nested lists":         frame(THFTv0, put, append([]byte("\x0c\x00\x01\x0f\x00\x63"), bytes.Repeat([]byte("\x0f\x00\x00\x00\x01"), 100_000)...)),
		"get, no arguments, RDSN":           frame(RDSN, get, nil),
		"put, blob beyond the end, RDSN":    frame(RDSN, put, []byte("\x0c\x00\x00\x0c\x00\x01\x00\x00\x10\x00ab\x00\x00")),
		"get, blob beyond the end, v1":      frame(THFTv1, get, []byte("\x0c\x00\x01\x00\x00\x10\x00ab\x00")),
		"header version 2":                  []byte("THFT\x00\x00\x00\x02" + strings.Repeat("\x00", 40)),
		"header length 47":                  []byte("THFT\x00\x00\x00\x00\x00\x00\x00\x2f" + strings.Repeat("\x00", 36)),
		"body of 4 GiB":                     []byte("THFT\x00\x00\x00\x00\x00\x00\x00\x30\x00\x00\x00\x00\xff\xff\xff\xff" + strings.Repeat("\x00", 28)),
		"meta of 4 GiB":                     []byte("THFT\x00\x00\x00\x01\xff\xff\xff\xff\xff\xff\xff\xff" + strings.Repeat("\x00", 32)),
		"empty v1 meta and body":            []byte("THFT\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00" + strings.Repeat("\x00", 32)),
		"RDSN header length 0":              []byte("RDSN" + strings.Repeat("\x00", 188)),
		"RDSN body of 4 GiB":                []byte("RDSN\x00\x00\x00\x00\xc0\x00\x00\x00\x00\x00\x00\x00\xff\xff\xff\xff" + strings.Repeat("\x00", 172)),
		"TLS":                               []byte("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + strings.Repeat("\x5a", 60)),
		"text":                              []byte("SELECT * FROM t;\n"),
		"HTTP":                              []byte("GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n"),
	}
	for name, bytes := range frames {
		t.Run(name, func(t *testing.T) {
			nc, err := net.Dial("tcp", tbl.node(0))
			if err != nil {
				t.Fatal(err)
			}
			defer nc.Close()
			if err := nc.SetDeadline(time.Now().Add(defaultCallTimeout)); err != nil {
				t.Fatal(err)
			}
			if _, err := nc.Write(bytes); err != nil && !errors.Is(err, net.ErrClosed) {
				t.Logf("write: %v", err) // the server may close before it has read all
			}
			head := make([]byte, 4)
			if n, err := io.ReadFull(nc, head); isTimeout(err) {
				t.Errorf("neither answered nor closed, %d bytes read", n)
			}
			stillServes(t, target, tbl)
		})
	}
}

// renamed puts another RPC name into an encoded request whose name is "?".
func renamed(t *testing.T, frame []byte, framing Framing, code string) []byte {
	t.Helper()
	if framing == RDSN {
		copy(frame[40:88], code)
		return frame
	}
	old, name := appendString(nil, "?"), appendString(nil, code)
	at := bytes.Index(frame, append(binary.BigEndian.AppendUint32(nil, strictVersion|msgCall), old...)) + 4
	out := slices.Concat(frame[:at], name, frame[at+len(old):])
	lengthAt := map[Framing]int{THFTv0: 16, THFTv1: 12}[framing]
	n := binary.BigEndian.Uint32(out[lengthAt:]) + uint32(len(name)-len(old))
	binary.BigEndian.PutUint32(out[lengthAt:], n)
	return out
}

// stillServes fails the test unless a new connection is served.
func stillServes(t *testing.T, target Target, tbl *table) {
	t.Helper()
	p, err := Dial(t.Context(), tbl.node(0), target.Framing)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	q := tbl.header("RPC_RRDB_RRDB_GET", 0)
	q.Arg = rawKey([]byte("nobody"), nil)
	resp, err := p.Call(t.Context(), q)
	if err != nil || resp.Error != "ERR_OK" {
		t.Fatalf("the server no longer serves: %v, %v", resp, err)
	}
}
