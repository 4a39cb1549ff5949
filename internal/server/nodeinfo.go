package server

import (
	"github.com/pegasus-go/pegasus/internal/storage"
	"github.com/pegasus-go/pegasus/internal/wire"
)

// nodeHandlers are the RPCs about a single server.
func nodeHandlers() []*handler {
	return []*handler{
		nodeRPC(replicaRole, wire.TaskQueryAppInfo, (*call).queryAppInfo),
		nodeRPC(replicaRole, wire.TaskQueryReplicaInfo, (*call).queryReplicaInfo),
		nodeRPC(replicaRole, wire.TaskQueryDiskInfo, (*call).queryDiskInfo),
		nodeRPC(replicaRole, wire.TaskDetectHotkey, (*call).detectHotkey),
		nodeRPC(metaRole|replicaRole, wire.TaskNegotiation, (*call).negotiate),
		{task: wire.TaskRemoteCommand, roles: metaRole | replicaRole, serve: (*call).remoteCommand},
	}
}

// nodeRPC returns the handler of an RPC to any one server.
func nodeRPC[Req, Resp any](roles role, task string, serve func(k *call, req *Req, resp *Resp)) *handler {
	return &handler{task: task, roles: roles, slow: always, serve: func(k *call, dst []byte) []byte {
		var req Req
		wire.Of(&req).Read(&k.req.Arg)
		if k.undecodable() {
			return dst
		}
		var resp Resp
		serve(k, &req, &resp)
		return reply(k, dst, wire.Of(&resp))
	}}
}

// held calls f with every partition of an available table that the node holds a
// replica of. The catalog is locked.
func (k *call) held(f func(t *table, p *partition, primary bool)) {
	for _, t := range k.s.catalog.sorted() {
		if t.rec.Info.Status != wire.AppAvailable {
			continue
		}
		for _, p := range *t.partitions.Load() {
			if primary, secondary := p.conf.Load().serves(k.n.index); primary || secondary {
				f(t, p, primary)
			}
		}
	}
}

func (k *call) queryAppInfo(_ *wire.QueryAppInfoRequest, resp *wire.QueryAppInfoResponse) {
	resp.Err = wire.ErrOK
	k.s.catalog.mu.Lock()
	defer k.s.catalog.mu.Unlock()
	last := int32(-1)
	k.held(func(t *table, _ *partition, _ bool) {
		if t.id != last {
			last = t.id
			resp.Apps = append(resp.Apps, t.info())
		}
	})
}

// diskTag is the name of the one disk that a node has.
const diskTag = "data"

func (k *call) queryReplicaInfo(_ *wire.QueryReplicaInfoRequest, resp *wire.QueryReplicaInfoResponse) {
	resp.Err = wire.ErrOK
	var stores []*storage.Partition
	k.s.catalog.mu.Lock()
	k.held(func(t *table, p *partition, primary bool) {
		status := wire.PartitionSecondary
		if primary {
			status = wire.PartitionPrimary
		}
		stores = append(stores, p.store)
		resp.Replicas = append(resp.Replicas, wire.ReplicaInfo{
			PID:     p.gpid,
			Ballot:  p.conf.Load().ballot,
			Status:  status,
			AppType: t.rec.Info.AppType,
			DiskTag: diskTag,
		})
	})
	k.s.catalog.mu.Unlock()
	// A partition that is being split does not tell until that is over, for
	// which the catalog must not wait.
	for i, store := range stores {
		r := &resp.Replicas[i]
		r.LastCommittedDecree = store.Decree()
		r.LastPreparedDecree, r.LastDurableDecree = r.LastCommittedDecree, r.LastCommittedDecree
	}
}

func (k *call) queryDiskInfo(req *wire.QueryDiskInfoRequest, resp *wire.QueryDiskInfoResponse) {
	resp.Err = wire.ErrOK
	k.s.catalog.mu.Lock()
	defer k.s.catalog.mu.Unlock()
	if req.AppName != "" && k.s.catalog.byName[req.AppName] == nil {
		resp.Err = wire.ErrObjectNotFound
		return
	}
	disk := wire.DiskInfo{
		Tag:                      diskTag,
		FullDir:                  k.s.opts.Dir,
		HoldingPrimaryReplicas:   make(map[int32]map[wire.GPID]struct{}),
		HoldingSecondaryReplicas: make(map[int32]map[wire.GPID]struct{}),
	}
	total, free, err := k.s.db.DiskUsage()
	if err != nil {
		k.s.log.Warn("disk usage not known", "err", err)
	}
	disk.DiskCapacityMB, disk.DiskAvailableMB = int64(total>>20), int64(free>>20)
	k.held(func(t *table, p *partition, primary bool) {
		if req.AppName != "" && req.AppName != t.rec.Info.AppName {
			return
		}
		m := disk.HoldingSecondaryReplicas
		if primary {
			m = disk.HoldingPrimaryReplicas
		}
		if m[t.id] == nil {
			m[t.id] = make(map[wire.GPID]struct{})
		}
		m[t.id][p.gpid] = struct{}{}
	})
	resp.TotalCapacityMB, resp.TotalAvailableMB = disk.DiskCapacityMB, disk.DiskAvailableMB
	resp.DiskInfos = []wire.DiskInfo{disk}
}

// detectHotkey refuses: nothing here counts what keys are used.
func (k *call) detectHotkey(_ *struct{}, resp *wire.OptionalHintResponse) {
	resp.Err = wire.ErrOperationDisabled
	hint := "hotkey detection is not supported"
	resp.Hint = &hint
}

// negotiate tells a client that authenticates that it need not.
func (k *call) negotiate(_ *wire.Negotiation, resp *wire.Negotiation) {
	resp.Status = wire.NegotiationAuthDisable
}
