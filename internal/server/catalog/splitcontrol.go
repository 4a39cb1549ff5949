package catalog

import (
	"slices"

	"github.com/pegasus-go/pegasus/internal/wire"
)

// HoldSplits keeps splits in their first phase while it is on. Switching it off
// lets those that were held go on.
func (c *Catalog) HoldSplits(on bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.holdSplits = on
	if on {
		return
	}
	for _, t := range c.byName {
		if t.View().Split != nil {
			c.background.run(func() { c.carryOut(t) })
		}
	}
}

// splitNamed calls f with an available table, in which it may change the split.
func (c *Catalog) splitNamed(table string, f func(*Table) error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.byName[table]
	if t == nil {
		return Refuse(wire.ErrAppNotExist, "app not existed")
	}
	return f(t)
}

// underWay calls f with a table that is being split.
func (c *Catalog) underWay(table string, f func(*Table) error) error {
	return c.splitNamed(table, func(t *Table) error {
		if t.View().Split == nil {
			return Refuse(wire.ErrInvalidState, "app(%s) is not splitting", table)
		}
		return f(t)
	})
}

// PauseSplit keeps one parent partition, or with AllPartitions every one, from
// splitting.
func (c *Catalog) PauseSplit(table string, parent int) error {
	return c.underWay(table, func(t *Table) error {
		if t.Moving() && parent >= 0 {
			return Refuse(wire.ErrChildRegistered, "partition[%d] is not splitting", parent)
		}
		err := t.changeSplit(parent, wire.Splitting, wire.Paused)
		if err == nil && !c.goesOn(t) {
			t.endCopy()
		}
		return err
	})
}

// RestartSplit ends PauseSplit.
func (c *Catalog) RestartSplit(table string, parent int) error {
	return c.underWay(table, func(t *Table) error {
		c.background.run(func() { c.carryOut(t) })
		return t.changeSplit(parent, wire.Paused, wire.Splitting)
	})
}

// CancelSplit ends a split in its first phase. The caller says from what
// partition count it began.
func (c *Catalog) CancelSplit(table string, oldCount int) error {
	return c.underWay(table, func(t *Table) error {
		switch n := t.View().Count(); {
		case oldCount != n:
			return Refuse(wire.ErrInvalidParameters, "wrong partition_count, should be %d", n)
		case t.Moving():
			return Refuse(wire.ErrChildRegistered, "some partitions have already finished split")
		}
		t.setSplit(nil)
		t.endCopy()
		return nil
	})
}

// endCopy ends the first phase of a split that is not to go on. When the records
// have moved it is too late. The catalog is locked.
func (t *Table) endCopy() {
	if t.stopCopy != nil && !t.Moving() {
		t.stopCopy()
	}
}

// changeSplit changes the status of one parent, which must be from, or, if the
// index is negative, of all that have that status. When the records are moving
// there are none any more. The catalog is locked.
func (t *Table) changeSplit(parent int, from, to wire.SplitStatus) error {
	s := slices.Clone(t.View().Split)
	if parent >= len(s) {
		return Refuse(wire.ErrInvalidParameters, "invalid parent partition index(%d)", parent)
	}
	if parent >= 0 && s[parent] != from {
		return Refuse(wire.ErrInvalidState, "partition[%d] wrong split_status(%d)", parent, s[parent])
	}
	for i := range s {
		if (parent < 0 || i == parent) && s[i] == from && !t.Moving() {
			s[i] = to
		}
	}
	t.setSplit(s)
	return nil
}
