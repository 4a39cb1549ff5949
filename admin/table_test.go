package admin

import (
	"context"
	"errors"
	"reflect"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pegasus-go/pegasus/internal/wire"
)

func TestCreateTable(t *testing.T) {
	var queries atomic.Int32
	var got wire.CreateAppRequest
	m := newScriptedMeta(t, func(q *wire.Request) answer {
		if string(q.Task) == wire.TaskCreateApp {
			got = argumentOf[wire.CreateAppRequest](q)
			return result(wire.CreateAppResponse{AppID: 7})
		}
		resp := partitions(4)
		if queries.Add(1) < 3 {
			resp.Partitions[2].Primary = 0
		}
		return result(resp)
	})
	envs := map[string]string{"default_ttl": "60"}
	id, err := newClient(t, m.addr()).CreateTable(testContext(t), "a_1.b:C", CreateOptions{Partitions: 4, Envs: envs, SuccessIfExist: true})
	if err != nil || id != 7 {
		t.Fatalf("CreateTable = %d, %v", id, err)
	}
	want := wire.CreateAppRequest{AppName: "a_1.b:C", Options: wire.CreateAppOptions{
		PartitionCount: 4, ReplicaCount: 3, SuccessIfExist: true, AppType: "pegasus", IsStateful: true, Envs: envs,
	}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("sent %+v, want %+v", got, want)
	}
	if queries.Load() != 3 {
		t.Errorf("asked %d times for the primaries, want 3", queries.Load())
	}
}

func TestCreateTableGivesUpWaiting(t *testing.T) {
	ctx, cancel := context.WithCancel(testContext(t))
	var queries atomic.Int32
	m := newScriptedMeta(t, func(q *wire.Request) answer {
		if string(q.Task) == wire.TaskCreateApp {
			return result(wire.CreateAppResponse{AppID: 7})
		}
		resp := partitions(4)
		resp.Partitions[2].Primary = 0
		if queries.Add(1) == 2 {
			cancel()
		}
		return result(resp)
	})
	id, err := newClient(t, m.addr()).CreateTable(ctx, "a", CreateOptions{})
	if id != 7 || !errors.Is(err, context.Canceled) || !errors.Is(err, ErrNoPrimary) {
		t.Errorf("CreateTable = %d, %v, want 7, context.Canceled and ErrNoPrimary", id, err)
	}
}

