// Package survey looks at a whole cluster at one moment: all servers are asked side by
// side, and one that does not answer delays nobody longer than Wait.
package survey

import (
	"cmp"
	"context"
	"errors"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/pegasus-go/pegasus/admin"
)

// Wait is the time that one server is waited for.
const Wait = 2 * time.Second

// atOnce bounds the questions about tables that are under way together.
const atOnce = 16

// Survey is what was seen.
type Survey struct {
	Time    time.Time
	Cluster string // its name
	Leader  string // of the meta servers
	Level   string // of the leader, such as "steady"
	Metas   []Server
	Nodes   []Node
	Tables  []Table // those that are available, by name
}

// Server is a server that was asked for a sign of life.
type Server struct {
	Addr    string
	RTT     time.Duration // of its answer, with the time to connect
	Version string        // "" if it does not tell
	Err     error         // why it is counted as down, nil if it answers
}

// Node is a replica server.
type Node struct {
	Server
	Alive                  bool // what the leader says
	Primaries, Secondaries int  // those that the leader has given it
	Disks                  []admin.Disk
	NodeLoad
}

// Table is a table with its partitions.
type Table struct {
	admin.Table
	Partitions []Partition
	Err        error // why there are none
}

// Partition is a partition, and how well it is served.
type Partition struct {
	admin.Partition
	Health Health
	Load
}

// Health says whether a partition is as it should be.
type Health int

// Splitting is a partition whose keys are served by another one as yet. A partition with
// NoPrimary cannot be used: it has none, or one on a server that is lost. One that is
// Short has fewer copies than it should.
const (
	Ready Health = iota
	Splitting
	Short
	NoPrimary
)

// Take looks at the cluster. metas are the addresses that the client knows. The error
// says why the leader could not be asked; what is known of the meta servers is there
// even so.
func Take(ctx context.Context, c *admin.Client, metas []string) (*Survey, error) {
	s := &Survey{Time: time.Now()}
	var info map[string]string
	var nodes []admin.Node
	var tables []admin.Table
	var asked []Server
	err := together(
		func() error { asked = askAll(ctx, c, metas); return nil },
		func() (err error) { info, err = c.ClusterInfo(ctx); return err },
		func() (err error) { nodes, err = c.Nodes(ctx); return err },
		func() (err error) { tables, err = c.Tables(ctx, admin.TableAvailable); return err },
	)
	s.Cluster, s.Leader, s.Level = info["cluster_name"], info["primary_meta_server"], info["meta_function_level"]
	if listed := strings.FieldsFunc(info["meta_servers"], func(r rune) bool { return r == ',' || r == ' ' }); len(listed) > 0 {
		metas = listed
	}
	for _, addr := range metas {
		m := Server{Addr: addr}
		if i := slices.IndexFunc(asked, func(s Server) bool { return s.Addr == addr }); i >= 0 {
			m = asked[i]
		}
		s.Metas = append(s.Metas, m)
	}
	for _, n := range nodes {
		s.Nodes = append(s.Nodes, Node{Server: Server{Addr: n.Address}, Alive: n.Alive, NodeLoad: unknownNode})
	}
	for _, t := range tables {
		s.Tables = append(s.Tables, Table{Table: t})
	}
	s.ask(ctx, c)
	slices.SortFunc(s.Nodes, func(a, b Node) int { return cmp.Compare(a.Addr, b.Addr) })
	slices.SortFunc(s.Tables, func(a, b Table) int { return cmp.Compare(a.Name, b.Name) })
	return s, err
}

