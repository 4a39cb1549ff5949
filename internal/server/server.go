package server

import (
	"maps"
	"runtime"
	"sync"

	"github.com/pegasus-go/pegasus/internal/server/catalog"
	"github.com/pegasus-go/pegasus/internal/server/console"
	"github.com/pegasus-go/pegasus/internal/server/meta"
	"github.com/pegasus-go/pegasus/internal/server/replica"
	"github.com/pegasus-go/pegasus/internal/server/transport"
	"github.com/pegasus-go/pegasus/internal/storage"
)

// Server is a cluster: its nodes, its tables, its clients' connections.
type Server struct {
	opts            Options
	hub             *transport.Hub
	catalog         *catalog.Catalog
	scans           *replica.Scans
	backups         backups
	statistics      *statistics
	unusual         replica.Unusual
	metas, replicas []*Node
}

// Node is one server of the cluster.
type Node struct {
	*transport.Node
	replica *replica.Role // nil for a meta server
}

// IsReplica reports whether it is a replica server, and no meta server.
func (n *Node) IsReplica() bool { return n.replica != nil }

// FillDisk, while it is on, makes a replica server refuse writes with
// ERR_DISK_INSUFFICIENT, as one whose disk is nearly full does. Reads go on.
func (n *Node) FillDisk(full bool) {
	if n.replica != nil {
		n.replica.FillDisk(full)
	}
}

// New starts a server over db, which the caller closes after the server. Tables
// in db are served at once.
func New(db *storage.DB, opts Options) (*Server, error) {
	opts, err := opts.withDefaults()
	if err != nil {
		return nil, err
	}
	s := &Server{opts: opts}
	s.unusual.Default()
	s.hub = transport.NewHub(transport.Options{
		Listen: opts.Listen,
		Clock:  opts.Clock,
		Logger: opts.Logger,
		Limits: opts.Limits,
		Access: opts.Access,
	})
	s.scans = replica.NewScans(replica.ScanOptions{
		Clock: opts.Clock,
		Max:   opts.Limits.ScanContexts,
		Life:  opts.Limits.ScanContextLife,
		Bytes: opts.Limits.ScanBytes,
	})
	s.backups.open(opts.BackupDir)
	metas, replicas := s.makeNodes(db)
	s.catalog, err = catalog.Open(catalog.Options{
		DB:            db,
		Clock:         opts.Clock,
		Logger:        opts.Logger,
		ReadOnly:      opts.ReadOnly,
		IterationTime: opts.Limits.IterationTime,
		Members:       s.members(),
		Ended:         s.scans.Drop,
	})
	if err != nil {
		return nil, err
	}
	s.startStatistics()
	for _, r := range metas {
		r.Catalog = s.catalog
	}
	for _, r := range replicas {
		r.Catalog = s.catalog
	}
	// Replica servers first: a client that reaches a meta server is told their
	// addresses.
	for _, n := range s.nodes() {
		if err := n.Start(); err != nil {
			s.Close()
			return nil, err
		}
	}
	s.catalog.PurgeExpired()
	return s, nil
}

// makeNodes makes the nodes and their roles, which lack the catalog.
func (s *Server) makeNodes(db *storage.DB) (metas []*meta.Role, replicas []*replica.Role) {
	o := &s.opts
	// What changes tables mostly waits for the disk. What reads leaves a CPU to
	// the connections.
	slowMeta, slowReplica := transport.NewQueue(16), transport.NewQueue(runtime.GOMAXPROCS(0)-1)
	for i, addr := range o.MetaAddrs {
		r := &meta.Role{Console: s.console("meta", db), Index: i, ClusterName: o.ClusterName, ReadOnly: o.ReadOnly, TellReached: o.Advertise.Reached}
		r.Console.Counters = func() []console.Counter { return s.counters("meta") }
		maps.Copy(r.Console.Pages, r.Pages())
		if o.BackupDir != "" {
			r.Console.Commands = []console.Command{s.backups.command(func() *catalog.Catalog { return s.catalog })}
		}
		metas = append(metas, r)
		s.metas = append(s.metas, &Node{Node: transport.NewNode(transport.NodeOptions{
			Hub: s.hub, Role: r, Slow: slowMeta, Meta: true, Index: i, Addr: addr, Advertise: o.Advertise.meta(),
		})})
	}
	for i, addr := range o.ReplicaAddrs {
		r := replica.New(replica.Options{
			Scans: s.scans, DB: db, Clock: o.Clock, Logger: o.Logger, Index: i, Dir: o.Dir,
			ReadOnly: o.ReadOnly, WriteSize: o.Limits.WriteSize, ReplySize: o.Limits.ReplySize, Unusual: &s.unusual,
		})
		r.Console = s.console("replica", db)
		r.Console.Counters = func() []console.Counter { return s.replicaCounters(i) }
		r.Console.Pages["replica/data_version"] = r.DataVersion
		replicas = append(replicas, r)
		s.replicas = append(s.replicas, &Node{replica: r, Node: transport.NewNode(transport.NodeOptions{
			Hub: s.hub, Role: r, Slow: slowReplica, Index: i, Addr: addr, Advertise: o.Advertise.replica(i),
			PortMayVary: o.ReplicaPortsMayVary,
		})})
	}
	return metas, replicas
}

func (s *Server) members() *catalog.Members {
	m := new(catalog.Members)
	for _, n := range s.metas {
		m.Metas = append(m.Metas, n)
	}
	for _, n := range s.replicas {
		m.Replicas = append(m.Replicas, n)
	}
	return m
}

// nodes returns all nodes, replica servers first.
func (s *Server) nodes() []*Node {
	return append(append([]*Node(nil), s.replicas...), s.metas...)
}

// Metas returns the meta servers.
func (s *Server) Metas() []*Node { return s.metas }

// Replicas returns the replica servers.
func (s *Server) Replicas() []*Node { return s.replicas }

// Close refuses new requests, answers those that have arrived, and closes all
// connections. Requests that take long end with what they have. It does not
// close the store. Closing twice is harmless.
func (s *Server) Close() error {
	if !s.hub.Close() {
		return nil
	}
	var wg sync.WaitGroup
	for _, n := range s.nodes() {
		wg.Go(n.Shutdown)
	}
	wg.Wait()
	s.statistics.close()
	s.backups.close()
	s.catalog.Close()
	s.scans.Close()
	return nil
}
