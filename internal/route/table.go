package route

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pegasus-go/pegasus/internal/rpc"
	"github.com/pegasus-go/pegasus/internal/wire"
)

var (
	// ErrTableNotFound is the error of a table that does not exist.
	ErrTableNotFound = errors.New("table does not exist")
	// ErrNoPrimary is the error of a partition whose Primary is nil.
	ErrNoPrimary = errors.New("no primary")
)

// Table is the routing of one table: the one of its name. When the name leads to a
// table with another id, all partitions change over to that at one moment; when it
// leads to none, there is no snapshot any more, and the next call asks again.
type Table struct {
	name   string
	meta   *Meta
	pool   *rpc.Pool
	events Events
	snap   atomic.Pointer[Snapshot]

	telling sync.Mutex // held while events are told, and from an answer on until its news are

	mu       sync.Mutex
	appID    int32 // of the latest snapshot, 0 before the first
	nodes    map[wire.Address]*rpc.Node
	troubles map[subject]*trouble
	loading  *load     // under way, or nil
	answered time.Time // when the one before ended
	took     time.Duration
	// Of questions: those that were answered, and the others.
	refreshes, failures int64
	timer               *time.Timer
	due                 time.Time // when the next one begins; zero if nobody wants one
}

// load is a question to the meta servers that any number of callers wait
// for. err is valid once done is closed.
type load struct {
	done chan struct{}
	err  error
}

// NewTable returns the routing of a table, still empty.
func NewTable(pool *rpc.Pool, meta *Meta, name string, events Events) *Table {
	return &Table{
		name: name, meta: meta, pool: pool, events: events,
		nodes: make(map[wire.Address]*rpc.Node), troubles: make(map[subject]*trouble),
	}
}

// Snapshot returns the present state. It is nil before the first answer, and
// after one that there is no such table.
func (t *Table) Snapshot() *Snapshot { return t.snap.Load() }

// Load asks the meta servers now, or joins a question under way. If that finds no
// table it asks again: there may be one since the question was sent.
func (t *Table) Load(ctx context.Context) error {
	q, joined, err := t.join()
	if err != nil {
		return err
	}
	if err := q.wait(ctx); !joined || !errors.Is(err, ErrTableNotFound) {
		return err
	}
	if q, _, err = t.join(); err != nil {
		return err
	}
	return q.wait(ctx)
}

func (q *load) wait(ctx context.Context) error {
	select {
	case <-q.done:
		return q.err
	case <-ctx.Done():
		return rpc.ContextError(ctx)
	}
}

// Changed returns the event that p, which s has, is at another place.
func (t *Table) Changed(s *Snapshot, p *Partition) <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.snap.Load() != s {
		over := make(chan struct{})
		close(over)
		return over
	}
	if p.changed == nil {
		p.changed = make(chan struct{})
	}
	return p.changed
}

// join returns the question under way, or starts one.
func (t *Table) join() (q *load, joined bool, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.loading != nil {
		return t.loading, true, nil
	}
	if !t.askLocked() {
		return nil, false, rpc.ErrClosed
	}
	return t.loading, false, nil
}

// askLocked starts a question. It returns false after Close.
func (t *Table) askLocked() bool {
	q := &load{done: make(chan struct{})}
	if !t.pool.Go(func(ctx context.Context) { t.ask(ctx, q) }) {
		return false
	}
	t.loading = q
	for _, tr := range t.troubles {
		tr.asked = tr.asked || tr.waiting > 0
	}
	return true
}

func (t *Table) ask(ctx context.Context, q *load) {
	t.begin()
	began := time.Now()
	config, err := t.query(ctx)
	t.telling.Lock()
	defer t.telling.Unlock()
	n := t.answer(q, config, err, began)
	if n.recall != nil {
		t.pool.Recall(n.recall.primary)
	}
	t.events.tell(n)
}

// begin tells that a question begins, after the news of the one before.
func (t *Table) begin() {
	if t.events.Refreshing == nil {
		return
	}
	t.telling.Lock()
	defer t.telling.Unlock()
	t.events.Refreshing()
}

// answer takes over the answer to q, and returns what follows from it.
func (t *Table) answer(q *load, config *wire.QueryConfigResponse, err error, began time.Time) *news {
	n := new(news)
	t.mu.Lock()
	defer t.mu.Unlock()
	old := t.snap.Load()
	var snap *Snapshot
	if err == nil {
		snap, err = t.build(config)
	}
	switch {
	case err == nil:
		if t.appID != snap.AppID {
			n.from, n.to, t.appID = t.appID, snap.AppID, snap.AppID // also after a time without any
		}
		n.compareLocked(old, snap)
		if t.install(old, snap) || t.silenceLocked() {
			n.recall = snap
		}
	case errors.Is(err, ErrTableNotFound):
		t.install(old, nil)
	}
	if err == nil || errors.Is(err, ErrTableNotFound) {
		t.refreshes++
	} else {
		t.failures++
	}
	q.err = err
	t.loading = nil
	t.answered = time.Now()
	t.took = t.answered.Sub(began)
	t.rescheduleLocked()
	n.snap, n.took, n.err = t.snap.Load(), t.took, err
	close(q.done)
	return n
}

// install replaces the snapshot, all of it at one moment, and tells those who
// wait for a partition whose place has changed. It reports whether there are any.
func (t *Table) install(old, snap *Snapshot) (changed bool) {
	if old != nil && snap.same(old) {
		return false
	}
	t.snap.Store(snap)
	if old == nil {
		return false
	}
	for i, p := range old.partitions {
		if snap != nil && i < snap.Count && snap.partitions[i] == p {
			continue
		}
		changed = true
		if p.changed != nil {
			close(p.changed)
			p.changed = nil
		}
	}
	return changed
}

// questionTimeout bounds one question. Callers that wait for it have their own,
// mostly shorter, limits.
const questionTimeout = 10 * time.Second

func (t *Table) query(ctx context.Context) (*wire.QueryConfigResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, questionTimeout)
	defer cancel()
	resp := new(wire.QueryConfigResponse)
	req := wire.QueryConfigRequest{AppName: t.name}
	code, err := t.meta.Ask(ctx, wire.TaskQueryConfig, wire.Of(&req), false, func(r *wire.Reader) (wire.ErrorCode, wire.Address) {
		*resp = wire.QueryConfigResponse{}
		wire.Of(resp).Read(r)
		if resp.Err == wire.ErrForwardToOthers && len(resp.Partitions) > 0 {
			return resp.Err, resp.Partitions[0].Primary
		}
		return resp.Err, 0
	})
	switch {
	case err != nil:
		return nil, err
	case code == wire.ErrObjectNotFound:
		return nil, fmt.Errorf("%w: %w", ErrTableNotFound, code)
	case code != wire.ErrOK:
		return nil, code
	}
	return resp, nil
}
