package scale

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/pegasus-go/pegasus/internal/peer"
	"github.com/pegasus-go/pegasus/internal/schema"
	"github.com/pegasus-go/pegasus/internal/wire"
)

const tableName = "temp"

// cluster is a meta server and replica servers with one table.
type cluster struct {
	meta     *server
	replicas []*server
	byAddr   map[string]*server
	primary  []atomic.Pointer[server] // of each partition
	queries  atomic.Int64             // of the table's configuration

	mu     sync.Mutex
	table  peer.Table
	config []byte // the answer to a query; nil if it is out of date
}

// newCluster deals the partitions out to the servers in turn.
func newCluster(servers, partitions int) *cluster {
	c := &cluster{
		meta:    &server{addr: peer.MetaAddr},
		primary: make([]atomic.Pointer[server], partitions),
		table:   peer.Table{Name: tableName, AppID: peer.AppID, Partitions: make([]peer.Partition, partitions)},
	}
	c.byAddr = map[string]*server{c.meta.addr: c.meta}
	for i := range servers {
		s := &server{addr: fmt.Sprintf("10.1.%d.%d:34801", i/250, i%250+1)}
		c.replicas = append(c.replicas, s)
		c.byAddr[s.addr] = s
	}
	for i := range partitions {
		c.move(i, c.first(i))
	}
	c.configuration()
	return c
}

func (c *cluster) server(addr string) *server { return c.byAddr[addr] }

// first returns the server that had a partition in the beginning.
func (c *cluster) first(partition int) *server { return c.replicas[partition%len(c.replicas)] }

// locate returns the partition of a hash key.
func (c *cluster) locate(hashKey []byte) int {
	return int(schema.Hash(hashKey) % uint64(len(c.primary)))
}

// move makes s the primary of a partition, which all servers know at once.
func (c *cluster) move(partition int, s *server) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.primary[partition].Store(s)
	c.table.Partitions[partition].Primary = s.addr
	c.table.Partitions[partition].Ballot++
	c.config = nil
}

// replace moves all partitions of the failed servers to others, in turn.
func (c *cluster) replace() {
	next := 0
	for i := range c.primary {
		if c.primary[i].Load().state() == up {
			continue
		}
		for c.replicas[next%len(c.replicas)].state() != up {
			next++
		}
		c.move(i, c.replicas[next%len(c.replicas)])
		next++
	}
	c.configuration()
}

// placeholder is the sequence id in what is encoded in advance.
const placeholder = 0x0a0b0c0d

// configuration returns the answer to a query.
func (c *cluster) configuration() []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.config == nil {
		resp := c.table.Response()
		c.config = wire.AppendReply(nil, &wire.Request{Seq: placeholder}, wire.TaskQueryConfig+wire.AckSuffix, wire.Of(&resp))
	}
	return c.config
}

var value = make([]byte, 100)

// answer is what a server does with a request.
func (c *cluster) answer(s *server, q *wire.Request) [][]byte {
	switch task := string(q.Task); {
	case s == c.meta && task == wire.TaskQueryConfig:
		c.queries.Add(1)
		frame := c.configuration()
		// All queries share the bytes behind the sequence id.
		end := bytes.Index(frame, binary.BigEndian.AppendUint32(nil, placeholder)) + 4
		head := bytes.Clone(frame[:end])
		binary.BigEndian.PutUint32(head[end-4:], uint32(q.Seq))
		return [][]byte{head, frame[end:]}
	case s != c.meta && task == wire.TaskGet && c.primary[q.PartitionIndex].Load() == s:
		return [][]byte{wire.AppendReply(nil, q, wire.TaskGet+wire.AckSuffix, wire.ReadResponse{Value: value})}
	case s != c.meta && task == wire.TaskGet:
		return [][]byte{wire.AppendErrorReply(nil, q, wire.TaskGet+wire.AckSuffix, wire.ErrInvalidState)}
	default:
		return [][]byte{wire.AppendErrorReply(nil, q, task+wire.AckSuffix, wire.ErrHandlerNotFound)}
	}
}

// condition of a server.
type condition int32

const (
	up   condition = iota
	gone           // its machine has vanished: connections break, dials get no answer
	hung           // it accepts connections and requests, and answers nothing
)

// server is a replica server or the meta server.
type server struct {
	addr string
	cond atomic.Int32

	mu    sync.Mutex
	conns map[*conn]struct{}
}

func (s *server) state() condition { return condition(s.cond.Load()) }

func (s *server) vanish() {
	s.cond.Store(int32(gone))
	s.restart()
}

func (s *server) hang() { s.cond.Store(int32(hung)) }

// restart breaks the connections; the server takes new ones.
func (s *server) restart() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for nc := range s.conns {
		nc.fail(syscall.ECONNRESET)
	}
}

func (s *server) keep(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conns == nil {
		s.conns = make(map[*conn]struct{})
	}
	s.conns[c] = struct{}{}
}

func (s *server) drop(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
}
