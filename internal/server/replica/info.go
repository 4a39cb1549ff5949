package replica

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"github.com/pegasus-go/pegasus/internal/server/catalog"
	"github.com/pegasus-go/pegasus/internal/server/console"
	"github.com/pegasus-go/pegasus/internal/wire"
)

// infoHandlers are the RPCs about the server.
func infoHandlers() []*handler {
	return []*handler{
		infoRPC(wire.TaskQueryAppInfo, (*Role).queryAppInfo),
		infoRPC(wire.TaskQueryReplicaInfo, (*Role).queryReplicaInfo),
		infoRPC(wire.TaskQueryDiskInfo, (*Role).queryDiskInfo),
		infoRPC(wire.TaskDetectHotkey, disabled("hotkey detection is not supported")),
		infoRPC(wire.TaskReplicaDiskMigrate, disabled("not supported by a onebox")),
		infoRPC(wire.TaskAddNewDisk, disabled("not supported by a onebox")),
	}
}

// infoRPC returns the handler of an RPC that concerns no partition.
func infoRPC[Req, Resp any](task string, serve func(n *Role, req *Req, resp *Resp)) *handler {
	return &handler{task: task, serve: func(k *call, dst []byte) []byte {
		var req Req
		wire.Of(&req).Read(&k.r.Arg)
		if k.r.Undecodable() {
			return dst
		}
		var resp Resp
		serve(k.Role, &req, &resp)
		return reply(k, dst, wire.Of(&resp))
	}}
}

// disabled refuses what a onebox cannot do: tools show an error and its reason,
// but wait long for no answer.
func disabled(hint string) func(*Role, *struct{}, *wire.OptionalHintResponse) {
	return func(_ *Role, _ *struct{}, resp *wire.OptionalHintResponse) {
		resp.Err, resp.Hint = wire.ErrOperationDisabled, &hint
	}
}

// held calls f with every partition of an available table that the node holds a
// replica of.
func (n *Role) held(f func(table *catalog.View, p *catalog.Partition, primary bool)) {
	for _, t := range n.Catalog.Tables() {
		v := t.View()
		if !v.Available() {
			continue
		}
		for i := range int32(v.Count()) {
			if primary, secondary := v.Serves(i, n.Index); primary || secondary {
				f(v, v.Partition(i), primary)
			}
		}
	}
}

func (n *Role) queryAppInfo(_ *wire.QueryAppInfoRequest, resp *wire.QueryAppInfoResponse) {
	resp.Err = wire.ErrOK
	last := int32(-1)
	n.held(func(table *catalog.View, p *catalog.Partition, _ bool) {
		if p.GPID.AppID != last {
			last = p.GPID.AppID
			resp.Apps = append(resp.Apps, table.AppInfo())
		}
	})
}

// diskTag is the name of the one disk that a node has.
const diskTag = "data"

// queryReplicaInfo waits for a partition that is being split.
func (n *Role) queryReplicaInfo(_ *wire.QueryReplicaInfoRequest, resp *wire.QueryReplicaInfoResponse) {
	resp.Err = wire.ErrOK
	n.held(func(table *catalog.View, p *catalog.Partition, primary bool) {
		status := wire.PartitionSecondary
		if primary {
			status = wire.PartitionPrimary
		}
		decree := p.Store.Decree()
		resp.Replicas = append(resp.Replicas, wire.ReplicaInfo{
			PID:                 p.GPID,
			Ballot:              table.Partitions[p.GPID.PartitionIndex].Ballot,
			Status:              status,
			AppType:             table.Info.AppType,
			DiskTag:             diskTag,
			LastCommittedDecree: decree,
			LastPreparedDecree:  decree,
			LastDurableDecree:   decree,
		})
	})
}

func (n *Role) queryDiskInfo(req *wire.QueryDiskInfoRequest, resp *wire.QueryDiskInfoResponse) {
	resp.Err = wire.ErrOK
	if req.AppName != "" && n.Catalog.Named(req.AppName) == nil {
		resp.Err = wire.ErrObjectNotFound
		return
	}
	disk := wire.DiskInfo{
		Tag:                      diskTag,
		FullDir:                  n.Dir,
		HoldingPrimaryReplicas:   make(map[int32]map[wire.GPID]struct{}),
		HoldingSecondaryReplicas: make(map[int32]map[wire.GPID]struct{}),
	}
	total, free, err := n.DB.Capacity()
	if err != nil {
		n.Logger.Warn("disk usage not known", "error", err.Error())
	}
	disk.DiskCapacityMB, disk.DiskAvailableMB = int64(total>>20), int64(free>>20)
	n.held(func(table *catalog.View, p *catalog.Partition, primary bool) {
		if req.AppName != "" && req.AppName != table.Info.AppName {
			return
		}
		m := disk.HoldingSecondaryReplicas
		if primary {
			m = disk.HoldingPrimaryReplicas
		}
		if m[p.GPID.AppID] == nil {
			m[p.GPID.AppID] = make(map[wire.GPID]struct{})
		}
		m[p.GPID.AppID][p.GPID] = struct{}{}
	})
	resp.TotalCapacityMB, resp.TotalAvailableMB = disk.DiskCapacityMB, disk.DiskAvailableMB
	resp.DiskInfos = []wire.DiskInfo{disk}
}

// DataVersion is a page that tells the version of the stored values' layout.
func (n *Role) DataVersion(query url.Values) (int, string) {
	if !query.Has("app_id") {
		return http.StatusBadRequest, "app_id should not be empty"
	}
	text := query.Get("app_id")
	id, err := strconv.ParseInt(text, 10, 32)
	if err != nil || id < 0 {
		return http.StatusBadRequest, "invalid app_id=" + text
	}
	versions := make(map[string]map[string]string)
	n.held(func(_ *catalog.View, p *catalog.Partition, _ bool) {
		if int64(p.GPID.AppID) == id {
			versions[strconv.Itoa(int(p.GPID.PartitionIndex))] = map[string]string{"data_version": "1"}
		}
	})
	if len(versions) == 0 {
		return http.StatusNotFound, fmt.Sprintf("app_id=%s not found", text)
	}
	return http.StatusOK, console.JSON(versions)
}
