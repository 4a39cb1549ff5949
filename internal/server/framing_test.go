package server

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/pegasus-go/pegasus/internal/wire"
)

// rdsnRequest returns a request in the framing of the C++ client. arg is what
// follows the field header.
func rdsnRequest(task string, partition int32, arg []byte) []byte {
	h := make([]byte, 192)
	copy(h, "RDSN")
	le := binary.LittleEndian
	body := append(wire.AppendField(nil, wire.TypeStruct, 0), append(arg, wire.TypeStop)...)
	le.PutUint32(h[8:], 192)
	le.PutUint32(h[16:], uint32(len(body)))
	le.PutUint64(h[24:], 77) // id
	copy(h[40:], task)
	le.PutUint32(h[96:], 1)
	le.PutUint32(h[100:], uint32(partition))
	le.PutUint64(h[104:], 1|1<<6) // a request in Thrift binary
	return append(h, body...)
}

// rdsnCall sends a request and returns the error name and the result.
func (c *client) rdsnCall(task string, partition int32, arg []byte) (code string, result wire.Reader) {
	c.t.Helper()
	c.write(rdsnRequest(task, partition, arg))
	h := make([]byte, 192)
	if _, err := io.ReadFull(c.nc, h); err != nil {
		c.t.Fatal(err)
	}
	le := binary.LittleEndian
	name, _, _ := bytes.Cut(h[40:88], []byte{0})
	if string(h[:4]) != "RDSN" || le.Uint64(h[24:]) != 77 || string(name) != task+wire.AckSuffix || h[104]&1 != 0 {
		c.t.Fatalf("header %x", h)
	}
	body := make([]byte, le.Uint32(h[16:]))
	if _, err := io.ReadFull(c.nc, body); err != nil {
		c.t.Fatal(err)
	}
	text, _, _ := bytes.Cut(h[136:184], []byte{0})
	r := wire.NewReader(body)
	if len(body) > 0 {
		r.Field()
	}
	return string(text), r
}

func TestRDSN(t *testing.T) {
	s := start(t, Options{})
	c := dial(t, s.Replicas()[0])
	part := home("k").PartitionIndex
	code, r := c.rdsnCall(wire.TaskPut, part, wire.UpdateRequest{Key: key("k", ""), Value: []byte("v")}.AppendValue(nil))
	var put wire.UpdateResponse
	if put.Read(&r); code != "ERR_OK" || put.Error != 0 || put.Decree < 1 || r.Err() != nil {
		t.Fatalf("put: %s, %+v, %v", code, put, r.Err())
	}
	code, r = c.rdsnCall(wire.TaskGet, part, key("k", "").AppendValue(nil))
	var get wire.ReadResponse
	if get.Read(&r); code != "ERR_OK" || string(get.Value) != "v" || r.Err() != nil {
		t.Fatalf("get: %s, %+v, %v", code, get, r.Err())
	}
	if code, _ = c.rdsnCall(wire.TaskGet, testPartitions, key("k", "").AppendValue(nil)); code != "ERR_OBJECT_NOT_FOUND" {
		t.Errorf("no such partition: %s", code)
	}
	if code, _ = c.rdsnCall("RPC_NO_SUCH", part, key("k", "").AppendValue(nil)); code != "ERR_HANDLER_NOT_FOUND" {
		t.Errorf("no such RPC: %s", code)
	}
}

// All forms of a THFT request mean the same.
func TestTHFTForms(t *testing.T) {
	s := start(t, Options{})
	c := dial(t, s.Replicas()[0])
	c.mustPut("k", "v")
	v0 := getFrame(5, "k")
	strict := v0[48:]
	nameLen := binary.BigEndian.Uint32(strict[4:])
	name, rest := strict[8:8+nameLen], strict[8+nameLen:] // rest: seq, argument

	old := binary.BigEndian.AppendUint32(nil, nameLen)
	old = append(append(old, name...), 1)
	old = append(old, rest...)
	oldFrame := append(bytes.Clone(v0[:48]), old...)
	binary.BigEndian.PutUint32(oldFrame[16:], uint32(len(old)))

	oneway := bytes.Clone(v0)
	oneway[51] = 4

	v1Header := home("k")
	v1Header.BackupRequest = true
	v1 := wire.AppendRequest(nil, v1Header, wire.TaskGet, 5, key("k", ""))

	for name, frame := range map[string][]byte{"v0": v0, "old message begin": oldFrame, "oneway": oneway, "v1": v1} {
		c.write(frame)
		a := c.mustNext()
		var resp wire.ReadResponse
		a.decode(t, resp.Read)
		if a.seq != 5 || string(resp.Value) != "v" {
			t.Errorf("%s: %+v", name, resp)
		}
	}
}

