package server

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/pegasus-go/pegasus/internal/wire"
)

// metaHandlers are the RPCs that tell about the cluster.
func metaHandlers() []*handler {
	return []*handler{
		{task: wire.TaskQueryConfig, roles: metaRole, serve: (*call).queryConfig},
		metaRPC(wire.TaskListApps, (*call).listApps),
		metaRPC(wire.TaskListNodes, (*call).listNodes),
		metaRPC(wire.TaskClusterInfo, (*call).clusterInfo),
		metaRPC(wire.TaskControlMeta, (*call).controlMeta),
		metaRPC(wire.TaskDDDDiagnose, (*call).diagnose),
		metaRPC(wire.TaskQueryDuplication, (*call).queryDuplication),
	}
}

// queryConfig is the one meta RPC whose refusal names the leader.
func (k *call) queryConfig(dst []byte) []byte {
	var req wire.QueryConfigRequest
	wire.Of(&req).Read(&k.req.Arg)
	if k.undecodable() {
		return dst
	}
	resp := wire.QueryConfigResponse{Err: k.leads()}
	if resp.Err == wire.ErrOK {
		k.s.queryConfig(&req, &resp)
	} else if leader := k.s.leader.Load(); leader != noLeader {
		resp.Partitions = []wire.PartitionConfiguration{{Primary: k.s.metas[leader].addr}}
	}
	return reply(k, dst, wire.Of(&resp))
}

func (s *Server) queryConfig(req *wire.QueryConfigRequest, resp *wire.QueryConfigResponse) {
	s.catalog.mu.Lock()
	defer s.catalog.mu.Unlock()
	t := s.catalog.byName[req.AppName]
	if t == nil {
		resp.Err = wire.ErrObjectNotFound
		return
	}
	all := s.configurations(t)
	resp.AppID = t.rec.Info.AppID
	resp.PartitionCount = int32(len(all))
	resp.IsStateful = true
	for _, i := range req.PartitionIndices {
		if i >= 0 && int(i) < len(all) && len(resp.Partitions) < len(all) {
			resp.Partitions = append(resp.Partitions, all[i])
		}
	}
	if len(resp.Partitions) == 0 {
		resp.Partitions = all
	}
}

// configurations returns what clients are told about the partitions of t. The
// catalog is locked.
func (s *Server) configurations(t *table) []wire.PartitionConfiguration {
	serving := *t.partitions.Load()
	all := make([]wire.PartitionConfiguration, t.announced())
	for i := range all {
		pc := &all[i]
		pc.PID = wire.GPID{AppID: t.rec.Info.AppID, PartitionIndex: int32(i)}
		pc.MaxReplicaCount = t.rec.Info.MaxReplicaCount
		if i >= len(serving) {
			pc.Ballot = childBallot
			continue
		}
		conf := serving[i].conf.Load()
		pc.Ballot = conf.ballot
		pc.Primary = s.address(conf.primary)
		for _, n := range conf.secondaries {
			pc.Secondaries = append(pc.Secondaries, s.address(n))
		}
	}
	return all
}

// childBallot tells clients that a partition is a child in a split that does
// not serve yet.
const childBallot = -1

func (k *call) listApps(req *wire.ListAppsRequest, resp *wire.ListAppsResponse) {
	k.s.purgeExpired()
	c := &k.s.catalog
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, t := range c.sorted() {
		if req.Status == wire.AppInvalid || req.Status == t.rec.Info.Status {
			resp.Infos = append(resp.Infos, t.info())
		}
	}
}

func (k *call) listNodes(req *wire.ListNodesRequest, resp *wire.ListNodesResponse) {
	alive := func(n *Node) wire.NodeStatus {
		if n.Running() {
			return wire.NodeAlive
		}
		return wire.NodeUnalive
	}
	for _, status := range []wire.NodeStatus{wire.NodeAlive, wire.NodeUnalive} {
		for _, n := range k.s.replicas {
			if alive(n) == status && (req.Status == wire.NodeInvalid || req.Status == status) {
				resp.Infos = append(resp.Infos, wire.NodeInfo{Status: status, Node: n.addr})
			}
		}
	}
}

