package peer

import (
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"testing"

	"github.com/pegasus-go/pegasus/internal/memnet"
	"github.com/pegasus-go/pegasus/internal/wire"
)

// MetaAddr is the address of a cluster's meta server.
const MetaAddr = "10.0.0.1:34601"

// AppID is the id of a cluster's table, at first.
const AppID = 2

// Table is what the meta server knows of the table.
type Table struct {
	Name       string
	AppID      int32
	Partitions []Partition
}

// Partition is what the meta server knows of a partition.
type Partition struct {
	Ballot  int64
	Primary string // "ip:port", "" if there is none
}

// Cluster is a meta server, replica servers and one table. RPCs that are not
// scripted are answered with ErrHandlerNotFound.
type Cluster struct {
	Net   memnet.Network
	Meta  *Server
	Nodes []*Server

	mu       sync.Mutex
	table    Table
	handlers map[string]Handler
	seen     []Seen
	hung     map[string][]*Request    // what servers that hang have received
	away     map[string]chan struct{} // servers that have vanished; closed when they return
}

// Seen is a request that a server has received.
type Seen struct {
	Server, Task string
	wire.RequestHeader
}

// Start starts a cluster of the given numbers of replica servers and
// partitions, which are dealt out to the servers in turn. It ends with the
// test.
func Start(t testing.TB, nodes, partitions int) *Cluster {
	t.Helper()
	c := &Cluster{
		table:    Table{Name: "temp", AppID: AppID},
		handlers: make(map[string]Handler),
		hung:     make(map[string][]*Request),
		away:     make(map[string]chan struct{}),
	}
	c.Meta = Serve(t, c.Net.Listen, MetaAddr, c.handle)
	for i := range nodes {
		addr := fmt.Sprintf("10.0.1.%d:34801", i+1)
		c.Nodes = append(c.Nodes, Serve(t, c.Net.Listen, addr, c.handle))
	}
	for i := range partitions {
		c.table.Partitions = append(c.table.Partitions, Partition{Ballot: 3, Primary: c.Nodes[i%nodes].Addr()})
	}
	return c
}

// On scripts the answers to an RPC. A handler for the query of the table's
// configuration replaces the one that answers from the Table.
func (c *Cluster) On(task string, h Handler) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.handlers[task] = h
}

// Update changes what the meta server knows.
func (c *Cluster) Update(change func(*Table)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	change(&c.table)
}

// Requests returns the requests that servers have received so far, of the given
// RPCs, or of all.
func (c *Cluster) Requests(tasks ...string) []Seen {
	c.mu.Lock()
	defer c.mu.Unlock()
	var seen []Seen
	for _, s := range c.seen {
		if len(tasks) == 0 || slices.Contains(tasks, s.Task) {
			seen = append(seen, s)
		}
	}
	return seen
}

// Queries returns how often the configuration of the table was asked for.
func (c *Cluster) Queries() int { return len(c.Requests(wire.TaskQueryConfig)) }

func (c *Cluster) handle(r *Request) {
	c.mu.Lock()
	c.seen = append(c.seen, Seen{Server: r.Server, Task: r.Name(), RequestHeader: r.RequestHeader})
	c.mu.Unlock()
	if !c.hold(r) {
		c.answer(r)
	}
}

func (c *Cluster) answer(r *Request) {
	c.mu.Lock()
	h := c.handlers[r.Name()]
	c.mu.Unlock()
	switch {
	case h != nil:
		h(r)
	case r.Server == MetaAddr && r.Name() == wire.TaskQueryConfig:
		c.AnswerQuery(r)
	default:
		r.Fail(wire.ErrHandlerNotFound)
	}
}

// AnswerQuery is the handler of the query that answers from the Table.
func (c *Cluster) AnswerQuery(r *Request) {
	var req wire.QueryConfigRequest
	arg := r.Arg
	wire.Of(&req).Read(&arg)
	resp := wire.QueryConfigResponse{Err: wire.ErrObjectNotFound}
	c.mu.Lock()
	if req.AppName == c.table.Name {
		resp = c.table.Response()
	}
	c.mu.Unlock()
	r.Reply(wire.Of(&resp))
}

// Response returns the answer to the query of the table's configuration.
func (t *Table) Response() wire.QueryConfigResponse {
	resp := wire.QueryConfigResponse{
		AppID: t.AppID, PartitionCount: int32(len(t.Partitions)), IsStateful: true,
	}
	for i, p := range t.Partitions {
		resp.Partitions = append(resp.Partitions, wire.PartitionConfiguration{
			PID:     wire.GPID{AppID: t.AppID, PartitionIndex: int32(i)},
			Ballot:  p.Ballot,
			Primary: Address(p.Primary),
		})
	}
	return resp
}

// Address returns the address of "ip:port", the invalid one of "".
func Address(addr string) wire.Address {
	if addr == "" {
		return 0
	}
	return wire.AddressFrom(netip.MustParseAddrPort(addr))
}
