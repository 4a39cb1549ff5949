package route

import (
	"slices"

	"github.com/pegasus-go/pegasus/internal/rpc"
	"github.com/pegasus-go/pegasus/internal/wire"
)

// Partition is the place of a partition: who serves it. Snapshots share it as
// long as that does not change.
type Partition struct {
	wire.GPID
	// Primary is nil while the partition has none.
	Primary *rpc.Node

	// The mutex of the table guards the rest.
	ballot  int64
	doubted bool          // an answer with the ballot older was not believed
	older   int64         // lower than ballot
	changed chan struct{} // closed when the place is another one; nil if nobody waits
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
	// secondaries are those of each partition, by its index.
	secondaries [][]*rpc.Node
}

// Secondaries returns the servers that have a copy of a partition beside its primary.
func (s *Snapshot) Secondaries(p *Partition) []*rpc.Node { return s.secondaries[p.PartitionIndex] }

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

// same reports whether nothing has changed since old. A snapshot may be nil.
func (s *Snapshot) same(old *Snapshot) bool {
	return s != nil && s.AppID == old.AppID && slices.Equal(s.partitions, old.partitions) &&
		slices.EqualFunc(s.secondaries, old.secondaries, slices.Equal)
}

// primary returns the server of a partition, nil if it has none, or is of another
// table.
func (s *Snapshot) primary(gpid wire.GPID) *rpc.Node {
	if gpid.AppID != s.AppID || int(gpid.PartitionIndex) >= s.Count || gpid.PartitionIndex < 0 {
		return nil
	}
	return s.partitions[gpid.PartitionIndex].Primary
}
