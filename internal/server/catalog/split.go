package catalog

import (
	"context"
	"errors"
	"slices"

	"github.com/pegasus-go/pegasus/internal/wire"
)

// A partition split doubles the partitions of a table. To clients it has two
// phases. First the children are announced, with a ballot that says that their
// parents still serve, and the store copies records. Then, when all are copied,
// requests are answered with ERR_SPLITTING for the moment in which those under
// way end and the children begin to count. Afterwards every partition serves its
// own records and refuses requests that were sent by the old count.
//
// Only the second phase leaves a trace in the store, together with the moved
// records. A split that a restart interrupts before it has not happened.

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
			r.envs()[envValidateHash] = "true"
			return nil
		})
		if err == nil {
			t.setSplit(slices.Repeat(Split{wire.Splitting}, t.View().Count()))
			c.background.run(func() { c.carryOut(t) })
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

// setMoving begins the second phase of a split, or ends it without one. The catalog is locked.
func (t *Table) setMoving(on bool) {
	next := *t.View()
	next.moving = on
	t.view.Store(&next)
}

// errHeld says that a split is not to go on for now.
var errHeld = errors.New("paused, cancelled or held")

// carryOut takes a split through both phases, unless it is not to go on, or is
// being carried out already. It begins again with one that was stopped and goes
// on after all.
func (c *Catalog) carryOut(t *Table) {
	for mine := false; ; mine = true {
		ctx, cancel := c.beginCopy(t, mine)
		if ctx == nil {
			return
		}
		err := c.db.SplitApp(ctx, t.ID, int32(t.View().Count()), func(commit func(map[string][]byte) error) error {
			return c.moveRecords(t, commit)
		})
		if err != nil && ctx.Err() == nil && !errors.Is(err, errHeld) {
			c.log.Error("partition split failed", "table", t.View().Info.AppName, "error", oneLine(err))
			c.mu.Lock()
			t.setSplit(nil)
			c.mu.Unlock()
		}
		cancel()
	}
}

// beginCopy returns the context of a split, which ends in its first phase if the
// split is not to go on. It returns none if there is nothing to carry out, or
// somebody else carries it out. mine says that the caller has so far.
func (c *Catalog) beginCopy(t *Table, mine bool) (ctx context.Context, cancel context.CancelFunc) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if t.stopCopy != nil && !mine {
		return nil, nil
	}
	t.stopCopy = nil
	if c.goesOn(t) && c.background.ctx.Err() == nil {
		ctx, cancel = context.WithCancel(c.background.ctx)
		t.stopCopy = cancel
	}
	return ctx, cancel
}

// goesOn reports whether there is a split that nothing holds. The catalog is
// locked.
func (c *Catalog) goesOn(t *Table) bool {
	s := t.View().Split
	return s != nil && !slices.Contains(s, wire.Paused) && !c.holdSplits
}

// moveRecords is the second phase. commit makes the children count.
func (c *Catalog) moveRecords(t *Table, commit func(map[string][]byte) error) error {
	rec, ok := c.beginMove(t)
	if !ok {
		return errHeld
	}
	// Requests see moving from here on; wait for those that did not.
	for _, p := range t.View().parts {
		p.use.Lock()
		//lint:ignore SA2001 a barrier, there is nothing to protect
		p.use.Unlock()
	}
	err := commit(map[string][]byte{tableKey(t.ID): rec.encode()})

	c.mu.Lock()
	defer c.mu.Unlock()
	defer close(t.moved)
	if err != nil {
		t.setMoving(false)
		return err
	}
	next, err := c.prepare(t, rec)
	if err != nil {
		c.log.Error("partitions not opened after a split", "table", rec.Info.AppName, "error", oneLine(err))
		t.setMoving(false)
		return nil
	}
	next.Split = nil
	c.force(t, next)
	t.stopCopy = func() {} // what is left does not end with another split
	return nil
}

// beginMove enters the second phase and returns the table's record after it.
func (c *Catalog) beginMove(t *Table) (*record, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.goesOn(t) {
		return nil, false
	}
	t.setMoving(true)
	t.moved = make(chan struct{})
	rec := t.View().record.clone()
	if rec.Info.InitPartitionCount <= 0 {
		rec.Info.InitPartitionCount = rec.Info.PartitionCount
	}
	rec.Info.PartitionCount *= 2
	for i := range rec.Partitions {
		rec.Partitions[i].Ballot++
	}
	parents := rec.Partitions
	for i, child := range parents {
		// Whoever took the parent's primary away knows nothing of the child.
		if child.Primary == None {
			child.Primary = c.opts.Members.primary(len(parents) + i)
		}
		rec.Partitions = append(rec.Partitions, child)
	}
	return rec, true
}
