package rehearsed_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pegasus-go/pegasus/onebox"
	"github.com/pegasus-go/pegasus/pegasustest"
)

// A caller goes on while the cluster is broken. What was acknowledged to it is there in
// the end. Time is that of the bubble, so that the pauses take none.
func TestRehearsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := pegasustest.Start(t, pegasustest.WithMemoryNetwork(), pegasustest.WithReplicaServers(3),
			pegasustest.WithTable("console_load", 8), pegasustest.WithTable("users", 4))
		ctx := t.Context()
		box := c.Onebox()
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}

		var slow [3]atomic.Int64 // ms by which a replica server is late

		type errorShare struct {
			percent     int64
			code, table string
		}
		var share atomic.Pointer[errorShare]
		var seen atomic.Int64

		box.Intercept(func(r onebox.Request) (a onebox.Action) {
			if r.Meta || r.Table == "" {
				return a
			}
			a.Delay = time.Duration(slow[r.Node].Load()) * time.Millisecond
			if e := share.Load(); e != nil && (e.table == "" || e.table == r.Table) {
				if n := seen.Add(1); n*e.percent/100 != (n-1)*e.percent/100 {
					a.Error = e.code
				}
			}
			return a
		})
		must(c.Admin().SetEnvs(ctx, "console_load", map[string]string{"replica.write_throttling": "1000*delay*100"}))

		acked := make(map[string]bool)
		failed := 0
		var caller sync.WaitGroup
		calls, end := context.WithCancel(ctx)
		defer end()
		caller.Go(func() {
			for i := 0; calls.Err() == nil; i++ {
				key := fmt.Sprint(i)
				one, done := context.WithTimeout(ctx, time.Second)
				if err := c.Table.Set(one, []byte(key), []byte("s"), []byte(key)); err == nil {
					acked[key] = true
				} else {
					failed++
				}
				done()
				time.Sleep(50 * time.Millisecond)
			}
		})

		box.Replica(0).Stop()
		time.Sleep(2000 * time.Millisecond)
		must(box.Failover(0))
		time.Sleep(1000 * time.Millisecond)
		share.Store(&errorShare{20, "ERR_BUSY", ""})
		time.Sleep(1000 * time.Millisecond)
		share.Store(nil)
		time.Sleep(1000 * time.Millisecond)
		must(box.Replica(0).Start())
		must(box.Adopt(0))
		time.Sleep(1000 * time.Millisecond)
		slow[1].Store(100) // ms
		time.Sleep(1000 * time.Millisecond)
		slow[1].Store(0) // ms
		time.Sleep(1000 * time.Millisecond)
		box.Replica(2).Pause()
		time.Sleep(1000 * time.Millisecond)
		box.Replica(2).Resume()
		time.Sleep(1000 * time.Millisecond)
		box.Replica(1).FillDisk(true)
		time.Sleep(1000 * time.Millisecond)
		box.Replica(1).FillDisk(false)
		time.Sleep(1000 * time.Millisecond)
		must(box.MovePrimary("console_load", 3, 2))
		time.Sleep(1000 * time.Millisecond)
		must(box.MovePrimary("console_load", 3, onebox.NoPrimary))
		time.Sleep(1000 * time.Millisecond)
		must(box.Split("users"))
		time.Sleep(1000 * time.Millisecond)
		must(c.Admin().SetEnvs(ctx, "console_load", map[string]string{"replica.write_throttling": "1*reject*0"}))
		time.Sleep(1000 * time.Millisecond)
		c.AdvanceClock(3600 * time.Second)
		time.Sleep(1000 * time.Millisecond)
		share.Store(&errorShare{50, "ERR_TIMEOUT", "users"})
		time.Sleep(1000 * time.Millisecond)
		slow[2].Store(10) // ms
		time.Sleep(1000 * time.Millisecond)
		box.Replica(0).FillDisk(true)
		time.Sleep(1000 * time.Millisecond)
		box.Replica(1).Pause()
		time.Sleep(1000 * time.Millisecond)
		box.Replica(2).Stop()
		time.Sleep(1000 * time.Millisecond)
		must(box.Replica(2).Cut(onebox.Cut{Silent: true}))
		time.Sleep(1000 * time.Millisecond)
		must(box.Replica(2).Mend())
		time.Sleep(1000 * time.Millisecond)
		must(box.Replica(0).Cut(onebox.Cut{Meta: true}))
		time.Sleep(2000 * time.Millisecond)
		must(box.Failover(0))

		time.Sleep(time.Second)
		end()
		caller.Wait()
		t.Logf("%d calls have succeeded, %d have failed", len(acked), failed)
		must(box.MovePrimary("console_load", 3, 0))
		must(c.Admin().SetEnvs(ctx, "console_load", map[string]string{"replica.write_throttling": "1000*delay*100"}))
		share.Store(nil)
		slow[2].Store(0) // ms
		box.Replica(0).FillDisk(false)
		box.Replica(1).Resume()
		must(box.Replica(2).Start())
		must(box.Adopt(2))
		must(box.Replica(0).Mend())
		must(box.Adopt(0))
		for key := range acked {
			if value, err := c.Table.Get(ctx, []byte(key), []byte("s")); err != nil || string(value) != key {
				t.Errorf("key %s has %q, %v", key, value, err)
			}
		}
	})
}
