package server

import (
	"strings"
	"testing"

	"github.com/pegasus-go/pegasus/internal/server/request"
	"github.com/pegasus-go/pegasus/internal/wire"
	"github.com/pegasus-go/pegasus/onebox/limits"
)

// Who answers what, by the role of the node and the ids in the header.
func TestAdmission(t *testing.T) {
	s := start(t, Options{ReplicaAddrs: replicas(5)})
	metaConn := dial(t, s.Metas()[0])
	conns := make([]*client, 5)
	for i, n := range s.Replicas() {
		conns[i] = dial(t, n)
	}
	// Partition 1 of testTable: primary 1, secondaries 2 and 3.
	primary, secondary, stranger := conns[1], conns[2], conns[4]
	on := func(app, partition int32) wire.RequestHeader {
		return wire.RequestHeader{GPID: wire.GPID{AppID: app, PartitionIndex: partition}}
	}
	backup := on(1, 1)
	backup.BackupRequest = true
	get := func(c *client, h wire.RequestHeader) wire.ErrorCode {
		_, code := c.getAt(h, "k")
		return code
	}
	put := func(c *client, h wire.RequestHeader) wire.ErrorCode {
		_, code := c.putAt(h, "k", "v", 0)
		return code
	}
	list := func(c *client) wire.ErrorCode {
		var resp wire.ListAppsResponse
		return do(c, wire.RequestHeader{}, wire.TaskListApps, wire.Of(&wire.ListAppsRequest{}), wire.Of(&resp).Read)
	}
	for _, tc := range []struct {
		name string
		got  wire.ErrorCode
		want wire.ErrorCode
	}{
		{"get, primary", get(primary, on(1, 1)), wire.ErrOK},
		{"put, primary", put(primary, on(1, 1)), wire.ErrOK},
		{"get, secondary", get(secondary, on(1, 1)), wire.ErrInvalidState},
		{"put, secondary", put(secondary, on(1, 1)), wire.ErrInvalidState},
		{"backup get, secondary", get(secondary, backup), wire.ErrOK},
		{"backup put, secondary", put(secondary, backup), wire.ErrInvalidState},
		{"get, no replica", get(stranger, on(1, 1)), wire.ErrObjectNotFound},
		{"put, no replica", put(stranger, on(1, 1)), wire.ErrObjectNotFound},
		{"backup get, no replica", get(stranger, backup), wire.ErrObjectNotFound},
		{"get, no table", get(primary, on(9, 0)), wire.ErrObjectNotFound},
		{"put, no table", put(primary, on(9, 0)), wire.ErrObjectNotFound},
		{"get, partition beyond the last", get(primary, on(1, 4)), wire.ErrObjectNotFound},
		{"get, negative partition", get(primary, on(1, -1)), wire.ErrObjectNotFound},
		{"put, lowest partition", put(primary, on(1, -1<<31)), wire.ErrObjectNotFound},
		{"get, table 0", get(primary, on(0, 1)), wire.ErrHandlerNotFound},
		{"put, table -1", put(primary, on(-1, 1)), wire.ErrHandlerNotFound},
		{"get, meta server", get(metaConn, on(1, 1)), wire.ErrHandlerNotFound},
		{"list_apps, meta server", list(metaConn), wire.ErrOK},
		{"list_apps, replica server", list(primary), wire.ErrHandlerNotFound},
	} {
		if tc.got != tc.want {
			t.Errorf("%s: %v, want %v", tc.name, tc.got, tc.want)
		}
	}
	// Java sends meta requests with these ids.
	java := wire.RequestHeader{GPID: wire.GPID{AppID: -1, PartitionIndex: -2}}
	var resp wire.QueryConfigResponse
	do(metaConn, java, wire.TaskQueryConfig, wire.Of(&wire.QueryConfigRequest{AppName: testTable}), wire.Of(&resp).Read)
	if resp.Err != wire.ErrOK || resp.AppID != 1 {
		t.Errorf("query_cfg from Java: %+v", resp)
	}
}

