package onebox

import (
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/pegasus-go/pegasus/internal/server"
)

// Request describes a request to the function given to [Server.Intercept].
type Request struct {
	// Meta is set for requests to a meta server; others go to a replica server.
	Meta bool
	// Node is the index of that server.
	Node int
	// Task is the name of the RPC, such as TaskGet.
	Task string
	// Table is the name of the table that the request is about, as the table is
	// called now or, for one to a meta server, as the request calls it. It is empty
	// if the request is about no table, or to a replica server and about one that
	// there is not.
	Table string
	// AppID and Partition are those of the table and partition that the
	// request is about, and mean nothing if it is about none.
	AppID, Partition int
}

// Action says what happens to a request. The zero value lets it pass.
type Action struct {
	// Delay and Until hold the request up, for a time and until the channel is
	// closed. Other requests on the connection go on.
	Delay time.Duration
	Until <-chan struct{}
	// Error is the name of the error to answer with, such as "ERR_BUSY"; it is
	// sent as it is. The request is not carried out. What is not ERR_ and more of
	// capital letters, digits and underscores is a mistake of the program, which
	// ends by a panic.
	Error string
	// LoseAnswer carries the request out but does not answer it.
	LoseAnswer bool
	// Close breaks the connection, after Delay and Until, instead of carrying the
	// request out; with LoseAnswer it is carried out first, so that a write is in
	// doubt for the client and done.
	Close bool
	// Drop ignores the request, whatever else is set.
	Drop bool
}

// Intercept makes f decide on every request before anything else looks at it,
// until it is replaced; nil removes it. f is called concurrently and should not
// block: to hold a request, return an Action with Until. It may stop nodes, also
// the one that it is called for, and close the Server.
func (s *Server) Intercept(f func(Request) Action) {
	if f == nil {
		s.srv.Intercept(nil)
		return
	}
	s.srv.Intercept(func(c server.Call) server.Action {
		a := f(Request{
			Meta:      c.Meta,
			Node:      c.Node,
			Task:      c.Task,
			Table:     c.Table,
			AppID:     int(c.GPID.AppID),
			Partition: int(c.GPID.PartitionIndex),
		})
		if a.Error != "" && !isCode(a.Error) {
			mistake(fmt.Sprintf("onebox: Action.Error %q is not the name of an error, such as ERR_BUSY", a.Error))
		}
		return server.Action{
			Delay: a.Delay,
			Until: a.Until,
			Code:  a.Error,
			Lose:  a.LoseAnswer,
			Drop:  a.Drop,
			Close: a.Close,
		}
	})
}

