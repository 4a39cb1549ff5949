package onebox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/pegasus-go/pegasus/internal/server"
	"github.com/pegasus-go/pegasus/internal/storage"
	"github.com/pegasus-go/pegasus/onebox/limits"
)

// Durability says what an acknowledged write survives. A write can be read a
// moment before it is acknowledged: what has been read, or why a CheckAndSet was
// refused, may be undone if the process or the machine ends at that moment.
type Durability int

const (
	// Sync: loss of power. Concurrent writes share disk syncs.
	Sync Durability = iota
	// OS: the death of this process, but not of the machine. It is what a
	// Pegasus replica server does with stock settings.
	OS
)

// Options of a Server. The zero value is an empty cluster in memory, with one
// meta and one replica server on free ports of 127.0.0.1.
type Options struct {
	// Dir is the directory of the data, made if it does not exist. One process
	// at a time can write to it. Default: in memory.
	//
	// When less than 256 MiB of the disk, or a tenth, are free, writes are refused
	// with ERR_DISK_INSUFFICIENT, those that only delete when less than a quarter
	// of that is; a smaller CacheSize makes it less. Dropped and deleted data
	// makes room within seconds.
	Dir string
	// From is the directory of a backup that the data begins as a copy of. It
	// stays as it is. There must be no Dir yet.
	From string
	// BackupDir is where backups are made that clients of the administration
	// start: see [Server.Backup]. Default: they cannot.
	BackupDir string
	// Durability of acknowledged writes. Without Dir it does not matter.
	// Default: Sync.
	Durability Durability
	// CacheSize is the memory for cached data and recent writes, in bytes.
	// Default: 16 MiB in memory, 256 MiB with Dir.
	CacheSize int64

	// Listen is the address of the first meta server, "ip:port". With port 0
	// all servers get free ports. With another one, p, further meta servers get
	// p+1 and so on, replica servers p+200 and so on, so that they have the same
	// addresses after a restart. A port of those that is taken is an error, but
	// on a loopback address without Advertise replica servers take a free one
	// instead. Default: "127.0.0.1:0".
	Listen string
	// AllowNonLoopback allows Listen to be reachable from other machines.
	AllowNonLoopback bool
	// Advertise is the address that clients are told instead of the one in
	// Listen. Required if that is 0.0.0.0.
	//
	// An IPv4 address, or a host name, which is looked up at the start: clients
	// are told its address.
	//
	// "ip:port" or "name:port", where ports are mapped: the port is that of the
	// first replica server as clients see it, those of further ones follow it.
	// There must be one meta server, whose port is up to its clients.
	//
	// "auto": each client is told the address by which it has reached the meta
	// server that it asks. It is not for clients behind something that changes
	// addresses on the way, as mapped ports do. MetaServers and ReplicaServers
	// return addresses of this machine then.
	Advertise string
	// ListenFunc opens the listeners, instead of net.Listen. The address of the
	// listener it returns must be "ip:port" as text: clients are told it.
	ListenFunc func(address string) (net.Listener, error)

	// MetaServers and ReplicaServers are the numbers of servers, 1 to 5. More
	// than one is for tests of failovers: they share everything. Default: 1.
	MetaServers, ReplicaServers int
	// ClusterName is what tools show. Default: "onebox".
	ClusterName string

	// Tables are made unless there is a table with that name already. That it has
	// other Partitions, or other values of Envs, than are given is an error;
	// it is left as it is.
	Tables []Table
	// ReadOnly refuses all changes of data and tables with
	// ERR_OPERATION_DISABLED, and deletes nothing that has expired. Tables must
	// be empty, and a store must be in Dir, if that is set; nothing in Dir is
	// changed, which may be on a read-only file system. Several servers can read
	// a Dir at the same time, and none while another writes to it.
	ReadOnly bool

	// Auth makes clients prove who they are. Default: anybody is served.
	Auth *Auth

	// Clock tells the time for everything that expires. Default: time.Now.
	Clock func() time.Time
	// SweepInterval is the time between two passes that delete expired records,
	// which clients do not see in any case. Default: 5 minutes; negative: never.
	SweepInterval time.Duration
	// Logger gets what an operator should know, and details at debug level.
	// Default: nothing is logged.
	Logger *slog.Logger
	// Limits protect the server from its clients. Zero fields mean the default.
	Limits Limits
}

