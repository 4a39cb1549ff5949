package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/pegasus-go/pegasus/admin"
	"github.com/pegasus-go/pegasus/internal/cli/exit"
	"github.com/pegasus-go/pegasus/internal/cli/output"
	"github.com/pegasus-go/pegasus/internal/cli/progress"
	"github.com/spf13/cobra"
)

func newBackupCommand(a *app) *cobra.Command {
	var dir string
	var noVerify bool
	var told talk
	cmd := &cobra.Command{
		Use:   "backup NAME",
		Short: "Make a backup of a onebox, or of a table of it",
		Long: `Make a backup of a onebox, or with --table of one table of it, as it is at one moment.

Of one that runs, and serves on meanwhile, it is made in the directory that the onebox
was given by --backup-dir; NAME is its name there. An interrupt does not end it.

With --dir it is made of the directory of a onebox that does not run, and NAME is the
directory of the backup, which must not exist or be empty. All rows are read in both and compared.
When the command is interrupted there is no backup.

A backup is a directory for onebox --dir, for onebox --from and for restore.`,
		Example: `  pegasus backup nightly
  pegasus backup /backups/users --dir ./data --table users`,
		Args:        cobra.ExactArgs(1),
		Annotations: map[string]string{needsCluster: "yes"},
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := notEmpty(cmd, "dir"); err != nil {
				return err
			}
			if dir == "" && noVerify {
				return exit.Errorf(exit.Usage, "--no-verify: is for --dir")
			}
			if dir == "" {
				return a.remoteBackup(cmd.Context(), args[0], told)
			}
			return a.copyStore(cmd, &storeCopy{from: dir, to: args[0], table: a.table, verify: !noVerify}, told)
		},
	}
	cmd.Flags().StringVar(&dir, "dir", "", "`directory` of a onebox that does not run")
	verifyFlag(cmd, &noVerify)
	told.addFlags(cmd)
	return cmd
}

func newRestoreCommand(a *app) *cobra.Command {
	var dir string
	var noVerify bool
	var told talk
	cmd := &cobra.Command{
		Use:   "restore BACKUP",
		Short: "Make a directory for a onebox from a backup",
		Long: `Make a directory for a onebox from a backup, or with --table from one table in it.
--dir must not exist, or be empty. All rows are read in both and compared. When the
command is interrupted there is no directory. The backup stays as it is.`,
		Example: `  pegasus restore /backups/nightly --dir ./data
  pegasus onebox --dir ./data`,
		Args:        cobra.ExactArgs(1),
		Annotations: map[string]string{needsCluster: "yes"},
		RunE: func(cmd *cobra.Command, args []string) error {
			if args[0] == "" {
				return exit.Errorf(exit.Usage, "BACKUP: is empty")
			}
			if dir == "" {
				return exit.Errorf(exit.Usage, "--dir: say which directory is to be made")
			}
			return a.copyStore(cmd, &storeCopy{from: args[0], to: dir, table: a.table, verify: !noVerify}, told)
		},
	}
	cmd.Flags().StringVar(&dir, "dir", "", "`directory` to make")
	verifyFlag(cmd, &noVerify)
	told.addFlags(cmd)
	return cmd
}

func verifyFlag(cmd *cobra.Command, noVerify *bool) {
	cmd.Flags().BoolVar(noVerify, "no-verify", false, "do not read and compare the rows of the copy")
}

// copyStore copies a directory, which has to do with no cluster.
func (a *app) copyStore(cmd *cobra.Command, c *storeCopy, told talk) error {
	for _, name := range []string{"meta", "cluster", "kerberos", "timeout", "await"} {
		if cmd.Flags().Changed(name) {
			return exit.Errorf(exit.Usage, "--%s: --dir is of a onebox that does not run", name)
		}
	}
	if c.to == "" {
		return exit.Errorf(exit.Usage, "NAME: is empty")
	}
	if err := makeRoom(c.to); err != nil {
		return err
	}
	c.meter = func(sample func() progress.Sample) *progress.Meter {
		return a.meter(told, cmd.Name()+" "+filepath.Base(c.to), sample)
	}
	done, err := c.run(cmd.Context())
	if cmd.Context().Err() != nil && errors.Is(err, context.Canceled) {
		return exit.Errorf(exit.Interrupted, "interrupted; there is no %s", c.to)
	}
	if err != nil {
		return err
	}
	text := fmt.Sprintf("%s: %d bytes", c.to, done.bytes)
	fields := []output.Field{{Name: "bytes", Value: done.bytes}, {Name: "verified", Value: c.verify}, {Name: "tables", Value: nil}, {Name: "rows", Value: nil}}
	if c.verify {
		text += fmt.Sprintf(", %d tables, %d rows, all read and the same", done.tables, done.rows)
		fields[2].Value, fields[3].Value = done.tables, done.rows
	}
	return a.printer().One(text, strconv.AppendInt(nil, done.bytes, 10), fields...)
}

