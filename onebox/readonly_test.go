package onebox_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/internal/memnet"
	"github.com/pegasus-go/pegasus/onebox"
)

// A read-only onebox makes no directory, and leaves what is in one: records that
// have expired by its clock, and the configurations of tables.
func TestReadOnlyDir(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		missing := filepath.Join(dir, "missing")
		for _, dir := range []string{missing, dir} {
			if s, err := onebox.Start(onebox.Options{Dir: dir, ReadOnly: true}); !errors.Is(err, onebox.ErrNoStore) {
				t.Errorf("without a store: %v", err)
				if err == nil {
					s.Close()
				}
			}
		}
		if _, err := os.Stat(missing); err == nil {
			t.Error("the directory was made")
		}

		var network memnet.Network
		key := []byte("k")
		// with calls f with a table of a onebox whose clock is so much ahead, and
		// returns a ballot.
		with := func(opts onebox.Options, ahead time.Duration, f func(pegasus.TableConnector)) int64 {
			t.Helper()
			opts.Dir, opts.ListenFunc = dir, network.Listen
			// A bubble begins in 2000, times to live in 2016.
			opts.Clock = func() time.Time { return time.Now().AddDate(30, 0, 0).Add(ahead) }
			s := start(t, opts)
			client := pegasus.NewClient(pegasus.Config{MetaServers: s.MetaServers(), Dial: network.Dial, Clock: opts.Clock})
			table, err := client.OpenTable(t.Context(), "t")
			if err != nil {
				t.Fatal(err)
			}
			f(table)
			nc, err := network.Dial(t.Context(), "tcp", s.MetaServers()[0])
			if err != nil {
				t.Fatal(err)
			}
			ballot := askOn(t, nc, "t").Partitions[0].Ballot
			nc.Close()
			client.Close()
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			return ballot
		}
		with(onebox.Options{Tables: []onebox.Table{{Name: "t"}}}, 0, func(table pegasus.TableConnector) {
			if err := table.SetTTL(t.Context(), key, key, []byte("v"), 24*time.Hour); err != nil {
				t.Fatal(err)
			}
		})
		var ballots [2]int64
		for i := range ballots {
			ballots[i] = with(onebox.Options{ReadOnly: true}, 48*time.Hour, func(table pegasus.TableConnector) {
				if v, err := table.Get(t.Context(), key, key); v != nil || err != nil {
					t.Errorf("two days later: %q, %v", v, err)
				}
				time.Sleep(time.Hour)
			})
		}
		if ballots[0] != ballots[1] {
			t.Errorf("ballots %d: a start has written one", ballots)
		}
		with(onebox.Options{}, 0, func(table pegasus.TableConnector) {
			if v, err := table.Get(t.Context(), key, key); string(v) != "v" || err != nil {
				t.Errorf("on the first day: %q, %v", v, err)
			}
		})
	})
}