func isCode(name string) bool {
	rest, ok := strings.CutPrefix(name, "ERR_")
	return ok && rest != "" && strings.Trim(rest, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") == ""
}

// mistake ends the program: a panic of the goroutine that called an interceptor
// would end no more than its connection, and be in no sight.
func mistake(text string) {
	go panic(text)
	select {}
}

// Node is one server of the cluster.
type Node struct{ n *server.Node }

// Meta returns a meta server, Replica a replica server, by index. They panic if
// there is none with that index.
func (s *Server) Meta(i int) *Node { return node(s.srv.Metas(), "meta", i) }

// Replica returns a replica server by index.
func (s *Server) Replica(i int) *Node { return node(s.srv.Replicas(), "replica", i) }

func node(nodes []*server.Node, kind string, i int) *Node {
	if i < 0 || i >= len(nodes) {
		panic(fmt.Sprintf("onebox: no %s server %d: there are %d", kind, i, len(nodes)))
	}
	return &Node{nodes[i]}
}

// Addr returns the address that clients are told, "ip:port".
func (n *Node) Addr() string { return n.n.Addr() }

// Stop kills the node: its port refuses connections, open ones break, requests
// on them may or may not have been carried out, open scans are lost. The
// routing stays as it is; see [Server.Failover] and [Server.MovePrimary].
func (n *Node) Stop() { n.n.Stop() }

// Start brings the node back on the same address after Stop.
func (n *Node) Start() error {
	if err := n.n.Start(); err != nil {
		return fmt.Errorf("onebox: %w", err)
	}
	return nil
}

// Pause makes the node hang: it accepts connections and requests and answers
// nothing until Resume or Stop. It does nothing to a node that is stopped.
func (n *Node) Pause() { n.n.Pause() }

// Resume ends Pause. What has arrived meanwhile is carried out and answered.
func (n *Node) Resume() { n.n.Resume() }

// Cut says which links of a node are cut, and how. The zero value is those to clients, which
// are refused.
type Cut struct {
	// Silent loses what is sent without a word, as a network does that drops packets: whoever
	// waits for an answer waits, and what was sent arrives after Mend, as TCP sends it again. A
	// connection is made all the same, since the kernel of this machine makes it, and is
	// silent. Otherwise connections break, and new ones are refused.
	Silent bool
	// Meta cuts the links of a replica server to the meta servers, too. They take it for dead: no
	// partition moves to it, and [Server.Failover] is what they do next. Without it they
	// notice nothing. It makes no sense for a meta server, and is a mistake of the program,
	// which panics.
	Meta bool
}

// Cut cuts the links between the node and its clients, in place of how they were cut before. The
// node itself lives: it carries out what it has received, and keeps open scans. It stays cut
// off if it is stopped and started. It fails if silent links follow refused ones and the
// port was taken in the meantime.
func (n *Node) Cut(c Cut) error {
	if c.Meta && !n.n.IsReplica() {
		panic("onebox: Cut.Meta is about replica servers, not about meta server " + n.Addr())
	}
	if err := n.n.Cut(server.Cut{Silent: c.Silent, Meta: c.Meta}); err != nil {
		return fmt.Errorf("onebox: %w", err)
	}
	return nil
}

// Mend ends Cut. A replica server that lost its partitions meanwhile gets none back by
// that; see [Server.Adopt] and [Server.MovePrimary].
func (n *Node) Mend() error {
	if err := n.n.Mend(); err != nil {
		return fmt.Errorf("onebox: %w", err)
	}
	return nil
}

// FillDisk, while it is on, makes the replica server refuse writes with
// ERR_DISK_INSUFFICIENT, as one whose disk is nearly full does. Reads go on.
func (n *Node) FillDisk(full bool) { n.n.FillDisk(full) }

// ServeConn serves one connection that did not come through the node's
// listener, and returns when it ends.
func (n *Node) ServeConn(nc net.Conn) error { return n.n.ServeConn(nc) }

// NoPrimary stands for no replica server in [Server.MovePrimary], and for no
// meta server in [Server.SetMetaLeader].
const NoPrimary = -1

// MovePrimary makes a replica server the primary of a partition. With NoPrimary
// the partition has none and cannot be used. Open scans of it are lost. The
// routing that meta servers tell is the new one when it returns; clients are
// not told by themselves.
func (s *Server) MovePrimary(table string, partition, replica int) error {
	if err := s.srv.MovePrimary(table, partition, replica); err != nil {
		return fmt.Errorf("onebox: %w", err)
	}
	return nil
}

// Failover moves the primaries of all partitions away from a replica server,
// to others that are alive, as a meta server does when it notices that a node died.
func (s *Server) Failover(replica int) error {
	if err := s.srv.Failover(replica); err != nil {
		return fmt.Errorf("onebox: %w", err)
	}
	return nil
}

// Adopt makes a replica server the primary of all partitions that have none, as a
// meta server does when one comes back.
func (s *Server) Adopt(replica int) error {
	if err := s.srv.Adopt(replica); err != nil {
		return fmt.Errorf("onebox: %w", err)
	}
	return nil
}

// SetMetaLeader makes a meta server the leader; the others forward clients to
// it. With -1 there is no leader and none answers.
func (s *Server) SetMetaLeader(meta int) { s.srv.SetLeader(meta) }

// Split starts to double the partitions of a table. It returns when the new
// partitions are announced; they serve when the records have moved, which
// happens in the background.
func (s *Server) Split(table string) error {
	if err := s.srv.StartSplit(table); err != nil {
		return fmt.Errorf("onebox: %w", err)
	}
	return nil
}

// HoldSplits, while it is on, keeps splits in the phase in which the new
// partitions are announced but do not serve yet. Switching it off lets them go
// on.
func (s *Server) HoldSplits(on bool) { s.srv.HoldSplits(on) }
