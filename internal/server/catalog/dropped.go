package catalog

import (
	"math"
	"time"

	"github.com/pegasus-go/pegasus/internal/wire"
)

// reserveSeconds is how long a dropped table can be recalled by default.
const reserveSeconds = 7 * 24 * 3600

// Drop drops a table. It can be recalled for a time, in seconds; one that is not
// positive is the default.
func (c *Catalog) Drop(table string, reserve int64) error {
	return c.changeNamed(table, func(r *record) error {
		if c.byName[table].View().Split != nil {
			return Refuse(wire.ErrSplitting, "")
		}
		if reserve <= 0 {
			reserve = reserveSeconds
		}
		now := c.Now()
		r.Info.Status = wire.AppDropped
		r.Info.DropSecond = now
		r.Info.ExpireSecond = now + min(reserve, math.MaxInt64-now)
		return nil
	})
}

// Recall makes a dropped table available again, under another name if that is
// not empty.
func (c *Catalog) Recall(id int32, name string) (*Table, error) {
	c.PurgeExpired()
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.byID[id]
	if t == nil {
		return nil, Refuse(wire.ErrAppNotExist, "")
	}
	return t, c.change(t, func(r *record) error {
		if r.Info.Status != wire.AppDropped {
			return Refuse(wire.ErrAppExist, "")
		}
		if name != "" {
			r.Info.AppName = name
		}
		r.Info.Status = wire.AppAvailable
		for i := range r.Partitions {
			r.Partitions[i].Ballot++
		}
		return nil
	})
}

// schedulePurge sees to it that dropped tables are purged in time. The catalog
// is locked.
func (c *Catalog) schedulePurge() {
	next := int64(-1)
	for _, t := range c.byID {
		if info := &t.View().Info; info.Status == wire.AppDropped && (next < 0 || info.ExpireSecond < next) {
			next = info.ExpireSecond
		}
	}
	if next >= 0 {
		seconds := min(max(0, next-c.Now()), int64(alarmAtMost/time.Second))
		c.purge.set(time.Duration(seconds)*time.Second, c.PurgeExpired)
	}
}

// PurgeExpired forgets the dropped tables whose time is over, at once, and
// deletes them from the store in the background.
func (c *Catalog) PurgeExpired() {
	if c.opts.ReadOnly {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	gone := false
	for id, t := range c.byID {
		if info := &t.View().Info; info.Status == wire.AppDropped && info.ExpireSecond <= c.Now() {
			delete(c.byID, id)
			gone = true
			c.background.run(func() {
				if err := c.db.DropApp(id, tableKey(id)); err != nil {
					c.log.Error("dropped table not deleted", "table_id", id, "error", oneLine(err))
				}
			})
		}
	}
	if gone {
		c.publish()
	}
	c.schedulePurge()
}
