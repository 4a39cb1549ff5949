package catalog

import (
	"maps"
	"sync"
	"sync/atomic"

	"github.com/pegasus-go/pegasus/internal/server/stats"
	"github.com/pegasus-go/pegasus/internal/server/throttle"
	"github.com/pegasus-go/pegasus/internal/storage"
	"github.com/pegasus-go/pegasus/internal/wire"
)

// Table is a table that exists, dropped or not.
type Table struct {
	ID   int32
	view atomic.Pointer[View]

	stats stats.Table

	// Under Catalog.mu.
	moved      chan struct{} // closed when moving ends
	stopCopy   func()        // not nil while a split is carried out: ends its first phase
	compaction compaction
}

// View returns the table as it is now.
func (t *Table) View() *View { return t.view.Load() }

// Stats returns what counts the requests to the table.
func (t *Table) Stats() *stats.Table { return &t.stats }

// Moving reports whether a split is in its second phase.
func (t *Table) Moving() bool { return t.View().Moving() }

// View is a table at one moment. It does not change.
type View struct {
	*record // Partitions are those that hold records
	Policy  *Policy
	Split   Split // nil when there is none

	moving  bool // a split is in its second phase
	parts   []*Partition
	servers int // of the cluster
}

// Moving reports whether a split is in its second phase.
func (v *View) Moving() bool { return v.moving }

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
	info.MaxReplicaCount = v.Replicas()
	return info
}

// Replicas returns how many replicas the partitions have: as many as were asked for, but no
// more than there are servers.
func (v *View) Replicas() int32 { return min(v.Info.MaxReplicaCount, int32(v.servers)) }

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
	return false, after > 0 && after < int(v.Replicas())
}

// Secondaries returns the secondaries of a partition that holds records: the servers
// that follow its primary.
func (v *View) Secondaries(partition int32) []int {
	first := max(int(v.Partitions[partition].Primary), 0)
	var s []int
	for i := 1; i < int(v.Replicas()); i++ {
		s = append(s, (first+i)%v.servers)
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

	stats stats.Partition
}

// Stats returns what counts the requests to the partition.
func (p *Partition) Stats() *stats.Partition { return &p.stats }

// Counts returns what was counted of the partition so far.
func (p *Partition) Counts() stats.Counts {
	c := p.stats.Counts()
	c[stats.Expired], c[stats.Filtered] = p.Store.PassedOver()
	return c
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
