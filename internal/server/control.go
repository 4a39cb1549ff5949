package server

import (
	"fmt"

	"github.com/pegasus-go/pegasus/internal/server/catalog"
	"github.com/pegasus-go/pegasus/internal/server/transport"
	"github.com/pegasus-go/pegasus/internal/wire"
)

// What follows is for the program around: what operators do, and what befalls a
// cluster.

// MaxPartitions is the largest partition count of a table.
const MaxPartitions = catalog.MaxPartitions

// TableSpec describes a table to make.
type TableSpec struct {
	Name         string
	Partitions   int
	ReplicaCount int
	Envs         map[string]string
}

// CheckEnv returns why a value is not acceptable for a name in the environment
// of a table, or "".
func CheckEnv(name, value string) string { return catalog.CheckEnv(name, value) }

// Table returns what the table with that name is like. Partitions are those that
// hold records: not the new ones of a split that goes on.
func (s *Server) Table(name string) (spec TableSpec, ok bool) {
	t := s.catalog.Named(name)
	if t == nil {
		return spec, false
	}
	v := t.View()
	info := v.AppInfo()
	return TableSpec{
		Name:         name,
		Partitions:   v.Count(),
		ReplicaCount: int(info.MaxReplicaCount),
		Envs:         info.Envs,
	}, true
}

// EnsureTable makes a table unless there is one with that name, whatever its
// properties.
func (s *Server) EnsureTable(spec TableSpec) error {
	if s.catalog.Named(spec.Name) != nil {
		return nil
	}
	_, err := s.catalog.Create(spec.Name, &wire.CreateAppOptions{
		PartitionCount: int32(spec.Partitions),
		ReplicaCount:   int32(spec.ReplicaCount),
		AppType:        catalog.AppType,
		IsStateful:     true,
		Envs:           spec.Envs,
	})
	if code, _ := catalog.Outcome(err); code == wire.ErrAppExist {
		return nil
	}
	return err
}

// SetLeader makes the meta server with that index the leader; the others
// forward to it. With -1 there is none.
func (s *Server) SetLeader(index int) { s.catalog.Members().SetLeader(index) }

// Call and Action are what an interceptor gets and returns, Cut is how links are cut.
type (
	Call   = transport.Call
	Action = transport.Action
	Cut    = transport.Cut
)

// Intercept makes f decide on every request before it is looked at, until it
// is replaced; nil removes it. f is called concurrently.
func (s *Server) Intercept(f func(Call) Action) { s.hub.Intercept(f) }

// MovePrimary makes a replica server the primary of a partition, or, with node
// -1, leaves the partition without one. The former primary becomes a secondary
// and open scans of the partition are lost. It waits for a split that is moving
// records.
func (s *Server) MovePrimary(table string, index, node int) error {
	t := s.catalog.Named(table)
	if t == nil {
		return fmt.Errorf("server: move primary: no table %q", table)
	}
	if err := s.catalog.Move(t.ID, map[int32]int{int32(index): node}, true); err != nil {
		return fmt.Errorf("server: move primary of partition %d of %q: %w", index, table, err)
	}
	return nil
}

// Failover moves all partitions whose primary is the replica server node to
// their first secondary on another one that runs, as a meta server does when it
// has noticed that a node is dead. It waits for splits that are moving records.
func (s *Server) Failover(node int) error { return s.forReplica(node, "fail over", s.catalog.Failover) }

// Adopt makes the replica server node the primary of all partitions that have
// none. It waits for splits that are moving records.
func (s *Server) Adopt(node int) error { return s.forReplica(node, "adopt", s.catalog.Adopt) }

func (s *Server) forReplica(node int, what string, f func(int) error) error {
	if node < 0 || node >= len(s.replicas) {
		return fmt.Errorf("server: %s: no replica server %d", what, node)
	}
	if err := f(node); err != nil {
		return fmt.Errorf("server: %s: %w", what, err)
	}
	return nil
}

// StartSplit starts a split of a table to twice its partitions, as the RPC
// does, and returns before it is finished.
func (s *Server) StartSplit(table string) error {
	t := s.catalog.Named(table)
	if t == nil {
		return fmt.Errorf("server: split: no table %q", table)
	}
	if err := s.catalog.StartSplit(table, 2*t.View().Announced()); err != nil {
		return fmt.Errorf("server: split table %q: %w", table, err)
	}
	return nil
}

// HoldSplits keeps splits in their first phase while it is on. Switching it off
// lets those that were held go on.
func (s *Server) HoldSplits(on bool) { s.catalog.HoldSplits(on) }
