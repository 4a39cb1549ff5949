package meta

import (
	"fmt"
	"strconv"

	"github.com/pegasus-go/pegasus/internal/server/catalog"
	"github.com/pegasus-go/pegasus/internal/wire"
)

// startCompact starts a manual compaction, as operators do by hand: by names in
// the environment.
func (m *Role) startCompact(req *wire.StartManualCompactRequest, resp *wire.HintResponse) {
	err := checkCompact(m.Catalog.Named(req.AppName), req)
	if err == nil {
		err = m.Catalog.StartCompact(req.AppName, func(envs map[string]string) error {
			if catalog.CompactDisabled(envs) {
				return catalog.Refuse(wire.ErrOperationDisabled, "app %s disable manual compaction", req.AppName)
			}
			m.setCompact(envs, req)
			return nil
		})
	}
	if resp.Err, resp.Hint = catalog.Outcome(err); err == nil {
		resp.Hint = "succeed"
	}
}

func checkCompact(t *catalog.Table, req *wire.StartManualCompactRequest) error {
	switch {
	case t == nil:
		return catalog.Refuse(wire.ErrAppNotExist, "app %s is not existed", req.AppName)
	case req.TargetLevel != nil && *req.TargetLevel < -1:
		return catalog.Refuse(wire.ErrInvalidParameters, "invalid target_level(%d), should in range of [-1, num_levels]", *req.TargetLevel)
	case req.MaxRunningCount != nil && *req.MaxRunningCount < 0:
		return catalog.Refuse(wire.ErrInvalidParameters, "invalid max_running_count(%d), should be >= 0", *req.MaxRunningCount)
	}
	return nil
}

func (m *Role) setCompact(envs map[string]string, req *wire.StartManualCompactRequest) {
	level, bottommost, trigger := "-1", "skip", m.Catalog.Now()
	if req.TargetLevel != nil {
		level = strconv.Itoa(int(*req.TargetLevel))
	}
	if req.Bottommost != nil && *req.Bottommost {
		bottommost = "force"
	}
	if req.TriggerTime != nil {
		trigger = *req.TriggerTime
	}
	envs[catalog.EnvCompactOnce+"target_level"] = level
	envs[catalog.EnvCompactOnce+"bottommost_level_compaction"] = bottommost
	envs[catalog.EnvCompactOnce+"trigger_time"] = strconv.FormatInt(trigger, 10)
}

func (m *Role) queryCompact(req *wire.AppNameRequest, resp *wire.QueryManualCompactResponse) {
	t := m.Catalog.Named(req.AppName)
	if t == nil {
		resp.Err, resp.Hint = wire.ErrAppNotExist, fmt.Sprintf("app %s is not existed", req.AppName)
		return
	}
	state := m.Catalog.Compaction(t)
	if !state.Started {
		resp.Err, resp.Hint = wire.ErrInvalidState, fmt.Sprintf("app %s is not manual compaction", req.AppName)
		return
	}
	progress := int32(state.Progress)
	resp.Progress = &progress
}
