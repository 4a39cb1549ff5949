package child

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"runtime/pprof"
	"strings"
	"time"

	"github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/admin"
	"github.com/pegasus-go/pegasus/onebox"
)

// Command is what a Process is told to do. Op is one of
//
//	"stop", "start", "pause", "resume"   a replica server, Node
//	"failover"                           move the primaries away from Node
//	"move"                               a Partition of Table to Node
//	"split"                              Table
//	"partitions"                         say how many Table has
//	"leader"                             make Node the meta leader, -1: none
//	"fill", "empty"                      the disk of a replica server, Node
//	"inject"                             treat a share of the requests as Fault says
//	"heap"                               collect garbage and say how much is left
//	"held"                               say what holds the memory: heap profile and goroutines
//	"close"                              end gracefully
type Command struct {
	Op        string
	Node      int    `json:",omitempty"`
	Table     string `json:",omitempty"`
	Partition int    `json:",omitempty"`
	Fault     Fault
}

// Fault is what happens to some requests to replica servers.
type Fault struct {
	Share float64 // of the requests that are concerned, 0 to 1
	Seed  uint64
	Error string        // answer with it
	Delay time.Duration // hold the request up
	Lose  bool          // carry it out without an answer
	Drop  bool          // ignore it
	Close bool          // break the connection
}

// Answer is the answer to a Command.
type Answer struct {
	Error      string `json:",omitempty"`
	Partitions int    `json:",omitempty"`
	Heap       uint64 `json:",omitempty"` // bytes of live objects
	Held       string `json:",omitempty"` // of "held"
	Busy       bool   `json:",omitempty"` // of "split" and "move": a split is under way
	Leak       string `json:",omitempty"` // of "close": a GoroutinesError
}

// box is the onebox of this process.
type box struct {
	srv        *onebox.Server
	admin      *admin.Client
	goroutines int // before it was started
}

func newBox(opts Options) (*box, error) {
	b := &box{goroutines: runtime.NumGoroutine()}
	var err error
	b.srv, err = onebox.Start(onebox.Options{
		Dir:            opts.Dir,
		BackupDir:      opts.BackupDir,
		Durability:     opts.Durability,
		CacheSize:      opts.CacheSize,
		Listen:         fmt.Sprintf("127.0.0.1:%d", opts.Port),
		MetaServers:    opts.MetaServers,
		ReplicaServers: opts.ReplicaServers,
		Tables:         opts.Tables,
		ReadOnly:       opts.ReadOnly,
		Limits:         opts.Limits,
	})
	if err != nil {
		return nil, err
	}
	b.admin, err = admin.New(admin.Config{MetaServers: b.srv.MetaServers()})
	return b, err
}

func (b *box) do(ctx context.Context, c Command) Answer {
	var a Answer
	var err error
	switch c.Op {
	case "stop":
		b.srv.Replica(c.Node).Stop()
	case "start":
		err = b.srv.Replica(c.Node).Start()
	case "pause":
		b.srv.Replica(c.Node).Pause()
	case "resume":
		b.srv.Replica(c.Node).Resume()
	case "failover":
		err = b.srv.Failover(c.Node)
	case "move":
		// A split may have announced the partition, no more.
		if err = b.srv.MovePrimary(c.Table, c.Partition, c.Node); errors.Is(err, pegasus.ErrInvalidParameters) {
			a.Busy, err = true, nil
		}
	case "split":
		if err = b.srv.Split(c.Table); errors.Is(err, pegasus.ErrBusy) {
			a.Busy, err = true, nil
		}
	case "partitions":
		var t admin.Table
		if t, err = b.admin.Table(ctx, c.Table); err == nil {
			a.Partitions = t.Partitions
		}
	case "leader":
		b.srv.SetMetaLeader(c.Node)
	case "fill", "empty":
		b.srv.Replica(c.Node).FillDisk(c.Op == "fill")
	case "inject":
		b.srv.Intercept(c.Fault.interceptor())
	case "heap":
		a.Heap = liveHeap()
	case "held":
		a.Held = held()
	case "close":
		err = b.close()
	default:
		err = fmt.Errorf("no command %q", c.Op)
	}
	var left *GoroutinesError
	switch {
	case errors.As(err, &left):
		a.Leak = left.Stacks
	case err != nil:
		a.Error = err.Error()
	}
	return a
}

func liveHeap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// held is where the live memory was allocated, and what the goroutines are doing, as texts.
func held() string {
	var b strings.Builder
	runtime.GC()
	for _, name := range []string{"heap", "goroutine"} {
		if err := pprof.Lookup(name).WriteTo(&b, 1); err != nil {
			return err.Error()
		}
	}
	return b.String()
}

// goroutinePatience is how long goroutines may take to be gone after what they
// did has been waited for.
const goroutinePatience = 5 * time.Second

// close closes the onebox and looks for goroutines that it left behind.
func (b *box) close() error {
	if err := b.admin.Close(); err != nil {
		return err
	}
	if err := b.srv.Close(); err != nil {
		return err
	}
	return Goroutines(b.goroutines)
}

// GoroutinesError says that goroutines are left behind.
type GoroutinesError struct {
	Stacks string // of all goroutines
}

// Error shows the goroutines.
func (e *GoroutinesError) Error() string { return "goroutines are left:\n" + e.Stacks }

// Goroutines returns a *GoroutinesError if there are more than n goroutines and
// that does not change.
func Goroutines(n int) error {
	for deadline := time.Now().Add(goroutinePatience); runtime.NumGoroutine() > n; {
		if time.Now().After(deadline) {
			stacks := make([]byte, 1<<16)
			return &GoroutinesError{Stacks: string(stacks[:runtime.Stack(stacks, true)])}
		}
		time.Sleep(time.Millisecond)
	}
	return nil
}

// interceptor returns nil for no fault.
func (f Fault) interceptor() func(onebox.Request) onebox.Action {
	if f.Share == 0 {
		return nil
	}
	a := onebox.Action{Error: f.Error, Delay: f.Delay, LoseAnswer: f.Lose, Drop: f.Drop, Close: f.Close}
	random := make(chan *rand.Rand, 1) // passed around: interceptors run concurrently
	random <- rand.New(rand.NewPCG(f.Seed, 0))
	return func(r onebox.Request) onebox.Action {
		if r.Meta {
			return onebox.Action{}
		}
		g := <-random
		hit := g.Float64() < f.Share
		random <- g
		if !hit {
			return onebox.Action{}
		}
		return a
	}
}
