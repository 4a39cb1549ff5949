package meta

import (
	"github.com/pegasus-go/pegasus/internal/server/catalog"
	"github.com/pegasus-go/pegasus/internal/wire"
)

// tableHandlers are the RPCs that make, drop and change tables.
func tableHandlers() []*handler {
	return []*handler{
		changeRPC(wire.TaskCreateApp, (*call).createApp),
		changeRPC(wire.TaskDropApp, (*call).dropApp),
		changeRPC(wire.TaskRecallApp, (*call).recallApp),
		changeRPC(wire.TaskRenameApp, (*call).renameApp),
		changeRPC(wire.TaskUpdateAppEnv, (*call).updateAppEnv),
		changeRPC(wire.TaskStartManualCompact, (*call).startCompact),
		rpc(wire.TaskQueryManualCompact, (*call).queryCompact),
		rpc(wire.TaskGetMaxReplicaCount, (*call).getReplicaCount),
		changeRPC(wire.TaskSetMaxReplicaCount, (*call).setReplicaCount),
	}
}

func (m *Role) createApp(req *wire.CreateAppRequest, resp *wire.CreateAppResponse) {
	id, err := m.Catalog.Create(req.AppName, &req.Options)
	if resp.Err, _ = catalog.Outcome(err); err == nil {
		resp.AppID = id
	}
}

func (m *Role) dropApp(req *wire.DropAppRequest, resp *wire.DropAppResponse) {
	reserve := int64(0)
	if r := req.Options.ReserveSeconds; r != nil {
		reserve = *r
	}
	resp.Err, _ = catalog.Outcome(m.Catalog.Drop(req.AppName, reserve))
	if resp.Err == wire.ErrAppNotExist && req.Options.SuccessIfNotExist {
		resp.Err = wire.ErrOK
	}
}

func (m *Role) recallApp(req *wire.RecallAppRequest, resp *wire.RecallAppResponse) {
	t, err := m.Catalog.Recall(req.AppID, req.NewAppName)
	if resp.Err, _ = catalog.Outcome(err); err == nil {
		resp.Info = t.View().AppInfo()
	}
}

func (m *Role) renameApp(req *wire.RenameAppRequest, resp *wire.HintResponse) {
	resp.Err, resp.Hint = catalog.Outcome(m.Catalog.Rename(req.OldAppName, req.NewAppName))
	if resp.Err == wire.ErrAppNotExist {
		resp.Hint = "ERROR: app(" + req.OldAppName + ") not exist. check it!"
	}
}

func (m *Role) getReplicaCount(req *wire.AppNameRequest, resp *wire.MaxReplicaCountResponse) {
	if t := m.Catalog.Named(req.AppName); t != nil {
		resp.MaxReplicaCount = t.View().Info.MaxReplicaCount
	} else {
		resp.Err, resp.Hint = wire.ErrAppNotExist, "app_name="+req.AppName
	}
}

func (m *Role) setReplicaCount(req *wire.SetMaxReplicaCountRequest, resp *wire.MaxReplicaCountResponse) {
	old, err := m.Catalog.SetReplicaCount(req.AppName, req.MaxReplicaCount)
	resp.MaxReplicaCount = old
	if resp.Err, resp.Hint = catalog.Outcome(err); resp.Err == wire.ErrAppNotExist {
		resp.Hint = "app_name=" + req.AppName
	}
}
