package server

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/pegasus-go/pegasus/internal/server/catalog"
	"github.com/pegasus-go/pegasus/internal/storage"
	"github.com/pegasus-go/pegasus/internal/wire"
)

func createTable(c *client, name string, change func(*wire.CreateAppOptions)) wire.CreateAppResponse {
	c.t.Helper()
	o := wire.CreateAppOptions{PartitionCount: 4, ReplicaCount: 3, AppType: "pegasus", IsStateful: true}
	if change != nil {
		change(&o)
	}
	return ask[wire.CreateAppRequest, wire.CreateAppResponse](c, wire.TaskCreateApp, wire.CreateAppRequest{AppName: name, Options: o})
}

func dropTable(c *client, name string, reserve int64) wire.ErrorCode {
	c.t.Helper()
	return ask[wire.DropAppRequest, wire.DropAppResponse](c, wire.TaskDropApp, wire.DropAppRequest{
		AppName: name, Options: wire.DropAppOptions{ReserveSeconds: &reserve},
	}).Err
}

func recallTable(c *client, id int32, name string) wire.RecallAppResponse {
	c.t.Helper()
	return ask[wire.RecallAppRequest, wire.RecallAppResponse](c, wire.TaskRecallApp, wire.RecallAppRequest{AppID: id, NewAppName: name})
}

func queryTable(c *client, name string, indices ...int32) wire.QueryConfigResponse {
	c.t.Helper()
	return ask[wire.QueryConfigRequest, wire.QueryConfigResponse](c, wire.TaskQueryConfig, wire.QueryConfigRequest{
		AppName: name, PartitionIndices: indices,
	})
}

// primaryOf returns the index of the primary, or noPrimary.
func primaryOf(s *Server, p wire.PartitionConfiguration) int {
	return slices.IndexFunc(s.Replicas(), func(n *Node) bool { return n.Address() == p.Primary })
}

// listTables returns "id name status" of each table.
func listTables(c *client, status wire.AppStatus) []string {
	c.t.Helper()
	resp := ask[wire.ListAppsRequest, wire.ListAppsResponse](c, wire.TaskListApps, wire.ListAppsRequest{Status: status})
	var list []string
	for _, info := range resp.Infos {
		list = append(list, fmt.Sprint(info.AppID, " ", info.AppName, " ", info.Status))
	}
	return list
}

func TestCreateRefuses(t *testing.T) {
	m := dial(t, start(t, Options{}).Metas()[0])
	for name, change := range map[string]func(*wire.CreateAppOptions){
		"no partitions":       func(o *wire.CreateAppOptions) { o.PartitionCount = 0 },
		"too many partitions": func(o *wire.CreateAppOptions) { o.PartitionCount = MaxPartitions + 1 },
		"no replicas":         func(o *wire.CreateAppOptions) { o.ReplicaCount = 0 },
		"too many replicas":   func(o *wire.CreateAppOptions) { o.ReplicaCount = 6 },
		"another type":        func(o *wire.CreateAppOptions) { o.AppType = "simple_kv" },
		"bad env":             func(o *wire.CreateAppOptions) { o.Envs = map[string]string{"rocksdb.num_levels": "0"} },
	} {
		if resp := createTable(m, "u", change); resp.Err != wire.ErrInvalidParameters {
			t.Errorf("%s: %+v", name, resp)
		}
	}
	if resp := createTable(m, testTable, nil); resp.Err != wire.ErrAppExist {
		t.Errorf("existing name: %+v", resp)
	}
	same := func(o *wire.CreateAppOptions) { o.SuccessIfExist = true }
	if resp := createTable(m, testTable, same); resp.Err != wire.ErrOK || resp.AppID != 1 {
		t.Errorf("existing table: %+v", resp)
	}
	other := func(o *wire.CreateAppOptions) { o.SuccessIfExist, o.PartitionCount = true, 8 }
	if resp := createTable(m, testTable, other); resp.Err != wire.ErrInvalidParameters {
		t.Errorf("existing table of another size: %+v", resp)
	}

	control := ask[wire.ControlMetaRequest, wire.ControlMetaResponse]
	if resp := control(m, wire.TaskControlMeta, wire.ControlMetaRequest{Level: wire.MetaFreezed}); resp.Err != wire.ErrOK || resp.OldLevel != wire.MetaSteady {
		t.Errorf("freeze: %+v", resp)
	}
	if resp := createTable(m, "u", nil); resp.Err != wire.ErrStateFreezed {
		t.Errorf("frozen: %+v", resp)
	}
	if resp := control(m, wire.TaskControlMeta, wire.ControlMetaRequest{Level: wire.MetaInvalid}); resp.OldLevel != wire.MetaFreezed {
		t.Errorf("query level: %+v", resp)
	}
	if resp := control(m, wire.TaskControlMeta, wire.ControlMetaRequest{Level: 5}); resp.Err != wire.ErrInvalidParameters {
		t.Errorf("unknown level: %+v", resp)
	}
	control(m, wire.TaskControlMeta, wire.ControlMetaRequest{Level: wire.MetaLively})
	if resp := createTable(m, "u", nil); resp.Err != wire.ErrOK || resp.AppID != 2 {
		t.Errorf("unfrozen: %+v", resp)
	}
}

