package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/pegasus-go/pegasus/admin"
	"github.com/pegasus-go/pegasus/internal/cli/esc"
	"github.com/pegasus-go/pegasus/internal/cli/exit"
	"github.com/pegasus-go/pegasus/internal/cli/output"
	"github.com/spf13/cobra"
)

func newTableRecallCommand(a *app) *cobra.Command {
	var id int
	var as string
	cmd := a.tableCommand("recall", "Bring a dropped table back and wait until it serves; prints its id",
		"  pegasus table list --dropped\n  pegasus table recall users\n  pegasus table recall users --id 7 --as users_of_may", nil,
		func(ctx context.Context, c *admin.Client, table string, _ []string) error {
			t, err := dropped(ctx, c, table, id)
			if err != nil {
				return err
			}
			if t, err = c.RecallTable(ctx, t.ID, as); err != nil {
				return err
			}
			a.undo("pegasus table drop %s --yes", quote(t.Name))
			text := fmt.Sprint(t.ID)
			return a.printer().One(text, []byte(text), output.Field{Name: "id", Value: t.ID}, output.Field{Name: "name", Value: t.Name})
		})
	cmd.Flags().IntVar(&id, "id", 0, "`id` of the table, if several of that name were dropped")
	cmd.Flags().StringVar(&as, "as", "", "new `name` for it (default the one it had)")
	cmd.PreRunE = func(cmd *cobra.Command, _ []string) error {
		if cmd.Flags().Changed("id") && id <= 0 {
			return exit.Errorf(exit.Usage, "--id: %d is no id", id)
		}
		return notEmpty(cmd, "as")
	}
	return changes(cmd)
}

// dropped returns the dropped table of a name, and of an id if there is one.
func dropped(ctx context.Context, c *admin.Client, name string, id int) (admin.Table, error) {
	tables, err := c.Tables(ctx, admin.TableDropped)
	if err != nil {
		return admin.Table{}, err
	}
	var found []admin.Table
	var ids []string
	for _, t := range tables {
		if t.Name == name && (id == 0 || t.ID == id) {
			found = append(found, t)
			ids = append(ids, fmt.Sprintf("%d, dropped %v", t.ID, orNow(when(t.Dropped))))
		}
	}
	switch {
	case len(found) == 1:
		return found[0], nil
	case len(found) > 1:
		return admin.Table{}, exit.Errorf(exit.Usage, "%d tables of the name %s were dropped; say which with --id: %s", len(found), name, strings.Join(ids, "; "))
	case id != 0:
		return admin.Table{}, fmt.Errorf("no dropped table has the name %s and the id %d; see: pegasus table list --dropped", name, id)
	}
	return admin.Table{}, fmt.Errorf("no dropped table has the name %s; see: pegasus table list --dropped", name)
}

func orNow(v any) any {
	if v == nil {
		return "at a time that is not known"
	}
	return v
}

// undo tells how a change that was not asked about is taken back.
func (a *app) undo(format string, args ...any) {
	fmt.Fprintln(a.streams.Err, "Undo:", esc.Message(fmt.Sprintf(format, args...)))
}

// quote writes a word for a shell.
func quote(s string) string {
	safe := s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.:/=,*+-@%") == "" && !strings.HasPrefix(s, "-")
	if safe {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
