// Package rehearse breaks a onebox on purpose, for the console of that onebox, and shows
// what callers see of it.
package rehearse

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/admin"
	"github.com/pegasus-go/pegasus/internal/console"
	"github.com/pegasus-go/pegasus/onebox"
)

const (
	lapse   = 5 * time.Minute // after the last step everything is healed
	maxLog  = 200
	maxStep = 200
)

// Clock is a clock that can be put forward. Its zero value tells the time as it is.
type Clock struct{ ahead atomic.Int64 }

// Now returns the time.
func (c *Clock) Now() time.Time { return time.Now().Add(time.Duration(c.ahead.Load())) }

func (c *Clock) advance(d time.Duration) { c.ahead.Add(int64(d)) }

// Stage is a onebox that is broken and healed. It is the Rehearsal of a console.
type Stage struct {
	box    *onebox.Server
	clock  *Clock
	client *pegasus.Cluster
	admin  *admin.Client
	faults faults
	lapse  time.Duration

	// steps are made one after the other.
	steps sync.Mutex

	mu        sync.Mutex // of what follows
	closed    bool
	nodes     []nodeState
	throttled map[string]string // tables, and what their environment had before
	unserved  map[place]bool
	log       []Entry
	seq       int64
	scenario  []Timed
	latest    time.Time      // when its last step was made
	tables    map[string]int // that it is about, and their partitions when it first named them
	lapses    *time.Timer
	load      *load
	running   context.CancelFunc // ends a replay; nil if there is none
	pending   sync.WaitGroup
	ctx       context.Context
	cancel    context.CancelFunc
}

type nodeState struct {
	Address string `json:"address"`
	Down    bool   `json:"down"`
	Hung    bool   `json:"hung"`
	Full    bool   `json:"full"`
	Cut     string `json:"cut"`    // what it is cut off from, "" for nothing
	Silent  bool   `json:"silent"` // its links, if they are cut
	Slow    int64  `json:"slow"`   // ms by which answers are late
	Since   int64  `json:"since"`  // Unix time in ms of its last step
	losses  int    // how often the meta servers have lost it
}

// lost says whether meta servers do not reach it.
func (n *nodeState) lost() bool { return n.Down || n.Cut == fromAll }

// place is a partition of a table.
type place struct {
	table     string
	partition int
}

// Entry is a line of the log.
type Entry struct {
	Seq  int64  `json:"seq"`
	At   int64  `json:"at"`
	Kind string `json:"kind"` // fault or heal, or note
	Text string `json:"text"`
}

// New returns a Stage for a onebox whose Clock is clock.Now.
func New(box *onebox.Server, clock *Clock) (*Stage, error) {
	client, err := pegasus.New(pegasus.Config{MetaServers: box.MetaServers(), Clock: clock.Now})
	if err != nil {
		return nil, err
	}
	manager, err := admin.New(admin.Config{MetaServers: box.MetaServers()})
	if err != nil {
		client.Close()
		return nil, err
	}
	s := &Stage{box: box, clock: clock, client: client, admin: manager, lapse: lapse, throttled: make(map[string]string), unserved: make(map[place]bool), tables: make(map[string]int)}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	for _, addr := range box.ReplicaServers() {
		s.nodes = append(s.nodes, nodeState{Address: addr})
	}
	return s, nil
}

// Close ends the load and what is planned. What was broken stays so.
func (s *Stage) Close() {
	s.mu.Lock()
	s.closed = true
	s.cancel()
	if s.lapses != nil {
		s.lapses.Stop()
	}
	l := s.load
	s.load = nil
	s.mu.Unlock()
	if l != nil {
		l.stop()
	}
	s.pending.Wait()
	s.client.Close()
	s.admin.Close()
}

// Calls are those of the page.
func (s *Stage) Calls() map[string]console.Call {
	return map[string]console.Call{
		"rehearse":        console.CallOf(s.state),
		"rehearse-do":     console.CallOf(s.doStep),
		"rehearse-load":   console.CallOf(s.setLoad),
		"rehearse-test":   console.CallOf(s.asTest),
		"rehearse-forget": console.CallOf(s.forget),
		"rehearse-replay": console.CallOf(s.replay),
	}
}

// afterLocked has f called after a while, unless the stage is closed before.
func (s *Stage) afterLocked(d time.Duration, f func()) {
	if s.closed {
		return
	}
	s.pending.Go(func() {
		select {
		case <-time.After(d):
			f()
		case <-s.ctx.Done():
		}
	})
}

func (s *Stage) note(kind, format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seq++
	s.log = append(s.log, Entry{s.seq, time.Now().UnixMilli(), kind, fmt.Sprintf(format, args...)})
	s.log = slices.Delete(s.log, 0, max(0, len(s.log)-maxLog))
}

// state returns everything that the page shows.
func (s *Stage) state(_ context.Context, in struct {
	Since int64 `json:"since"` // time of the latest point of the load that the page has, Unix ms
},
) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := map[string]any{
		"now":       time.Now().UnixMilli(),
		"nodes":     slices.Clone(s.nodes),
		"log":       append([]Entry{}, s.log...),
		"faults":    s.countFaults(),
		"errors":    s.faults.errorShare(),
		"throttled": s.throttledTables(),
		"ahead":     time.Duration(s.clock.ahead.Load()).Seconds(),
		"steps":     len(s.scenario),
		"full":      len(s.scenario) == maxStep,
		"replaying": s.running != nil,
		"load":      nil,
	}
	if s.load != nil {
		out["load"] = s.load.report(in.Since)
	}
	return out, nil
}

func (s *Stage) throttledTables() []string {
	names := []string{}
	for name := range s.throttled {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func (s *Stage) countFaults() int {
	n := len(s.throttled) + len(s.unserved)
	for _, node := range s.nodes {
		for _, broken := range []bool{node.Down, node.Hung, node.Full, node.Slow > 0, node.Cut != ""} {
			if broken {
				n++
			}
		}
	}
	if s.faults.errorShare() != nil {
		n++
	}
	return n
}

// setLoad starts the load with a rate, changes it, or ends it with 0.
func (s *Stage) setLoad(ctx context.Context, in struct {
	Rate int `json:"rate"` // operations per second
},
) (any, error) {
	if in.Rate < 0 || in.Rate > maxRate {
		return nil, console.Refuse("a load of %d operations a second is not in 0 to %d", in.Rate, maxRate)
	}
	s.steps.Lock()
	defer s.steps.Unlock()
	s.mu.Lock()
	l := s.load
	s.mu.Unlock()
	if l != nil {
		if in.Rate > 0 {
			l.setRate(in.Rate)
			return nil, nil
		}
		s.mu.Lock()
		s.load = nil
		s.mu.Unlock()
		l.stop()
		return nil, nil
	}
	if in.Rate == 0 {
		return nil, nil
	}
	if _, err := s.admin.CreateTable(ctx, LoadTable, admin.CreateOptions{Partitions: loadPartitions, Replicas: min(3, len(s.nodes)), SuccessIfExist: true}); err != nil && !isThere(err) {
		return nil, err
	}
	table, err := s.client.Open(ctx, LoadTable)
	if err != nil {
		return nil, err
	}
	l = newLoad(table, in.Rate, s.clock.Now)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		l.stop()
		return nil, console.Refuse("the console ends")
	}
	s.load = l
	return nil, nil
}
