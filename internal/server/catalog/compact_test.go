package catalog

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/pegasus-go/pegasus/internal/schema"
	"github.com/pegasus-go/pegasus/internal/storage"
)

// setEnvs changes the environment of a table.
func setEnvs(t *testing.T, c *Catalog, table string, envs map[string]string) {
	t.Helper()
	for name, value := range envs {
		if hint := CheckEnv(name, value); hint != "" {
			t.Fatal(hint)
		}
	}
	if err := c.ChangeEnvs(table, func(old map[string]string) error {
		maps.Copy(old, envs)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

// mark writes a record that the next compaction gives an expiry, if the table
// has a default_ttl and it is the first one.
func mark(t *testing.T, table *Table, key string) {
	t.Helper()
	p := table.View().parts[0].Store
	p.SetDefaultTTL(0)
	_, commit := p.Put(schema.AppendKey(nil, []byte(key), nil), nil, 0, 0)
	if err := commit.Wait(); err != nil {
		t.Fatal(err)
	}
	p.SetDefaultTTL(1 << 30)
}

// marked returns whether a record is as mark has left it.
func marked(table *Table, key string) bool {
	_, expire, status := table.View().parts[0].Store.Get(nil, schema.AppendKey(nil, []byte(key), nil), 0)
	return status == storage.OK && expire == 0
}

// A table is compacted when its environment says so, and not otherwise. The
// clock starts at midnight of UTC, 2000-01-01.
func TestCompactWhen(t *testing.T) {
	midnight := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC).Unix()
	for name, tc := range map[string]struct {
		envs map[string]string
		want []time.Duration // since midnight, of a week
	}{
		"never":       {nil, nil},
		"once":        {map[string]string{"manual_compact.once.trigger_time": "1000"}, []time.Duration{0}},
		"once, later": {map[string]string{"manual_compact.once.trigger_time": fmt.Sprint(midnight + 7201)}, []time.Duration{0, 2 * time.Hour}},
		"once, unset": {map[string]string{"manual_compact.once.trigger_time": "0"}, nil},
		"disabled": {map[string]string{
			"manual_compact.once.trigger_time": "1000", "manual_compact.periodic.trigger_time": "3:00", "manual_compact.disabled": "True",
		}, nil},
		"none at a time": {map[string]string{"manual_compact.once.trigger_time": "1000", "manual_compact.max_concurrent_running_count": "0"}, nil},
		"one at a time":  {map[string]string{"manual_compact.once.trigger_time": "1000", "manual_compact.max_concurrent_running_count": "1"}, []time.Duration{0}},
		"periodic": {map[string]string{"manual_compact.periodic.trigger_time": "21:30, 3:05"}, []time.Duration{
			3*time.Hour + 5*time.Minute, 21*time.Hour + 30*time.Minute,
			27*time.Hour + 5*time.Minute, 45*time.Hour + 30*time.Minute,
		}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				c := open(t, openStore(t, storage.Options{Clock: time.Now, SweepInterval: -1}), 1, func() time.Time { return time.Now().UTC() })
				table := create(t, c, "t", 1)
				var got []time.Duration
				for time.Since(start) < 2*24*time.Hour {
					since := time.Since(start).Truncate(time.Minute)
					mark(t, table, fmt.Sprint(since))
					if since == 0 {
						setEnvs(t, c, "t", tc.envs)
					}
					time.Sleep(time.Minute)
					synctest.Wait()
					if !marked(table, fmt.Sprint(since)) {
						got = append(got, since)
					}
				}
				if !slices.Equal(got, tc.want) {
					t.Errorf("compacted at %v, want %v", got, tc.want)
				}
			})
		})
	}
}

