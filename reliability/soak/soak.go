package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"time"

	"github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/admin"
	"github.com/pegasus-go/pegasus/pegasustest"
	"github.com/pegasus-go/pegasus/reliability/internal/child"
)

// soak is a onebox under test and the model of what is in it.
type soak struct {
	opts       options
	boxOptions child.Options
	box        *child.Process
	rng        *rand.Rand
	goroutines int // without a client

	table         string // the name; a new one is made when it has many partitions
	tables        int
	backups       int
	ledgers       []*ledger
	incrs, casses [counters]counter
	administrator *administrator

	network *pegasustest.Network // of the client of the round
	report  *report
}

const (
	firstPartitions = 4
	maxPartitions   = 32
)

func newSoak(o options, dir string) (*soak, error) {
	s := &soak{opts: o, rng: rand.New(rand.NewPCG(o.seed, 0)), goroutines: runtime.NumGoroutine(), report: newReport(o)}
	port, err := child.FreePort(s.rng.IntN, max(metaServers, replicaServers))
	if err != nil {
		return nil, err
	}
	s.boxOptions = o.boxOptions(dir, port)
	s.administrator = newAdministrator(s, s.fork(-3))
	s.box, err = child.Start(s.boxOptions)
	return s, err
}

// admin returns a client that the faults of the network do not concern.
func (s *soak) admin() (*admin.Client, error) {
	return admin.New(admin.Config{MetaServers: s.box.MetaServers})
}

// newTable replaces the table and the model of it.
func (s *soak) newTable(ctx context.Context) error {
	a, err := s.admin()
	if err != nil {
		return err
	}
	defer a.Close()
	if s.table != "" {
		if err := a.DropTable(ctx, s.table, time.Second); err != nil {
			return err
		}
	}
	s.tables++
	s.table = fmt.Sprint("soak", s.tables)
	if _, err := a.CreateTable(ctx, s.table, admin.CreateOptions{Partitions: firstPartitions}); err != nil {
		return err
	}
	s.ledgers = nil
	for i := range s.opts.workers {
		s.ledgers = append(s.ledgers, newLedger(i))
	}
	for i := range counters {
		s.incrs[i] = counter{results: make(map[int64]bool)}
		s.casses[i] = counter{results: make(map[int64]bool)}
	}
	return nil
}

const (
	minRound = 3 * time.Second
	maxRound = 9 * time.Second
	scanners = 4
)

// round is a time of load and faults, and the comparison of everything with the
// model after that.
func (s *soak) round(ctx context.Context) error {
	partitions, err := s.partitions()
	if err != nil {
		return err
	}
	if partitions == 0 || partitions >= maxPartitions {
		if err := s.newTable(ctx); err != nil {
			return err
		}
	}
	if err := s.load(); err != nil {
		return err
	}
	s.report.leaked(child.Goroutines(s.goroutines))
	if err := s.quiesce(); err != nil {
		return err
	}
	if err := s.verify(ctx); err != nil {
		return err
	}
	s.report.leaked(child.Goroutines(s.goroutines))
	s.report.finish(s.box)
	return nil
}

// partitions returns 0 if there is no table yet.
func (s *soak) partitions() (int, error) {
	if s.table == "" {
		return 0, nil
	}
	a, err := s.box.Do(child.Command{Op: "partitions", Table: s.table})
	return a.Partitions, err
}

// load is the first part of a round. When it returns the client is closed and
// nothing is broken any more.
func (s *soak) load() error {
	s.network = new(pegasustest.Network)
	client := pegasus.NewClient(pegasus.Config{MetaServers: s.box.MetaServers, Dial: s.network.Dial})
	defer client.Close()
	table, err := client.OpenTable(context.Background(), s.table)
	if err != nil {
		return err
	}
	a, err := s.admin()
	if err != nil {
		return err
	}
	defer a.Close()
	ctx, cancel := context.WithTimeout(context.Background(), minRound+time.Duration(s.rng.Int64N(int64(maxRound-minRound))))
	defer cancel()
	var wg sync.WaitGroup
	for i, l := range s.ledgers {
		w := &worker{s: s, ledger: l, rng: s.fork(i), table: table}
		wg.Go(func() { w.run(ctx) })
	}
	for range scanners {
		wg.Go(func() {
			for ctx.Err() == nil {
				s.scanBesideLoad(table)
			}
		})
	}
	wg.Go(func() { s.administrator.run(ctx, a) })
	keeper := &keeper{s: s, rng: s.fork(-4), servers: s.box.MetaServers}
	var keeperErr error
	wg.Go(func() { keeperErr = keeper.run(ctx, a) })
	network := &networkFaults{s: s, rng: s.fork(-1)}
	wg.Go(func() { network.run(ctx) })
	servers := &serverFaults{s: s, rng: s.fork(-2)}
	err = servers.run(ctx)
	cancel()
	wg.Wait()
	return errors.Join(err, keeperErr)
}

// fork returns a source of random numbers of its own for a goroutine.
func (s *soak) fork(i int) *rand.Rand {
	return rand.New(rand.NewPCG(s.rng.Uint64(), uint64(i)))
}

// quiesce makes sure that nothing of the round is still under way: what clients
// that are gone have sent is carried out or never will be.
func (s *soak) quiesce() error {
	switch s.rng.IntN(4) {
	case 0:
		s.report.fault("kill -9")
		return s.restart(s.box.Kill)
	case 1:
		s.report.fault("stop")
		return s.restart(s.stop)
	}
	for i := range replicaServers {
		if _, err := s.box.Do(child.Command{Op: "stop", Node: i}); err != nil {
			return err
		}
		if _, err := s.box.Do(child.Command{Op: "start", Node: i}); err != nil {
			return err
		}
	}
	return nil
}

// stop ends the process gracefully and reports goroutines that it left behind.
func (s *soak) stop() error {
	err := s.box.Stop()
	var left *child.GoroutinesError
	if errors.As(err, &left) {
		s.report.leaked(left)
		return nil
	}
	return err
}

// restart ends the process and starts another one at the same addresses.
func (s *soak) restart(end func() error) error {
	if err := end(); err != nil {
		return err
	}
	box, err := child.Start(s.boxOptions)
	if err != nil {
		return err
	}
	s.box = box
	return nil
}