func TestQueryConfig(t *testing.T) {
	s := start(t, Options{ReplicaAddrs: replicas(2)})
	m := dial(t, s.Metas()[0])
	index := func(resp wire.QueryConfigResponse) []int32 {
		var list []int32
		for _, p := range resp.Partitions {
			list = append(list, p.PID.PartitionIndex)
		}
		return list
	}
	for _, tc := range []struct{ ask, want []int32 }{
		{nil, []int32{0, 1, 2, 3}},
		{[]int32{2}, []int32{2}},
		{[]int32{3, 1, 9, -1}, []int32{3, 1}},
		{[]int32{9}, []int32{0, 1, 2, 3}},
		{slices.Repeat([]int32{1}, 100), []int32{1, 1, 1, 1}},
	} {
		resp := queryTable(m, testTable, tc.ask...)
		if got := index(resp); resp.Err != wire.ErrOK || resp.PartitionCount != 4 || !resp.IsStateful || !slices.Equal(got, tc.want) {
			t.Errorf("indices %v: %v, want %v; %+v", tc.ask, got, tc.want, resp)
		}
	}
	p := queryTable(m, testTable).Partitions[1]
	a, b := s.Replicas()[0].Address(), s.Replicas()[1].Address()
	// Three replicas were asked for, and there are two servers.
	if p.Primary != b || !slices.Equal(p.Secondaries, []wire.Address{a}) || p.MaxReplicaCount != 2 || p.Ballot != 1 {
		t.Errorf("partition 1: %+v", p)
	}
}

// Followers refuse, and only query_cfg can say where the leader is.
func TestFollowers(t *testing.T) {
	s := start(t, Options{MetaAddrs: replicas(3)})
	conns := []*client{dial(t, s.Metas()[0]), dial(t, s.Metas()[1]), dial(t, s.Metas()[2])}
	for _, leader := range []int{0, 2, catalog.None} {
		s.SetLeader(leader)
		for i, c := range conns {
			cfg := queryTable(c, testTable)
			list := ask[wire.ListAppsRequest, wire.ListAppsResponse](c, wire.TaskListApps, wire.ListAppsRequest{})
			if i == leader {
				if cfg.Err != wire.ErrOK || list.Err != wire.ErrOK || len(list.Infos) != 1 {
					t.Errorf("leader %d: %v, %v", i, cfg.Err, list.Err)
				}
				continue
			}
			if cfg.Err != wire.ErrForwardToOthers || list.Err != wire.ErrForwardToOthers || len(list.Infos) != 0 {
				t.Errorf("follower %d: %v, %v", i, cfg.Err, list.Err)
			}
			switch {
			case leader == catalog.None && len(cfg.Partitions) != 0:
				t.Errorf("follower %d names a leader: %+v", i, cfg.Partitions)
			case leader != catalog.None && (len(cfg.Partitions) != 1 || cfg.Partitions[0].Primary != s.Metas()[leader].Address()):
				t.Errorf("follower %d does not name the leader: %+v", i, cfg.Partitions)
			}
		}
	}
}

