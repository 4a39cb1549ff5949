package catalog

import (
	"context"
	"fmt"
)

// Backup copies the store, or if table is not empty what belongs to that table,
// to a new directory, while everything serves, and returns the size in bytes.
// What clients see of a table that is restored is that it was restarted.
func (c *Catalog) Backup(ctx context.Context, dir, table string) (int64, error) {
	if table == "" {
		return c.db.Checkpoint(ctx, dir)
	}
	t := c.Named(table)
	if t == nil {
		return 0, fmt.Errorf("there is no table %q", table)
	}
	return c.db.CheckpointApp(ctx, dir, t.ID, tableKey(t.ID), lastIDKey)
}

// BackupSize returns how many bytes there are so far of a backup to dir that is being made.
func (c *Catalog) BackupSize(dir string) int64 { return c.db.CheckpointSize(dir) }
