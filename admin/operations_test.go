package admin

import (
	"context"
	"net"
	"testing"
	"testing/synctest"

	"github.com/pegasus-go/pegasus/internal/memnet"
	"github.com/pegasus-go/pegasus/internal/peer"
	"github.com/pegasus-go/pegasus/internal/wire"
)

const metaAddr = "10.0.0.1:34601"

// operation is a method of the client, with the RPC that it is about.
type operation struct {
	name string
	task string
	kind kind
	call func(ctx context.Context, c *Client) error
}

func discard[T any](_ T, err error) error { return err }

var operations = []operation{
	{"CreateTable", wire.TaskCreateApp, once, func(ctx context.Context, c *Client) error {
		return discard(c.CreateTable(ctx, "a", CreateOptions{}))
	}},
	{"CreateTable", wire.TaskCreateApp, idempotent, func(ctx context.Context, c *Client) error {
		return discard(c.CreateTable(ctx, "a", CreateOptions{SuccessIfExist: true}))
	}},
	{"DropTable", wire.TaskDropApp, once, func(ctx context.Context, c *Client) error { return c.DropTable(ctx, "a", 0) }},
	{"RecallTable", wire.TaskRecallApp, once, func(ctx context.Context, c *Client) error { return discard(c.RecallTable(ctx, 7, "")) }},
	{"RenameTable", wire.TaskRenameApp, once, func(ctx context.Context, c *Client) error { return c.RenameTable(ctx, "a", "b") }},
	{"SetReplicas", wire.TaskSetMaxReplicaCount, once, func(ctx context.Context, c *Client) error { return discard(c.SetReplicas(ctx, "a", 2)) }},
	{"SetEnvs", wire.TaskUpdateAppEnv, idempotent, func(ctx context.Context, c *Client) error {
		return c.SetEnvs(ctx, "a", map[string]string{"k": "v"})
	}},
	{"DelEnvs", wire.TaskUpdateAppEnv, idempotent, func(ctx context.Context, c *Client) error { return c.DelEnvs(ctx, "a", "k") }},
	{"ClearEnvs", wire.TaskUpdateAppEnv, idempotent, func(ctx context.Context, c *Client) error { return c.ClearEnvs(ctx, "a", "") }},
	{"StartCompact", wire.TaskStartManualCompact, once, func(ctx context.Context, c *Client) error { return c.StartCompact(ctx, "a", CompactOptions{}) }},
	{"StartSplit", wire.TaskStartPartitionSplit, once, func(ctx context.Context, c *Client) error { return c.StartSplit(ctx, "a", 8) }},
	{"PauseSplit", wire.TaskControlPartitionSplit, once, func(ctx context.Context, c *Client) error { return c.PauseSplit(ctx, "a", 0) }},
	{"ResumeSplit", wire.TaskControlPartitionSplit, once, func(ctx context.Context, c *Client) error { return c.ResumeSplit(ctx, "a", 0) }},
	{"CancelSplit", wire.TaskControlPartitionSplit, once, func(ctx context.Context, c *Client) error { return c.CancelSplit(ctx, "a") }},
	{"MovePrimary", wire.TaskProposeBalancer, once, func(ctx context.Context, c *Client) error {
		return c.MovePrimary(ctx, "a", 0, "127.0.0.1:34802")
	}},
	{"SetMetaLevel", wire.TaskControlMeta, once, func(ctx context.Context, c *Client) error { return discard(c.SetMetaLevel(ctx, LevelLively)) }},
	{"RemoteCommand", wire.TaskRemoteCommand, once, func(ctx context.Context, c *Client) error {
		return discard(c.RemoteCommand(ctx, metaAddr, "flush-log"))
	}},

	{"Tables", wire.TaskListApps, query, func(ctx context.Context, c *Client) error { return discard(c.Tables(ctx, AnyStatus)) }},
	{"Table", wire.TaskListApps, query, func(ctx context.Context, c *Client) error { return discard(c.Table(ctx, "a")) }},
	{"GetEnvs", wire.TaskListApps, query, func(ctx context.Context, c *Client) error { return discard(c.GetEnvs(ctx, "a")) }},
	{"Replicas", wire.TaskGetMaxReplicaCount, query, func(ctx context.Context, c *Client) error { return discard(c.Replicas(ctx, "a")) }},
	{"Partitions", wire.TaskQueryConfig, query, func(ctx context.Context, c *Client) error { return discard(c.Partitions(ctx, "a")) }},
	{"QuerySplit", wire.TaskQueryPartitionSplit, query, func(ctx context.Context, c *Client) error { return discard(c.QuerySplit(ctx, "a")) }},
	{"QueryCompact", wire.TaskQueryManualCompact, query, func(ctx context.Context, c *Client) error { return discard(c.QueryCompact(ctx, "a")) }},
	{"Nodes", wire.TaskListNodes, query, func(ctx context.Context, c *Client) error { return discard(c.Nodes(ctx)) }},
	{"ClusterInfo", wire.TaskClusterInfo, query, func(ctx context.Context, c *Client) error { return discard(c.ClusterInfo(ctx)) }},
	{"MetaLevel", wire.TaskControlMeta, query, func(ctx context.Context, c *Client) error { return discard(c.MetaLevel(ctx)) }},
}

// inBubble runs f on a fake clock, with a client of a meta server at metaAddr.
func inBubble(t *testing.T, handle peer.Handler, f func(t *testing.T, c *Client)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		var n memnet.Network
		peer.Serve(t, n.Listen, metaAddr, handle)
		c, err := New(Config{MetaServers: []string{metaAddr}, Dial: n.Dial})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		f(t, c)
	})
}

// prelude answers what MovePrimary and CancelSplit ask first, and what they all are
// about as h does. Probes are no concern of h.
func prelude(task string, h peer.Handler) peer.Handler {
	table, split := partitions(2), wire.QueryPartitionSplitResponse{NewPartitionCount: 8}
	return func(r *peer.Request) {
		switch name := r.Name(); {
		case name == task:
			h(r)
		case name == wire.TaskQueryConfig:
			r.Reply(wire.Of(&table))
		case name == wire.TaskQueryPartitionSplit:
			r.Reply(wire.Of(&split))
		default:
			r.Fail(wire.ErrHandlerNotFound)
		}
	}
}

// silentDial is a network that says nothing.
func silentDial(ctx context.Context, _, _ string) (net.Conn, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}
