package pegasus

import (
	"sync"

	"github.com/pegasus-go/pegasus/internal/rpc"
)

// serverSet has the servers about which something was found out that depends on
// their version. Each is in it for as long as its connection for bulk lasts: a
// server that is upgraded is started again.
type serverSet struct{ servers sync.Map } // *rpc.Node to *rpc.Conn

func (s *serverSet) add(n *rpc.Node) {
	if c := n.Live(rpc.Bulk); c != nil {
		s.servers.Store(n, c)
	}
}

// has reports whether the server, which may be nil, is in the set.
func (s *serverSet) has(n *rpc.Node) bool {
	c, ok := s.servers.Load(n)
	return ok && n.Live(rpc.Bulk) == c.(*rpc.Conn)
}
