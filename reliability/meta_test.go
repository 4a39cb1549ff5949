package reliability

import (
	"errors"
	"testing"
	"time"

	"github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/onebox"
	"github.com/pegasus-go/pegasus/pegasustest"
)

// Failovers need the meta servers: whoever leads, and whichever is dead, calls
// go on.
func TestMetaServersFail(t *testing.T) {
	const soon = 100*time.Millisecond + backoff
	for name, tc := range map[string]struct {
		fail func(box *onebox.Server)
		most time.Duration // that a failover takes then
	}{
		"leader changes": {func(box *onebox.Server) { box.SetMetaLeader(2) }, soon},
		"leader dies":    {func(box *onebox.Server) { box.SetMetaLeader(1); box.Meta(0).Stop() }, soon},
		// The others are asked after a second.
		"leader hangs":          {func(box *onebox.Server) { box.SetMetaLeader(1); box.Meta(0).Pause() }, time.Second + soon},
		"follower dies":         {func(box *onebox.Server) { box.Meta(1).Stop() }, soon},
		"no leader for a while": {func(box *onebox.Server) { box.SetMetaLeader(onebox.NoPrimary) }, 300*time.Millisecond + soon},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, c *pegasustest.Cluster) {
				box := c.Onebox()
				slow(c)
				l := startLoad(t, c.Table, 10*time.Second, loadPause)
				time.Sleep(200 * time.Millisecond)
				tc.fail(box)
				time.Sleep(200 * time.Millisecond)
				box.Replica(0).Stop()
				if err := box.Failover(0); err != nil {
					t.Error(err)
				}
				time.Sleep(300 * time.Millisecond)
				if name == "no leader for a while" {
					box.SetMetaLeader(1)
				}
				time.Sleep(2 * time.Second)
				l.finish()
				l.checkDurations(tc.most, anyCall)
				box.Meta(0).Resume()

				client := pegasus.NewClient(c.Config())
				defer client.Close()
				begun := time.Now()
				if _, err := client.OpenTable(t.Context(), pegasustest.DefaultTable); err != nil {
					t.Error(err)
				}
				if d := time.Since(begun); d > 2*time.Second {
					t.Errorf("OpenTable took %v", d)
				}
			}, pegasustest.WithMetaServers(3), pegasustest.WithReplicaServers(3))
		})
	}
}

// All meta servers are dead: data traffic on open tables goes on. It even
// survives that a replica server restarts meanwhile. Opening a table fails with
// the servers that were tried, until they are back.
func TestAllMetaServersDead(t *testing.T) {
	bubble(t, func(t *testing.T, c *pegasustest.Cluster) {
		box := c.Onebox()
		l := startLoad(t, c.Table, 10*time.Second, loadPause)
		time.Sleep(200 * time.Millisecond)
		for i := range 3 {
			box.Meta(i).Stop()
		}
		time.Sleep(time.Second)
		before := time.Now()
		box.Replica(1).Stop()
		if err := box.Replica(1).Start(); err != nil {
			t.Fatal(err)
		}

		client := pegasus.NewClient(c.Config())
		defer client.Close()
		if _, err := client.OpenTable(t.Context(), pegasustest.DefaultTable); !errors.Is(err, pegasus.ErrNoMeta) {
			t.Errorf("OpenTable without meta servers: %v", err)
		}
		opened := make(chan error)
		go func() {
			_, err := client.OpenTable(t.Context(), pegasustest.DefaultTable)
			opened <- err
		}()
		time.Sleep(2 * time.Second)
		for i := range 3 {
			if err := box.Meta(i).Start(); err != nil {
				t.Fatal(err)
			}
		}
		back := time.Now()
		if err := <-opened; err != nil {
			t.Error(err)
		}
		if d := time.Since(back); d > time.Second {
			t.Errorf("OpenTable ended %v after the meta servers were back", d)
		}
		c.Kill(0)
		time.Sleep(time.Second)
		l.finish()
		// A call that lost its connection does not wait for meta servers for long.
		l.checkDurations(100*time.Millisecond+backoff, anyCall)
		l.checkDurations(0, func(call call) bool { return call.ended.Before(before) })
	}, pegasustest.WithMetaServers(3), pegasustest.WithReplicaServers(2))
}
