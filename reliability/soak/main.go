// Command soak runs a onebox on disk in a process of its own, loads it through
// the client, makes, changes and drops other tables, and breaks servers,
// processes, disks and network all the time. It compares everything it reads,
// and after every round all tables, with a model, and exits with 1 if anything
// was lost, duplicated or leaked.
//
//	go run ./reliability/soak -duration 30m
package main

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"time"

	"github.com/pegasus-go/pegasus/onebox"
	"github.com/pegasus-go/pegasus/reliability/internal/child"
)

type options struct {
	duration time.Duration
	seed     uint64
	dir      string
	workers  int
	sync     bool
	verbose  bool
}

func main() {
	child.Main()
	var o options
	flag.DurationVar(&o.duration, "duration", time.Minute, "how long; the round under way is finished")
	flag.Uint64Var(&o.seed, "seed", rand.Uint64(), "of the choice of operations and faults")
	flag.StringVar(&o.dir, "dir", "", "parent `directory` of the data (default: that for temporary files)")
	flag.IntVar(&o.workers, "workers", 64, "goroutines that use the client")
	flag.BoolVar(&o.sync, "sync", false, "durability sync instead of os")
	flag.BoolVar(&o.verbose, "v", false, "print faults when they happen")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	ok, err := run(ctx, o)
	if err != nil {
		fmt.Fprintln(os.Stderr, "soak:", err)
	}
	if err != nil || !ok {
		stop()
		os.Exit(1)
	}
}

// run returns whether nothing was lost, duplicated or leaked. An error is about
// the machinery.
func run(ctx context.Context, o options) (ok bool, err error) {
	dir, err := os.MkdirTemp(o.dir, "soak")
	if err != nil {
		return false, err
	}
	s, err := newSoak(o, dir)
	if err != nil {
		return false, err
	}
	defer func() {
		if kerr := s.box.Kill(); err == nil {
			err = kerr
		}
		if err == nil && ok {
			err = os.RemoveAll(dir)
		} else {
			fmt.Fprintln(os.Stderr, "soak: the data is in", dir)
		}
	}()
	for s.report.round = 1; time.Since(s.report.began) < o.duration && ctx.Err() == nil; s.report.round++ {
		if err := s.round(ctx); err != nil {
			return false, fmt.Errorf("round %d: %w", s.report.round, err)
		}
	}
	s.report.round--
	return s.report.summary(os.Stdout), nil
}

// boxOptions are those of the onebox. Its memory is small, so that it flushes
// and compacts all the time.
func (o options) boxOptions(dir string, port int) child.Options {
	durability := onebox.OS
	if o.sync {
		durability = onebox.Sync
	}
	return child.Options{
		Dir: dir, BackupDir: dir + "-backups", Durability: durability, CacheSize: 16 << 20,
		Port: port, MetaServers: metaServers, ReplicaServers: replicaServers,
	}
}

const (
	metaServers    = 2
	replicaServers = 3
)