func TestListNodesAndClusterInfo(t *testing.T) {
	s := start(t, Options{MetaAddrs: replicas(2), ReplicaAddrs: replicas(3), ClusterName: "c"})
	m := dial(t, s.Metas()[0])
	nodes := func(status wire.NodeStatus) []wire.NodeInfo {
		return ask[wire.ListNodesRequest, wire.ListNodesResponse](m, wire.TaskListNodes, wire.ListNodesRequest{Status: status}).Infos
	}
	s.Replicas()[0].Stop()
	if all := nodes(wire.NodeInvalid); len(all) != 3 || all[2].Node != s.Replicas()[0].Address() || all[2].Status != wire.NodeUnalive {
		t.Errorf("all nodes: %+v", all)
	}
	if a, u := nodes(wire.NodeAlive), nodes(wire.NodeUnalive); len(a) != 2 || len(u) != 1 {
		t.Errorf("alive %+v, not alive %+v", a, u)
	}
	info := ask[wire.ClusterInfoRequest, wire.ClusterInfoResponse](m, wire.TaskClusterInfo, wire.ClusterInfoRequest{})
	values := make(map[string]string)
	for i, k := range info.Keys {
		values[k] = info.Values[i]
	}
	for k, want := range map[string]string{
		"meta_servers":                 s.Metas()[0].Addr() + "," + s.Metas()[1].Addr(),
		"primary_meta_server":          s.Metas()[0].Addr(),
		"meta_function_level":          "steady",
		"primary_replica_count_stddev": "0.47", // of 2, 1, 1
		"total_replica_count_stddev":   "0.00",
		"cluster_name":                 "c",
	} {
		if values[k] != want {
			t.Errorf("%s is %q, want %q", k, values[k], want)
		}
	}
}

// A dropped table cannot be used, can be recalled for a time, with its data,
// and is then gone for good. Its id is not used again.
func TestDropRecallPurge(t *testing.T) {
	clock := newTestClock()
	db := openStore(t, storage.Options{Clock: clock.now})
	s := startOn(t, db, Options{Clock: clock.now})
	ensure(t, s, testTable, testPartitions)
	m, c := dial(t, s.Metas()[0]), dial(t, s.Replicas()[0])
	c.mustPut("k", "v")
	began := queryTable(m, testTable).Partitions[0].Ballot
	scanned := c.openScan(home("k"))

	if code := dropTable(m, testTable, 100); code != wire.ErrOK {
		t.Fatal(code)
	}
	if code := dropTable(m, testTable, 100); code != wire.ErrAppNotExist {
		t.Errorf("second drop: %v", code)
	}
	if _, code := c.get("k"); code != wire.ErrObjectNotFound {
		t.Errorf("get after drop: %v", code)
	}
	if resp := queryTable(m, testTable); resp.Err != wire.ErrObjectNotFound {
		t.Errorf("query_cfg after drop: %v", resp.Err)
	}
	if resp := createTable(m, testTable, nil); resp.Err != wire.ErrOK || resp.AppID != 2 {
		t.Errorf("create under the same name: %+v", resp)
	}
	if resp := recallTable(m, 1, ""); resp.Err != wire.ErrInvalidParameters {
		t.Errorf("recall under a name in use: %v", resp.Err)
	}
	if resp := recallTable(m, 2, "x"); resp.Err != wire.ErrAppExist {
		t.Errorf("recall of a table that is there: %v", resp.Err)
	}
	clock.advance(99 * time.Second)
	resp := recallTable(m, 1, "old")
	if resp.Err != wire.ErrOK || resp.Info.AppID != 1 || resp.Info.AppName != "old" || resp.Info.Status != wire.AppAvailable {
		t.Fatalf("recall: %+v", resp)
	}
	c.wantValue("k", "v")
	if b := queryTable(m, "old").Partitions[0].Ballot; b <= began {
		t.Errorf("ballot %d after recall, %d before", b, began)
	}
	if resp := c.scan(home("k"), scanned); resp.Error != wire.StatusNotFound {
		t.Errorf("scan from before the drop: status %d", resp.Error)
	}

	if code := dropTable(m, "old", 100); code != wire.ErrOK {
		t.Fatal(code)
	}
	if got, want := listTables(m, wire.AppInvalid), []string{"1 old 6", "2 t 1"}; !slices.Equal(got, want) {
		t.Errorf("tables %q, want %q", got, want)
	}
	clock.advance(100 * time.Second)
	if got, want := listTables(m, wire.AppInvalid), []string{"2 t 1"}; !slices.Equal(got, want) {
		t.Errorf("tables %q, want %q", got, want)
	}
	if resp := recallTable(m, 1, "old"); resp.Err != wire.ErrAppNotExist {
		t.Errorf("recall after the time: %v", resp.Err)
	}
	// Without a time to be kept it is a week.
	dropTable(m, testTable, 0)
	clock.advance(7*24*time.Hour - time.Second)
	if resp := recallTable(m, 2, ""); resp.Err != wire.ErrOK {
		t.Errorf("recall within a week: %v", resp.Err)
	}
	if err := s.Close(); err != nil { // waits for what is being deleted
		t.Fatal(err)
	}
	p, err := db.Partition(1, home("k").PartitionIndex)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, status := p.Get(nil, key("k", "").AppendValue(nil)[4:], 0); status != storage.NotFound {
		t.Errorf("record of a purged table: status %d", status)
	}
	s = startOn(t, db, Options{Clock: clock.now})
	if resp := createTable(dial(t, s.Metas()[0]), "new", nil); resp.AppID != 3 {
		t.Errorf("id %d after a restart, want 3", resp.AppID)
	}
}

