package catalog

import (
	"context"
	"errors"
	"slices"

	"github.com/pegasus-go/pegasus/internal/wire"
)

// A partition split doubles the partitions of a table. To clients it has two
// phases. First the children are announced, with a ballot that says that their
// parents still serve. Then the records move, in one go: requests are answered
// with ERR_SPLITTING, and afterwards every partition serves its own records
// and refuses requests that were sent by the old count.
//
// Only the second phase leaves a trace in the store, at its end, together with
// the moved records. A split that a restart interrupts has not happened.

// Split is a split in its first phase, or about to enter the second: the status
// of each parent, Splitting or Paused. All parents split together, when none is
// paused. It does not change; another one replaces it.
type Split []wire.SplitStatus

// StartSplit announces twice the partitions that a table has, count, and has the
// records moved in the background.
func (c *Catalog) StartSplit(table string, count int) error {
	return c.splitNamed(table, func(t *Table) error {
		announced := 2 * t.View().Announced()
		switch {
		case count != announced:
			return Refuse(wire.ErrInvalidParameters, "wrong partition_count, should be %d", announced)
		case t.View().Split != nil:
			return Refuse(wire.ErrBusy, "app(%s) is already executing partition split", table)
		case count > MaxPartitions:
			return Refuse(wire.ErrInvalidParameters, "a table has at most %d partitions", MaxPartitions)
		}
		err := c.change(t, func(r *record) error {
			if r.Info.Envs == nil {
				r.Info.Envs = make(map[string]string)
			}
			r.Info.Envs[envValidateHash] = "true"
			return nil
		})
		if err == nil {
			t.setSplit(slices.Repeat(Split{wire.Splitting}, t.View().Count()))
			c.background.run(func() { c.finishSplit(t) })
		}
		return err
	})
}

// setSplit changes the split of a table. The catalog is locked.
func (t *Table) setSplit(s Split) {
	next := *t.View()
	next.Split = s
	t.view.Store(&next)
}

// finishSplit is the second phase of a split, unless the split was paused or
// cancelled in the first.
func (c *Catalog) finishSplit(t *Table) {
	rec, ok := c.beginMove(t)
	if !ok {
		return
	}
	// Requests see moving from here on; wait for those that did not.
	old := t.View()
	for _, p := range old.parts {
		p.use.Lock()
		//lint:ignore SA2001 a barrier, there is nothing to protect
		p.use.Unlock()
	}
	err := c.db.SplitApp(c.background.ctx, t.ID, int32(old.Count()), map[string][]byte{tableKey(t.ID): rec.encode()})

	c.mu.Lock()
	defer c.mu.Unlock()
	if err == nil {
		var next *View
		if next, err = c.prepare(t, rec); err == nil {
			next.Split = nil
			c.force(t, next)
		}
	}
	if err != nil {
		t.setSplit(nil)
		if !errors.Is(err, context.Canceled) {
			c.log.Error("partition split failed", "table", rec.Info.AppName, "err", oneLine(err))
		}
	}
	t.moving.Store(false)
	close(t.moved)
}

// beginMove enters the second phase and returns the table's record after it.
func (c *Catalog) beginMove(t *Table) (*record, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	v := t.View()
	if v.Split == nil || slices.Contains(v.Split, wire.Paused) || c.holdSplits || t.moving.Load() {
		return nil, false
	}
	t.moving.Store(true)
	t.moved = make(chan struct{})
	rec := v.record.clone()
	if rec.Info.InitPartitionCount <= 0 {
		rec.Info.InitPartitionCount = rec.Info.PartitionCount
	}
	rec.Info.PartitionCount *= 2
	for i := range rec.Partitions {
		rec.Partitions[i].Ballot++
	}
	rec.Partitions = append(rec.Partitions, rec.Partitions...)
	return rec, true
}
