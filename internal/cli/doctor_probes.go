package cli

import (
	"context"
	"sync"
	"time"

	"github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/admin"
	"github.com/pegasus-go/pegasus/internal/cli/survey"
)

// askAgain asks all servers that have answered once more, over the connections that there
// are by now.
func askAgain(ctx context.Context, c *admin.Client, s *survey.Survey) map[string]time.Duration {
	var mu sync.Mutex
	rtts := make(map[string]time.Duration)
	var wg sync.WaitGroup
	ask := func(before survey.Server) {
		if before.Err != nil {
			return
		}
		wg.Go(func() {
			if now := survey.Ask(ctx, c, before.Addr); now.Err == nil {
				mu.Lock()
				defer mu.Unlock()
				rtts[before.Addr] = now.RTT
			}
		})
	}
	for _, m := range s.Metas {
		ask(m)
	}
	for _, n := range s.Nodes {
		ask(n.Server)
	}
	wg.Wait()
	return rtts
}

// tryRoutes reads from each server that is the primary of a partition, for each table.
func (a *app) tryRoutes(ctx context.Context, s *survey.Survey) map[string]pegasus.Pongs {
	cluster, err := a.here().open(0)
	if err != nil {
		return nil
	}
	defer cluster.Close()
	var mu sync.Mutex
	routes := make(map[string]pegasus.Pongs)
	var wg sync.WaitGroup
	turns := make(chan struct{}, pingsAtOnce)
	for _, t := range s.Tables {
		wg.Go(func() {
			turns <- struct{}{}
			defer func() { <-turns }()
			pongs := pegasus.Pongs{{Role: pegasus.RoleReplica}}
			if t, err := cluster.Open(ctx, t.Name); err == nil {
				pongs = t.Ping(ctx)
			} else {
				pongs[0].Err = err
			}
			mu.Lock()
			defer mu.Unlock()
			routes[t.Name] = pongs
		})
	}
	wg.Wait()
	return routes
}
