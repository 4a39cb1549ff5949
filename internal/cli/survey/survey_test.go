package survey

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/admin"
	"github.com/pegasus-go/pegasus/onebox"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func take(t *testing.T, box *onebox.Server) *Survey {
	t.Helper()
	c, err := admin.New(admin.Config{MetaServers: box.MetaServers()})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	s, err := Take(t.Context(), c, box.MetaServers())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestTake(t *testing.T) {
	box, err := onebox.Start(onebox.Options{
		MetaServers: 2, ReplicaServers: 3,
		Tables: []onebox.Table{{Name: "b", Partitions: 6, ReplicaCount: 3}, {Name: "a", Partitions: 2, ReplicaCount: 3}},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer box.Close()

	s := take(t, box)
	if v := s.Verdict(); v.Word != OK || v.Text != "3 nodes and 2 meta servers up; 8 partitions of 2 tables have all their copies" || len(v.Why)+len(v.Do) > 0 {
		t.Errorf("verdict %+v", v)
	}
	if s.Cluster != "onebox" || s.Leader != box.MetaServers()[0] || s.Level != "steady" || len(s.Metas) != 2 || s.Metas[0].Version != "2.5.0" {
		t.Errorf("survey %+v", s)
	}
	primaries := 0
	for _, n := range s.Nodes {
		if !n.Alive || n.Err != nil || n.CountersErr != nil || n.ReadP99 != -1 || time.Since(n.Sampled) > time.Minute || len(n.Disks) != 1 || n.Primaries+n.Secondaries != 8 {
			t.Errorf("node %+v", n)
		}
		primaries += n.Primaries
	}
	if primaries != 8 || s.Tables[0].Name != "a" {
		t.Errorf("%d primaries, tables %+v", primaries, s.Tables)
	}
	if sum := s.Tables[1].Sum(); sum.Read != 0 || sum.Write != 0 || sum.Rows != 0 || sum.Bytes < 0 || sum.Throttled != 0 {
		t.Errorf("sum %+v", sum)
	}

	// Tables and partitions have times when there were requests, and only those that had some.
	client, err := pegasus.New(pegasus.Config{MetaServers: box.MetaServers()})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	table, err := client.Open(t.Context(), "b")
	if err != nil {
		t.Fatal(err)
	}
	if err := table.Set(t.Context(), []byte("k"), []byte("s"), []byte("v")); err != nil {
		t.Fatal(err)
	}
	if _, err := table.Get(t.Context(), []byte("k"), []byte("s")); err != nil {
		t.Fatal(err)
	}
	s = take(t, box)
	if sum := s.Tables[1].Sum(); sum.ReadP99 <= 0 || sum.WriteP99 <= 0 || sum.Rows != 1 || sum.Bytes <= 0 {
		t.Errorf("after a write and a read: %+v", sum)
	}
	timed := 0
	for _, p := range s.Tables[1].Partitions {
		if p.ReadP99 > 0 || p.WriteP99 > 0 {
			timed++
		}
	}
	if sum := s.Tables[0].Sum(); timed != 1 || sum.ReadP99 != -1 || sum.WriteP99 != -1 {
		t.Errorf("%d partitions have times; a table without requests: %+v", timed, sum)
	}

	// A node that is lost takes the primaries with it until they are moved.
	dead := s.Nodes[1].Addr
	box.Replica(slices.Index(box.ReplicaServers(), dead)).Stop()
	box.Meta(1).Stop()
	s = take(t, box)
	v := s.Verdict()
	if v.Word != Crit || !strings.HasPrefix(v.Text, "1 node and 1 meta server down; ") || !strings.Contains(v.Text, "without a primary") {
		t.Errorf("verdict %+v", v)
	}
	if !strings.Contains(strings.Join(v.Why, "\n"), "has lost node "+dead) || !slices.Contains(v.Do, "pegasus doctor") {
		t.Errorf("verdict %+v", v)
	}
	if s.Tables[1].Sum().Rows != -1 {
		t.Errorf("rows of a table with a dead primary: %d", s.Tables[1].Sum().Rows)
	}
	if err := box.Failover(slices.Index(box.ReplicaServers(), dead)); err != nil {
		t.Fatal(err)
	}
	if v := take(t, box).Verdict(); v.Word != Warn || !strings.Contains(v.Text, "8 partitions short of copies; all rows can be read") {
		t.Errorf("verdict %+v", v)
	}
}

// A node that hangs is waited for once, beside everything else.
func TestNodeThatHangs(t *testing.T) {
	box, err := onebox.Start(onebox.Options{ReplicaServers: 2, Tables: []onebox.Table{{Name: "a", Partitions: 2, ReplicaCount: 2}}})
	if err != nil {
		t.Fatal(err)
	}
	defer box.Close()
	box.Replica(0).Pause()
	s := take(t, box)
	if v := s.Verdict(); v.Word != Warn || !strings.Contains(strings.Join(v.Why, "\n"), "no answer within 2s") {
		t.Errorf("verdict %+v", v)
	}
}

func TestVersion(t *testing.T) {
	for text, want := range map[string]string{
		"Pegasus Server 2.5.0 (abc) Release, Started at 2026-01-01 00:00:00": "2.5.0",
		`{"version":"2.6.0","build_type":"Release"}`:                         "2.6.0",
		"unknown command 'server-info'":                                      "",
	} {
		if got := version(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

// The counters of a cluster's server: of a partition they are heard from its primary, and
// there are other percentiles among them.
func TestLoad(t *testing.T) {
	node := Node{Server: Server{Addr: "n1"}, NodeLoad: unknownNode}
	p := Partition{Partition: admin.Partition{TableID: 3, Index: 1, Primary: "n1"}, Load: unknown}
	s := &Survey{Nodes: []Node{node, {Server: Server{Addr: "n2"}, NodeLoad: unknownNode}}, Tables: []Table{{Partitions: []Partition{p}}}}
	s.load([]admin.Counters{
		{Sampled: time.Unix(9, 0), Values: []admin.Counter{
			{Name: "replica*app.pegasus*get_qps@3.1", Value: 2},
			{Name: "replica*app.pegasus*scan_qps@3.1", Value: 0.5},
			{Name: "replica*app.pegasus*get_latency@3.1", Value: 1e6},
			{Name: "replica*app.pegasus*scan_latency@3.1", Value: 3e6},
			{Name: "replica*app.pegasus*scan_latency@3.1.p999", Value: 9e6},
			{Name: "replica*app.pegasus*put_qps@4.1", Value: 7},
			{Name: "replica*app.pegasus*rdb.estimate_num_keys@3.1", Value: 41},
			{Name: "replica*app.pegasus*disk.storage.sst(MB)@3.1", Value: 2},
			{Name: "replica*eon.replica*recent.read.throttling.reject.count@3.1", Value: 20},
			{Name: "zion*profiler*RPC_RRDB_RRDB_GET.latency.server", Value: 4e6},
			{Name: "zion*profiler*RPC_RRDB_RRDB_GET.latency.server.p999", Value: 8e6},
			{Name: "zion*profiler*RPC_RRDB_RRDB_PUT.latency.server", Value: 0}, // there was none
			{Name: "replica*eon.replica_stub*replicas.learning.count", Value: 2},
		}},
		{Values: []admin.Counter{{Name: "replica*app.pegasus*get_qps@3.1", Value: 100}}}, // a secondary
	})
	want := Load{Read: 2.5, Write: -1, ReadP99: 3 * time.Millisecond, WriteP99: -1, Throttled: 2, Rows: 41, Bytes: 2 << 20}
	if got := s.Tables[0].Sum(); got != want {
		t.Errorf("load %+v, want %+v", got, want)
	}
	if n := s.Nodes[0]; n.ReadP99 != 4*time.Millisecond || n.WriteP99 != -1 || n.Learning != 2 || n.Sampled.Unix() != 9 {
		t.Errorf("node %+v", n)
	}
}
