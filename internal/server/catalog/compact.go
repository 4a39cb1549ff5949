package catalog

import (
	"context"
	"errors"
)

// Compaction is the state of the manual compaction of a table.
type Compaction int32

// The states of a manual compaction.
const (
	CompactNever Compaction = iota
	CompactRunning
	CompactDone
)

// Compaction returns the state of the last manual compaction.
func (t *Table) Compaction() Compaction { return Compaction(t.compaction.Load()) }

// Compact begins a manual compaction in the background. What a client can see of
// it is that expired records are gone from the disk, so that is what it does.
func (c *Catalog) Compact(t *Table) {
	t.compaction.Store(int32(CompactRunning))
	c.background.run(func() {
		if _, err := c.db.Sweep(c.background.ctx); err != nil && !errors.Is(err, context.Canceled) {
			c.log.Error("manual compaction failed", "err", oneLine(err))
		}
		t.compaction.Store(int32(CompactDone))
	})
}