func (k *call) clusterInfo(_ *wire.ClusterInfoRequest, resp *wire.ClusterInfoResponse) {
	s := k.s
	var metas []string
	for _, n := range s.metas {
		metas = append(metas, n.Addr())
	}
	s.catalog.mu.Lock()
	defer s.catalog.mu.Unlock()
	primaries := make([]int, len(s.replicas))
	replicas := make([]int, len(s.replicas))
	for _, t := range s.catalog.byName {
		for _, p := range *t.partitions.Load() {
			conf := p.conf.Load()
			if conf.primary == noPrimary {
				continue
			}
			primaries[conf.primary]++
			held := append([]int{conf.primary}, conf.secondaries...)
			slices.Sort(held)
			for _, n := range slices.Compact(held) {
				replicas[n]++
			}
		}
	}
	for _, e := range [][2]string{
		{"meta_servers", strings.Join(metas, ",")},
		{"primary_meta_server", k.n.Addr()},
		{"zookeeper_hosts", ""},
		{"zookeeper_root", ""},
		{"meta_function_level", levelName(s.catalog.level)},
		{"balance_operation_count", "move_primary=0,copy_primary=0,copy_secondary=0,total=0"},
		{"primary_replica_count_stddev", stddev(primaries)},
		{"total_replica_count_stddev", stddev(replicas)},
		{"cluster_name", s.opts.ClusterName},
	} {
		resp.Keys = append(resp.Keys, e[0])
		resp.Values = append(resp.Values, e[1])
	}
}

func stddev(counts []int) string {
	var sum, squares float64
	for _, n := range counts {
		sum += float64(n)
		squares += float64(n) * float64(n)
	}
	n := float64(len(counts))
	return fmt.Sprintf("%.2f", math.Sqrt(max(0, squares/n-sum/n*sum/n)))
}

func levelName(l wire.MetaFunctionLevel) string {
	switch l {
	case wire.MetaStopped:
		return "stopped"
	case wire.MetaBlind:
		return "blind"
	case wire.MetaFreezed:
		return "freezed"
	case wire.MetaSteady:
		return "steady"
	case wire.MetaLively:
		return "lively"
	}
	return "invalid"
}

func (k *call) controlMeta(req *wire.ControlMetaRequest, resp *wire.ControlMetaResponse) {
	c := &k.s.catalog
	c.mu.Lock()
	defer c.mu.Unlock()
	resp.OldLevel = c.level
	switch {
	case req.Level == wire.MetaInvalid: // only asks
	case levelName(req.Level) == "invalid":
		resp.Err = wire.ErrInvalidParameters
	default:
		c.level = req.Level
	}
}

// frozen reports whether the meta server may not make changes that need nodes.
// The catalog is locked.
func (c *catalog) frozen() bool { return c.level <= wire.MetaFreezed }

// diagnose finds partitions without a primary.
func (k *call) diagnose(req *wire.DiagnoseRequest, resp *wire.DiagnoseResponse) {
	c := &k.s.catalog
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, t := range c.sorted() {
		if t.rec.Info.Status != wire.AppAvailable || req.PID.AppID != -1 && req.PID.AppID != t.rec.Info.AppID {
			continue
		}
		for i, pc := range k.s.configurations(t) {
			if pc.Primary.Valid() || pc.Ballot < 0 || req.PID.PartitionIndex != -1 && int(req.PID.PartitionIndex) != i {
				continue
			}
			resp.Partitions = append(resp.Partitions, wire.PartitionDiagnose{
				Config: pc,
				Reason: "the primary was taken away",
			})
		}
	}
}

// queryDuplication says that a table is not copied to another cluster, which
// tools ask before they do something with it.
func (k *call) queryDuplication(req *wire.AppNameRequest, resp *wire.QueryDuplicationResponse) {
	c := &k.s.catalog
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.byName[req.AppName]
	if t == nil {
		resp.Err = wire.ErrAppNotExist
		return
	}
	resp.AppID = t.id
}
