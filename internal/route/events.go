package route

import (
	"time"

	"github.com/pegasus-go/pegasus/internal/rpc"
)

// Events are functions that a table calls when something happens, never under a
// lock that a call needs, and one after the other. Those that are nil are not
// called.
type Events struct {
	// Refreshing is called before each question to the meta servers.
	Refreshing func()
	// Refreshed is called after each Refreshing, with the answer, or the failure of all
	// meta servers. s is nil if there is no snapshot after that.
	Refreshed func(took time.Duration, s *Snapshot, err error)
	// Changed is called for each partition of s whose keys have another primary than
	// before.
	Changed func(s *Snapshot, p *Partition, ballot int64, from *rpc.Node)
	// Split is called when the table has another number of partitions.
	Split func(s *Snapshot, from int)
	// Replaced is called when the name leads to a table with another id.
	Replaced func(from, to int32)
}

// news is what an answer has changed.
type news struct {
	recall   *Snapshot // calls may have to be recalled because of it
	from, to int32     // the ids of the tables, if another one is in the place of the old
	count    int       // of partitions before, if it is another one now
	moves    []move
	snap     *Snapshot
	took     time.Duration
	err      error
}

// move is a partition whose keys have another primary than before.
type move struct {
	*Partition
	ballot int64
	from   *rpc.Node
}

// compareLocked notes what has changed between two snapshots of one table.
func (n *news) compareLocked(old, snap *Snapshot) {
	if old == nil || snap == nil || old.AppID != snap.AppID || snap.same(old) {
		return
	}
	if old.Count != snap.Count {
		n.count = old.Count
	}
	for i, p := range snap.partitions {
		before := old.partitions[i%old.Count]
		if int(p.PartitionIndex) == i && before.Primary != p.Primary {
			n.moves = append(n.moves, move{p, p.ballot, before.Primary})
		}
	}
}

// tell tells of the news.
func (e *Events) tell(n *news) {
	if n.from != 0 && e.Replaced != nil {
		e.Replaced(n.from, n.to)
	}
	if n.count != 0 && e.Split != nil {
		e.Split(n.snap, n.count)
	}
	if e.Changed != nil {
		for _, m := range n.moves {
			e.Changed(n.snap, m.Partition, m.ballot, m.from)
		}
	}
	if e.Refreshed != nil {
		e.Refreshed(n.took, n.snap, n.err)
	}
}