// Tables whose time ends while nobody asks are purged, too.
func TestPurgeByItself(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, s *Server, dial func(*Node) *client) {
		m := dial(s.Metas()[0])
		dropTable(m, testTable, 3*3600)
		time.Sleep(3*time.Hour + time.Second)
		if n := len(s.catalog.Tables()); n != 0 {
			t.Errorf("%d tables left", n)
		}
	})
}

func TestRename(t *testing.T) {
	s := start(t, Options{})
	ensure(t, s, "u", 2)
	m, c := dial(t, s.Metas()[0]), dial(t, s.Replicas()[0])
	c.mustPut("k", "v")
	rename := func(from, to string) wire.HintResponse {
		return ask[wire.RenameAppRequest, wire.HintResponse](m, wire.TaskRenameApp, wire.RenameAppRequest{OldAppName: from, NewAppName: to})
	}
	for _, tc := range []struct {
		from, to string
		want     wire.ErrorCode
	}{
		{"none", "x", wire.ErrAppNotExist},
		{testTable, "u", wire.ErrInvalidParameters},
		{testTable, testTable, wire.ErrInvalidParameters},
		{testTable, "new", wire.ErrOK},
	} {
		if resp := rename(tc.from, tc.to); resp.Err != tc.want || (resp.Hint == "") != (tc.want == wire.ErrOK) {
			t.Errorf("%s to %s: %+v", tc.from, tc.to, resp)
		}
	}
	c.wantValue("k", "v")
	if old, now := queryTable(m, testTable), queryTable(m, "new"); old.Err != wire.ErrObjectNotFound || now.AppID != 1 {
		t.Errorf("old name %v, new name %+v", old.Err, now)
	}
}

