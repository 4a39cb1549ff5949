package server

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pegasus-go/pegasus/internal/schema"
	"github.com/pegasus-go/pegasus/internal/storage"
	"github.com/pegasus-go/pegasus/internal/wire"
)

// Server is a cluster: its nodes, its tables, its clients' connections.
type Server struct {
	opts Options
	log  *slog.Logger
	db   *storage.DB

	started time.Time

	metas, replicas []*Node
	leader          atomic.Int32 // index of the meta server that answers, noLeader

	catalog   catalog
	available atomic.Pointer[map[int32]*table] // what data RPCs find, by table id
	scans     scanContexts

	connections atomic.Int64
	full        atomic.Bool  // connections are being refused
	buffered    atomic.Int64 // bytes of request buffers, see Limits.BufferedBytes
	answers     answers
	// disturbed counts the paused nodes and the interceptor: while it is 0
	// requests need not ask for either.
	disturbed   atomic.Int32
	interceptor atomic.Pointer[func(Call) Action]

	background background
	closing    atomic.Bool
	purge      purgeTimer
}

const noLeader = -1

// errClosed is what a server that is closed answers.
var errClosed = errors.New("server: closed")

// New starts a server over db, which the caller closes after the server. Tables
// in db are served at once.
func New(db *storage.DB, opts Options) (*Server, error) {
	opts, err := opts.withDefaults()
	if err != nil {
		return nil, err
	}
	s := &Server{
		opts:    opts,
		log:     opts.Logger,
		db:      db,
		started: opts.Clock(),
	}
	s.background.ctx, s.background.cancel = context.WithCancel(context.Background())
	s.answers.limit = opts.Limits.AnswerBytes
	s.scans.init(s)
	for i, a := range opts.MetaAddrs {
		s.metas = append(s.metas, newNode(s, metaRole, i, a))
	}
	for i, a := range opts.ReplicaAddrs {
		s.replicas = append(s.replicas, newNode(s, replicaRole, i, a))
	}
	if err := s.loadCatalog(); err != nil {
		return nil, err
	}
	// Replica servers first: a client that reaches a meta server is told their
	// addresses.
	for _, n := range s.nodes() {
		if err := n.Start(); err != nil {
			s.Close()
			return nil, err
		}
	}
	s.purgeExpired()
	return s, nil
}

// nodes returns all nodes, replica servers first.
func (s *Server) nodes() []*Node {
	return append(append([]*Node(nil), s.replicas...), s.metas...)
}

// Metas returns the meta servers.
func (s *Server) Metas() []*Node { return s.metas }

// Replicas returns the replica servers.
func (s *Server) Replicas() []*Node { return s.replicas }

// SetLeader makes the meta server with that index the leader; the others
// forward to it. With -1 there is none.
func (s *Server) SetLeader(index int) {
	s.leader.Store(int32(max(noLeader, min(index, len(s.metas)-1))))
}

// Close refuses new requests, answers those that have arrived, and closes all
// connections. It does not close the store. Closing twice is harmless.
func (s *Server) Close() error {
	if !s.closing.CompareAndSwap(false, true) {
		return nil
	}
	var wg sync.WaitGroup
	for _, n := range s.nodes() {
		wg.Go(n.shutdown)
	}
	wg.Wait()
	s.purge.stop()
	s.scans.close()
	s.background.stop()
	return nil
}

// now is the present in seconds of the Pegasus epoch.
func (s *Server) now() uint32 { return schema.EpochSeconds(s.opts.Clock()) }

// unix is the present in seconds of Unix time.
func (s *Server) unix() int64 { return s.opts.Clock().Unix() }

// address returns the address of a replica server, or the invalid address.
func (s *Server) address(node int) wire.Address {
	if node == noPrimary {
		return 0
	}
	return s.replicas[node].addr
}