// makeRoom makes the directory that dir is to be in. An empty dir is taken away, and what
// is not empty refused.
func makeRoom(dir string) error {
	entries, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return os.MkdirAll(filepath.Dir(filepath.Clean(dir)), 0o755)
	case err != nil:
		return err // such as a file
	case len(entries) > 0:
		return exit.Errorf(exit.Refused, "%s is not empty", dir)
	}
	return os.Remove(dir)
}

// remoteBackup has a onebox that runs make one, and waits for it.
func (a *app) remoteBackup(ctx context.Context, name string, told talk) error {
	command := func(args ...string) (answer string, err error) {
		err = a.withAdmin(ctx, func(ctx context.Context, c *admin.Client) error {
			info, err := c.ClusterInfo(ctx)
			if err != nil {
				return err
			}
			answer, err = c.RemoteCommand(ctx, info["primary_meta_server"], "backup", args...)
			return err
		})
		return answer, err
	}
	args := []string{name}
	if a.table != "" {
		args = append(args, a.table)
	}
	answer, err := command(args...)
	if err != nil {
		return err
	}
	if answer != "started" {
		return fmt.Errorf("the meta server makes no backup: %s (a onebox does with --backup-dir)", answer)
	}
	var bytes atomic.Int64
	m := a.meter(told, "backup "+name, func() progress.Sample { return progress.Sample{Rows: -1, Bytes: bytes.Load(), Done: -1} })
	made, err := a.awaitBackup(ctx, name, command, &bytes)
	m.Stop()
	switch {
	case err != nil:
		return err
	case made.State == "failed":
		return fmt.Errorf("the onebox: %s", made.Error)
	}
	return a.printer().One(fmt.Sprintf("%s: %d bytes", name, made.Bytes), strconv.AppendInt(nil, made.Bytes, 10),
		output.Field{Name: "bytes", Value: made.Bytes}, output.Field{Name: "verified", Value: false}, output.Field{Name: "tables", Value: nil}, output.Field{Name: "rows", Value: nil})
}

// backupAgain is the pause between two looks at a backup that is being made.
const backupAgain = 200 * time.Millisecond

// awaitBackup waits until a backup has been made or has failed, and notes meanwhile how many
// bytes of it there are.
func (a *app) awaitBackup(ctx context.Context, name string, command func(...string) (string, error), bytes *atomic.Int64) (madeBackup, error) {
	for {
		answer, err := command()
		if err != nil {
			return madeBackup{}, err
		}
		made, err := lastBackup(answer, name)
		if bytes.Store(made.Bytes); err != nil || made.State != "running" {
			return made, err
		}
		select {
		case <-ctx.Done():
			return made, exit.Errorf(exit.Interrupted, "the onebox goes on with the backup")
		case <-time.After(backupAgain):
		}
	}
}

// madeBackup is what the onebox tells of one.
type madeBackup struct {
	Name, State, Error string
	Bytes              int64
}

// lastBackup finds the last one of a name in what the onebox tells.
func lastBackup(answer, name string) (last madeBackup, err error) {
	var all []madeBackup
	if err := json.Unmarshal([]byte(answer), &all); err != nil {
		return last, fmt.Errorf("the meta server's list of backups cannot be read: %w", err)
	}
	for _, b := range all {
		if b.Name == name {
			last = b
		}
	}
	if last.Name == "" {
		return last, fmt.Errorf("the meta server has forgotten the backup %q: was it started anew?", name)
	}
	return last, nil
}