func TestTables(t *testing.T) {
	yes := true
	var status wire.AppStatus
	m := newScriptedMeta(t, func(q *wire.Request) answer {
		status = argumentOf[wire.ListAppsRequest](q).Status
		return result(wire.ListAppsResponse{Infos: []wire.AppInfo{
			{
				Status: wire.AppAvailable, AppName: "a", AppID: 1, PartitionCount: 8, InitPartitionCount: 4,
				MaxReplicaCount: 3, CreateSecond: 1_700_000_000, Envs: map[string]string{"k": "v"},
				Duplicating: &yes, IsBulkLoading: &yes,
			},
			{Status: wire.AppDropped, AppName: "b", AppID: 2, PartitionCount: 4, DropSecond: 1_700_000_001, ExpireSecond: 1_700_000_002, InitPartitionCount: -1},
		}})
	})
	got, err := newClient(t, m.addr()).Tables(testContext(t), TableDropped)
	if err != nil {
		t.Fatal(err)
	}
	want := []Table{
		{
			ID: 1, Name: "a", Status: TableAvailable, Partitions: 8, Replicas: 3, Envs: map[string]string{"k": "v"},
			Created: time.Unix(1_700_000_000, 0), CreatedWith: 4, Duplicating: true, BulkLoading: true,
		},
		{
			ID: 2, Name: "b", Status: TableDropped, Partitions: 4, Envs: map[string]string{},
			Dropped: time.Unix(1_700_000_001, 0), Purged: time.Unix(1_700_000_002, 0),
		},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
	if status != wire.AppDropped {
		t.Errorf("asked for status %d", status)
	}
}

func TestTableThatDoesNotExist(t *testing.T) {
	m := newScriptedMeta(t, func(*wire.Request) answer {
		return result(wire.ListAppsResponse{Infos: []wire.AppInfo{{Status: wire.AppAvailable, AppName: "b", AppID: 1}}})
	})
	c := newClient(t, m.addr())
	if _, err := c.Table(testContext(t), "a"); !errors.Is(err, ErrTableNotFound) {
		t.Errorf("Table: got %v, want ErrTableNotFound", err)
	}
	if _, err := c.GetEnvs(testContext(t), "a"); !errors.Is(err, ErrTableNotFound) {
		t.Errorf("GetEnvs: got %v, want ErrTableNotFound", err)
	}
}

func TestDropTableReserve(t *testing.T) {
	for _, tc := range []struct {
		reserve time.Duration
		seconds int64 // 0: left to the server
	}{{0, 0}, {1, 1}, {time.Second, 1}, {time.Second + 1, 2}, {time.Hour, 3600}} {
		var got wire.DropAppRequest
		m := newScriptedMeta(t, func(q *wire.Request) answer {
			got = argumentOf[wire.DropAppRequest](q)
			return result(wire.DropAppResponse{})
		})
		if err := newClient(t, m.addr()).DropTable(testContext(t), "a", tc.reserve); err != nil {
			t.Fatal(err)
		}
		switch s := got.Options.ReserveSeconds; {
		case (s == nil) != (tc.seconds == 0), s != nil && *s != tc.seconds, got.Options.SuccessIfNotExist, got.AppName != "a":
			t.Errorf("reserve %v: sent %+v", tc.reserve, got)
		}
	}
}

// An operation sends this and makes that of the answer.
func TestRequestsAndAnswers(t *testing.T) {
	hint := "because"
	progress, once := int32(42), false
	keys, values := []string{"a", "b"}, []string{"1", "2"}
	level, running := int32(3), int32(2)
	old, force, move := int32(4), true, int32(0)
	prefix := "p"
	for _, tc := range []struct {
		name   string
		decode func(*wire.Request) any
		sent   any
		reply  answer
		call   func(context.Context, *Client) (any, error)
		got    any
	}{
		{
			"RenameTable", decodeTo[wire.RenameAppRequest],
			wire.RenameAppRequest{OldAppName: "a", NewAppName: "b"},
			result(wire.HintResponse{}),
			func(ctx context.Context, c *Client) (any, error) { return nil, c.RenameTable(ctx, "a", "b") }, nil,
		},
		{
			"Replicas", decodeTo[wire.AppNameRequest],
			wire.AppNameRequest{AppName: "a"},
			result(wire.MaxReplicaCountResponse{MaxReplicaCount: 3}),
			func(ctx context.Context, c *Client) (any, error) { return c.Replicas(ctx, "a") }, 3,
		},
		{
			"SetReplicas", decodeTo[wire.SetMaxReplicaCountRequest],
			wire.SetMaxReplicaCountRequest{AppName: "a", MaxReplicaCount: 1},
			result(wire.MaxReplicaCountResponse{MaxReplicaCount: 3}),
			func(ctx context.Context, c *Client) (any, error) { return c.SetReplicas(ctx, "a", 1) }, 3,
		},
		{
			"SetEnvs", decodeTo[wire.UpdateAppEnvRequest],
			wire.UpdateAppEnvRequest{AppName: "a", Op: wire.AppEnvSet, Keys: &keys, Values: &values},
			result(wire.HintResponse{}),
			func(ctx context.Context, c *Client) (any, error) {
				return nil, c.SetEnvs(ctx, "a", map[string]string{"b": "2", "a": "1"})
			}, nil,
		},
		{
			"DelEnvs", decodeTo[wire.UpdateAppEnvRequest],
			wire.UpdateAppEnvRequest{AppName: "a", Op: wire.AppEnvDel, Keys: &keys},
			result(wire.HintResponse{Hint: "no key needs to be deleted"}),
			func(ctx context.Context, c *Client) (any, error) { return nil, c.DelEnvs(ctx, "a", "a", "b") }, nil,
		},
		{
			"ClearEnvs", decodeTo[wire.UpdateAppEnvRequest],
			wire.UpdateAppEnvRequest{AppName: "a", Op: wire.AppEnvClear, ClearPrefix: &prefix},
			result(wire.HintResponse{}),
			func(ctx context.Context, c *Client) (any, error) { return nil, c.ClearEnvs(ctx, "a", "p") }, nil,
		},
		{
			"StartCompact", decodeTo[wire.StartManualCompactRequest],
			wire.StartManualCompactRequest{AppName: "a", Bottommost: &once},
			result(wire.HintResponse{Hint: "succeed"}),
			func(ctx context.Context, c *Client) (any, error) {
				return nil, c.StartCompact(ctx, "a", CompactOptions{})
			}, nil,
		},
		{
			"StartCompact with options", decodeTo[wire.StartManualCompactRequest],
			wire.StartManualCompactRequest{AppName: "a", Bottommost: &force, TargetLevel: &level, MaxRunningCount: &running},
			result(wire.HintResponse{Hint: "succeed"}),
			func(ctx context.Context, c *Client) (any, error) {
				return nil, c.StartCompact(ctx, "a", CompactOptions{Bottommost: true, TargetLevel: 3, MaxRunning: 2})
			}, nil,
		},
		{
			"QueryCompact", decodeTo[wire.AppNameRequest],
			wire.AppNameRequest{AppName: "a"},
			result(wire.QueryManualCompactResponse{Progress: &progress}),
			func(ctx context.Context, c *Client) (any, error) { return c.QueryCompact(ctx, "a") }, 42,
		},
		{
			"StartSplit", decodeTo[wire.StartPartitionSplitRequest],
			wire.StartPartitionSplitRequest{AppName: "a", NewPartitionCount: 8},
			result(wire.HintResponse{}),
			func(ctx context.Context, c *Client) (any, error) { return nil, c.StartSplit(ctx, "a", 8) }, nil,
		},
		{
			"QuerySplit", decodeTo[wire.AppNameRequest],
			wire.AppNameRequest{AppName: "a"},
			result(wire.QueryPartitionSplitResponse{NewPartitionCount: 8, Status: map[int32]wire.SplitStatus{1: wire.Paused}}),
			func(ctx context.Context, c *Client) (any, error) { return c.QuerySplit(ctx, "a") },
			Split{Partitions: 8, Status: map[int]SplitStatus{1: Paused}},
		},
		{
			"PauseSplit", decodeTo[wire.ControlPartitionSplitRequest],
			wire.ControlPartitionSplitRequest{AppName: "a", ControlType: wire.SplitPause, ParentIndex: 2},
			result(wire.OptionalHintResponse{}),
			func(ctx context.Context, c *Client) (any, error) { return nil, c.PauseSplit(ctx, "a", 2) }, nil,
		},
		{
			"ResumeSplit", decodeTo[wire.ControlPartitionSplitRequest],
			wire.ControlPartitionSplitRequest{AppName: "a", ControlType: wire.SplitRestart, ParentIndex: -1},
			result(wire.OptionalHintResponse{Hint: &hint}),
			func(ctx context.Context, c *Client) (any, error) { return nil, c.ResumeSplit(ctx, "a", AllPartitions) }, nil,
		},
		{
			"MetaLevel", decodeTo[wire.ControlMetaRequest],
			wire.ControlMetaRequest{Level: wire.MetaInvalid},
			result(wire.ControlMetaResponse{OldLevel: wire.MetaLively}),
			func(ctx context.Context, c *Client) (any, error) { return c.MetaLevel(ctx) }, LevelLively,
		},
		{
			"SetMetaLevel", decodeTo[wire.ControlMetaRequest],
			wire.ControlMetaRequest{Level: wire.MetaFreezed},
			result(wire.ControlMetaResponse{OldLevel: wire.MetaSteady}),
			func(ctx context.Context, c *Client) (any, error) { return c.SetMetaLevel(ctx, LevelFreezed) }, LevelSteady,
		},
		{
			"ClusterInfo", decodeTo[wire.ClusterInfoRequest],
			wire.ClusterInfoRequest{},
			result(wire.ClusterInfoResponse{Keys: []string{"a", "b"}, Values: []string{"1", "2"}}),
			func(ctx context.Context, c *Client) (any, error) { return c.ClusterInfo(ctx) },
			map[string]string{"a": "1", "b": "2"},
		},
		{
			"Partitions", decodeTo[wire.QueryConfigRequest],
			wire.QueryConfigRequest{AppName: "a", PartitionIndices: []int32{}},
			result(partitions(1)),
			func(ctx context.Context, c *Client) (any, error) { return c.Partitions(ctx, "a") },
			[]Partition{{
				TableID: 7, Ballot: 3, Replicas: 2, LastCommittedDecree: 11,
				Primary: "127.0.0.1:34801", Secondaries: []string{"127.0.0.1:34802"},
			}},
		},
		{
			"MovePrimary", decodeLast[wire.BalancerRequest](wire.TaskProposeBalancer),
			wire.BalancerRequest{
				PID: wire.GPID{AppID: 7, PartitionIndex: 1}, BalanceType: &move,
				ActionList: []wire.ProposalAction{
					{Target: node1, Node: node1, Type: 5},
					{Target: node2, Node: node2, Type: 2},
				},
			},
			result(wire.ErrResponse{}),
			func(ctx context.Context, c *Client) (any, error) {
				return nil, c.MovePrimary(ctx, "a", 1, "127.0.0.1:34802")
			}, nil,
		},
		{
			"CancelSplit", decodeLast[wire.ControlPartitionSplitRequest](wire.TaskControlPartitionSplit),
			wire.ControlPartitionSplitRequest{AppName: "a", ControlType: wire.SplitCancel, ParentIndex: -1, OldPartitionCount: &old},
			result(wire.OptionalHintResponse{}),
			func(ctx context.Context, c *Client) (any, error) { return nil, c.CancelSplit(ctx, "a") }, nil,
		},
		{
			"RemoteCommand", decodeTo[wire.Command],
			wire.Command{Cmd: "help", Arguments: []string{"me"}},
			answer{result: wire.Text("text")},
			func(ctx context.Context, c *Client) (any, error) {
				return c.RemoteCommand(ctx, c.meta.Servers()[0], "help", "me")
			}, "text",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var sent any
			m := newScriptedMeta(t, func(q *wire.Request) answer {
				switch sent = tc.decode(q); {
				case sent != nil:
					return tc.reply
				case string(q.Task) == wire.TaskQueryConfig: // asked before the operation itself
					return result(partitions(2))
				}
				return result(wire.QueryPartitionSplitResponse{NewPartitionCount: 8})
			})
			got, err := tc.call(testContext(t), newClient(t, m.addr()))
			if err != nil || !reflect.DeepEqual(got, tc.got) {
				t.Errorf("got %+v, %v, want %+v", got, err, tc.got)
			}
			if !reflect.DeepEqual(sent, tc.sent) {
				t.Errorf("sent %+v\nwant %+v", sent, tc.sent)
			}
		})
	}
}

