package server

import (
	"sync"
	"sync/atomic"

	"github.com/pegasus-go/pegasus/internal/storage"
	"github.com/pegasus-go/pegasus/internal/wire"
)

// table is a table that exists, dropped or not. rec and split are under
// Server.catalog's lock; the rest may be read without it.
type table struct {
	id         int32
	rec        record
	split      splitState    // like rec; nil when there is none
	moved      chan struct{} // like rec; closed when moving ends
	compaction atomic.Int32  // compactNever, ...

	policy     atomic.Pointer[policy]
	partitions atomic.Pointer[[]*partition] // those that hold records
	moving     atomic.Bool                  // a split is moving records
}

// count returns the number of partitions that hold records.
func (t *table) count() int { return len(*t.partitions.Load()) }

// announced returns the number of partitions that clients are told of. The
// catalog is locked.
func (t *table) announced() int { return t.count() + len(t.split) }

// info returns what clients are told about the table. The catalog is locked.
func (t *table) info() wire.AppInfo {
	info := t.rec.clone().Info
	if t.split != nil {
		info.PartitionCount *= 2
	}
	return info
}

// partition is one partition of an available table.
type partition struct {
	t     *table
	gpid  wire.GPID
	store *storage.Partition
	conf  atomic.Pointer[configuration]

	// use is held shared while a request uses the store, so that a split can
	// wait for requests that were let in before it.
	use sync.RWMutex

	readQPS, writeQPS, writeSize, backupQPS throttle
	readSize                                bucket
}

func (p *partition) policy() *policy { return p.t.policy.Load() }

// configuration says who serves a partition. It does not change; a new one
// with a higher ballot replaces it.
type configuration struct {
	ballot  int64
	primary int // index of a replica server, noPrimary
	// secondaries are replica servers; if there are too few for the replica
	// count the primary is repeated.
	secondaries []int
}

const noPrimary = -1

// serves reports what node, the index of a replica server, is to the partition.
func (c *configuration) serves(node int) (primary, secondary bool) {
	if c.primary == node {
		return true, false
	}
	for _, n := range c.secondaries {
		if n == node {
			return false, true
		}
	}
	return false, false
}

// configure returns the configuration of a partition with a given primary.
// Secondaries are the nodes that follow it, other ones first, its own address
// repeated after that: tools wait until there are exactly replicaCount-1.
func (s *Server) configure(ballot int64, primary, replicaCount int) *configuration {
	c := &configuration{ballot: ballot, primary: primary}
	first := max(primary, 0)
	for i := 1; i < replicaCount; i++ {
		n := first
		if i < len(s.replicas) {
			n = (first + i) % len(s.replicas)
		}
		c.secondaries = append(c.secondaries, n)
	}
	return c
}

// partition returns a partition of an available table, or nil.
func (s *Server) partition(id wire.GPID) *partition {
	t := (*s.available.Load())[id.AppID]
	if t == nil {
		return nil
	}
	ps := *t.partitions.Load()
	if id.PartitionIndex < 0 || int(id.PartitionIndex) >= len(ps) {
		return nil
	}
	return ps[id.PartitionIndex]
}
