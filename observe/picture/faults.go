package main

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/pegasus-go/pegasus/admin"
	"github.com/pegasus-go/pegasus/onebox"
)

// mark is a fault that has begun.
type mark struct {
	at   time.Time
	name string
}

// faults are what happens to the servers, at a share of the time of the run.
var faults = []struct {
	at         float64
	name       string
	lasts      time.Duration
	begin, end func(*onebox.Server) error
}{
	{
		.08, "a server is killed, and back after 15 s", 15 * time.Second,
		func(b *onebox.Server) error { b.Replica(1).Stop(); return b.Failover(1) },
		func(b *onebox.Server) error {
			return errors.Join(b.Replica(1).Start(), b.MovePrimary(table, 1, 1), b.MovePrimary(table, 4, 1))
		},
	},
	{
		.22, "a server takes 20 ms longer, for 15 s", 15 * time.Second,
		intercepting(func(r onebox.Request) (a onebox.Action) {
			if !r.Meta && r.Node == 0 {
				a.Delay = 20 * time.Millisecond
			}
			return a
		}), passing,
	},
	{
		.36, "one of 20 requests is refused as busy, one of 200 as denied, for 15 s", 15 * time.Second,
		intercepting(func(r onebox.Request) (a onebox.Action) {
			switch n := rand.IntN(200); {
			case r.Meta:
			case n == 0:
				a.Error = "ERR_ACL_DENY"
			case n <= 10:
				a.Error = "ERR_BUSY"
			}
			return a
		}), passing,
	},
	{
		.50, "a server hangs for 8 s", 8 * time.Second,
		func(b *onebox.Server) error { b.Replica(2).Pause(); return nil },
		func(b *onebox.Server) error { b.Replica(2).Resume(); return nil },
	},
	{
		.63, "a partition has no primary for 8 s", 8 * time.Second,
		func(b *onebox.Server) error { return b.MovePrimary(table, 0, onebox.NoPrimary) },
		func(b *onebox.Server) error { return b.MovePrimary(table, 0, 0) },
	},
	{
		.76, "writes are throttled, for 15 s", 15 * time.Second, throttled, unthrottled,
	},
	{
		.90, "the table is split", 3 * time.Second,
		func(b *onebox.Server) error { b.HoldSplits(true); return b.Split(table) },
		func(b *onebox.Server) error { b.HoldSplits(false); return nil },
	},
}

func intercepting(f func(onebox.Request) onebox.Action) func(*onebox.Server) error {
	return func(b *onebox.Server) error { b.Intercept(f); return nil }
}

// throttled and unthrottled change the limit of writes a second, as an operator would.
func throttled(b *onebox.Server) error {
	return administer(b, func(ctx context.Context, c *admin.Client) error {
		return c.SetEnvs(ctx, table, map[string]string{throttling: "100*delay*50,200*reject*50"})
	})
}

func unthrottled(b *onebox.Server) error {
	return administer(b, func(ctx context.Context, c *admin.Client) error { return c.DelEnvs(ctx, table, throttling) })
}

const throttling = "replica.write_throttling"

func administer(b *onebox.Server, f func(context.Context, *admin.Client) error) error {
	client, err := admin.New(admin.Config{MetaServers: b.MetaServers()})
	if err != nil {
		return err
	}
	defer client.Close()
	return f(context.Background(), client)
}

func passing(b *onebox.Server) error { b.Intercept(nil); return nil }