func decodeTo[Q any](q *wire.Request) any { return argumentOf[Q](q) }

// decodeLast decodes the requests of one task, and is nil for others.
func decodeLast[Q any](task string) func(*wire.Request) any {
	return func(q *wire.Request) any {
		if string(q.Task) != task {
			return nil
		}
		return argumentOf[Q](q)
	}
}

func TestHint(t *testing.T) {
	m := newScriptedMeta(t, func(*wire.Request) answer {
		return result(wire.HintResponse{Err: wire.ErrInvalidParameters, Hint: "app_env \"x\" is not supported"})
	})
	err := newClient(t, m.addr()).SetEnvs(testContext(t), "a", map[string]string{"x": ""})
	var e *Error
	if !errors.As(err, &e) || e.Hint != "app_env \"x\" is not supported" || !errors.Is(err, ErrInvalidParameters) || errors.Is(err, ErrTableNotFound) {
		t.Errorf("got %v", err)
	}
}

func TestEnvsOfNoTable(t *testing.T) {
	m := newScriptedMeta(t, func(*wire.Request) answer {
		return result(wire.HintResponse{Err: wire.ErrInvalidParameters, Hint: "invalid app name"})
	})
	if err := newClient(t, m.addr()).DelEnvs(testContext(t), "a", "x"); !errors.Is(err, ErrTableNotFound) || !errors.Is(err, ErrInvalidParameters) {
		t.Errorf("got %v, want ErrTableNotFound", err)
	}
}