// Limits protect a Server from its clients. Zero fields mean the default, which
// is that of Pegasus where it has such a limit. Its fields are those of
// [limits.Limits].
type Limits = limits.Limits

// An OptionError says that a field of Options makes no sense.
type OptionError struct {
	Field  string // such as "Listen" or "Tables[1].Partitions"
	Reason string
}

// Error returns the field and the reason.
func (e *OptionError) Error() string { return "onebox: Options." + e.Field + ": " + e.Reason }

func badOption(field, format string, args ...any) error {
	return &OptionError{field, fmt.Sprintf(format, args...)}
}

func (o Options) withDefaults() (Options, error) {
	if o.Durability != Sync && o.Durability != OS {
		return o, badOption("Durability", "unknown value %d", o.Durability)
	}
	if o.CacheSize < 0 {
		return o, badOption("CacheSize", "%d is negative", o.CacheSize)
	}
	if o.Listen == "" {
		o.Listen = "127.0.0.1:0"
	}
	if o.MetaServers == 0 {
		o.MetaServers = 1
	}
	if o.ReplicaServers == 0 {
		o.ReplicaServers = 1
	}
	if n := o.MetaServers; n < 1 || n > server.MaxNodes {
		return o, badOption("MetaServers", "%d is not in 1 to %d", n, server.MaxNodes)
	}
	if n := o.ReplicaServers; n < 1 || n > server.MaxNodes {
		return o, badOption("ReplicaServers", "%d is not in 1 to %d", n, server.MaxNodes)
	}
	var err error
	if err = o.Auth.check(); err != nil {
		return o, err
	}
	if o.Tables, err = o.tables(); err != nil {
		return o, err
	}
	if o.Limits, err = o.Limits.WithDefaults(); err != nil {
		var le *limits.Error
		errors.As(err, &le)
		return o, &OptionError{"Limits." + le.Field, le.Reason}
	}
	return o, nil
}

func (o *Options) storage() storage.Options {
	sweep := o.SweepInterval
	if o.ReadOnly {
		sweep = -1
	}
	return storage.Options{
		ReadOnly:      o.ReadOnly && o.Dir != "",
		Dir:           o.Dir,
		Durability:    storage.Durability(o.Durability),
		Clock:         o.Clock,
		CacheSize:     o.CacheSize,
		SweepInterval: sweep,
		Logger:        o.Logger,
		Limits:        o.Limits,
	}
}

// open opens the store.
func (o *Options) open() (*storage.DB, error) {
	if o.From != "" {
		return storage.Restore(context.Background(), o.From, o.storage())
	}
	return storage.Open(o.storage())
}

func (o *Options) server() (server.Options, error) {
	listen, err := o.listenAddr()
	if err != nil {
		return server.Options{}, err
	}
	advertise, err := o.advertise(listen.Addr())
	if err != nil {
		return server.Options{}, err
	}
	return server.Options{
		MetaAddrs:           listenAddrs(listen, 0, o.MetaServers),
		ReplicaAddrs:        listenAddrs(listen, replicaPortOffset, o.ReplicaServers),
		ReplicaPortsMayVary: o.Advertise == "" && listen.Addr().IsLoopback(),
		Listen:              o.ListenFunc,
		Advertise:           advertise,
		Clock:               o.Clock,
		Logger:              o.Logger,
		ReadOnly:            o.ReadOnly,
		Dir:                 o.Dir,
		BackupDir:           o.BackupDir,
		ClusterName:         o.ClusterName,
		Access:              o.Auth.access(),
		Limits:              o.Limits,
	}, nil
}
