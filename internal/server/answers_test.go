package server

import (
	"fmt"
	"runtime"
	"testing"
	"testing/synctest"

	"github.com/pegasus-go/pegasus/internal/wire"
	"github.com/pegasus-go/pegasus/onebox/limits"
)

// putLarge stores n records of size bytes under one hash key.
func putLarge(c *client, hashKey string, n, size int) {
	c.t.Helper()
	for i := range n {
		var put wire.UpdateResponse
		k := wire.Key{HashKey: []byte(hashKey), SortKey: fmt.Appendf(nil, "%02d", i)}
		if code := do(c, home(hashKey), wire.TaskPut, wire.UpdateRequest{Key: k, Value: make([]byte, size)}, put.Read); code != wire.ErrOK {
			c.t.Fatal(code)
		}
	}
}

// Where there is no memory for a large answer it is a smaller one, and if there
// is none at all the client is to try again.
func TestAnswerBytes(t *testing.T) {
	s := start(t, Options{Limits: limits.Limits{AnswerBytes: 1 << 20}})
	c := dial(t, s.Replicas()[0])
	const records, size = 10, 200_000
	putLarge(c, "k", records, size)
	putLarge(c, "huge", 1, 600_000)
	// The client may have an answer sooner than the server notes that it was
	// sent, and the answers here take all the memory.
	settle := func() {
		for s.hub.Usage().AnswerBytes > 0 {
			runtime.Gosched()
		}
	}
	for name, req := range map[string]wire.MultiGetRequest{
		"range":   {HashKey: []byte("k")},
		"reverse": {HashKey: []byte("k"), Reverse: true},
		"keys":    {HashKey: []byte("k"), SortKeys: manyKeys(101)},
	} {
		var resp wire.MultiGetResponse
		settle()
		code := do(c, home("k"), wire.TaskMultiGet, req, resp.Read)
		if code != wire.ErrOK || resp.Error != wire.StatusIncomplete || len(resp.KVs) == 0 || len(resp.KVs) >= records {
			t.Errorf("multi_get, %s: %v, status %d, %d records", name, code, resp.Error, len(resp.KVs))
		}
	}
	found := 0
	settle()
	for resp := c.getScanner(home("k"), 1000); ; resp = c.scan(home("k"), resp.ContextID) {
		found += len(resp.KVs)
		settle()
		if resp.ContextID == wire.ScanCompleted {
			break
		}
	}
	if found != records {
		t.Errorf("scan found %d records", found)
	}

	settle()
	var resp wire.MultiGetResponse
	if code := do(c, home("huge"), wire.TaskMultiGet, wire.MultiGetRequest{HashKey: []byte("huge")}, resp.Read); code != wire.ErrBusy {
		t.Errorf("multi_get of a record that is too large: %v", code)
	}
	settle()
	var scan wire.ScanResponse
	if code := do(c, home("huge"), wire.TaskGetScanner, wholePartition(1000), scan.Read); code != wire.ErrBusy {
		t.Errorf("scan of a record that is too large: %v", code)
	}
	if n := s.scans.Count(); n != 0 {
		t.Errorf("%d scans are open", n)
	}
	var keys []wire.FullKey
	for _, k := range manyKeys(101) {
		keys = append(keys, wire.FullKey{HashKey: []byte("k"), SortKey: k})
	}
	settle()
	var batch wire.BatchGetResponse
	if code := do(c, home("k"), wire.TaskBatchGet, wire.BatchGetRequest{Keys: keys}, batch.Read); code != wire.ErrBusy {
		t.Errorf("batch_get: %v", code)
	}
	settle()
	// A single record is no question of memory.
	var read wire.ReadResponse
	if code := do(c, home("huge"), wire.TaskGet, wire.Key{HashKey: []byte("huge"), SortKey: []byte("00")}, read.Read); code != wire.ErrOK || len(read.Value) != 600_000 {
		t.Errorf("get: %v, %d bytes", code, len(read.Value))
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if u := s.hub.Usage(); u.AnswerBytes != 0 || u.AnswersUnsent != 0 {
		t.Errorf("after the end: %+v", u)
	}
}

// manyKeys returns so many sort keys that a read of them runs aside.
func manyKeys(n int) [][]byte {
	var keys [][]byte
	for i := range n {
		keys = append(keys, fmt.Appendf(nil, "%02d", i))
	}
	return keys
}

// If answers that clients do not accept take all the memory, the client that has
// been waited for the longest is cut off.
func TestOldestAnswerIsGivenUp(t *testing.T) {
	for name, send := range map[string]func(c *client){
		"aside": func(c *client) { send(c, home("k"), wire.TaskMultiGet, wire.MultiGetRequest{HashKey: []byte("k")}) },
		"inline": func(c *client) {
			send(c, home("k"), wire.TaskGet, wire.Key{HashKey: []byte("k"), SortKey: []byte("00")})
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, Options{Limits: limits.Limits{AnswerBytes: 4 << 20}}, func(t *testing.T, s *Server, dial func(*Node) *client) {
				node := s.Replicas()[0]
				putLarge(dial(node), "k", 1, 900_000)
				var deaf []*client
				for range 20 { // a new one for each, so that they differ in age
					c := dial(node)
					send(c)
					synctest.Wait()
					deaf = append(deaf, c)
				}
				for _, c := range deaf[:12] {
					c.ended()
				}
				last := deaf[len(deaf)-1]
				if a := last.mustNext(); name == "inline" && a.err != wire.ErrOK {
					t.Errorf("the newest: %v", a.err)
				}
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
				if u := s.hub.Usage(); u.AnswerBytes != 0 || u.AnswersUnsent != 0 {
					t.Errorf("after the end: %+v", u)
				}
			})
		})
	}
}