// The limit is on the body, not on the value. Reads have none.
// Reads may be given up when nobody waits for them, and what has an effect may
// not.
func TestWhatOnlyAnswers(t *testing.T) {
	call := start(t, Options{}).Replicas()[0].replica.NewCall()
	for task, want := range map[string]bool{
		wire.TaskGet: true, wire.TaskMultiGet: true, wire.TaskBatchGet: true, wire.TaskSortKeyCount: true,
		wire.TaskGetScanner: true, wire.TaskScan: true, wire.TaskClearScanner: false,
		wire.TaskPut: false, wire.TaskMultiPut: false, wire.TaskCheckAndMutate: false, wire.TaskIncr: false,
	} {
		var r request.Request
		if err := r.Parse(wire.AppendRequest(nil, at(0), task, 1, wire.Blob("k"))); err != nil {
			t.Fatal(err)
		}
		if v := call.Admit(&r); v.Code != "" || v.OnlyAnswers != want {
			t.Errorf("%s: %+v", task, v)
		}
	}
}

// A table may be dropped at any moment of a request to it.
func TestDropBetweenAdmissionAndAnswer(t *testing.T) {
	s := start(t, Options{})
	for task, arg := range map[string]wire.Message{
		wire.TaskGet:          key("k", ""),
		wire.TaskMultiGet:     wire.MultiGetRequest{HashKey: []byte("k")},
		wire.TaskSortKeyCount: wire.Blob("k"),
		wire.TaskGetScanner:   wire.GetScannerRequest{StartKey: key("k", ""), StopKey: key("l", "")},
		wire.TaskPut:          wire.UpdateRequest{Key: key("k", "")},
		wire.TaskIncr:         wire.IncrRequest{Key: key("k", "")},
	} {
		ensure(t, s, "gone", 1)
		h := wire.RequestHeader{GPID: wire.GPID{AppID: s.catalog.Named("gone").ID}}
		call := s.Replicas()[0].replica.NewCall()
		var r request.Request
		if err := r.Parse(wire.AppendRequest(nil, h, task, 1, arg)); err != nil {
			t.Fatal(err)
		}
		if v := call.Admit(&r); v.Code != "" {
			t.Fatalf("%s: %+v", task, v)
		}
		if err := s.catalog.Drop("gone", 0); err != nil {
			t.Fatal(err)
		}
		out := call.Answer(&r, nil)
		var rep wire.Reply
		if err := rep.Parse(out[4:]); err != nil || rep.Err != wire.ErrObjectNotFound {
			t.Errorf("%s: %v, %v", task, rep.Err, err)
		}
	}
}

func TestWriteSize(t *testing.T) {
	const limit = 1000
	s := start(t, Options{Limits: limits.Limits{WriteSize: limit}})
	c := dial(t, s.Replicas()[0])
	frame := wire.AppendRequest(nil, home("k"), wire.TaskPut, 1, wire.UpdateRequest{Key: key("k", "")})
	room := limit - (len(frame) - 48)
	if _, code := c.put("k", strings.Repeat("x", room)); code != wire.ErrOK {
		t.Errorf("body of the limit: %v", code)
	}
	if _, code := c.put("k", strings.Repeat("y", room+1)); code != wire.ErrInvalidData {
		t.Errorf("body over the limit: %v", code)
	}
	c.wantValue("k", strings.Repeat("x", room))
	var resp wire.MultiGetResponse
	code := do(c, home("k"), wire.TaskMultiGet, wire.MultiGetRequest{HashKey: []byte("k"), SortKeys: make([][]byte, limit)}, resp.Read)
	if code != wire.ErrOK || len(resp.KVs) != limit {
		t.Errorf("read with a body over the limit: %v, %d records", code, len(resp.KVs))
	}

	s = start(t, Options{Limits: limits.Limits{WriteSize: -1}})
	dial(t, s.Replicas()[0]).mustPut("k", strings.Repeat("x", 3<<20))
}

