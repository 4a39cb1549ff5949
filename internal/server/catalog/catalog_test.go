package catalog

import (
	"errors"
	"log/slog"
	"math"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/pegasus-go/pegasus/internal/storage"
	"github.com/pegasus-go/pegasus/internal/wire"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// server is a replica server that runs.
type server wire.Address

func (s server) Address() wire.Address { return wire.Address(s) }
func (s server) Alive() bool           { return true }

// open opens a catalog with a number of replica servers.
func open(t *testing.T, db *storage.DB, servers int, clock func() time.Time) *Catalog {
	t.Helper()
	members := new(Members)
	for i := range servers {
		members.Replicas = append(members.Replicas, server(i+1))
	}
	c, err := Open(Options{
		DB: db, Clock: clock, Logger: slog.New(slog.DiscardHandler), Members: members,
		Ended: func(int32, int32) {},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func openStore(t *testing.T, o storage.Options) *storage.DB {
	t.Helper()
	db, err := storage.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func create(t *testing.T, c *Catalog, name string, partitions int) *Table {
	t.Helper()
	o := wire.CreateAppOptions{PartitionCount: int32(partitions), ReplicaCount: 3, AppType: AppType, IsStateful: true}
	if _, err := c.Create(name, &o); err != nil {
		t.Fatal(err)
	}
	return c.Named(name)
}

// A view says the same of who serves a partition in both ways that it can be
// asked.
func TestServes(t *testing.T) {
	for servers := 1; servers <= 5; servers++ {
		for replicas := int32(1); replicas <= MaxReplicaCount; replicas++ {
			for primary := int32(None); primary < int32(servers); primary++ {
				v := &View{record: &record{Partitions: []Configuration{{Primary: primary}}}, servers: servers}
				v.Info.MaxReplicaCount = replicas
				secondaries := v.Secondaries(0)
				distinct := slices.Compact(slices.Sorted(slices.Values(append(secondaries, int(max(primary, 0))))))
				if want := min(int(replicas), servers); len(secondaries) != want-1 || len(distinct) != want {
					t.Errorf("%d servers, %d replicas: secondaries %v", servers, replicas, secondaries)
				}
				for s := range servers {
					p, sec := v.Serves(0, s)
					if p != (int32(s) == primary) || sec != (!p && slices.Contains(secondaries, s)) {
						t.Errorf("%d servers, %d replicas, primary %d: server %d is primary %v, secondary %v of %v",
							servers, replicas, primary, s, p, sec, secondaries)
					}
				}
			}
		}
	}
}

// A server that comes back gets the partitions without a primary in one change
// of each table, and no other changes.
func TestAdopt(t *testing.T) {
	var syncs atomic.Int32
	fs := errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind == errorfs.OpFileSync || op.Kind == errorfs.OpFileSyncData || op.Kind == errorfs.OpFileSyncTo {
			syncs.Add(1)
		}
		return nil
	}))
	c := open(t, openStore(t, storage.Options{Dir: "data", FS: fs, SweepInterval: -1}), 3, time.Now)
	const partitions = 300
	table, other := create(t, c, "t", partitions), create(t, c, "other", 4)
	gone := make(map[int32]int)
	for i := int32(0); i < partitions; i += 3 {
		gone[i] = None
	}
	if err := c.Move(table.ID, gone, false); err != nil {
		t.Fatal(err)
	}
	before, otherBefore := table.View(), other.View()
	syncs.Store(0)
	if err := c.Adopt(2); err != nil {
		t.Fatal(err)
	}
	if n := syncs.Load(); n != 1 {
		t.Errorf("%d syncs for one table", n)
	}
	for i, now := range table.View().Partitions {
		want := before.Partitions[i]
		if want.Primary == None {
			want = Configuration{Ballot: want.Ballot + 1, Primary: 2}
		}
		if now != want {
			t.Errorf("partition %d: %+v, want %+v", i, now, want)
		}
	}
	if other.View() != otherBefore {
		t.Error("a table without such partitions was changed")
	}
}

// The time that a dropped table is kept does not overflow.
func TestReserveTime(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	c := open(t, openStore(t, storage.Options{}), 1, func() time.Time { return now })
	for _, reserve := range []int64{math.MaxInt64, math.MaxInt64 - now.Unix(), math.MaxInt64 - now.Unix() + 1} {
		table := create(t, c, "t", 1)
		if err := c.Drop("t", reserve); err != nil {
			t.Fatal(err)
		}
		if e := table.View().Info.ExpireSecond; e < math.MaxInt64-1 {
			t.Errorf("reserve time %d: kept until %d", reserve, e)
		}
		if _, err := c.Recall(table.ID, ""); err != nil {
			t.Errorf("reserve time %d: %v", reserve, err)
		}
		if err := c.Drop("t", reserve); err != nil {
			t.Fatal(err)
		}
	}
}

// Every change is refused while a split moves records, and what is refused or
// cannot be stored changes nothing.
func TestChangeIsAllOrNothing(t *testing.T) {
	var broken atomic.Bool
	fs := errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		if broken.Load() && op.Kind.ReadOrWrite() == errorfs.OpIsWrite {
			return errors.New("injected disk error\nof two lines")
		}
		return nil
	}))
	c := open(t, openStore(t, storage.Options{Dir: "data", FS: fs, SweepInterval: -1}), 2, time.Now)
	table := create(t, c, "t", 2)
	create(t, c, "u", 2)
	changes := map[string]func() error{
		"drop":          func() error { return c.Drop("t", 0) },
		"rename":        func() error { return c.Rename("t", "v") },
		"move":          func() error { return c.Move(table.ID, map[int32]int{0: 1}, false) },
		"replica count": func() error { _, err := c.SetReplicaCount("t", 1); return err },
		"environment": func() error {
			return c.ChangeEnvs("t", func(envs map[string]string) error {
				envs["business.info"] = "x"
				return nil
			})
		},
		"split": func() error { return c.StartSplit("t", 4) },
	}
	before := table.View()
	check := func(when string, want wire.ErrorCode) {
		t.Helper()
		for name, change := range changes {
			if code, hint := Outcome(change()); code != want {
				t.Errorf("%s, %s: %v, %s", name, when, code, hint)
			}
			if table.View() != before || c.Named("t") != table {
				t.Errorf("%s, %s: the table was changed", name, when)
			}
		}
	}
	before.moving = true
	check("while records move", wire.ErrSplitting)
	before.moving = false
	broken.Store(true)
	check("on a broken disk", wire.ErrReplicationFailure)
	for name, err := range map[string]error{
		"rename to a name in use": c.Rename("t", "u"),
		"move to nowhere":         c.Move(table.ID, map[int32]int{0: 2}, false),
		"move of nothing":         c.Move(table.ID, map[int32]int{2: 0}, false),
		"no table":                c.Drop("none", 0),
		"no replicas":             func() error { _, err := c.SetReplicaCount("t", 0); return err }(),
	} {
		if err == nil || table.View() != before {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Whoever learns that a split has ended finds its partitions serving.
func TestSplitEndsAtOnce(t *testing.T) {
	c := open(t, openStore(t, storage.Options{}), 1, time.Now)
	table := create(t, c, "t", 2)
	moving := make(chan bool, 1)
	c.opts.Ended = func(int32, int32) { moving <- table.Moving() }
	if err := c.StartSplit("t", 4); err != nil {
		t.Fatal(err)
	}
	if <-moving {
		t.Errorf("the table has %d partitions, and refuses requests", table.View().Count())
	}
}

// What an error says fits into a line of a log.
func TestOneLine(t *testing.T) {
	if got := oneLine(errors.Join(errors.New("a"), errors.New("b"))); got != "a; b" {
		t.Errorf("%q", got)
	}
}
