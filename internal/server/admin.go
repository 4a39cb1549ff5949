package server

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/pegasus-go/pegasus/internal/wire"
)

// adminHandlers are the RPCs that reorganise tables.
func adminHandlers() []*handler {
	return []*handler{
		changeRPC(wire.TaskStartManualCompact, (*call).startCompact),
		metaRPC(wire.TaskQueryManualCompact, (*call).queryCompact),
		metaRPC(wire.TaskGetMaxReplicaCount, (*call).getReplicaCount),
		changeRPC(wire.TaskSetMaxReplicaCount, (*call).setReplicaCount),
		changeRPC(wire.TaskProposeBalancer, (*call).propose),
		changeRPC(wire.TaskStartPartitionSplit, (*call).startSplit),
		metaRPC(wire.TaskQueryPartitionSplit, (*call).querySplit),
		changeRPC(wire.TaskControlPartitionSplit, (*call).controlSplit),
	}
}

// startCompact starts a manual compaction. What a client can see of it is that
// expired records are gone from the disk, so that is what it does.
func (k *call) startCompact(req *wire.StartManualCompactRequest, resp *wire.HintResponse) {
	s, c := k.s, &k.s.catalog
	c.mu.Lock()
	t := c.byName[req.AppName]
	disabled := t != nil && t.rec.Info.Envs[envCompactDisabled] == "true"
	c.mu.Unlock()
	switch {
	case t == nil:
		resp.Err, resp.Hint = wire.ErrAppNotExist, fmt.Sprintf("app %s is not existed", req.AppName)
		return
	case disabled:
		resp.Err, resp.Hint = wire.ErrOperationDisabled, fmt.Sprintf("app %s disable manual compaction", req.AppName)
		return
	case req.TargetLevel != nil && *req.TargetLevel < -1:
		resp.Err, resp.Hint = wire.ErrInvalidParameters,
			fmt.Sprintf("invalid target_level(%d), should in range of [-1, num_levels]", *req.TargetLevel)
		return
	case req.MaxRunningCount != nil && *req.MaxRunningCount < 0:
		resp.Err, resp.Hint = wire.ErrInvalidParameters,
			fmt.Sprintf("invalid max_running_count(%d), should be >= 0", *req.MaxRunningCount)
		return
	}
	level, bottommost, trigger := "-1", "skip", s.unix()
	if req.TargetLevel != nil {
		level = strconv.Itoa(int(*req.TargetLevel))
	}
	if isSet(req.Bottommost) {
		bottommost = "force"
	}
	if req.TriggerTime != nil {
		trigger = *req.TriggerTime
	}
	code, hint := s.changeEnvs(req.AppName, func(envs map[string]string) string {
		envs[envCompactOnce+"target_level"] = level
		envs[envCompactOnce+"bottommost_level_compaction"] = bottommost
		envs[envCompactOnce+"trigger_time"] = strconv.FormatInt(trigger, 10)
		return "succeed"
	})
	if resp.Err, resp.Hint = code, hint; code == wire.ErrOK {
		t.compaction.Store(compactRunning)
		s.inBackground(func() { s.compact(t) })
	}
}

// States of the manual compaction of a table.
const (
	compactNever = iota
	compactRunning
	compactDone
)

func (s *Server) compact(t *table) {
	if _, err := s.db.Sweep(s.background.ctx); err != nil && !errors.Is(err, context.Canceled) {
		s.log.Error("manual compaction failed", "err", err)
	}
	t.compaction.Store(compactDone)
}

func (k *call) queryCompact(req *wire.AppNameRequest, resp *wire.QueryManualCompactResponse) {
	c := &k.s.catalog
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.byName[req.AppName]
	if t == nil {
		resp.Err, resp.Hint = wire.ErrAppNotExist, fmt.Sprintf("app %s is not existed", req.AppName)
		return
	}
	progress := int32(0)
	switch t.compaction.Load() {
	case compactNever:
		resp.Err, resp.Hint = wire.ErrInvalidState, fmt.Sprintf("app %s is not manual compaction", req.AppName)
		return
	case compactDone:
		progress = 100
	}
	resp.Progress = &progress
}

func (k *call) getReplicaCount(req *wire.AppNameRequest, resp *wire.MaxReplicaCountResponse) {
	c := &k.s.catalog
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.byName[req.AppName]
	if t == nil {
		resp.Err, resp.Hint = wire.ErrAppNotExist, "app_name="+req.AppName
		return
	}
	resp.MaxReplicaCount = t.rec.Info.MaxReplicaCount
}

func (k *call) setReplicaCount(req *wire.SetMaxReplicaCountRequest, resp *wire.MaxReplicaCountResponse) {
	s, c := k.s, &k.s.catalog
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.byName[req.AppName]
	if t == nil {
		resp.Err, resp.Hint = wire.ErrAppNotExist, "app_name="+req.AppName
		return
	}
	resp.MaxReplicaCount = t.rec.Info.MaxReplicaCount
	switch {
	case req.MaxReplicaCount < 1 || req.MaxReplicaCount > maxReplicaCount:
		resp.Err = wire.ErrInvalidParameters
		resp.Hint = fmt.Sprintf("requested replica count(%d) must be in range [1, %d]", req.MaxReplicaCount, maxReplicaCount)
		return
	case req.MaxReplicaCount == resp.MaxReplicaCount:
		resp.Hint = "no need to update max_replica_count since it's not changed"
		return
	case c.frozen():
		resp.Err, resp.Hint = wire.ErrStateFreezed, "the meta server is freezed"
		return
	}
	rec := t.rec.clone()
	rec.Info.MaxReplicaCount = req.MaxReplicaCount
	for i := range rec.Partitions {
		rec.Partitions[i].Ballot++
	}
	if resp.Err, resp.Hint = s.save(t, rec); resp.Err != wire.ErrOK {
		return
	}
	s.reconfigure(t)
}
