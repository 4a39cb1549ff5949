package onebox_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/admin"
	"github.com/pegasus-go/pegasus/onebox"
)

// serve starts a cluster and returns it with a client of its administration.
func serve(t *testing.T, opts onebox.Options) (*onebox.Server, *admin.Client) {
	t.Helper()
	s, err := onebox.Start(opts)
	if err != nil {
		t.Fatal(err)
	}
	a, err := admin.New(admin.Config{MetaServers: s.MetaServers()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(a.Close(), s.Close()); err != nil {
			t.Error(err)
		}
	})
	return s, a
}

// fill writes records to a table, and read returns how many of them are there.
func fill(t *testing.T, s *onebox.Server, table string, n int) {
	t.Helper()
	each(t, s, table, n, func(c pegasus.TableConnector, key []byte) error {
		return c.Set(t.Context(), key, []byte("s"), key)
	})
}

func read(t *testing.T, s *onebox.Server, table string, n int) (found int) {
	t.Helper()
	each(t, s, table, n, func(c pegasus.TableConnector, key []byte) error {
		value, err := c.Get(t.Context(), key, []byte("s"))
		if string(value) == string(key) {
			found++
		}
		return err
	})
	return found
}

func each(t *testing.T, s *onebox.Server, table string, n int, f func(pegasus.TableConnector, []byte) error) {
	t.Helper()
	client, err := pegasus.New(pegasus.Config{MetaServers: s.MetaServers()})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	c, err := client.OpenTable(t.Context(), table)
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		if err := f(c, fmt.Append(nil, "k", i)); err != nil {
			t.Fatal(err)
		}
	}
}

// A cluster starts from the backup of another one, on disk and in memory.
func TestBackup(t *testing.T) {
	const n = 100
	tables := []onebox.Table{{Name: "users", Partitions: 4, Envs: map[string]string{"business.info": "x"}}, {Name: "other"}}
	for _, from := range []string{"", filepath.Join(t.TempDir(), "data")} {
		s, _ := serve(t, onebox.Options{Dir: from, Tables: tables})
		fill(t, s, "users", n)
		fill(t, s, "other", n)
		dir := t.TempDir()
		all, users := filepath.Join(dir, "all"), filepath.Join(dir, "users")
		if size, err := s.Backup(t.Context(), all, ""); err != nil || size == 0 {
			t.Fatalf("%d bytes, %v", size, err)
		}
		if _, err := s.Backup(t.Context(), users, "users"); err != nil {
			t.Fatal(err)
		}
		fill(t, s, "users", 2*n) // is not in it

		for _, to := range []string{"", filepath.Join(dir, "data")} {
			for backup, names := range map[string]string{all: "users other", users: "users"} {
				into := to
				if into != "" {
					into += filepath.Base(backup)
				}
				r, a := serve(t, onebox.Options{From: backup, Dir: into})
				infos, err := a.Tables(t.Context(), admin.TableAvailable)
				if err != nil {
					t.Fatal(err)
				}
				var got []string
				for _, info := range infos {
					got = append(got, info.Name)
					if info.Name == "users" && (info.Partitions != 4 || info.Envs["business.info"] != "x") {
						t.Errorf("table restored: %+v", info)
					}
					if found := read(t, r, info.Name, 2*n); found != n {
						t.Errorf("%d records in table %s, want %d", found, info.Name, n)
					}
				}
				if strings.Join(got, " ") != names {
					t.Errorf("tables %s, want %s", got, names)
				}
			}
		}
		// It is as it was, and a cluster can run on it.
		r, _ := serve(t, onebox.Options{Dir: all})
		if found := read(t, r, "other", n); found != n {
			t.Errorf("%d records on the backup itself, want %d", found, n)
		}
	}
}

func TestBackupRefused(t *testing.T) {
	dir := t.TempDir()
	s, _ := serve(t, onebox.Options{Tables: []onebox.Table{{Name: "t"}}})
	for _, tc := range []struct {
		dir, table string
		want       error
	}{
		{"", "", nil},
		{dir, "", onebox.ErrExists},
		{filepath.Join(dir, "new"), "none", nil},
	} {
		if _, err := s.Backup(t.Context(), tc.dir, tc.table); err == nil || tc.want != nil && !errors.Is(err, tc.want) {
			t.Errorf("%+v: %v", tc, err)
		}
	}
	for _, tc := range []struct {
		opts onebox.Options
		want error
	}{
		{onebox.Options{From: filepath.Join(dir, "none")}, onebox.ErrNoStore},
		{onebox.Options{From: filepath.Join(dir, "good"), Dir: dir}, onebox.ErrExists},
	} {
		if strings.HasSuffix(tc.opts.From, "good") {
			if _, err := s.Backup(t.Context(), tc.opts.From, ""); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := onebox.Start(tc.opts); !errors.Is(err, tc.want) {
			t.Errorf("%+v: %v, want %v", tc.opts, err, tc.want)
		}
	}
}

// Who administers a cluster from afar can have backups made where it was told
// to make them.
func TestBackupCommand(t *testing.T) {
	dir := t.TempDir()
	s, a := serve(t, onebox.Options{BackupDir: dir, Tables: []onebox.Table{{Name: "users"}}})
	fill(t, s, "users", 10)
	backup := func(args ...string) string {
		t.Helper()
		out, err := a.RemoteCommand(t.Context(), s.MetaServers()[0], "backup", args...)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	type made struct {
		Name, Table, State, Error string
		Bytes                     int64
	}
	list := func() (l []made) {
		t.Helper()
		for {
			text := backup()
			if err := json.Unmarshal([]byte(text), &l); err != nil {
				t.Fatalf("%s: %v", text, err)
			}
			if !strings.Contains(text, `"running"`) {
				return l
			}
		}
	}
	if l := list(); len(l) != 0 {
		t.Errorf("before the first: %+v", l)
	}
	for _, args := range [][]string{{"../x"}, {""}, {".hidden"}, {"a/b"}, {"x", "none"}, {"x", "users", "y"}} {
		if out := backup(args...); out == "started" {
			t.Errorf("backup %q is started", args)
		}
	}
	for _, args := range [][]string{{"all"}, {"one", "users"}, {"all"}} {
		if out := backup(args...); out != "started" {
			t.Fatalf("backup %q: %s", args, out)
		}
		list()
	}
	l := list()
	if len(l) != 3 || l[0].State != "done" || l[0].Bytes == 0 || l[1].State != "done" || l[1].Table != "users" || l[2].State != "failed" || l[2].Error == "" {
		t.Errorf("%+v", l)
	}
	r, _ := serve(t, onebox.Options{From: filepath.Join(dir, "one")})
	if found := read(t, r, "users", 10); found != 10 {
		t.Errorf("%d records restored", found)
	}
	if out, err := a.RemoteCommand(t.Context(), r.MetaServers()[0], "backup", "x"); err != nil || !strings.Contains(out, "unknown command") {
		t.Errorf("without a directory for backups: %s, %v", out, err)
	}
}
