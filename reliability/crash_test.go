package reliability

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/admin"
	"github.com/pegasus-go/pegasus/onebox"
	"github.com/pegasus-go/pegasus/reliability/internal/child"
)

// kill -9 in the middle of writes, over and over on the same directory: all that
// was acknowledged is there, rows that were written together are there together,
// nothing is there twice.
func TestKill(t *testing.T) {
	for name, durability := range map[string]onebox.Durability{"sync": onebox.Sync, "os": onebox.OS} {
		t.Run(name, func(t *testing.T) {
			opts := child.Options{
				Dir: t.TempDir(), Durability: durability,
				CacheSize: 8 << 20, // memtables of 1 MiB
				Tables:    []onebox.Table{{Name: "temp", Partitions: 4}},
			}
			w := newWriters(t, 32)
			compared, rounds := 0, scaled(5, 50)
			for round := range rounds {
				compared += killRound(t, w, opts, round)
			}
			p, table := openProcess(t, w, opts)
			compared += w.check(table)
			t.Logf("killed %d times, %d writes acknowledged, %d values compared", rounds, w.acknowledged.Load(), compared)
			if err := p.Stop(); err != nil {
				t.Error(err)
			}
		})
	}
}

// A graceful stop in the middle of writes: what was carried out was acknowledged,
// nothing else is carried out.
func TestStop(t *testing.T) {
	opts := child.Options{Dir: t.TempDir(), Durability: onebox.OS, Tables: []onebox.Table{{Name: "temp", Partitions: 4}}}
	w := newWriters(t, 32)
	for range scaled(5, 50) {
		p, table := openProcess(t, w, opts)
		w.check(table)
		w.start(table, 500+int64(rand.IntN(1000)))
		w.broken.Store(true)
		if err := p.Stop(); err != nil {
			t.Error(err)
		}
		w.finish()
		w.trust()
	}
	_, table := openProcess(t, w, opts)
	compared := w.check(table)
	t.Logf("%d writes acknowledged, %d values compared", w.acknowledged.Load(), compared)
}

// killRound starts a onebox, compares what is in it with what the writers know,
// and kills it while they write. It returns the number of values compared.
func killRound(t *testing.T, w *writers, opts child.Options, round int) int {
	t.Helper()
	p, table := openProcess(t, w, opts)
	compared := w.check(table)
	remakeTable(t, p, round)
	w.start(table, 500+int64(rand.IntN(3000))) // another moment in every round
	w.broken.Store(true)
	if err := p.Kill(); err != nil {
		t.Error(err)
	}
	w.finish()
	return compared
}

// openProcess starts a onebox and opens its table.
func openProcess(t *testing.T, w *writers, opts child.Options) (*child.Process, pegasus.TableConnector) {
	t.Helper()
	p := startProcess(t, opts)
	client := w.client(pegasus.Config{MetaServers: p.MetaServers})
	t.Cleanup(func() { client.Close() })
	table, err := client.OpenTable(t.Context(), "temp")
	if err != nil {
		t.Fatal(err)
	}
	return p, table
}

// remakeTable expects the table of the round before, and makes one for this.
func remakeTable(t *testing.T, p *child.Process, round int) {
	t.Helper()
	a, err := admin.New(admin.Config{MetaServers: p.MetaServers})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	ctx := context.Background()
	name := func(round int) string { return fmt.Sprint("round", round) }
	if round > 0 {
		if err := a.DropTable(ctx, name(round-1), 0); err != nil {
			t.Errorf("a table that was made before the process died: %v", err)
		}
	}
	if _, err := a.CreateTable(ctx, name(round), admin.CreateOptions{Partitions: 2}); err != nil {
		t.Errorf("make a table: %v", err)
	}
}
