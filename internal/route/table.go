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

// refreshTimeout bounds one refresh. Callers that wait for it have their own,
// mostly shorter, limits.
const refreshTimeout = 10 * time.Second

// The pause between refreshes on behalf of one partition while they bring nothing
// new for it: a share of the time that it has been failing, within limits. So the
// new configuration is late by a part of the time that it took to come about.
const (
	refreshShare    = 20
	minRefreshPause = 10 * time.Millisecond
	maxRefreshPause = 500 * time.Millisecond
	// After so long without a complaint the next one is about another failure.
	forgetFailure = 2 * maxRefreshPause
)

// Partition is a partition and who serves it. Snapshots share it as long as
// nothing of that changes.
type Partition struct {
	wire.GPID
	Ballot int64
	// Primary is nil while the partition has none.
	Primary *rpc.Node

	older *Partition // an answer with a lower ballot that was not believed, or nil

	// When somebody asked for a refresh because it fails: for the first time
	// in a row, and for the last time. The mutex of the table guards them.
	firstAsked, lastAsked time.Time
}

// Snapshot is the state of a table at one time. It does not change.
type Snapshot struct {
	AppID int32
	// Count is the number of partitions that keys are divided into. While a
	// split is under way it is the new number, and partitions without an own
	// replica yet stand for their parents.
	Count int
	// partitions has Count entries. An entry of a split's child that is not
	// registered yet is that of its parent.
	partitions []*Partition
}

// Locate returns the partition of a key with the given partition hash.
func (s *Snapshot) Locate(hash uint64) *Partition {
	return s.partitions[hash%uint64(len(s.partitions))]
}

// Range is a share of a table for scanning: the keys whose hash leaves the
// remainder Index when divided by Modulus. When it was made, they were all in
// the partition of that index.
type Range struct {
	Index, Modulus int32
}

// Ranges divides the table into one range for each partition with data of its
// own.
func (s *Snapshot) Ranges() []Range {
	ranges, _ := s.Cover(Range{Index: 0, Modulus: 1})
	return ranges
}

// Share returns the share of the table that the partition p has.
func (s *Snapshot) Share(p *Partition) Range {
	share := Range{Index: p.PartitionIndex, Modulus: int32(s.Count)}
	child := int(p.PartitionIndex) + s.Count/2
	if child > int(p.PartitionIndex) && child < s.Count && s.partitions[child] == p {
		share.Modulus /= 2 // it stands for the child of a split, too
	}
	return share
}

// Hash returns the hash of a key that is in the share, but will not be in its
// partition any more when that was split. A server that is told it with a request
// refuses then, rather than leave out what has moved.
func (r Range) Hash() uint64 { return uint64(r.Index) + uint64(r.Modulus) }

// Cover divides r into ranges that lie in one partition each. That is r itself
// unless partitions were split since r was made. It returns false if that is
// impossible, because the table has fewer partitions than then.
func (s *Snapshot) Cover(r Range) ([]Range, bool) {
	var ranges []Range
	for i := r.Index; int(i) < s.Count; i += r.Modulus {
		p := s.partitions[i]
		if p.PartitionIndex != i {
			// The child of a split, whose keys are still with its parent. The
			// parent's range has them, unless r asks for the child's alone.
			if p.PartitionIndex%r.Modulus != r.Index {
				return nil, false
			}
			continue
		}
		share := s.Share(p)
		if share.Modulus < r.Modulus {
			return nil, false // a split was undone: the partition has more than r
		}
		ranges = append(ranges, share)
	}
	return ranges, int(r.Modulus) <= s.Count && len(ranges) > 0
}

// Holds reports whether r lies in one partition: that of its index.
func (s *Snapshot) Holds(r Range) bool {
	return int(r.Index) < s.Count && s.partitions[r.Index].PartitionIndex == r.Index && s.Share(s.partitions[r.Index]) == r
}

// At returns the partition of an index that Ranges or Cover returned.
func (s *Snapshot) At(index int32) *Partition { return s.partitions[index] }

// Table is the routing of one table.
type Table struct {
	name string
	meta *Meta
	pool *rpc.Pool
	snap atomic.Pointer[Snapshot]

	mu       sync.Mutex
	refresh  *refresh  // under way or put off, or nil
	answered time.Time // when the one before ended
}

// refresh is a question to the meta server that any number of callers wait
// for. err is valid once done is closed.
type refresh struct {
	due   time.Time
	timer *time.Timer // until then
	done  chan struct{}
	err   error
}

// NewTable returns the routing of a table, still empty.
func NewTable(pool *rpc.Pool, meta *Meta, name string) *Table {
	return &Table{name: name, meta: meta, pool: pool}
}

// Snapshot returns the present state, nil before the first refresh.
func (t *Table) Snapshot() *Snapshot { return t.snap.Load() }

