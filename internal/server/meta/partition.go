package meta

import (
	"fmt"
	"slices"

	"github.com/pegasus-go/pegasus/internal/server/catalog"
	"github.com/pegasus-go/pegasus/internal/wire"
)

// partitionHandlers are the RPCs that move and split partitions.
func partitionHandlers() []*handler {
	return []*handler{
		changeRPC(wire.TaskProposeBalancer, (*call).propose),
		changeRPC(wire.TaskStartPartitionSplit, (*call).startSplit),
		rpc(wire.TaskQueryPartitionSplit, (*call).querySplit),
		changeRPC(wire.TaskControlPartitionSplit, (*call).controlSplit),
	}
}

// Steps of a balancer request: values of the enumeration config_type.
const (
	configAssignPrimary    = 1
	configUpgradeToPrimary = 2
)

// propose carries out the steps of a balancer request that make a node the
// primary. The other steps, which prepare or follow that, need nothing done:
// every node has all records.
func (k *call) propose(req *wire.BalancerRequest, resp *wire.ErrResponse) {
	for _, a := range req.ActionList {
		if a.Type != configAssignPrimary && a.Type != configUpgradeToPrimary {
			continue
		}
		node := slices.IndexFunc(k.Catalog.Members().Replicas, func(n catalog.Member) bool { return k.told(n.Address()) == a.Node })
		if node < 0 {
			resp.Err = wire.ErrInvalidParameters
			return
		}
		err := k.Catalog.Move(req.PID.AppID, map[int32]int{req.PID.PartitionIndex: node}, false)
		if resp.Err, _ = catalog.Outcome(err); err != nil {
			return
		}
	}
}

func (m *Role) startSplit(req *wire.StartPartitionSplitRequest, resp *wire.HintResponse) {
	resp.Err, resp.Hint = catalog.Outcome(m.Catalog.StartSplit(req.AppName, int(req.NewPartitionCount)))
}

func (m *Role) querySplit(req *wire.AppNameRequest, resp *wire.QueryPartitionSplitResponse) {
	hint := ""
	t := m.Catalog.Named(req.AppName)
	if t == nil {
		resp.Err, hint = wire.ErrAppNotExist, fmt.Sprintf("app(%s) not existed", req.AppName)
		resp.Hint = &hint
		return
	}
	v := t.View()
	if v.Split == nil {
		resp.Err, hint = wire.ErrInvalidState, fmt.Sprintf("app(%s) is not splitting", req.AppName)
		resp.Hint = &hint
		return
	}
	resp.NewPartitionCount = int32(v.Announced())
	resp.Status = make(map[int32]wire.SplitStatus)
	for i, status := range v.Split {
		resp.Status[int32(i)] = status
	}
}

// controlSplit pauses, restarts or cancels a split.
func (m *Role) controlSplit(req *wire.ControlPartitionSplitRequest, resp *wire.OptionalHintResponse) {
	var err error
	switch req.ControlType {
	case wire.SplitPause:
		err = m.Catalog.PauseSplit(req.AppName, int(req.ParentIndex))
	case wire.SplitRestart:
		err = m.Catalog.RestartSplit(req.AppName, int(req.ParentIndex))
	case wire.SplitCancel:
		count := catalog.None
		if req.OldPartitionCount != nil {
			count = int(*req.OldPartitionCount)
		}
		err = m.Catalog.CancelSplit(req.AppName, count)
	default:
		err = catalog.Refuse(wire.ErrInvalidParameters, "unknown control type")
	}
	hint := ""
	if resp.Err, hint = catalog.Outcome(err); hint != "" {
		resp.Hint = &hint
	}
}
