package catalog

import (
	"maps"
	"sync"
	"sync/atomic"

	"github.com/pegasus-go/pegasus/internal/server/throttle"
	"github.com/pegasus-go/pegasus/internal/storage"
	"github.com/pegasus-go/pegasus/internal/wire"
)

// Table is a table that exists, dropped or not.
type Table struct {
	ID   int32
	view atomic.Pointer[View]

	moving atomic.Bool // a split is in its second phase

	// Under Catalog.mu.
	moved      chan struct{} // closed when moving ends
	stopCopy   func()        // not nil while a split is carried out: ends its first phase
	compaction compaction
}

// View returns the table as it is now.
func (t *Table) View() *View { return t.view.Load() }

// Moving reports whether a split is in its second phase.
func (t *Table) Moving() bool { return t.moving.Load() }

// View is a table at one moment. It does not change.
type View struct {
	*record // Partitions are those that hold records
	Policy  *Policy
	Split   Split // nil when there is none

	parts   []*Partition
	servers int // of the cluster
}

// Count returns the number of partitions that hold records.
func (v *View) Count() int { return len(v.Partitions) }

// Announced returns the number of partitions that clients are told of.
func (v *View) Announced() int { return len(v.Partitions) + len(v.Split) }

// Available reports whether the table can be used: it was not dropped.
func (v *View) Available() bool { return v.available() }

// AppInfo returns what clients are told about the table.
func (v *View) AppInfo() wire.AppInfo {
	info := v.Info
	info.Envs = maps.Clone(info.Envs)
	info.PartitionCount = int32(v.Announced())
	return info
}

// Partition returns a partition that holds records, or nil.
func (v *View) Partition(index int32) *Partition {
	if index < 0 || int(index) >= len(v.Partitions) {
		return nil
	}
	return v.parts[index]
}

// Serves reports what a replica server is to a partition that holds records.
func (v *View) Serves(partition int32, server int) (primary, secondary bool) {
	p := int(v.Partitions[partition].Primary)
	if p == server {
		return true, false
	}
	// The secondaries follow the primary, see Secondaries.
	after := (server - max(p, 0) + v.servers) % v.servers
	return false, after < int(v.Info.MaxReplicaCount) && (after > 0 || p == None && v.servers < int(v.Info.MaxReplicaCount))
}

// Secondaries returns the secondaries of a partition that holds records. They
// are the servers that follow its primary, other ones first, its own repeated
// after that: tools wait until there are as many as the replica count asks for.
func (v *View) Secondaries(partition int32) []int {
	first := max(int(v.Partitions[partition].Primary), 0)
	var s []int
	for i := 1; i < int(v.Info.MaxReplicaCount); i++ {
		n := first
		if i < v.servers {
			n = (first + i) % v.servers
		}
		s = append(s, n)
	}
	return s
}

// Partition is one partition of a table.
type Partition struct {
	Table *Table
	GPID  wire.GPID
	Store *storage.Partition

	// use is held shared while a request uses the store, so that a split can
	// wait for requests that were let in before it.
	use sync.RWMutex

	// What clients have used lately, by the rates of Policy.
	ReadQPS, WriteQPS, WriteSize, BackupQPS throttle.Counter
	ReadSize                                throttle.Bucket
}

// Enter begins a use of the store. It returns false if a split is about to move
// its records: only a split locks it, and requests do not wait for splits.
func (p *Partition) Enter() bool { return p.use.TryRLock() }

// Leave ends a use of the store.
func (p *Partition) Leave() { p.use.RUnlock() }

// Partition returns a partition of an available table, or nil, and the table as
// it is now.
func (c *Catalog) Partition(id wire.GPID) (*Partition, *View) {
	t := c.Available(id.AppID)
	if t == nil {
		return nil, nil
	}
	v := t.View()
	return v.Partition(id.PartitionIndex), v
}
