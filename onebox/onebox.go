package onebox

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"

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
	// Options.ReadOnly, or in Options.From.
	ErrNoStore = storage.ErrNoStore
	// ErrExists says that there is one already, with Options.From. Backup
	// returns it, too.
	ErrExists = storage.ErrExists
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
	db, err := opts.open()
	if err != nil {
		return nil, fmt.Errorf("onebox: %w", err)
	}
	srv, err := server.New(db, so)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("onebox: %w", err), db.Close())
	}
	s := &Server{db: db, srv: srv}
	if err := s.makeTables(&opts); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// MetaServers returns the addresses of the meta servers, which is what clients
// are configured with, unless their ports are mapped.
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

// Backup copies all data, or if table is not empty that of one table, to a new
// directory, while the cluster serves, and returns the size of the copy in
// bytes. It is the data of one moment. dir must not exist, else the error wraps
// ErrExists; it is there when the copy is complete and safe from a loss of
// power, and can then be an Options.From, or an Options.Dir. Until then it is
// called dir.partial, which a process that dies leaves behind.
//
// With Options.BackupDir, clients of the administration can do the same by the
// command "backup" of a meta server, such as admin.Client.RemoteCommand(ctx,
// meta, "backup", "nightly", "users"): it starts one in that directory, and
// without a name it tells how those that were started went, and of one that is
// being made how many bytes are there.
func (s *Server) Backup(ctx context.Context, dir, table string) (int64, error) {
	if dir == "" {
		return 0, errors.New("onebox: backup: dir is empty")
	}
	n, err := s.srv.Backup(ctx, dir, table)
	if err != nil {
		return 0, fmt.Errorf("onebox: %w", err)
	}
	return n, nil
}

// Close stops the cluster: requests that have arrived are answered, further
// ones are not, and the data is on disk when it returns, or the error says why
// writes have failed. A Backup under way fails. Closing twice is harmless.
func (s *Server) Close() error {
	s.db.StopWaiting() // or requests could wait for the disk for ever
	if err := errors.Join(s.srv.Close(), s.db.Close()); err != nil {
		return fmt.Errorf("onebox: %w", err)
	}
	return nil
}

// Crash stops the cluster as kill -9 would: connections break, what has arrived
// may or may not be carried out, splits and compactions end where they are, and
// Options.Dir is left as it is on disk, from which the next Start recovers. No
// write that was acknowledged is lost but with Options.Dir empty, where all are.
// Closing afterwards is harmless.
func (s *Server) Crash() {
	s.db.StopWaiting()
	for _, n := range slices.Concat(s.srv.Metas(), s.srv.Replicas()) {
		n.Stop()
	}
	s.db.Kill()
	_ = s.srv.Close() // what it could not write is what a crash loses
}

// ServeConn serves one connection to the first meta server, or to a replica
// server by [Node.ServeConn], and returns when it ends. It is for connections
// that did not come through a listener.
func (s *Server) ServeConn(nc net.Conn) error { return s.srv.Metas()[0].ServeConn(nc) }
