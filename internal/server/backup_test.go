package server

import (
	"context"
	"encoding/json"
	"errors"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/pegasus-go/pegasus/internal/storage"
)

// A backup of a store that takes long does not hold up its end.
func TestCloseEndsBackup(t *testing.T) {
	begun, closed := make(chan struct{}), make(chan struct{})
	begin := sync.OnceFunc(func() { close(begun) })
	fs := errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		if strings.Contains(op.Path, "backup.partial") && filepath.Ext(op.Path) == ".log" {
			begin()
			<-closed
		}
		return nil
	}))
	db := openStore(t, storage.Options{Dir: "data", FS: fs, Durability: storage.DurabilityOS})
	s := startOn(t, db, Options{})
	ensure(t, s, testTable, testPartitions)
	c := dial(t, s.Replicas()[0])
	for _, key := range []string{"a", "b", "c", "d"} { // several batches
		c.mustPut(key, strings.Repeat("v", 1000<<10))
	}
	ended := make(chan error)
	go func() {
		_, err := s.Backup(t.Context(), "backup", "")
		ended <- err
	}()
	<-begun
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	close(closed)
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("Backup: %v", err)
	}
	if _, err := fs.Stat("backup.partial"); err == nil {
		t.Error("the part of it is left")
	}
}

// What is remembered of backups has a limit.
func TestBackupsRemembered(t *testing.T) {
	s := start(t, Options{BackupDir: t.TempDir()})
	for range backupsRemembered + 5 {
		if got := s.backups.start(s.catalog, "a", ""); got != "started" { // all but the first one fail
			t.Fatal(got)
		}
		s.backups.wg.Wait()
	}
	if got := s.backups.start(s.catalog, "b", ""); got != "started" {
		t.Fatal(got)
	}
	s.backups.wg.Wait()
	if n := len(s.backups.made); n != backupsRemembered {
		t.Errorf("%d are remembered, want %d", n, backupsRemembered)
	}
	if last := s.backups.made[len(s.backups.made)-1]; last.Name != "b" || last.State != "done" {
		t.Errorf("the last one is %+v", last)
	}
}

// A backup that is being made tells how much is there.
func TestBackupTellsHowFar(t *testing.T) {
	almost, goOn := make(chan struct{}), make(chan struct{})
	fs := errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind == errorfs.OpRename && strings.HasSuffix(op.Path, "nightly.partial") {
			close(almost)
			<-goOn
		}
		return nil
	}))
	db := openStore(t, storage.Options{Dir: "data", FS: fs, Durability: storage.DurabilityOS})
	s := startOn(t, db, Options{BackupDir: "backups"})
	ensure(t, s, testTable, testPartitions)
	dial(t, s.Replicas()[0]).mustPut("a", strings.Repeat("v", 1000))
	if err := fs.MkdirAll("backups", 0o755); err != nil {
		t.Fatal(err)
	}
	if got := s.backups.start(s.catalog, "nightly", ""); got != "started" {
		t.Fatal(got)
	}
	<-almost
	var running []backup
	err := json.Unmarshal([]byte(s.backups.list(s.catalog)), &running)
	close(goOn)
	s.backups.wg.Wait()
	if err != nil || len(running) != 1 || running[0].State != "running" || running[0].Bytes <= 0 {
		t.Errorf("%+v, %v", running, err)
	}
}