// Refresh replaces the snapshot seen, which is out of date. It returns at once
// if another caller did so already, and joins a refresh under way. failed is the
// partition that shows that seen is out of date, or nil: if the last refresh
// brought nothing new for it, the next one is put off.
func (t *Table) Refresh(ctx context.Context, seen *Snapshot, failed *Partition) error {
	r, err := t.start(seen, failed)
	if r == nil {
		return err
	}
	select {
	case <-r.done:
		return r.err
	case <-ctx.Done():
		return rpc.ContextError(ctx)
	}
}

// RefreshSoon is Refresh for a snapshot that may be out of date: it does not
// wait.
func (t *Table) RefreshSoon(seen *Snapshot, failed *Partition) { t.start(seen, failed) }

// start returns the refresh that replaces seen, nil if that has been done.
func (t *Table) start(seen *Snapshot, failed *Partition) (*refresh, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.snap.Load() != seen {
		return nil, nil
	}
	due := t.dueLocked(failed)
	if r := t.refresh; r != nil {
		if due.Before(r.due) && r.timer.Stop() {
			r.due = due
			r.timer.Reset(time.Until(due))
		}
		return r, nil
	}
	r := &refresh{due: due, timer: time.NewTimer(time.Until(due)), done: make(chan struct{})}
	if !t.pool.Go(func(ctx context.Context) { t.run(ctx, r) }) {
		return nil, rpc.ErrClosed
	}
	t.refresh = r
	return r, nil
}

// dueLocked returns when the meta servers are to be asked on behalf of p. That
// is at once, unless they have just been asked, and had nothing new to say.
func (t *Table) dueLocked(p *Partition) time.Time {
	now := time.Now()
	if p == nil {
		return now
	}
	again := now.Sub(p.lastAsked) <= forgetFailure
	p.lastAsked = now
	if !again {
		p.firstAsked = now
		return now
	}
	share := t.answered.Sub(p.firstAsked) / refreshShare
	return t.answered.Add(min(max(share, minRefreshPause), maxRefreshPause))
}

func (t *Table) run(ctx context.Context, r *refresh) {
	select {
	case <-r.timer.C:
	case <-ctx.Done():
	}
	ctx, cancel := context.WithTimeout(ctx, refreshTimeout)
	defer cancel()
	snap, err := t.query(ctx)
	t.mu.Lock()
	defer t.mu.Unlock()
	if err == nil {
		t.snap.Store(snap)
	}
	r.err = err
	t.refresh = nil
	t.answered = time.Now()
	close(r.done)
}

func (t *Table) query(ctx context.Context) (*Snapshot, error) {
	var resp wire.QueryConfigResponse
	req := wire.QueryConfigRequest{AppName: t.name}
	code, err := t.meta.Ask(ctx, wire.TaskQueryConfig, wire.Of(&req), false, func(r *wire.Reader) (wire.ErrorCode, wire.Address) {
		resp = wire.QueryConfigResponse{}
		wire.Of(&resp).Read(r)
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
	return t.build(&resp)
}

// build makes a snapshot of an answer. Where that is older than what is known of
// a partition, the known stays, until the next answer says the same: then it is
// the cluster that is another one, with a table of the same id.
func (t *Table) build(resp *wire.QueryConfigResponse) (*Snapshot, error) {
	n := int(resp.PartitionCount)
	if n <= 0 || len(resp.Partitions) != n || resp.AppID <= 0 {
		return nil, fmt.Errorf("%w: configuration of table %d has %d of %d partitions",
			wire.ErrMalformed, resp.AppID, len(resp.Partitions), n)
	}
	s := &Snapshot{AppID: resp.AppID, Count: n, partitions: make([]*Partition, n)}
	old := t.snap.Load()
	for i := range resp.Partitions {
		pc := &resp.Partitions[i]
		p := &Partition{GPID: wire.GPID{AppID: resp.AppID, PartitionIndex: int32(i)}, Ballot: pc.Ballot}
		if pc.PID != p.GPID {
			return nil, fmt.Errorf("%w: configuration of partition %v in place of %v", wire.ErrMalformed, pc.PID, p.GPID)
		}
		if pc.Primary.Valid() {
			p.Primary = t.pool.Node(pc.Primary.String())
		}
		s.partitions[i] = p
		if old == nil || old.AppID != s.AppID || i >= old.Count {
			continue
		}
		switch known := old.partitions[i]; {
		case known.GPID != p.GPID:
		case known.Ballot == p.Ballot && known.Primary == p.Primary && known.older == nil:
			s.partitions[i] = known
		case known.Ballot > p.Ballot && (known.older == nil || known.older.Ballot > p.Ballot):
			s.partitions[i] = &Partition{GPID: known.GPID, Ballot: known.Ballot, Primary: known.Primary, older: p}
		}
	}
	// A negative ballot is that of a split's child that has no replica yet.
	for i, p := range s.partitions {
		if p.Ballot >= 0 {
			continue
		}
		if parent := i - n/2; n%2 == 0 && parent >= 0 {
			s.partitions[i] = s.partitions[parent]
		}
	}
	return s, nil
}
