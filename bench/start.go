package main

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"time"

	pegasus "github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/onebox"
)

// runStart measures what it takes to begin: with a onebox in memory, with many
// in one process, and with tables of many partitions.
func runStart(ctx context.Context, o *options) error {
	var first, process, rss, open1, open1024 []float64
	for range max(o.rounds, 1) {
		began := time.Now()
		s, err := onebox.Start(onebox.Options{Tables: []onebox.Table{{Name: "temp"}}})
		if err != nil {
			return err
		}
		if err := firstGet(ctx, s.MetaServers()[0], "temp"); err != nil {
			return err
		}
		first = append(first, float64(time.Since(began)))
		if err := s.Close(); err != nil {
			return err
		}

		began = time.Now()
		p, err := startPeer("empty")
		if err != nil {
			return err
		}
		if err := firstGet(ctx, p.addr, "temp"); err != nil {
			return err
		}
		process = append(process, float64(time.Since(began)))
		rss = append(rss, float64(p.rss()))
		p.stop()

		if p, err = startPeer("onebox", "mem", "-"); err != nil {
			return err
		}
		for table, times := range map[string]*[]float64{"bench1": &open1, "bench1024": &open1024} {
			began = time.Now()
			_, stop, err := openTable(ctx, p.addr, table)
			if err != nil {
				return err
			}
			*times = append(*times, float64(time.Since(began)))
			stop()
		}
		p.stop()
	}
	show := func(what string, times []float64) {
		mid, _ := median(times)
		fmt.Printf("%-60s %8v (%v to %v)\n", what, time.Duration(mid).Round(10*time.Microsecond),
			time.Duration(slices.Min(times)).Round(10*time.Microsecond), time.Duration(slices.Max(times)).Round(10*time.Microsecond))
	}
	show("onebox in memory, from Start to the answer to the first Get", first)
	show("the same in a process of its own, from its start", process)
	mid, _ := median(rss)
	fmt.Printf("%-60s %4.0f MiB\n", "memory of that process, resident", mid/(1<<20))
	show("OpenTable by a new client, 1 partition", open1)
	show("OpenTable by a new client, 1024 partitions", open1024)
	return many(ctx)
}

func firstGet(ctx context.Context, meta, table string) error {
	t, stop, err := openTable(ctx, meta, table)
	if err != nil {
		return err
	}
	defer stop()
	_, err = t.Get(ctx, []byte("k"), []byte("s"))
	return err
}

// many starts many oneboxes in this process and uses each.
func many(ctx context.Context) error {
	const n = 100
	began, before := time.Now(), ownRSS()
	var clients []pegasus.Client
	var servers []*onebox.Server
	for range n {
		s, err := onebox.Start(onebox.Options{Tables: []onebox.Table{{Name: "temp"}}})
		if err != nil {
			return err
		}
		servers = append(servers, s)
		c, err := pegasus.New(pegasus.Config{MetaServers: s.MetaServers()})
		if err != nil {
			return err
		}
		clients = append(clients, c)
		t, err := c.OpenTable(ctx, "temp")
		if err != nil {
			return err
		}
		if err := t.Set(ctx, []byte("k"), []byte("s"), []byte("v")); err != nil {
			return err
		}
	}
	runtime.GC()
	fmt.Printf("%d oneboxes in one process, each with a client and a Set: %v, %d MiB more resident, %d goroutines\n",
		n, time.Since(began).Round(time.Millisecond), (ownRSS()-before)>>20, runtime.NumGoroutine())
	for i := range servers {
		clients[i].Close()
		if err := servers[i].Close(); err != nil {
			return err
		}
	}
	return nil
}
