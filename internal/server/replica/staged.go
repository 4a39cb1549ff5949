package replica

import (
	"github.com/pegasus-go/pegasus/internal/server/catalog"
	"github.com/pegasus-go/pegasus/internal/server/request"
	"github.com/pegasus-go/pegasus/internal/storage"
	"github.com/pegasus-go/pegasus/internal/wire"
)

// staged are the puts and removes of a connection that are committed together:
// those that have arrived together, one behind the other.
type staged struct {
	group      storage.Group
	partitions []*catalog.Partition // in use, one for each
	at         []int                // of their responses
}

// stage leaves the request to Commit. Its answer has no decree yet.
func (k *call) stage(dst []byte) []byte {
	k.r.Staged = true
	start := len(dst)
	dst = k.r.BeginReply(dst, k.h.ack, wire.ErrOK, wire.TypeStruct)
	k.staged.at = append(k.staged.at, len(dst))
	k.staged.partitions = append(k.staged.partitions, k.p)
	dst = wire.UpdateResponse{Source: k.source()}.AppendValue(dst)
	return k.r.EndReply(dst, start, wire.TypeStruct)
}

// leave ends the use of the partition, unless the request is staged.
func (k *call) leave() {
	if !k.r.Staged {
		k.p.Leave()
	}
}

// Commit implements request.Call.
func (k *call) Commit(r *request.Request, out []byte) {
	s := &k.staged
	defer s.leave()
	at := s.at
	for _, c := range s.group.Commit() {
		for i, res := range c.Results {
			wire.SetUpdate(out, at[i], wire.Status(res.Status), res.Decree)
		}
		r.Writes.Add(c.Commit, at[:len(c.Results)]...)
		at = at[len(c.Results):]
	}
}

func (s *staged) leave() {
	for i, p := range s.partitions {
		p.Leave()
		s.partitions[i] = nil
	}
	s.partitions, s.at = s.partitions[:0], s.at[:0]
}
