package admin_test

import (
	"errors"
	"testing"

	"github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/admin"
)

// What RenameTable says of a client that has the table open: it goes on with it until
// it asks the meta servers, as after a failover, and then it is with the table that has
// the name, or with none.
func TestRenameOfAnOpenTable(t *testing.T) {
	for name, successor := range map[string]bool{"nothing has the old name": false, "another table has the old name": true} {
		t.Run(name, func(t *testing.T) {
			c := start(t)
			ctx, h, s := t.Context(), []byte("h"), []byte("s")
			c.create(t, "users", admin.CreateOptions{Partitions: 1})
			users, err := c.client.OpenTable(ctx, "users")
			if err != nil {
				t.Fatal(err)
			}
			if err := users.Set(ctx, h, s, []byte("before")); err != nil {
				t.Fatal(err)
			}
			if err := c.admin.RenameTable(ctx, "users", "archive"); err != nil {
				t.Fatal(err)
			}
			if successor {
				c.create(t, "users", admin.CreateOptions{Partitions: 1})
			}
			if v, err := users.Get(ctx, h, s); string(v) != "before" || err != nil {
				t.Errorf("before the failover: %q, %v", v, err)
			}

			for _, p := range partitions(t, c, "archive") {
				if err := c.admin.MovePrimary(ctx, "archive", p.Index, p.Secondaries[0]); err != nil {
					t.Fatal(err)
				}
			}
			switch v, err := users.Get(ctx, h, s); {
			case successor && (v != nil || err != nil):
				t.Errorf("after the failover, with a successor: %q, %v", v, err)
			case !successor && !errors.Is(err, pegasus.ErrTableNotFound):
				t.Errorf("after the failover, without a successor: %q, %v", v, err)
			}
			err = users.Set(ctx, h, s, []byte("after"))
			if successor != (err == nil) {
				t.Errorf("Set after the failover: %v", err)
			}
			archive, err := c.client.OpenTable(ctx, "archive")
			if err != nil {
				t.Fatal(err)
			}
			if v, err := archive.Get(ctx, h, s); string(v) != "before" || err != nil {
				t.Errorf("the renamed table has %q, %v", v, err)
			}
		})
	}
}

func partitions(t *testing.T, c cluster, table string) []admin.Partition {
	t.Helper()
	all, err := c.admin.Partitions(t.Context(), table)
	if err != nil {
		t.Fatal(err)
	}
	return all
}