// What was compacted for the environment is not compacted for it again after a
// restart.
func TestCompactOnceOverRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := vfs.NewMem()
		opts := storage.Options{Dir: "/db", FS: fs, Clock: time.Now, SweepInterval: -1}
		db := openStore(t, opts)
		c := open(t, db, 1, time.Now)
		table := create(t, c, "t", 1)
		mark(t, table, "before")
		setEnvs(t, c, "t", map[string]string{EnvCompactOnce + "trigger_time": "1000"})
		synctest.Wait()
		if marked(table, "before") {
			t.Error("not compacted")
		}
		mark(t, table, "after")
		c.Close()
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		c = open(t, openStore(t, opts), 1, time.Now)
		table = c.Named("t")
		time.Sleep(time.Hour)
		synctest.Wait()
		if !marked(table, "after") {
			t.Error("compacted again after a restart")
		}
		if state := c.Compaction(table); state.Started {
			t.Errorf("state after a restart: %+v", state)
		}
	})
}

// A compaction that is asked for is made, also when another one is under way,
// and tells its progress.
func TestStartCompact(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := openStore(t, storage.Options{Clock: time.Now, SweepInterval: -1})
		c := open(t, db, 1, time.Now)
		table := create(t, c, "t", 1)
		nothing := func(map[string]string) error { return nil }
		if err := c.StartCompact("none", nothing); err == nil {
			t.Error("no table, no error")
		}
		if state := c.Compaction(table); state != (Compaction{}) {
			t.Errorf("before: %+v", state)
		}
		for range 2 { // in the same second
			mark(t, table, "k")
			if err := c.StartCompact("t", nothing); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			if state := c.Compaction(table); marked(table, "k") || state != (Compaction{Started: true, Progress: 100}) {
				t.Errorf("after: %+v, %v", state, marked(table, "k"))
			}
		}
		// Another table's keeps it waiting.
		_, err := db.CompactApp(t.Context(), 99, func() (storage.Compaction, error) {
			if err := c.StartCompact("t", nothing); err != nil {
				t.Error(err)
			}
			synctest.Wait()
			if state := c.Compaction(table); state != (Compaction{Started: true}) {
				t.Errorf("while it waits: %+v", state)
			}
			mark(t, table, "k")
			return storage.Compaction{}, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if marked(table, "k") {
			t.Error("not compacted after it waited")
		}
		// One that is disabled while it waits is not made.
		_, err = db.CompactApp(t.Context(), 99, func() (storage.Compaction, error) {
			if err := c.StartCompact("t", nothing); err != nil {
				t.Error(err)
			}
			setEnvs(t, c, "t", map[string]string{envCompactDisabled: "true"})
			mark(t, table, "k")
			return storage.Compaction{}, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if state := c.Compaction(table); !marked(table, "k") || state.Started {
			t.Errorf("disabled: %+v", state)
		}
	})
}

// A table that was purged is not written to the store again, as by a compaction of it that ends late.
func TestPurgedIsNotChanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := openStore(t, storage.Options{Clock: time.Now, SweepInterval: -1})
		c := open(t, db, 1, time.Now)
		table := create(t, c, "t", 1)
		if err := c.Drop("t", 1); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		c.mu.Lock()
		defer c.mu.Unlock()
		if err := c.change(table, func(r *record) error { return nil }); err == nil {
			t.Error("a table that was purged is changed")
		}
		err := db.Meta(func(key string, _ []byte) error {
			if key == tableKey(table.ID) {
				t.Error("it is in the store again")
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	})
}

func TestCompactEnvsRefused(t *testing.T) {
	for name, value := range map[string]string{
		"user_specified_compaction":            "test",
		"manual_compact.periodic.trigger_time": "3:00,25:00",
	} {
		if CheckEnv(name, value) == "" {
			t.Errorf("%s = %s is accepted", name, value)
		}
	}
	for _, value := range []string{"0:0", "9:00", "03:05,23:59", " 4:00"} {
		if hint := CheckEnv("manual_compact.periodic.trigger_time", value); hint != "" {
			t.Errorf("%s: %s", value, hint)
		}
	}
}
