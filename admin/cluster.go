package admin

import (
	"context"
	"fmt"

	"github.com/pegasus-go/pegasus/internal/wire"
)

// Node is a replica server.
type Node struct {
	Address string // "ip:port"
	Alive   bool
}

// Nodes lists the replica servers, the dead ones included.
func (c *Client) Nodes(ctx context.Context) ([]Node, error) {
	var resp wire.ListNodesResponse
	err := ask(ctx, c, request{op: "Nodes", task: wire.TaskListNodes}, &wire.ListNodesRequest{},
		&resp, func() (wire.ErrorCode, string) { return resp.Err, "" })
	if err != nil {
		return nil, err
	}
	nodes := make([]Node, len(resp.Infos))
	for i := range resp.Infos {
		nodes[i] = Node{Address: resp.Infos[i].Node.String(), Alive: resp.Infos[i].Status == wire.NodeAlive}
	}
	return nodes, nil
}

// ClusterInfo returns facts about the cluster by name, such as "meta_servers"
// and "cluster_name". Which there are depends on the version of the server.
func (c *Client) ClusterInfo(ctx context.Context) (map[string]string, error) {
	const op = "ClusterInfo"
	var resp wire.ClusterInfoResponse
	err := ask(ctx, c, request{op: op, task: wire.TaskClusterInfo}, &wire.ClusterInfoRequest{},
		&resp, func() (wire.ErrorCode, string) { return resp.Err, "" })
	if err != nil {
		return nil, err
	}
	if len(resp.Keys) != len(resp.Values) {
		return nil, refuse(op, "", fmt.Errorf("%w: %d values for %d keys", wire.ErrMalformed, len(resp.Values), len(resp.Keys)))
	}
	info := make(map[string]string, len(resp.Keys))
	for i, k := range resp.Keys {
		info[k] = resp.Values[i]
	}
	return info, nil
}

// Level says what the meta server may do by itself.
type Level int32

// Levels, from nothing to everything.
const (
	LevelStopped Level = 100
	LevelBlind   Level = 200
	LevelFreezed Level = 300
	LevelSteady  Level = 400 // repairs, but does not balance
	LevelLively  Level = 500 // repairs and balances
)

// String returns the name that Pegasus uses, such as "steady".
func (l Level) String() string {
	switch l {
	case LevelStopped:
		return "stopped"
	case LevelBlind:
		return "blind"
	case LevelFreezed:
		return "freezed"
	case LevelSteady:
		return "steady"
	case LevelLively:
		return "lively"
	}
	return fmt.Sprintf("level %d", int32(l))
}

// MetaLevel returns the level of the meta server.
func (c *Client) MetaLevel(ctx context.Context) (Level, error) {
	return c.controlMeta(ctx, "MetaLevel", wire.MetaInvalid)
}

// SetMetaLevel changes the level of the meta server, and returns the one before.
func (c *Client) SetMetaLevel(ctx context.Context, level Level) (old Level, err error) {
	const op = "SetMetaLevel"
	switch level {
	case LevelStopped, LevelBlind, LevelFreezed, LevelSteady, LevelLively:
		return c.controlMeta(ctx, op, wire.MetaFunctionLevel(level))
	}
	return 0, refuse(op, "", argumentError("level", "is %d, not one of the levels", int32(level)))
}

func (c *Client) controlMeta(ctx context.Context, op string, level wire.MetaFunctionLevel) (Level, error) {
	var resp wire.ControlMetaResponse
	r := request{op: op, task: wire.TaskControlMeta}
	if level != wire.MetaInvalid {
		r.kind = once // a second time it would return the wrong level
	}
	err := ask(ctx, c, r, &wire.ControlMetaRequest{Level: level},
		&resp, func() (wire.ErrorCode, string) { return resp.Err, "" })
	return Level(resp.OldLevel), err
}
