package onebox

import (
	"errors"
	"fmt"
	"net"

	"github.com/pegasus-go/pegasus/internal/server"
	"github.com/pegasus-go/pegasus/internal/storage"
)

// Errors of Start about Options.Dir. Nothing in the directory was changed.
var (
	// ErrLocked says that the directory is in use, here or in another process.
	ErrLocked = storage.ErrLocked
	// ErrNewerFormat says that a newer version of this package wrote it.
	ErrNewerFormat = storage.ErrNewerFormat
	// ErrForeign says that it holds a database of something else.
	ErrForeign = storage.ErrForeign
	// ErrNoStore says that there is nothing in it that could be read, with
	// Options.ReadOnly.
	ErrNoStore = storage.ErrNoStore
)

// Server is a running cluster. Its methods may be called concurrently.
type Server struct {
	db  *storage.DB
	srv *server.Server
}

// Start starts a cluster. Clients can connect when it returns. Errors are an
// *OptionError, wrap one of the errors above, or come from the network or the
// disk. A disk that is full is no error: tables that there are can be read, and
// Options.Logger is told of those that could not be made.
func Start(opts Options) (*Server, error) {
	opts, err := opts.withDefaults()
	if err != nil {
		return nil, err
	}
	so, err := opts.server()
	if err != nil {
		return nil, err
	}
	db, err := storage.Open(opts.storage())
	if err != nil {
		return nil, fmt.Errorf("onebox: %w", err)
	}
	srv, err := server.New(db, so)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("onebox: %w", err), db.Close())
	}
	s := &Server{db: db, srv: srv}
	for _, t := range opts.Tables {
		err := srv.EnsureTable(server.TableSpec{
			Name:         t.Name,
			Partitions:   t.Partitions,
			ReplicaCount: t.ReplicaCount,
			Envs:         t.Envs,
		})
		cause := db.Health()
		switch {
		case err == nil:
		case !errors.Is(cause, storage.ErrFailed):
			return nil, errors.Join(fmt.Errorf("onebox: make table %q: %w", t.Name, err), s.Close())
		case opts.Logger != nil: // the data can be read all the same
			opts.Logger.Error("table not made", "table", t.Name, "err", err, "cause", cause)
		}
	}
	return s, nil
}

// MetaServers returns the addresses of the meta servers, which is what clients
// are configured with.
func (s *Server) MetaServers() []string { return addrs(s.srv.Metas()) }

// ReplicaServers returns the addresses of the replica servers. Clients learn
// them from a meta server.
func (s *Server) ReplicaServers() []string { return addrs(s.srv.Replicas()) }

func addrs(nodes []*server.Node) []string {
	var a []string
	for _, n := range nodes {
		a = append(a, n.Addr())
	}
	return a
}

// Close stops the cluster: requests that have arrived are answered, further
// ones are not, and the data is on disk when it returns, or the error says why
// writes have failed. Closing twice is harmless.
func (s *Server) Close() error {
	s.db.StopWaiting() // or requests could wait for the disk for ever
	if err := errors.Join(s.srv.Close(), s.db.Close()); err != nil {
		return fmt.Errorf("onebox: %w", err)
	}
	return nil
}

// ServeConn serves one connection to the first meta server, or to a replica
// server by [Node.ServeConn], and returns when it ends. It is for connections
// that did not come through a listener.
func (s *Server) ServeConn(nc net.Conn) error { return s.srv.Metas()[0].ServeConn(nc) }