func TestReplicaCount(t *testing.T) {
	m := dial(t, start(t, Options{}).Metas()[0])
	set := func(table string, n int32) wire.MaxReplicaCountResponse {
		return ask[wire.SetMaxReplicaCountRequest, wire.MaxReplicaCountResponse](m, wire.TaskSetMaxReplicaCount,
			wire.SetMaxReplicaCountRequest{AppName: table, MaxReplicaCount: n})
	}
	for _, tc := range []struct {
		table string
		n     int32
		err   wire.ErrorCode
		old   int32
	}{
		{"none", 1, wire.ErrAppNotExist, 0},
		{testTable, 0, wire.ErrInvalidParameters, 3},
		{testTable, 6, wire.ErrInvalidParameters, 3},
		{testTable, 3, wire.ErrOK, 3},
		{testTable, 5, wire.ErrOK, 3},
		{testTable, 1, wire.ErrOK, 5},
	} {
		if resp := set(tc.table, tc.n); resp.Err != tc.err || resp.MaxReplicaCount != tc.old {
			t.Errorf("%s to %d: %+v", tc.table, tc.n, resp)
		}
	}
	resp := ask[wire.AppNameRequest, wire.MaxReplicaCountResponse](m, wire.TaskGetMaxReplicaCount, wire.AppNameRequest{AppName: testTable})
	cfg := queryTable(m, testTable).Partitions[0]
	if resp.MaxReplicaCount != 1 || cfg.MaxReplicaCount != 1 || len(cfg.Secondaries) != 0 || cfg.Ballot != 3 {
		t.Errorf("%+v, %+v", resp, cfg)
	}
}

// A restart brings back tables, environments, ids and primaries, and no ballot
// goes back.
func TestRestart(t *testing.T) {
	clock := newTestClock()
	dir := t.TempDir()
	open := func() (*Server, func()) {
		db, err := storage.Open(storage.Options{Dir: dir, Clock: clock.now})
		if err != nil {
			t.Fatal(err)
		}
		s, err := New(db, Options{MetaAddrs: replicas(1), ReplicaAddrs: replicas(3), Clock: clock.now})
		if err != nil {
			t.Fatal(err)
		}
		return s, func() {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
			if err := db.Close(); err != nil {
				t.Error(err)
			}
		}
	}
	s, stop := open()
	ensure(t, s, testTable, testPartitions)
	ensure(t, s, "dropped", 2)
	ensure(t, s, "odd\x00\xff name", 1)
	m := dial(t, s.Metas()[0])
	mustSetEnv(m, "default_ttl", "1000")
	dropTable(m, "dropped", 5000)
	if err := s.MovePrimary(testTable, 0, 2); err != nil {
		t.Fatal(err)
	}
	before := queryTable(m, testTable).Partitions
	c := dial(t, s.Replicas()[primaryOf(s, before[home("k").PartitionIndex])])
	c.mustPut("k", "v")
	decree, _ := c.put("k", "v")
	list := ask[wire.ListAppsRequest, wire.ListAppsResponse](m, wire.TaskListApps, wire.ListAppsRequest{}).Infos
	stop()

	s, stop = open()
	defer stop()
	m = dial(t, s.Metas()[0])
	again := ask[wire.ListAppsRequest, wire.ListAppsResponse](m, wire.TaskListApps, wire.ListAppsRequest{}).Infos
	if fmt.Sprintf("%+v", again) != fmt.Sprintf("%+v", list) {
		t.Errorf("tables\n%+v\nwant\n%+v", again, list)
	}
	for i, p := range queryTable(m, testTable).Partitions {
		if p.Ballot <= before[i].Ballot {
			t.Errorf("partition %d: ballot %d, was %d", i, p.Ballot, before[i].Ballot)
		}
		if want := []int{2, 1, 2, 0}[i]; primaryOf(s, p) != want {
			t.Errorf("partition %d: primary %d, want %d", i, primaryOf(s, p), want)
		}
	}
	c = dial(t, s.Replicas()[primaryOf(s, queryTable(m, testTable).Partitions[home("k").PartitionIndex])])
	c.wantValue("k", "v")
	if resp, _ := c.put("k", "w"); resp.Decree <= decree.Decree {
		t.Errorf("decree %d, was %d", resp.Decree, decree.Decree)
	}
	var ttl wire.TTLResponse
	do(c, home("k"), wire.TaskTTL, key("k", ""), ttl.Read)
	if ttl.TTLSeconds != 1000 {
		t.Errorf("ttl %d: default_ttl is not in force", ttl.TTLSeconds)
	}
	if resp := recallTable(m, 2, ""); resp.Err != wire.ErrOK {
		t.Errorf("recall: %v", resp.Err)
	}
	if resp := createTable(m, "new", nil); resp.AppID != 4 {
		t.Errorf("new id %d, want 4", resp.AppID)
	}
}
