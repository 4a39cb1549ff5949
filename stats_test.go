package pegasus_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/internal/peer"
	"github.com/pegasus-go/pegasus/internal/wire"
)

// Stats add up what was done, by table, operation and server.
func TestStats(t *testing.T) {
	watched(t, 2, 2, func(t *testing.T, c *peer.Cluster, cl pegasus.Client, tb pegasus.TableConnector, _ *events) {
		c.On(wire.TaskGet, peer.Each(peer.Code(wire.ErrBusy), peer.Code(wire.ErrACLDeny), answer))
		for i := range 5 {
			_, err := tb.Get(t.Context(), hashKey(2, 0, 0), s)
			if (err != nil) != (i == 0) {
				t.Errorf("Get %d: %v", i, err)
			}
		}
		if err := tb.Set(t.Context(), hashKey(2, 1, 0), s, s); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		st := cl.(*pegasus.Cluster).Stats()
		if len(st.Operations) != 1 || st.Operations[0].Operation != "OpenTable" || st.Operations[0].Latency.Count != 1 {
			t.Errorf("of no table: %+v", st.Operations)
		}
		if len(st.Tables) != 1 {
			t.Fatalf("tables %+v", st.Tables)
		}
		tab := st.Tables[0]
		if tab.Table != "temp" || tab.ID != peer.AppID || len(tab.Partitions) != 2 || tab.Partitions[1].Primary != c.Nodes[1].Addr() || tab.Refreshes != 1 {
			t.Errorf("table %+v", tab)
		}
		if tab.Retries[pegasus.RetryBusy] != 1 || len(tab.Retries) != 1 {
			t.Errorf("retries %v", tab.Retries)
		}
		get, set := tab.Operations[0], tab.Operations[1]
		if get.Operation != "Get" || get.Latency.Count != 4 || get.Failed[pegasus.ClassDenied] != 1 || get.Latency.AtMost(time.Minute) != 4 {
			t.Errorf("%+v", get)
		}
		if set.Operation != "Set" || set.Latency.Count != 1 || len(set.Failed) != 0 {
			t.Errorf("%+v", set)
		}
		if len(st.Servers) != 3 {
			t.Fatalf("servers %+v", st.Servers)
		}
		for _, sv := range st.Servers {
			if sv.Connections != 1 || sv.InFlight != 0 || sv.BytesOut == 0 || sv.BytesIn == 0 || sv.Dials != 1 || sv.Lost != 0 || sv.DialError != "" {
				t.Errorf("%+v", sv)
			}
		}
	})
}

// Ping has an answer of each server; one that is dead, or hangs, delays no other one.
func TestPing(t *testing.T) {
	watched(t, 3, 3, func(t *testing.T, c *peer.Cluster, cl pegasus.Client, tb pegasus.TableConnector, _ *events) {
		table := tb.(*pegasus.Table)
		if pongs := table.Ping(t.Context()); len(pongs) != 4 || pongs.Err() != nil || pongs[0].Role != pegasus.RoleMeta {
			t.Errorf("all is well: %+v", pongs)
		}
		if pongs := cl.(*pegasus.Cluster).Ping(t.Context()); len(pongs) != 1 || pongs.Err() != nil {
			t.Errorf("meta servers: %+v", pongs)
		}
		c.Nodes[0].Stop()
		c.Hang(c.Nodes[1])
		began := time.Now()
		pongs := table.Ping(t.Context())
		if took := time.Since(began); took > 3*time.Second {
			t.Errorf("it took %v", took)
		}
		for _, p := range pongs {
			sick := p.Server == c.Nodes[0].Addr() || p.Server == c.Nodes[1].Addr()
			if sick != (p.Err != nil) || !sick && p.RTT > 100*time.Millisecond {
				t.Errorf("%+v", p)
			}
		}
		err := pongs.Err()
		if err == nil || !strings.Contains(err.Error(), c.Nodes[0].Addr()) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("one is dead, one hangs: %v", err)
		}
		c.Resume(c.Nodes[1])
	})
}

// Diagnose is text and JSON, also when everything is down.
func TestDiagnose(t *testing.T) {
	watched(t, 1, 2, func(t *testing.T, c *peer.Cluster, cl pegasus.Client, tb pegasus.TableConnector, _ *events) {
		cluster := cl.(*pegasus.Cluster)
		tb.Get(t.Context(), []byte("secret"), s)
		for _, down := range []bool{false, true} {
			if down {
				c.Nodes[0].Stop()
			}
			d := cluster.Diagnose(t.Context())
			text := d.String()
			b, err := json.Marshal(d)
			if err != nil {
				t.Fatal(err)
			}
			if len(d.Steps) != 3 || (d.Steps[2].Err != "") != down {
				t.Errorf("down %t: steps %+v", down, d.Steps)
			}
			for _, out := range []string{text, string(b)} {
				if !strings.Contains(out, c.Nodes[0].Addr()) || !strings.Contains(out, "servers of temp") || strings.Contains(out, "secret") {
					t.Errorf("down %t: %s", down, out)
				}
			}
		}
		synctest.Wait()
	})
}
