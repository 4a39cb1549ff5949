package server

import (
	"bytes"
	"net"
	"testing"
	"time"

	"github.com/pegasus-go/pegasus/internal/wire"
	"github.com/pegasus-go/pegasus/onebox/limits"
)

// FuzzConnection feeds a connection with arbitrary bytes. Whatever they are,
// the connection ends when the peer goes away, no handler panics, and another
// one is served.
func FuzzConnection(f *testing.F) {
	s := start(f, Options{Limits: limits.Limits{RequestSize: 1 << 20}, Logger: panicLogger()})
	meta := wire.RequestHeader{}
	for _, frame := range [][]byte{
		getFrame(1, "k"),
		rdsnRequest(wire.TaskGet, 0, key("k", "").AppendValue(nil)),
		[]byte("GET /version HTTP/1.0\r\n\r\n"),
		[]byte("GET /replica/data_version?app_id=1 HTTP/1.0\r\n\r\n"),
		wire.AppendRequest(nil, home("k"), wire.TaskTTL, 1, key("k", "")),
		wire.AppendRequest(nil, home("k"), wire.TaskPut, 1, wire.UpdateRequest{Key: key("k", ""), Value: []byte("v")}),
		wire.AppendRequest(nil, home("k"), wire.TaskRemove, 1, key("k", "")),
		wire.AppendRequest(nil, home("k"), wire.TaskIncr, 1, wire.IncrRequest{Key: key("k", "")}),
		wire.AppendRequest(nil, home("k"), wire.TaskMultiPut, 1, wire.MultiPutRequest{HashKey: []byte("k"), KVs: []wire.KeyValue{{Key: []byte("a")}}}),
		wire.AppendRequest(nil, home("k"), wire.TaskMultiGet, 1, wire.MultiGetRequest{HashKey: []byte("k"), Reverse: true, FilterType: 1}),
		wire.AppendRequest(nil, home("k"), wire.TaskMultiRemove, 1, wire.MultiRemoveRequest{HashKey: []byte("k"), SortKeys: [][]byte{nil}}),
		wire.AppendRequest(nil, home("k"), wire.TaskBatchGet, 1, wire.BatchGetRequest{Keys: []wire.FullKey{{HashKey: []byte("k")}}}),
		wire.AppendRequest(nil, home("k"), wire.TaskSortKeyCount, 1, wire.Blob("k")),
		wire.AppendRequest(nil, home("k"), wire.TaskCheckAndSet, 1, wire.CheckAndSetRequest{HashKey: []byte("k"), CheckType: 13}),
		wire.AppendRequest(nil, home("k"), wire.TaskCheckAndMutate, 1, wire.CheckAndMutateRequest{HashKey: []byte("k"), Mutates: []wire.Mutate{{}}}),
		wire.AppendRequest(nil, home("k"), wire.TaskGetScanner, 1, wire.GetScannerRequest{StartKey: key("k", ""), StopKey: wire.Key{Raw: []byte{0xff}}}),
		wire.AppendRequest(nil, home("k"), wire.TaskScan, 1, wire.ScanRequest{ContextID: 1}),
		wire.AppendRequest(nil, home("k"), wire.TaskClearScanner, 1, wire.ContextID(1)),
	} {
		f.Add(false, frame)
		f.Add(false, append(bytes.Clone(frame), frame...))
	}
	keys, values, prefix := []string{"business.info"}, []string{"x"}, ""
	for _, frame := range [][]byte{
		wire.AppendRequest(nil, meta, wire.TaskQueryConfig, 1, wire.Of(&wire.QueryConfigRequest{AppName: testTable, PartitionIndices: []int32{1}})),
		wire.AppendRequest(nil, meta, wire.TaskListApps, 1, wire.Of(&wire.ListAppsRequest{})),
		wire.AppendRequest(nil, meta, wire.TaskListNodes, 1, wire.Of(&wire.ListNodesRequest{})),
		wire.AppendRequest(nil, meta, wire.TaskClusterInfo, 1, wire.Of(&wire.ClusterInfoRequest{})),
		wire.AppendRequest(nil, meta, wire.TaskUpdateAppEnv, 1, wire.Of(&wire.UpdateAppEnvRequest{AppName: testTable, Op: wire.AppEnvSet, Keys: &keys, Values: &values, ClearPrefix: &prefix})),
		wire.AppendRequest(nil, meta, wire.TaskProposeBalancer, 1, wire.Of(&wire.BalancerRequest{PID: home("k").GPID, ActionList: []wire.ProposalAction{{Type: 1}}})),
		wire.AppendRequest(nil, meta, wire.TaskControlPartitionSplit, 1, wire.Of(&wire.ControlPartitionSplitRequest{AppName: testTable})),
		wire.AppendRequest(nil, meta, wire.TaskRemoteCommand, 1, wire.Of(&wire.Command{Cmd: "help"})),
		wire.AppendRequest(nil, meta, wire.TaskNegotiation, 1, wire.Of(&wire.Negotiation{})),
	} {
		f.Add(true, frame)
	}
	probe := dial(f, s.Replicas()[0])
	f.Fuzz(func(t *testing.T, toMeta bool, in []byte) {
		node := s.Replicas()[0]
		if toMeta {
			node = s.Metas()[0]
		}
		ours, theirs := net.Pipe()
		served := make(chan error, 1)
		go func() { served <- node.ServeConn(theirs) }()
		go func() { // accept the answers
			buf := make([]byte, 1<<16)
			for {
				if _, err := ours.Read(buf); err != nil {
					return
				}
			}
		}()
		_ = ours.SetWriteDeadline(time.Now().Add(patience))
		_, _ = ours.Write(in) // fails if the server closes first
		ours.Close()
		select {
		case err := <-served:
			if err != nil {
				t.Fatal(err)
			}
		case <-time.After(patience):
			t.Fatal("the connection does not end")
		}
		probe.t = t
		if _, code := probe.get("probe"); code != wire.ErrOK && code != wire.ErrInvalidState && code != wire.ErrBusy && code != wire.ErrParentMisused && code != wire.ErrObjectNotFound {
			t.Fatalf("get on another connection: %v", code)
		}
	})
}
