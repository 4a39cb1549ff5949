package server

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pegasus-go/pegasus/internal/schema"
	"github.com/pegasus-go/pegasus/internal/storage"
	"github.com/pegasus-go/pegasus/internal/wire"
)

func TestManualCompaction(t *testing.T) {
	clock := newTestClock()
	db := openStore(t, storage.Options{Clock: clock.now, SweepInterval: -1})
	s := startOn(t, db, Options{Clock: clock.now})
	ensure(t, s, testTable, testPartitions)
	c, m := dial(t, s.Replicas()[0]), dial(t, s.Metas()[0])
	compact := func(req wire.StartManualCompactRequest) wire.HintResponse {
		return ask[wire.StartManualCompactRequest, wire.HintResponse](m, wire.TaskStartManualCompact, req)
	}
	query := func(table string) wire.QueryManualCompactResponse {
		return ask[wire.AppNameRequest, wire.QueryManualCompactResponse](m, wire.TaskQueryManualCompact, wire.AppNameRequest{AppName: table})
	}
	if resp := query(testTable); resp.Err != wire.ErrInvalidState || resp.Progress != nil {
		t.Errorf("before the first: %+v", resp)
	}
	if resp := query("none"); resp.Err != wire.ErrAppNotExist {
		t.Errorf("no table: %+v", resp)
	}
	low, count, level := int32(-2), int32(-1), int32(3)
	force, trigger := true, int64(12345)
	for name, tc := range map[string]struct {
		req  wire.StartManualCompactRequest
		want wire.ErrorCode
	}{
		"no table":          {wire.StartManualCompactRequest{AppName: "none"}, wire.ErrAppNotExist},
		"bad level":         {wire.StartManualCompactRequest{AppName: testTable, TargetLevel: &low}, wire.ErrInvalidParameters},
		"bad running count": {wire.StartManualCompactRequest{AppName: testTable, MaxRunningCount: &count}, wire.ErrInvalidParameters},
	} {
		if resp := compact(tc.req); resp.Err != tc.want || resp.Hint == "" {
			t.Errorf("%s: %+v", name, resp)
		}
	}
	mustSetEnv(m, "manual_compact.disabled", "True")
	if resp := compact(wire.StartManualCompactRequest{AppName: testTable}); resp.Err != wire.ErrOperationDisabled {
		t.Errorf("disabled: %+v", resp)
	}
	mustSetEnv(m, "manual_compact.disabled", "false")

	// What expired is gone from the store afterwards.
	c.putAt(home("k"), "k", "v", int32(schema.EpochSeconds(clock.now())+10))
	clock.advance(time.Hour)
	resp := compact(wire.StartManualCompactRequest{AppName: testTable, TargetLevel: &level, Bottommost: &force, TriggerTime: &trigger})
	if resp.Err != wire.ErrOK || resp.Hint != "succeed" {
		t.Fatalf("%+v", resp)
	}
	for {
		resp := query(testTable)
		if resp.Err != wire.ErrOK || resp.Progress == nil {
			t.Fatalf("%+v", resp)
		}
		if *resp.Progress == 100 {
			break
		}
	}
	p, err := db.Partition(1, home("k").PartitionIndex)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, status := p.Get(nil, schema.AppendKey(nil, []byte("k"), nil), 0); status != storage.NotFound {
		t.Errorf("the expired record is still stored: status %d", status)
	}
	envs := ask[wire.ListAppsRequest, wire.ListAppsResponse](m, wire.TaskListApps, wire.ListAppsRequest{}).Infos[0].Envs
	for name, want := range map[string]string{"target_level": "3", "bottommost_level_compaction": "force", "trigger_time": "12345"} {
		if got := envs["manual_compact.once."+name]; got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	compact(wire.StartManualCompactRequest{AppName: testTable})
	envs = ask[wire.ListAppsRequest, wire.ListAppsResponse](m, wire.TaskListApps, wire.ListAppsRequest{}).Infos[0].Envs
	for name, want := range map[string]string{"target_level": "-1", "bottommost_level_compaction": "skip", "trigger_time": strconv.FormatInt(clock.now().Unix(), 10)} {
		if got := envs["manual_compact.once."+name]; got != want {
			t.Errorf("%s is %q by default, want %q", name, got, want)
		}
	}
}

func TestNodeQueries(t *testing.T) {
	s := startOn(t, openStore(t, storage.Options{}), Options{ReplicaAddrs: replicas(2), Dir: "/some/dir"})
	if err := s.EnsureTable(TableSpec{Name: testTable, Partitions: 3, ReplicaCount: 1}); err != nil {
		t.Fatal(err)
	}
	if err := s.EnsureTable(TableSpec{Name: "u", Partitions: 2, ReplicaCount: 2}); err != nil {
		t.Fatal(err)
	}
	c := dial(t, s.Replicas()[1])
	// Node 1: primary of 1.1 and 2.1, secondary of 2.0.
	put, code := c.putAt(wire.RequestHeader{GPID: wire.GPID{AppID: 1, PartitionIndex: 1}}, "k", "v", 0)
	if code != wire.ErrOK {
		t.Fatal(code)
	}
	apps := ask[wire.QueryAppInfoRequest, wire.QueryAppInfoResponse](c, wire.TaskQueryAppInfo, wire.QueryAppInfoRequest{})
	if apps.Err != wire.ErrOK || len(apps.Apps) != 2 || apps.Apps[1].AppName != "u" {
		t.Errorf("apps: %+v", apps)
	}
	reps := ask[wire.QueryReplicaInfoRequest, wire.QueryReplicaInfoResponse](c, wire.TaskQueryReplicaInfo, wire.QueryReplicaInfoRequest{})
	if reps.Err != wire.ErrOK || len(reps.Replicas) != 3 {
		t.Fatalf("replicas: %+v", reps)
	}
	for i, want := range []wire.ReplicaInfo{
		{PID: wire.GPID{AppID: 1, PartitionIndex: 1}, Status: wire.PartitionPrimary, LastCommittedDecree: put.Decree},
		{PID: wire.GPID{AppID: 2, PartitionIndex: 0}, Status: wire.PartitionSecondary},
		{PID: wire.GPID{AppID: 2, PartitionIndex: 1}, Status: wire.PartitionPrimary},
	} {
		got := reps.Replicas[i]
		if got.PID != want.PID || got.Status != want.Status || got.LastCommittedDecree != want.LastCommittedDecree || got.Ballot != 1 || got.AppType != "pegasus" {
			t.Errorf("replica %d: %+v", i, got)
		}
	}
	disks := ask[wire.QueryDiskInfoRequest, wire.QueryDiskInfoResponse]
	all := disks(c, wire.TaskQueryDiskInfo, wire.QueryDiskInfoRequest{})
	if d := all.DiskInfos; all.Err != wire.ErrOK || len(d) != 1 || d[0].FullDir != "/some/dir" ||
		len(d[0].HoldingPrimaryReplicas[1]) != 1 || len(d[0].HoldingPrimaryReplicas[2]) != 1 || len(d[0].HoldingSecondaryReplicas[2]) != 1 {
		t.Errorf("disks: %+v", all)
	}
	if one := disks(c, wire.TaskQueryDiskInfo, wire.QueryDiskInfoRequest{AppName: "u"}).DiskInfos; len(one[0].HoldingPrimaryReplicas) != 1 {
		t.Errorf("disk of one table: %+v", one)
	}
	if none := disks(c, wire.TaskQueryDiskInfo, wire.QueryDiskInfoRequest{AppName: "none"}); none.Err != wire.ErrObjectNotFound {
		t.Errorf("disk of no table: %+v", none)
	}
}

// runCommand has a server run a remote command.
func runCommand(t *testing.T, n *Node, cmd string, args ...string) string {
	t.Helper()
	var text []byte
	code := do(dial(t, n), wire.RequestHeader{}, wire.TaskRemoteCommand, wire.Of(&wire.Command{Cmd: cmd, Arguments: args}),
		func(r *wire.Reader) { text = r.Blob() })
	if code != wire.ErrOK {
		t.Fatal(code)
	}
	return string(text)
}

func TestRemoteCommands(t *testing.T) {
	s := start(t, Options{})
	run := func(n *Node, cmd string, args ...string) string {
		t.Helper()
		return runCommand(t, n, cmd, args...)
	}
	for _, n := range []*Node{s.Metas()[0], s.Replicas()[0]} {
		if got := run(n, "none"); got != "unknown command 'none'" {
			t.Errorf("unknown command: %q", got)
		}
		for _, name := range []string{
			"help", "server-info", "server-stat",
			"perf-counters", "perf-counters-by-substr", "perf-counters-by-prefix", "perf-counters-by-postfix",
		} {
			if !strings.Contains(run(n, "help"), name+": ") && !strings.Contains(run(n, "help"), name+" [") {
				t.Errorf("help lacks %s", name)
			}
		}
		if got := run(n, "help", "server-stat"); strings.Count(got, "\n") != 1 || !strings.HasPrefix(got, "server-stat") {
			t.Errorf("help server-stat: %q", got)
		}
		if got := run(n, "server-info"); !matchesJSON(t, `{"version":"2.5.0"}`, got) || !matchesJSON(t, `{"build_type":"onebox"}`, got) {
			t.Errorf("server-info: %s", got)
		}
		if got := run(n, "server-stat"); !matchesJSON(t, `{"scan.context.count":0,"table.count":1}`, got) {
			t.Errorf("server-stat: %s", got)
		}
	}
	for cmd, args := range map[string][]string{
		"perf-counters":            {"replica*server*table.count"},
		"perf-counters-by-substr":  {"table.c"},
		"perf-counters-by-prefix":  {"none", "replica*server*table"},
		"perf-counters-by-postfix": {"table.count"},
	} {
		got := run(s.Replicas()[0], cmd, args...)
		if !strings.Contains(got, `"counters":[{"name":"replica*server*table.count","type":"NUMBER","value":1}]`) {
			t.Errorf("%s: %s", cmd, got)
		}
	}
}

// Tools ask whether a table is copied elsewhere before they touch it.
func TestQueryDuplication(t *testing.T) {
	m := dial(t, start(t, Options{}).Metas()[0])
	query := func(name string) wire.QueryDuplicationResponse {
		return ask[wire.AppNameRequest, wire.QueryDuplicationResponse](m, wire.TaskQueryDuplication, wire.AppNameRequest{AppName: name})
	}
	if r := query(testTable); r.Err != wire.ErrOK || r.AppID != 1 || len(r.EntryList) != 0 {
		t.Errorf("of a table: %+v", r)
	}
	if r := query("none"); r.Err != wire.ErrAppNotExist {
		t.Errorf("of no table: %+v", r)
	}
}

// What a onebox cannot do is answered, with an error.
func TestDisabled(t *testing.T) {
	s := start(t, Options{})
	m, c := dial(t, s.Metas()[0]), dial(t, s.Replicas()[0])
	for task, conn := range map[string]*client{
		wire.TaskStartRecovery: m, wire.TaskAddBackupPolicy: m, wire.TaskModifyBackupPolicy: m, wire.TaskQueryBackupPolicy: m,
		wire.TaskStartBackupApp: m, wire.TaskQueryBackupStatus: m, wire.TaskStartRestore: m, wire.TaskQueryRestoreStatus: m,
		wire.TaskAddDuplication: m, wire.TaskModifyDuplication: m,
		wire.TaskStartBulkLoad: m, wire.TaskControlBulkLoad: m, wire.TaskQueryBulkLoadStatus: m, wire.TaskClearBulkLoad: m,
		wire.TaskReplicaDiskMigrate: c, wire.TaskAddNewDisk: c, wire.TaskDetectHotkey: c,
	} {
		resp := struct {
			Err wire.ErrorCode `thrift:"1"`
		}{}
		code := do(conn, wire.RequestHeader{}, task, wire.Of(&wire.AppNameRequest{AppName: testTable}), wire.Of(&resp).Read)
		if code != wire.ErrOK || resp.Err != wire.ErrOperationDisabled {
			t.Errorf("%s: %v, %v", task, code, resp.Err)
		}
	}
	for _, conn := range []*client{m, c} {
		resp := ask[wire.Negotiation, wire.Negotiation](conn, wire.TaskNegotiation, wire.Negotiation{Status: 1})
		if resp.Status != wire.NegotiationAuthDisable {
			t.Errorf("negotiation: %+v", resp)
		}
	}
}
