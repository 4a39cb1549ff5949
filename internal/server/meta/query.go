package meta

import (
	"github.com/pegasus-go/pegasus/internal/server/catalog"
	"github.com/pegasus-go/pegasus/internal/wire"
)

// queryHandlers are the RPCs that tell about tables and the cluster.
func queryHandlers() []*handler {
	return []*handler{
		{task: wire.TaskQueryConfig, named: true, serve: (*call).queryConfig},
		rpc(wire.TaskListApps, (*call).listApps),
		rpc(wire.TaskDDDDiagnose, (*call).diagnose),
		rpc(wire.TaskQueryDuplication, (*call).queryDuplication),
		rpc(wire.TaskListNodes, (*call).listNodes),
		rpc(wire.TaskClusterInfo, (*call).clusterInfo),
		rpc(wire.TaskControlMeta, (*call).controlMeta),
	}
}

// queryConfig is the one RPC whose refusal names the leader.
func (k *call) queryConfig(dst []byte) []byte {
	var req wire.QueryConfigRequest
	wire.Of(&req).Read(&k.r.Arg)
	if k.r.Undecodable() {
		return dst
	}
	resp := wire.QueryConfigResponse{Err: wire.ErrOK}
	members := k.Catalog.Members()
	if k.leads() {
		k.queryTable(&req, &resp)
	} else {
		resp.Err = wire.ErrForwardToOthers
		if leader := members.Leader(); leader != catalog.None {
			resp.Partitions = []wire.PartitionConfiguration{{Primary: k.told(members.Metas[leader].Address())}}
		}
	}
	return wire.AppendReply(dst, &k.r.Request, k.h.ack, wire.Of(&resp))
}

func (k *call) queryTable(req *wire.QueryConfigRequest, resp *wire.QueryConfigResponse) {
	t := k.Catalog.Named(req.AppName)
	if t == nil {
		resp.Err = wire.ErrObjectNotFound
		return
	}
	all := k.configurations(t)
	resp.AppID = t.ID
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

// configurations returns what the client is told about the partitions of a table.
func (k *call) configurations(t *catalog.Table) []wire.PartitionConfiguration {
	v, members := t.View(), k.Catalog.Members()
	all := make([]wire.PartitionConfiguration, v.Announced())
	for i := range all {
		pc := &all[i]
		pc.PID = wire.GPID{AppID: t.ID, PartitionIndex: int32(i)}
		pc.MaxReplicaCount = v.Replicas()
		if i >= v.Count() {
			pc.Ballot = childBallot
			continue
		}
		pc.Ballot = v.Partitions[i].Ballot
		pc.Primary = k.told(members.Replica(int(v.Partitions[i].Primary)))
		for _, n := range v.Secondaries(int32(i)) {
			pc.Secondaries = append(pc.Secondaries, k.told(members.Replica(n)))
		}
	}
	return all
}

// childBallot tells clients that a partition is a child in a split that does
// not serve yet.
const childBallot = -1

func (m *Role) listApps(req *wire.ListAppsRequest, resp *wire.ListAppsResponse) {
	m.Catalog.PurgeExpired()
	for _, t := range m.Catalog.Tables() {
		if info := t.View().AppInfo(); req.Status == wire.AppInvalid || req.Status == info.Status {
			resp.Infos = append(resp.Infos, info)
		}
	}
}

// diagnose finds partitions without a primary.
func (k *call) diagnose(req *wire.DiagnoseRequest, resp *wire.DiagnoseResponse) {
	for _, t := range k.Catalog.Tables() {
		if !t.View().Available() || req.PID.AppID != -1 && req.PID.AppID != t.ID {
			continue
		}
		for i, pc := range k.configurations(t) {
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
func (m *Role) queryDuplication(req *wire.AppNameRequest, resp *wire.QueryDuplicationResponse) {
	if t := m.Catalog.Named(req.AppName); t != nil {
		resp.AppID = t.ID
	} else {
		resp.Err = wire.ErrAppNotExist
	}
}
