package route

import (
	"fmt"

	"github.com/pegasus-go/pegasus/internal/rpc"
	"github.com/pegasus-go/pegasus/internal/wire"
)

// build makes a snapshot of an answer. Where that is older than what is known of
// a partition, the known stays, until the next answer says the same: then it is
// the cluster that is another one, with a table of the same id. The mutex must
// be held.
func (t *Table) build(resp *wire.QueryConfigResponse) (*Snapshot, error) {
	n := int(resp.PartitionCount)
	if n <= 0 || len(resp.Partitions) != n || resp.AppID <= 0 {
		return nil, fmt.Errorf("%w: configuration of table %d has %d of %d partitions",
			wire.ErrMalformed, resp.AppID, len(resp.Partitions), n)
	}
	for i := range resp.Partitions {
		if want := (wire.GPID{AppID: resp.AppID, PartitionIndex: int32(i)}); resp.Partitions[i].PID != want {
			return nil, fmt.Errorf("%w: configuration of partition %v in place of %v", wire.ErrMalformed, resp.Partitions[i].PID, want)
		}
	}
	s := &Snapshot{AppID: resp.AppID, Count: n, partitions: make([]*Partition, n), secondaries: make([][]*rpc.Node, n)}
	old := t.snap.Load()
	if old != nil && old.AppID != s.AppID {
		old = nil
	}
	for i := range resp.Partitions {
		pc := &resp.Partitions[i]
		for _, addr := range pc.Secondaries {
			if node := t.node(addr); node != nil && addr != pc.Primary {
				s.secondaries[i] = append(s.secondaries[i], node)
			}
		}
		if old != nil && i < old.Count && old.partitions[i].GPID == pc.PID {
			s.partitions[i] = old.partitions[i].with(pc.Ballot, t.node(pc.Primary))
		} else {
			s.partitions[i] = &Partition{GPID: pc.PID, ballot: pc.Ballot, Primary: t.node(pc.Primary)}
		}
	}
	// A negative ballot is that of a split's child that has no replica yet.
	for i, p := range s.partitions {
		if p.ballot >= 0 {
			continue
		}
		if parent := i - n/2; n%2 == 0 && parent >= 0 {
			s.partitions[i] = s.partitions[parent]
		}
	}
	return s, nil
}

// with returns the partition with what an answer says of it: itself if its place
// is the same.
func (p *Partition) with(ballot int64, primary *rpc.Node) *Partition {
	if ballot < p.ballot && !(p.doubted && p.older <= ballot) {
		p.doubted, p.older = true, ballot
		return p
	}
	if primary != p.Primary {
		return &Partition{GPID: p.GPID, ballot: ballot, Primary: primary}
	}
	p.ballot, p.doubted = ballot, false
	return p
}

func (t *Table) node(addr wire.Address) *rpc.Node {
	if !addr.Valid() {
		return nil
	}
	n := t.nodes[addr]
	if n == nil {
		n = t.pool.Node(addr.String())
		t.nodes[addr] = n
	}
	return n
}
