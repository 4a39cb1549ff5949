package server

import (
	"maps"

	"github.com/pegasus-go/pegasus/internal/wire"
)

// MaxPartitions is the largest partition count of a table.
const MaxPartitions = 1 << 16

const (
	appType         = "pegasus"
	maxReplicaCount = 5
	// reserveSeconds is how long a dropped table can be recalled by default.
	reserveSeconds = 7 * 24 * 3600
)

// tableHandlers are the RPCs that make, drop and change tables.
func tableHandlers() []*handler {
	return []*handler{
		changeRPC(wire.TaskCreateApp, (*call).createApp),
		changeRPC(wire.TaskDropApp, (*call).dropApp),
		changeRPC(wire.TaskRecallApp, (*call).recallApp),
		changeRPC(wire.TaskRenameApp, (*call).renameApp),
		changeRPC(wire.TaskUpdateAppEnv, (*call).updateAppEnv),
	}
}

// TableSpec describes a table to make.
type TableSpec struct {
	Name         string
	Partitions   int
	ReplicaCount int
	Envs         map[string]string
}

// EnsureTable makes a table unless there is one with that name, whatever its
// properties.
func (s *Server) EnsureTable(spec TableSpec) error {
	s.catalog.mu.Lock()
	defer s.catalog.mu.Unlock()
	if s.catalog.byName[spec.Name] != nil {
		return nil
	}
	_, code := s.create(spec.Name, &wire.CreateAppOptions{
		PartitionCount: int32(spec.Partitions),
		ReplicaCount:   int32(spec.ReplicaCount),
		AppType:        appType,
		IsStateful:     true,
		Envs:           spec.Envs,
	})
	if code != wire.ErrOK {
		return code
	}
	return nil
}

func (k *call) createApp(req *wire.CreateAppRequest, resp *wire.CreateAppResponse) {
	c := &k.s.catalog
	c.mu.Lock()
	defer c.mu.Unlock()
	resp.AppID, resp.Err = k.s.create(req.AppName, &req.Options)
}

// create makes a table. The catalog is locked.
func (s *Server) create(name string, o *wire.CreateAppOptions) (int32, wire.ErrorCode) {
	c := &s.catalog
	switch {
	case c.frozen():
		return 0, wire.ErrStateFreezed
	case o.PartitionCount <= 0, o.PartitionCount > MaxPartitions,
		o.ReplicaCount < 1, o.ReplicaCount > maxReplicaCount,
		// A real server's replicas die of another type.
		o.AppType != appType,
		!validCreateEnvs(o.Envs):
		return 0, wire.ErrInvalidParameters
	}
	if t := c.byName[name]; t != nil {
		switch {
		case !o.SuccessIfExist:
			return 0, wire.ErrAppExist
		case !sameOptions(&t.rec.Info, o):
			return 0, wire.ErrInvalidParameters
		}
		return t.rec.Info.AppID, wire.ErrOK
	}
	rec := record{Info: wire.AppInfo{
		Status:             wire.AppAvailable,
		AppType:            o.AppType,
		AppName:            name,
		AppID:              c.lastID + 1,
		PartitionCount:     o.PartitionCount,
		Envs:               maps.Clone(o.Envs),
		IsStateful:         o.IsStateful,
		MaxReplicaCount:    o.ReplicaCount,
		CreateSecond:       s.unix(),
		InitPartitionCount: o.PartitionCount,
	}}
	for i := range o.PartitionCount {
		rec.Partitions = append(rec.Partitions, partitionRecord{Ballot: 1, Primary: i % int32(len(s.replicas))})
	}
	t := &table{id: rec.Info.AppID, rec: rec}
	if err := s.open(t); err != nil {
		s.log.Error("table not opened", "table", name, "err", err)
		return 0, wire.ErrReplicationFailure
	}
	if code, _ := s.save(t, rec); code != wire.ErrOK {
		return 0, code
	}
	c.byID[rec.Info.AppID] = t
	c.byName[name] = t
	s.publish()
	return rec.Info.AppID, wire.ErrOK
}

func sameOptions(info *wire.AppInfo, o *wire.CreateAppOptions) bool {
	return info.PartitionCount == o.PartitionCount &&
		info.MaxReplicaCount == o.ReplicaCount &&
		info.AppType == o.AppType &&
		info.IsStateful == o.IsStateful &&
		maps.Equal(info.Envs, o.Envs)
}

func (k *call) dropApp(req *wire.DropAppRequest, resp *wire.DropAppResponse) {
	s, c := k.s, &k.s.catalog
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.byName[req.AppName]
	switch {
	case t == nil && req.Options.SuccessIfNotExist:
		return
	case t == nil:
		resp.Err = wire.ErrAppNotExist
		return
	case t.split != nil:
		resp.Err = wire.ErrSplitting
		return
	}
	rec := t.rec.clone()
	rec.Info.Status = wire.AppDropped
	rec.Info.DropSecond = s.unix()
	rec.Info.ExpireSecond = rec.Info.DropSecond + reserveSeconds
	if r := req.Options.ReserveSeconds; r != nil && *r > 0 {
		rec.Info.ExpireSecond = rec.Info.DropSecond + *r
	}
	if resp.Err, _ = s.save(t, rec); resp.Err != wire.ErrOK {
		return
	}
	delete(c.byName, req.AppName)
	s.publish()
	s.scans.dropTable(t.id)
	s.schedulePurge()
}

func (k *call) recallApp(req *wire.RecallAppRequest, resp *wire.RecallAppResponse) {
	s, c := k.s, &k.s.catalog
	s.purgeExpired()
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.byID[req.AppID]
	switch {
	case t == nil:
		resp.Err = wire.ErrAppNotExist
		return
	case t.rec.Info.Status != wire.AppDropped:
		resp.Err = wire.ErrAppExist
		return
	}
	rec := t.rec.clone()
	if req.NewAppName != "" {
		rec.Info.AppName = req.NewAppName
	}
	if c.byName[rec.Info.AppName] != nil {
		resp.Err = wire.ErrInvalidParameters
		return
	}
	rec.Info.Status = wire.AppAvailable
	for i := range rec.Partitions {
		rec.Partitions[i].Ballot++
	}
	dropped := t.rec
	t.rec = rec
	if err := s.open(t); err != nil {
		s.log.Error("table not opened", "table", rec.Info.AppName, "err", err)
		resp.Err = wire.ErrReplicationFailure
	} else {
		resp.Err, _ = s.save(t, rec)
	}
	if resp.Err != wire.ErrOK {
		t.rec = dropped
		return
	}
	c.byName[rec.Info.AppName] = t
	s.publish()
	resp.Info = t.info()
}

func (k *call) renameApp(req *wire.RenameAppRequest, resp *wire.HintResponse) {
	s, c := k.s, &k.s.catalog
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.byName[req.OldAppName]
	switch {
	case t == nil:
		resp.Err, resp.Hint = wire.ErrAppNotExist, "ERROR: app("+req.OldAppName+") not exist. check it!"
		return
	case c.byName[req.NewAppName] != nil:
		resp.Err, resp.Hint = wire.ErrInvalidParameters, "ERROR: app("+req.NewAppName+") already exist! check it!"
		return
	}
	rec := t.rec.clone()
	rec.Info.AppName = req.NewAppName
	if resp.Err, resp.Hint = s.save(t, rec); resp.Err != wire.ErrOK {
		return
	}
	delete(c.byName, req.OldAppName)
	c.byName[req.NewAppName] = t
}
