package admin_test

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/admin"
	"github.com/pegasus-go/pegasus/onebox"
)

// cluster is a onebox with clients.
type cluster struct {
	*onebox.Server
	admin  *admin.Client
	client pegasus.Client
}

func start(t *testing.T) cluster {
	t.Helper()
	box, err := onebox.Start(onebox.Options{ReplicaServers: 3, MetaServers: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := box.Close(); err != nil {
			t.Error(err)
		}
	})
	a, err := admin.New(admin.Config{MetaServers: box.MetaServers()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close() })
	client := pegasus.NewClient(pegasus.Config{MetaServers: box.MetaServers()})
	t.Cleanup(func() { client.Close() })
	return cluster{Server: box, admin: a, client: client}
}

func (c cluster) create(t *testing.T, table string, options admin.CreateOptions) int {
	t.Helper()
	id, err := c.admin.CreateTable(t.Context(), table, options)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// put stores an entry and get returns it, "" if there is none.
func (c cluster) put(t *testing.T, table, key, value string) {
	t.Helper()
	tb, err := c.client.OpenTable(t.Context(), table)
	if err != nil {
		t.Fatal(err)
	}
	defer tb.Close()
	if err := tb.Set(t.Context(), []byte(key), []byte("s"), []byte(value)); err != nil {
		t.Fatal(err)
	}
}

func (c cluster) get(t *testing.T, table, key string) string {
	t.Helper()
	tb, err := c.client.OpenTable(t.Context(), table)
	if err != nil {
		t.Fatal(err)
	}
	defer tb.Close()
	v, err := tb.Get(t.Context(), []byte(key), []byte("s"))
	if err != nil {
		t.Fatal(err)
	}
	return string(v)
}

func names(t *testing.T, c cluster, status admin.TableStatus) []string {
	t.Helper()
	tables, err := c.admin.Tables(t.Context(), status)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, tb := range tables {
		names = append(names, tb.Name)
	}
	return names
}

func TestLifeOfATable(t *testing.T) {
	c := start(t)
	ctx := t.Context()
	options := admin.CreateOptions{Partitions: 4, Replicas: 2, Envs: map[string]string{"business.info": "x"}}
	id := c.create(t, "a", options)
	c.put(t, "a", "k", "v")

	if _, err := c.admin.CreateTable(ctx, "a", options); !errors.Is(err, admin.ErrAppExist) {
		t.Errorf("created twice: %v", err)
	}
	options.SuccessIfExist = true
	if again := c.create(t, "a", options); again != id {
		t.Errorf("the id is %d, then %d", id, again)
	}
	options.Partitions = 8
	if _, err := c.admin.CreateTable(ctx, "a", options); !errors.Is(err, admin.ErrInvalidParameters) {
		t.Errorf("created with other properties: %v", err)
	}
	info, err := c.admin.Table(ctx, "a")
	if err != nil || info.ID != id || info.Status != admin.TableAvailable || info.Partitions != 4 || info.Replicas != 2 ||
		info.Envs["business.info"] != "x" || time.Since(info.Created) > time.Hour {
		t.Errorf("Table = %+v, %v", info, err)
	}

	if err := c.admin.RenameTable(ctx, "a", "b"); err != nil {
		t.Fatal(err)
	}
	if got := c.get(t, "b", "k"); got != "v" {
		t.Errorf("after renaming the value is %q", got)
	}
	if err := c.admin.RenameTable(ctx, "a", "c"); !errors.Is(err, admin.ErrTableNotFound) {
		t.Errorf("renaming what is not there: %v", err)
	}

	if err := c.admin.DropTable(ctx, "b", time.Hour); err != nil {
		t.Fatal(err)
	}
	if err := c.admin.DropTable(ctx, "b", time.Hour); !errors.Is(err, admin.ErrTableNotFound) {
		t.Errorf("dropped twice: %v", err)
	}
	if got := names(t, c, admin.TableAvailable); slices.Contains(got, "b") {
		t.Errorf("available: %q", got)
	}
	if got := names(t, c, admin.TableDropped); !slices.Equal(got, []string{"b"}) {
		t.Errorf("dropped: %q", got)
	}
	info, err = c.admin.RecallTable(ctx, id, "c")
	if err != nil || info.Name != "c" || info.ID != id {
		t.Errorf("RecallTable = %+v, %v", info, err)
	}
	if got := c.get(t, "c", "k"); got != "v" {
		t.Errorf("after recalling the value is %q", got)
	}
	if _, err := c.admin.RecallTable(ctx, id, ""); !errors.Is(err, admin.ErrAppExist) {
		t.Errorf("recalled twice: %v", err)
	}
	if _, err := c.admin.RecallTable(ctx, id+1000, ""); !errors.Is(err, admin.ErrTableNotFound) {
		t.Errorf("recalling what never was: %v", err)
	}
}

func TestEnvs(t *testing.T) {
	c := start(t)
	ctx := t.Context()
	c.create(t, "a", admin.CreateOptions{})
	want := map[string]string{"default_ttl": "60", "business.info": "x", "manual_compact.disabled": "true"}
	if err := c.admin.SetEnvs(ctx, "a", want); err != nil {
		t.Fatal(err)
	}
	check := func() {
		t.Helper()
		if got, err := c.admin.GetEnvs(ctx, "a"); err != nil || !maps.Equal(got, want) {
			t.Errorf("GetEnvs = %v, %v, want %v", got, err, want)
		}
	}
	check()
	var e *admin.Error
	err := c.admin.SetEnvs(ctx, "a", map[string]string{"no.such": "1", "default_ttl": "1"})
	if !errors.As(err, &e) || !errors.Is(err, admin.ErrInvalidParameters) || !strings.Contains(e.Hint, "no.such") {
		t.Errorf("SetEnvs of an unknown name: %v", err)
	}
	check()
	if err := c.admin.StartCompact(ctx, "a", admin.CompactOptions{}); !errors.Is(err, admin.ErrOperationDisabled) {
		t.Errorf("StartCompact although it is disabled: %v", err)
	}
	if err := c.admin.DelEnvs(ctx, "a", "default_ttl", "no.such"); err != nil {
		t.Error(err)
	}
	delete(want, "default_ttl")
	check()
	if err := c.admin.ClearEnvs(ctx, "a", "manual_compact"); err != nil {
		t.Error(err)
	}
	delete(want, "manual_compact.disabled")
	check()
	if err := c.admin.ClearEnvs(ctx, "a", ""); err != nil {
		t.Error(err)
	}
	clear(want)
	check()
	if err := c.admin.DelEnvs(ctx, "none", "x"); !errors.Is(err, admin.ErrTableNotFound) {
		t.Errorf("DelEnvs of no table: %v", err)
	}
}

func TestCompact(t *testing.T) {
	c := start(t)
	ctx := t.Context()
	c.create(t, "a", admin.CreateOptions{})
	if _, err := c.admin.QueryCompact(ctx, "a"); !errors.Is(err, admin.ErrInvalidState) {
		t.Errorf("QueryCompact before the first: %v", err)
	}
	if err := c.admin.StartCompact(ctx, "a", admin.CompactOptions{Bottommost: true}); err != nil {
		t.Fatal(err)
	}
	for percent := 0; percent < 100; {
		var err error
		if percent, err = c.admin.QueryCompact(ctx, "a"); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.admin.StartCompact(ctx, "none", admin.CompactOptions{}); !errors.Is(err, admin.ErrTableNotFound) {
		t.Errorf("StartCompact of no table: %v", err)
	}
}

func TestSplitOfATable(t *testing.T) {
	c := start(t)
	ctx := t.Context()
	c.create(t, "a", admin.CreateOptions{Partitions: 4})
	c.put(t, "a", "k", "v")
	if _, err := c.admin.QuerySplit(ctx, "a"); !errors.Is(err, admin.ErrInvalidState) {
		t.Errorf("QuerySplit without a split: %v", err)
	}
	if err := c.admin.StartSplit(ctx, "a", 6); !errors.Is(err, admin.ErrInvalidParameters) {
		t.Errorf("StartSplit to another number than twice: %v", err)
	}

	c.HoldSplits(true)
	if err := c.admin.StartSplit(ctx, "a", 8); err != nil {
		t.Fatal(err)
	}
	if err := c.admin.StartSplit(ctx, "a", 8); !errors.Is(err, admin.ErrInvalidParameters) {
		t.Errorf("StartSplit again: %v", err)
	}
	if err := c.admin.StartSplit(ctx, "a", 16); !errors.Is(err, admin.ErrBusy) {
		t.Errorf("StartSplit during a split: %v", err)
	}
	split, err := c.admin.QuerySplit(ctx, "a")
	if err != nil || split.Partitions != 8 || split.Status[3] != admin.Splitting {
		t.Errorf("QuerySplit = %+v, %v", split, err)
	}
	if err := c.admin.PauseSplit(ctx, "a", admin.AllPartitions); err != nil {
		t.Error(err)
	}
	if err := c.admin.ResumeSplit(ctx, "a", admin.AllPartitions); err != nil {
		t.Error(err)
	}
	if err := c.admin.PauseSplit(ctx, "a", admin.AllPartitions); err != nil {
		t.Error(err)
	}
	if err := c.admin.CancelSplit(ctx, "a"); err != nil {
		t.Error(err)
	}
	if _, err := c.admin.QuerySplit(ctx, "a"); !errors.Is(err, admin.ErrInvalidState) {
		t.Errorf("QuerySplit after canceling: %v", err)
	}
	c.HoldSplits(false)

	if err := c.admin.StartSplit(ctx, "a", 8); err != nil {
		t.Fatal(err)
	}
	for {
		_, err := c.admin.QuerySplit(ctx, "a")
		if errors.Is(err, admin.ErrInvalidState) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	partitions, err := c.admin.Partitions(ctx, "a")
	if err != nil || len(partitions) != 8 {
		t.Errorf("%d partitions, %v", len(partitions), err)
	}
	if got := c.get(t, "a", "k"); got != "v" {
		t.Errorf("after the split the value is %q", got)
	}
}

func TestMovePrimary(t *testing.T) {
	c := start(t)
	ctx := t.Context()
	c.create(t, "a", admin.CreateOptions{Partitions: 2, Replicas: 3})
	c.put(t, "a", "k", "v")
	for index := range 2 {
		before, err := c.admin.Partitions(ctx, "a")
		if err != nil {
			t.Fatal(err)
		}
		to := before[index].Secondaries[0]
		if err := c.admin.MovePrimary(ctx, "a", index, to); err != nil {
			t.Fatal(err)
		}
		after, err := c.admin.Partitions(ctx, "a")
		if err != nil || after[index].Primary != to || after[index].Ballot <= before[index].Ballot {
			t.Errorf("Partitions = %+v, %v, want %s as primary of %v", after, err, to, before[index])
		}
	}
	if got := c.get(t, "a", "k"); got != "v" {
		t.Errorf("the value is %q", got)
	}
}

func TestReplicas(t *testing.T) {
	c := start(t)
	ctx := t.Context()
	c.create(t, "a", admin.CreateOptions{Replicas: 3})
	if old, err := c.admin.SetReplicas(ctx, "a", 2); err != nil || old != 3 {
		t.Errorf("SetReplicas = %d, %v", old, err)
	}
	if n, err := c.admin.Replicas(ctx, "a"); err != nil || n != 2 {
		t.Errorf("Replicas = %d, %v", n, err)
	}
	if _, err := c.admin.Replicas(ctx, "none"); !errors.Is(err, admin.ErrTableNotFound) {
		t.Errorf("Replicas of no table: %v", err)
	}
}

func TestCluster(t *testing.T) {
	c := start(t)
	ctx := t.Context()
	nodes, err := c.admin.Nodes(ctx)
	if err != nil || len(nodes) != 3 || nodes[0] != (admin.Node{Address: c.ReplicaServers()[0], Alive: true}) {
		t.Errorf("Nodes = %v, %v", nodes, err)
	}
	info, err := c.admin.ClusterInfo(ctx)
	if err != nil || info["cluster_name"] != "onebox" || info["meta_servers"] != strings.Join(c.MetaServers(), ",") {
		t.Errorf("ClusterInfo = %v, %v", info, err)
	}
	if level, err := c.admin.MetaLevel(ctx); err != nil || level != admin.LevelSteady {
		t.Errorf("MetaLevel = %v, %v", level, err)
	}
	if old, err := c.admin.SetMetaLevel(ctx, admin.LevelLively); err != nil || old != admin.LevelSteady {
		t.Errorf("SetMetaLevel = %v, %v", old, err)
	}
	if level, err := c.admin.MetaLevel(ctx); err != nil || level != admin.LevelLively {
		t.Errorf("MetaLevel = %v, %v", level, err)
	}
	for _, node := range append(c.MetaServers(), c.ReplicaServers()...) {
		if out, err := c.admin.RemoteCommand(ctx, node, "server-info"); err != nil || out == "" {
			t.Errorf("server-info of %s: %q, %v", node, out, err)
		}
		if got, err := c.admin.Counters(ctx, node); err != nil || len(got.Values) == 0 || time.Since(got.Sampled).Abs() > time.Minute {
			t.Errorf("Counters of %s: %v, %v", node, got, err)
		}
	}
}

func TestDisks(t *testing.T) {
	c := start(t)
	c.create(t, "a", admin.CreateOptions{Partitions: 6, Replicas: 2})
	primaries := 0
	for _, node := range c.ReplicaServers() {
		disks, err := c.admin.Disks(t.Context(), node)
		if err != nil || len(disks) != 1 || disks[0].Available > disks[0].Capacity || disks[0].Primaries+disks[0].Secondaries == 0 {
			t.Fatalf("Disks of %s = %+v, %v", node, disks, err)
		}
		primaries += disks[0].Primaries
	}
	if primaries != 6 {
		t.Errorf("%d primaries on all disks, want 6", primaries)
	}
	if _, err := c.admin.Disks(t.Context(), c.MetaServers()[0]); !errors.Is(err, admin.ErrHandlerNotFound) {
		t.Errorf("Disks of a meta server: %v", err)
	}
}

// The other meta server is asked when the leader is another one.
func TestMetaLeaderMoves(t *testing.T) {
	c := start(t)
	for _, leader := range []int{1, 0, 1} {
		c.SetMetaLeader(leader)
		if _, err := c.admin.Tables(t.Context(), admin.AnyStatus); err != nil {
			t.Errorf("leader %d: %v", leader, err)
		}
	}
}

// Errors are the same values, and of the same types, in both packages.
func TestErrorsOfTheClient(t *testing.T) {
	for _, tc := range []struct{ admin, client error }{
		{admin.ErrClosed, pegasus.ErrClosed},
		{admin.ErrInvalidArgument, pegasus.ErrInvalidArgument},
		{admin.ErrTableNotFound, pegasus.ErrTableNotFound},
		{admin.ErrNoMeta, pegasus.ErrNoMeta},
		{admin.ErrNoPrimary, pegasus.ErrNoPrimary},
		{admin.ErrInDoubt, pegasus.ErrInDoubt},
		{admin.ErrBusy, pegasus.ErrBusy},
	} {
		if !errors.Is(tc.admin, tc.client) {
			t.Errorf("%q is not %q", tc.admin, tc.client)
		}
	}
	_, err := admin.New(admin.Config{})
	var ae *pegasus.ArgumentError
	if !errors.As(err, &ae) || ae.Name != "MetaServers" || !errors.Is(err, pegasus.ErrInvalidArgument) {
		t.Errorf("error %v", err)
	}
}
