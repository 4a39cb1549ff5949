package catalog

import (
	"errors"
	"time"

	"github.com/pegasus-go/pegasus/internal/storage"
)

// Compaction is the state of the manual compaction of a table.
type Compaction struct {
	Started  bool // ever, since the server was started
	Progress int  // of the one under way or the last one, in percent
}

// compaction is the manual compaction of a table. It is under Catalog.mu.
type compaction struct {
	Compaction
	running bool  // or waiting for its turn
	again   bool  // another one was started meanwhile
	once    int64 // trigger time of the last one that was started for one
}

// compactRetry is when a compaction that failed, of the disk for example, is
// begun again.
const compactRetry = time.Minute

// Compaction returns the state of the last manual compaction of a table.
func (c *Catalog) Compaction(t *Table) Compaction {
	c.mu.Lock()
	defer c.mu.Unlock()
	return t.compaction.Compaction
}

// StartCompact lets f change the environment of a table as for ChangeEnvs, and
// begins a manual compaction of it in the background, whatever its environment
// says about when. One that is waiting for its turn counts as that.
func (c *Catalog) StartCompact(table string, f func(envs map[string]string) error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.byName[table]
	if t == nil {
		return errNoTable(table)
	}
	running := t.compaction.running
	if err := c.change(t, func(r *record) error { return f(r.envs()) }); err != nil {
		return err
	}
	if running {
		t.compaction.again = true
	} else if !t.compaction.running {
		c.beginCompact(t)
	}
	return nil
}

// beginCompact begins a manual compaction in the background. The catalog is
// locked.
func (c *Catalog) beginCompact(t *Table) {
	once, _ := onceTrigger(t.View().Info.Envs)
	t.compaction = compaction{Compaction: Compaction{Started: true}, running: true, once: once}
	c.background.run(func() { c.compact(t) })
}

func (c *Catalog) compact(t *Table) {
	done, err := c.db.CompactApp(c.background.ctx, t.ID, func() (storage.Compaction, error) { return c.compactionOf(t) })
	if err == nil {
		c.log.Info("manual compaction finished", "table", t.View().Info.AppName, "removed", done.Removed, "changed", done.Changed)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	t.compaction.running = false
	switch {
	case c.background.ctx.Err() != nil:
		return
	case errors.Is(err, errNotNow):
		t.compaction.Started = false
		return
	case err != nil:
		t.compaction.Started = false
		c.log.Error("manual compaction failed", "table", t.View().Info.AppName, "error", oneLine(err))
		c.compacts.set(compactRetry, c.compactDue)
		return
	}
	t.compaction.Progress = 100
	// While a split ends this is not kept, and there may be another compaction after a restart. Nor is
	// it when the table was purged meanwhile.
	_ = c.change(t, func(r *record) error {
		r.Compacted = c.Now()
		return nil
	})
	if t.compaction.again {
		c.beginCompact(t)
	}
}

var errNotNow = errors.New("disabled, or the table was dropped")

// compactionOf returns what a compaction does whose turn has come.
func (c *Catalog) compactionOf(t *Table) (storage.Compaction, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	v := t.View()
	if !v.available() || CompactDisabled(v.Info.Envs) {
		return storage.Compaction{}, errNotNow
	}
	t.compaction.again = false
	ops, err := storage.ParseOperations(v.Info.Envs[envCompactOperations])
	if err != nil {
		c.log.Warn("operations of a compaction left out", "table", v.Info.AppName, "error", oneLine(err))
	}
	count := v.Count()
	return storage.Compaction{
		Partitions:    int32(count),
		Operations:    ops,
		RemoveForeign: v.Policy.ValidateHash,
		Progress: func(done int32) {
			c.mu.Lock()
			defer c.mu.Unlock()
			t.compaction.Progress = min(99, int(done)*100/count)
		},
	}, nil
}