// ask asks all servers, and the leader about all tables.
func (s *Survey) ask(ctx context.Context, c *admin.Client) {
	var wg sync.WaitGroup
	for i, m := range s.Metas {
		if m.RTT == 0 {
			wg.Go(func() { s.Metas[i] = Ask(ctx, c, m.Addr) })
		}
	}
	counters := make([]admin.Counters, len(s.Nodes))
	for i := range s.Nodes {
		n, addr := &s.Nodes[i], s.Nodes[i].Addr
		wg.Go(func() { n.Server = Ask(ctx, c, addr) })
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, Wait)
			defer cancel()
			n.Disks, _ = c.Disks(ctx, addr) // unknown, then
		})
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, Wait)
			defer cancel()
			counters[i], n.CountersErr = c.Counters(ctx, addr, prefixes...)
		})
	}
	turns := make(chan struct{}, atOnce)
	for i := range s.Tables {
		t := &s.Tables[i]
		wg.Go(func() {
			turns <- struct{}{}
			defer func() { <-turns }()
			var partitions []admin.Partition
			partitions, t.Err = c.Partitions(ctx, t.Name)
			for _, p := range partitions {
				t.Partitions = append(t.Partitions, Partition{Partition: p, Load: unknown})
			}
		})
	}
	wg.Wait()
	s.Tables = slices.DeleteFunc(s.Tables, func(t Table) bool { return errors.Is(t.Err, admin.ErrTableNotFound) }) // dropped meanwhile
	s.judge()
	s.load(counters)
}

// askAll asks servers side by side.
func askAll(ctx context.Context, c *admin.Client, addrs []string) []Server {
	servers := make([]Server, len(addrs))
	var wg sync.WaitGroup
	for i, addr := range addrs {
		wg.Go(func() { servers[i] = Ask(ctx, c, addr) })
	}
	wg.Wait()
	return servers
}

// Ask asks a server for a sign of life. Whatever it answers is one.
func Ask(ctx context.Context, c *admin.Client, addr string) Server {
	ctx, cancel := context.WithTimeout(ctx, Wait)
	defer cancel()
	s := Server{Addr: addr}
	began := time.Now()
	text, err := c.RemoteCommand(ctx, addr, "server-info")
	s.RTT = time.Since(began)
	var code admin.ErrorCode
	if err != nil && !errors.As(err, &code) {
		s.Err = Cause(err)
	}
	s.Version = version(text)
	return s
}

// Cause returns what has happened, without the operation and the server that are told
// beside it.
func Cause(err error) error {
	var e *admin.Error
	var dial *net.OpError
	var call *os.SyscallError
	switch {
	case errors.As(err, &call):
		return call.Err
	case errors.As(err, &dial):
		return dial.Err
	case errors.Is(err, context.DeadlineExceeded):
		return errors.New("no answer within " + Wait.String())
	case errors.As(err, &e):
		// A question is in no doubt.
		if both, ok := e.Err.(interface{ Unwrap() []error }); ok && errors.Is(e.Err, admin.ErrInDoubt) {
			return both.Unwrap()[1]
		}
		return e.Err
	}
	return err
}

// judge says how well each partition is served, and counts what the nodes have.
func (s *Survey) judge() {
	nodes := make(map[string]*Node)
	for i := range s.Nodes {
		nodes[s.Nodes[i].Addr] = &s.Nodes[i]
	}
	up := func(addr string) bool { return nodes[addr] == nil || nodes[addr].Alive }
	for i := range s.Tables {
		for j := range s.Tables[i].Partitions {
			p := &s.Tables[i].Partitions[j]
			if n := nodes[p.Primary]; n != nil {
				n.Primaries++
			}
			copies := 1
			for _, addr := range p.Secondaries {
				if up(addr) {
					copies++
				}
				if n := nodes[addr]; n != nil {
					n.Secondaries++
				}
			}
			switch {
			case p.Ballot < 0:
				p.Health = Splitting
			case p.Primary == "" || !up(p.Primary):
				p.Health = NoPrimary
			case copies < p.Replicas:
				p.Health = Short
			}
		}
	}
}

// together runs functions side by side and returns the first of their errors, by their
// order.
func together(fs ...func() error) error {
	errs := make([]error, len(fs))
	var wg sync.WaitGroup
	for i, f := range fs {
		wg.Go(func() { errs[i] = f() })
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