func TestRecallTable(t *testing.T) {
	var got wire.RecallAppRequest
	m := newScriptedMeta(t, func(q *wire.Request) answer {
		if string(q.Task) == wire.TaskRecallApp {
			got = argumentOf[wire.RecallAppRequest](q)
			return result(wire.RecallAppResponse{Info: wire.AppInfo{Status: wire.AppAvailable, AppName: "old", AppID: 7, PartitionCount: 4}})
		}
		return result(partitions(4))
	})
	table, err := newClient(t, m.addr()).RecallTable(testContext(t), 7, "")
	if err != nil || table.Name != "old" || table.ID != 7 || table.Partitions != 4 {
		t.Errorf("RecallTable = %+v, %v", table, err)
	}
	if want := (wire.RecallAppRequest{AppID: 7}); got != want {
		t.Errorf("sent %+v, want %+v", got, want)
	}
}

func TestMovePrimaryOfNoPartition(t *testing.T) {
	m := newScriptedMeta(t, func(*wire.Request) answer {
		resp := partitions(2)
		resp.Partitions[1].Primary = 0
		return result(resp)
	})
	c := newClient(t, m.addr())
	var ae *ArgumentError
	if err := c.MovePrimary(testContext(t), "a", 2, "127.0.0.1:34802"); !errors.As(err, &ae) || ae.Name != "partition" {
		t.Errorf("got %v, want an ArgumentError", err)
	}
	if err := c.MovePrimary(testContext(t), "a", 1, "127.0.0.1:34802"); !errors.Is(err, ErrNoPrimary) {
		t.Errorf("got %v, want ErrNoPrimary", err)
	}
}