func TestReplySize(t *testing.T) {
	s := start(t, Options{Limits: limits.Limits{ReplySize: 10000}})
	c := dial(t, s.Replicas()[0])
	var kvs []wire.KeyValue
	var sortKeys [][]byte
	var keys []wire.FullKey
	for i := range 30 {
		sortKey := []byte{byte(i)}
		kvs = append(kvs, wire.KeyValue{Key: sortKey, Value: make([]byte, 1000)})
		sortKeys = append(sortKeys, sortKey)
		keys = append(keys, wire.FullKey{HashKey: []byte("k"), SortKey: sortKey})
	}
	var put wire.UpdateResponse
	if code := do(c, home("k"), wire.TaskMultiPut, wire.MultiPutRequest{HashKey: []byte("k"), KVs: kvs}, put.Read); code != wire.ErrOK {
		t.Fatal(code)
	}
	for name, req := range map[string]wire.MultiGetRequest{
		"range":         {HashKey: []byte("k"), MaxKVSize: 1 << 30},
		"keys":          {HashKey: []byte("k"), SortKeys: sortKeys},
		"smaller limit": {HashKey: []byte("k"), MaxKVSize: 10000},
	} {
		var resp wire.MultiGetResponse
		if code := do(c, home("k"), wire.TaskMultiGet, req, resp.Read); code != wire.ErrOK || resp.Error != wire.StatusIncomplete || len(resp.KVs) != 10 {
			t.Errorf("multi_get, %s: %v, status %d, %d records", name, code, resp.Error, len(resp.KVs))
		}
	}
	var batch wire.BatchGetResponse
	if code := do(c, home("k"), wire.TaskBatchGet, wire.BatchGetRequest{Keys: keys}, batch.Read); code != wire.ErrInvalidData {
		t.Errorf("batch_get: %v", code)
	}
	if code := do(c, home("k"), wire.TaskBatchGet, wire.BatchGetRequest{Keys: keys[:9]}, batch.Read); code != wire.ErrOK || len(batch.Data) != 9 {
		t.Errorf("smaller batch_get: %v, %d records", code, len(batch.Data))
	}
	got := 0
	resp := c.getScanner(home("k"), 1000)
	for ; len(resp.KVs) <= 11; resp = c.scan(home("k"), resp.ContextID) {
		got += len(resp.KVs)
		if resp.ContextID == wire.ScanCompleted {
			break
		}
	}
	if got != len(kvs) {
		t.Errorf("scan found %d records", got)
	}
}

// getScanner begins a scan of the whole partition.
func (c *client) getScanner(h wire.RequestHeader, batch int32) wire.ScanResponse {
	c.t.Helper()
	var resp wire.ScanResponse
	if code := do(c, h, wire.TaskGetScanner, wholePartition(batch), resp.Read); code != wire.ErrOK {
		c.t.Fatalf("get_scanner: %v", code)
	}
	return resp
}

func wholePartition(batch int32) wire.GetScannerRequest {
	full := true
	return wire.GetScannerRequest{
		StartKey: wire.Key{Raw: []byte{0, 0}}, StartInclusive: true,
		StopKey:  wire.Key{Raw: []byte{0xff, 0xff}},
		FullScan: &full, BatchSize: batch,
	}
}

func (c *client) scan(h wire.RequestHeader, id int64) wire.ScanResponse {
	c.t.Helper()
	var resp wire.ScanResponse
	if code := do(c, h, wire.TaskScan, wire.ScanRequest{ContextID: id}, resp.Read); code != wire.ErrOK {
		c.t.Fatalf("scan: %v", code)
	}
	return resp
}

// A read-only server refuses every change.
func TestReadOnly(t *testing.T) {
	s := start(t, Options{ReadOnly: true})
	c, m := dial(t, s.Replicas()[0]), dial(t, s.Metas()[0])
	if _, code := c.put("k", "v"); code != wire.ErrOperationDisabled {
		t.Errorf("put: %v", code)
	}
	if resp, code := c.get("k"); code != wire.ErrOK || resp.Error != wire.StatusNotFound {
		t.Errorf("get: %v, status %d", code, resp.Error)
	}
	create := ask[wire.CreateAppRequest, wire.CreateAppResponse](m, wire.TaskCreateApp, wire.CreateAppRequest{AppName: "u"})
	drop := ask[wire.DropAppRequest, wire.DropAppResponse](m, wire.TaskDropApp, wire.DropAppRequest{AppName: testTable})
	split := ask[wire.StartPartitionSplitRequest, wire.HintResponse](m, wire.TaskStartPartitionSplit, wire.StartPartitionSplitRequest{AppName: testTable, NewPartitionCount: 8})
	if create.Err != wire.ErrOperationDisabled || drop.Err != wire.ErrOperationDisabled || split.Err != wire.ErrOperationDisabled {
		t.Errorf("create: %v, drop: %v, split: %v", create.Err, drop.Err, split.Err)
	}
}
