package admin

import (
	"context"
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/pegasus-go/pegasus/internal/peer"
	"github.com/pegasus-go/pegasus/internal/wire"
)

// A server of the cluster is asked for its counters and disks, and what it says is read.
func TestCountersAndDisks(t *testing.T) {
	const text = `{"result":"OK","timestamp":1700000000,"timestamp_str":"2023-11-14 22:13:20","counters":[{"name":"replica*server*a@1.0","type":"RATE","value":2.50}]}`
	disk := wire.DiskInfo{
		Tag: "ssd", FullDir: "/ssd", DiskCapacityMB: 4, DiskAvailableMB: 1,
		HoldingPrimaryReplicas:   map[int32]map[wire.GPID]struct{}{1: {{AppID: 1}: {}}, 2: {{AppID: 2}: {}}},
		HoldingSecondaryReplicas: map[int32]map[wire.GPID]struct{}{1: {{AppID: 1, PartitionIndex: 1}: {}}},
	}
	disks := wire.QueryDiskInfoResponse{DiskInfos: []wire.DiskInfo{disk}}
	inBubble(t, func(r *peer.Request) {
		switch r.Name() {
		case wire.TaskRemoteCommand:
			r.Reply(wire.Text(text))
		case wire.TaskQueryDiskInfo:
			r.Reply(wire.Of(&disks))
		}
	}, func(t *testing.T, c *Client) {
		want := Counters{Sampled: time.Unix(1700000000, 0), Values: []Counter{{"replica*server*a@1.0", 2.5}}}
		if got, err := c.Counters(t.Context(), metaAddr, "replica*server"); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("Counters = %+v, %v, want %+v", got, err, want)
		}
		wantDisks := []Disk{{Tag: "ssd", Dir: "/ssd", Capacity: 4 << 20, Available: 1 << 20, Primaries: 2, Secondaries: 1}}
		if got, err := c.Disks(t.Context(), metaAddr); err != nil || !reflect.DeepEqual(got, wantDisks) {
			t.Errorf("Disks = %+v, %v, want %+v", got, err, wantDisks)
		}
	})
}

// Questions to one server end with an error that names it, and are in no doubt.
func TestNodeThatDoesNotTell(t *testing.T) {
	dropped := wire.QueryDiskInfoResponse{Err: wire.ErrObjectNotFound}
	for name, tc := range map[string]struct {
		handle peer.Handler
		call   func(context.Context, *Client) error
		want   error
	}{
		"counters: hangs up":  {peer.Hangup, askCounters, nil},
		"counters: silent":    {peer.Silence, askCounters, context.DeadlineExceeded},
		"counters: too new":   {peer.Result(wire.Text("unknown command 'perf-counters-by-prefix'")), askCounters, ErrNoCounters},
		"counters: no result": {peer.Result(wire.Text(`{"result":"ERROR: invalid filter"}`)), askCounters, ErrNoCounters},
		"counters: denied":    {peer.Code(wire.ErrACLDeny), askCounters, ErrACLDeny},
		"disks: hangs up":     {peer.Hangup, askDisks, nil},
		"disks: confused":     {peer.Result(wire.Text("text")), askDisks, nil},
		"disks: no handler":   {peer.Code(wire.ErrHandlerNotFound), askDisks, ErrHandlerNotFound},
		"disks: an error":     {peer.Result(wire.Of(&dropped)), askDisks, ErrTableNotFound},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, tc.handle, func(t *testing.T, c *Client) {
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				err := tc.call(ctx, c)
				var e *Error
				if !errors.As(err, &e) || e.Server != metaAddr || errors.Is(err, ErrInDoubt) || tc.want != nil && !errors.Is(err, tc.want) {
					t.Errorf("error %v, want %v", err, tc.want)
				}
			})
		})
	}
}

func askCounters(ctx context.Context, c *Client) error { return discard(c.Counters(ctx, metaAddr)) }
func askDisks(ctx context.Context, c *Client) error    { return discard(c.Disks(ctx, metaAddr)) }

// Whatever a server answers is read or refused, and no counter is made up.
func FuzzParseCounters(f *testing.F) {
	f.Add(`{"result":"OK","timestamp":1,"counters":[{"name":"a","value":1}]}`)
	f.Add("unknown command 'perf-counters'")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := parseCounters(text)
		if err != nil && (!errors.Is(err, ErrNoCounters) || len(c.Values) > 0) {
			t.Errorf("%q: %v, %v", text, c, err)
		}
	})
}
