package server

import (
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/pegasus-go/pegasus/internal/server/access"
	"github.com/pegasus-go/pegasus/onebox/limits"
)

// MaxNodes is the largest number of meta servers, and of replica servers.
const MaxNodes = 5

// Options of a Server.
type Options struct {
	// MetaAddrs and ReplicaAddrs are what the nodes listen on, "ip:port" each;
	// port 0 picks a free one. 1 to MaxNodes of each.
	MetaAddrs, ReplicaAddrs []string
	// ReplicaPortsMayVary lets a replica server whose port is taken start on a
	// free one.
	ReplicaPortsMayVary bool
	// Listen opens a listener. The address of the listener must again be
	// "ip:port": clients are told it. Default: TCP over IPv4, as there are no
	// other addresses that clients could be told.
	Listen func(address string) (net.Listener, error)
	// Advertise is what clients are told instead of what is listened on.
	Advertise Advertise
	// Clock tells the time for expiry, table dates, throttling and the life of
	// scan contexts. Default time.Now. Network time limits and delays go by
	// package time.
	Clock func() time.Time
	// Logger gets what an operator should know, and per-connection trouble at
	// debug level. Default: none.
	Logger *slog.Logger
	// ReadOnly refuses every change of data and tables with
	// ERR_OPERATION_DISABLED.
	ReadOnly bool
	// Dir is what the server says about where its disk is.
	Dir string
	// BackupDir is where the command backup makes backups. Without it there is
	// no such command.
	BackupDir string
	// ClusterName is the name in cluster_info. Default "onebox".
	ClusterName string
	// Access is what is demanded of clients. Nil: nothing.
	Access *access.Access
	// Limits protect the server from its clients.
	Limits limits.Limits
}

// argumentError is an illegal value in Options.
func argumentError(field, format string, args ...any) error {
	return fmt.Errorf("server: Options.%s: %s", field, fmt.Sprintf(format, args...))
}

func (o Options) withDefaults() (Options, error) {
	for _, f := range []struct {
		name  string
		addrs []string
	}{{"MetaAddrs", o.MetaAddrs}, {"ReplicaAddrs", o.ReplicaAddrs}} {
		if n := len(f.addrs); n < 1 || n > MaxNodes {
			return o, argumentError(f.name, "%d addresses, want 1 to %d", n, MaxNodes)
		}
	}
	if o.Listen == nil {
		o.Listen = func(address string) (net.Listener, error) { return net.Listen("tcp4", address) }
	}
	if err := o.Advertise.check(len(o.ReplicaAddrs)); err != nil {
		return o, err
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.ClusterName == "" {
		o.ClusterName = "onebox"
	}
	var err error
	if o.Limits, err = o.Limits.WithDefaults(); err != nil {
		return o, fmt.Errorf("server: %w", err)
	}
	return o, nil
}
