package pegasus

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pegasus-go/pegasus/internal/peer"
	"github.com/pegasus-go/pegasus/internal/wire"
)

// putTable opens a table of servers that answer puts.
func putTable(t *testing.T, c *peer.Cluster, timeout time.Duration) *Table {
	t.Helper()
	c.On(wire.TaskPut, peer.Result(wire.UpdateResponse{Decree: 1}))
	return openOf(t, Config{Dial: c.Net.Dial, OperationTimeout: timeout})
}

// Items whose server is well do not wait for those whose server hangs.
func TestBatchBesideHungServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := peer.Start(t, 2, 2)
		tb := putTable(t, c, 3*time.Second)
		puts := []Put{{HashKey: key(2, 0), Value: []byte("v")}, {HashKey: key(2, 1), Value: []byte("v")}}
		if out, err := tb.SetMany(t.Context(), puts[:1]); err != nil || out.Err() != nil {
			t.Fatal(err, out)
		}
		c.Hang(c.Nodes[0])
		// Node 1 is well, and was not connected to yet.
		out, err := tb.SetMany(t.Context(), puts)
		if err != nil || out[1] != nil {
			t.Errorf("the item of the server that is well: %v, %v", err, out[1])
		}
	})
}

// The same with a server that is busy for a moment.
func TestBatchBusyBesideHungServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := peer.Start(t, 2, 2)
		tb := putTable(t, c, 3*time.Second)
		puts := []Put{{HashKey: key(2, 0), Value: []byte("v")}, {HashKey: key(2, 1), Value: []byte("v")}}
		if out, err := tb.SetMany(t.Context(), puts); err != nil || out.Err() != nil {
			t.Fatal(err, out)
		}
		c.Hang(c.Nodes[0])
		c.On(wire.TaskPut, peer.Each(peer.Code(wire.ErrBusy), peer.Result(wire.UpdateResponse{Decree: 1})))
		out, err := tb.SetMany(t.Context(), puts)
		if err != nil || out[1] != nil {
			t.Errorf("the item of the server that is well: %v, %v", err, out[1])
		}
	})
}

// What was never sent says so.
func TestNotAttempted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := peer.Start(t, 1, 1)
		tb := putTable(t, c, 3*time.Second)
		c.Nodes[0].Stop()
		out, err := tb.SetMany(t.Context(), []Put{{HashKey: []byte("h"), Value: []byte("v")}})
		if err != nil || !errors.Is(out[0], ErrNotAttempted) || len(c.Requests(wire.TaskPut)) != 0 {
			t.Error(err, out[0], len(c.Requests(wire.TaskPut)))
		}
	})
}

// A partition that does not answer keeps no items of others back.
func TestBatchBesideHungPartition(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := peer.Start(t, 1, 2)
		tb := putTable(t, c, time.Second)
		puts := []Put{{HashKey: key(2, 0), Value: []byte("v")}}
		for range 200 {
			puts = append(puts, Put{HashKey: key(2, 1), Value: []byte("v")})
		}
		if out, err := tb.SetMany(t.Context(), puts); err != nil || out.Err() != nil {
			t.Fatal(err, out)
		}
		c.On(wire.TaskPut, func(r *peer.Request) {
			if r.GPID.PartitionIndex == 1 {
				r.Reply(wire.UpdateResponse{Decree: 1})
			}
		})
		out, err := tb.SetMany(t.Context(), puts)
		failed := 0
		for _, err := range out[1:] {
			if err != nil {
				failed++
			}
		}
		if failed > 0 || err != nil {
			t.Errorf("%d of 200 items of the partition that answers failed: %v", failed, out[200])
		}
	})
}

// A panic of an observer leaves the requests under way to their answers: a program that
// recovers from it goes on, and closes its client.
func TestBatchThatPanics(t *testing.T) {
	for name, late := range map[string]bool{"answers are late": true, "there are none": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := peer.Start(t, 1, 2)
				armed := false
				tb := openOf(t, Config{Dial: c.Net.Dial, OperationTimeout: time.Minute, Observers: []Observer{{
					AttemptEnded: func(context.Context, AttemptEnded) {
						if armed {
							armed = false
							panic("observer")
						}
					},
				}}})
				value := func(r *peer.Request) { r.Reply(wire.UpdateResponse{Decree: 1}) }
				c.On(wire.TaskPut, value)
				puts := []Put{{HashKey: key(2, 0), Value: []byte("v")}, {HashKey: key(2, 1), Value: []byte("v")}}
				if out, err := tb.SetMany(t.Context(), puts); err != nil || out.Err() != nil {
					t.Fatal(err, out)
				}
				c.On(wire.TaskPut, func(r *peer.Request) {
					switch {
					case r.GPID.PartitionIndex == 0:
						value(r)
					case late:
						time.AfterFunc(time.Second, func() { value(r) })
					}
				})
				armed = true
				func() {
					defer func() {
						if recover() == nil {
							t.Error("no panic")
						}
					}()
					tb.SetMany(t.Context(), puts)
				}()
				c.On(wire.TaskPut, value)
				for range 10 {
					if out, err := tb.SetMany(t.Context(), puts); err != nil || out.Err() != nil {
						t.Error(err, out)
					}
					time.Sleep(300 * time.Millisecond)
				}
			})
		})
	}
}
