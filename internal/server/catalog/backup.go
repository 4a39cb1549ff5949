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
