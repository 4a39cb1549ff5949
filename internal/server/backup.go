package server

import (
	"context"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"sync"

	"github.com/pegasus-go/pegasus/internal/server/catalog"
	"github.com/pegasus-go/pegasus/internal/server/console"
)

// Backup copies all data, or if table is not empty that of one table, to a new
// directory, durably, while everything serves, and returns the size in bytes.
// Close ends it.
func (s *Server) Backup(ctx context.Context, dir, table string) (int64, error) {
	open, cancel := context.WithCancel(s.backups.ctx)
	defer cancel()
	defer context.AfterFunc(ctx, cancel)()
	n, err := s.catalog.Backup(open, dir, table)
	if err != nil {
		return 0, fmt.Errorf("server: backup: %w", err)
	}
	return n, nil
}

// backups are those that operators start from afar, by a command of the meta
// servers. They name a place in a directory that was chosen when the server was
// started: who can reach a server is not to write wherever it could.
type backups struct {
	dir    string
	ctx    context.Context // done when the server closes
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu     sync.Mutex
	closed bool
	made   []*backup // the oldest first
}

// backupsRemembered is how many of them the command tells of, the latest.
const backupsRemembered = 100

// backup is one of them as the command shows it.
type backup struct {
	Name  string `json:"name"`
	Table string `json:"table,omitempty"`
	State string `json:"state"` // running, done or failed
	Bytes int64  `json:"bytes"` // that are there so far
	Error string `json:"error,omitempty"`

	dir string
}

func (b *backups) open(dir string) {
	b.dir, b.made = dir, []*backup{}
	b.ctx, b.cancel = context.WithCancel(context.Background())
}

// close ends the backup that is being made.
func (b *backups) close() {
	b.mu.Lock()
	b.closed = true
	b.mu.Unlock()
	b.cancel()
	b.wg.Wait()
}

// command is the command of the meta servers.
func (b *backups) command(c func() *catalog.Catalog) console.Command {
	return console.Command{
		Name:  "backup",
		Usage: "backup [name [table]]: start a backup of everything or of a table, or without a name tell how they went",
		Run: func(args []string) string {
			switch len(args) {
			case 0:
				return b.list(c())
			case 1:
				return b.start(c(), args[0], "")
			case 2:
				return b.start(c(), args[0], args[1])
			}
			return "too many arguments"
		},
	}
}

// backupName is what a backup may be called.
var backupName = regexp.MustCompile(`^[0-9A-Za-z_-][0-9A-Za-z_.-]*$`)

func (b *backups) start(c *catalog.Catalog, name, table string) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.closed:
		return "refused: the server is closing"
	case !backupName.MatchString(name):
		return "refused: a name has letters, digits, and _.- after its beginning"
	case table != "" && c.Named(table) == nil:
		return fmt.Sprintf("refused: there is no table %q", table)
	case slices.ContainsFunc(b.made, func(e *backup) bool { return e.State == "running" }):
		return "refused: another one is being made"
	}
	e := &backup{Name: name, Table: table, State: "running", dir: filepath.Join(b.dir, name)}
	b.made = append(b.made, e)
	b.made = slices.Delete(b.made, 0, max(0, len(b.made)-backupsRemembered))
	b.wg.Go(func() {
		n, err := c.Backup(b.ctx, e.dir, table)
		b.mu.Lock()
		defer b.mu.Unlock()
		if e.State, e.Bytes = "done", n; err != nil {
			e.State, e.Error = "failed", err.Error()
		}
	})
	return "started"
}

func (b *backups) list(c *catalog.Catalog) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, e := range b.made {
		if e.State == "running" {
			e.Bytes = c.BackupSize(e.dir)
		}
	}
	return console.JSON(b.made)
}