func TestHTTP(t *testing.T) {
	started := time.Now()
	s := start(t, Options{ClusterName: "test cluster", Clock: func() time.Time { return started }})
	meta, replica := s.Metas()[0].Addr(), s.Replicas()[0].Addr()
	get := func(addr, path string) (status int, body string) {
		t.Helper()
		client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}
		resp, err := client.Get("http://" + addr + path)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(b)
	}
	for _, tc := range []struct {
		path   string
		status int
		want   string // as JSON, at least; or the text
	}{
		{"/health", 200, `{"status":"ok"}`},
		{"/version", 200, `{"Version":"2.5.0"}`},
		{"/recentStartTime", 200, `{"RecentStartTime":"` + started.Format(time.DateTime) + `"}`},
		{"/configs", 200, `{"cluster_name":{"name":"cluster_name","type":"FV_STRING","tags":"","value":"test cluster"}}`},
		{"/configs?name=x", 400, ""},
		{"/config?name=max_allowed_write_size", 200, `{"name":"max_allowed_write_size","section":"replication","tags":"","value":"1048576"}`},
		{"/config?name=none", 200, "ERR_OBJECT_NOT_FOUND: none is not found"},
		{"/config", 200, "ERR_OBJECT_NOT_FOUND:  is not found"},
		{"/config?other=1", 400, ""},
		{"/updateConfig?none=1", 200, `{"update_status":"ERR_OBJECT_NOT_FOUND: none is not found"}`},
		{"/updateConfig?cluster_name=1", 200, `{"update_status":"ERR_INVALID_PARAMETERS: cluster_name is not mutable"}`},
		{"/updateConfig", 200, `{"update_status":"ERR_INVALID_PARAMETERS: there should be exactly one config to be updated once"}`},
		{"/replica/data_version?app_id=1", 200, `{"0":{"data_version":"1"},"3":{"data_version":"1"}}`},
		{"/replica/data_version?app_id=9", 404, "app_id=9 not found"},
		{"/replica/data_version?app_id=x", 400, "invalid app_id=x"},
		{"/replica/data_version?app_id=-1", 400, "invalid app_id=-1"},
		{"/replica/data_version", 400, "app_id should not be empty"},
		{"/other/", 404, `service not found for "other"`},
	} {
		status, body := get(replica, tc.path)
		if status != tc.status || !matchesJSON(t, tc.want, body) {
			t.Errorf("%s: %d %s", tc.path, status, body)
		}
	}
	if status, _ := get(meta, "/version"); status != 200 {
		t.Errorf("meta server: %d", status)
	}
	if status, _ := get(meta, "/replica/data_version?app_id=1"); status != 404 {
		t.Errorf("data version of a meta server: %d", status)
	}

	resp, err := http.Post("http://"+replica+"/version", "text/plain", bytes.NewReader(make([]byte, 100)))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	c := dial(t, s.Replicas()[0])
	c.write([]byte("GET /\x00 not HTTP\r\n\r\n"))
	c.ended()
	c = dial(t, s.Replicas()[0])
	go fmt.Fprintf(c.nc, "GET / HTTP/1.1\r\nX: %0100000d\r\n\r\n", 0)
	c.ended()
}

// matchesJSON reports whether body is want, or a JSON object that has all
// members of want.
func matchesJSON(t *testing.T, want, body string) bool {
	t.Helper()
	var w, b map[string]any
	if json.Unmarshal([]byte(want), &w) != nil {
		return body == want
	}
	if err := json.Unmarshal([]byte(body), &b); err != nil {
		t.Errorf("%s: %v", body, err)
	}
	return includes(w, b)
}

func includes(want, got map[string]any) bool {
	for k, w := range want {
		if object, ok := w.(map[string]any); ok {
			if g, ok := got[k].(map[string]any); !ok || !includes(object, g) {
				return false
			}
		} else if got[k] != w {
			return false
		}
	}
	return true
}
