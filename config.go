package pegasus

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"time"

	"github.com/pegasus-go/pegasus/internal/argument"
)

// Config is the configuration of pegasus client. The zero value of a field
// other than MetaServers is its default.
//
// It decodes from JSON: {"meta_servers": ["10.0.0.1:34601"], "operation_timeout": "2s"}.
// What is no key of it is an error.
type Config struct {
	// MetaServers are the meta servers of the cluster, each as "host:port".
	// The host is a name, an IPv4 address, or an IPv6 address in brackets. All
	// addresses of a name are used, and it is looked up again when they fail.
	MetaServers []string `json:"meta_servers"`

	// OperationTimeout bounds every operation whose context has no deadline,
	// OpenTable included. Default 10 s. In JSON a text such as "500ms".
	OperationTimeout time.Duration `json:"operation_timeout,omitempty"`

	// DialTimeout bounds one attempt to connect to a server, authentication included.
	// Default 3 s. In JSON a text such as "500ms".
	DialTimeout time.Duration `json:"dial_timeout,omitempty"`

	// Retry says how operations are tried again. In JSON {"max_attempts": 3,
	// "min_pause": "4ms", "max_pause": "200ms"}.
	Retry RetryPolicy `json:"retry,omitzero"`

	// RetryBudget is the number of requests per second that are sent again to a
	// server because it has answered with an error that may pass, such as ErrBusy:
	// by all callers together, while it gives no other answers. Each answer that
	// is no error allows ten more, and what was not used lately ten seconds' worth
	// at once. Who finds the budget spent waits. Default 10; negative: no limit.
	RetryBudget int `json:"retry_budget,omitempty"`

	// ConnectionsPerServer is the number of connections to a replica server for
	// requests whose frames and answers are small: a hash key always takes the
	// same. More than one is of use where a single core cannot carry what goes to
	// one server. Default 1, at most 65536. Scans, batches and what is above 64 KiB have another
	// connection, which is made when it is needed.
	ConnectionsPerServer int `json:"connections_per_server,omitempty"`

	// Observers are told what happens.
	Observers []Observer `json:"-"`

	// Logger logs changes of state, such as connections that are lost and partitions
	// that move, and warnings, each at most once in ten seconds, with the number of those
	// left out. No request has a line of its own, and nothing has a key or a value in it.
	// Default: nothing is logged.
	Logger *slog.Logger `json:"-"`

	// Auth authenticates connections to servers, which is a part of making them.
	// Default: they are not authenticated. See Authenticator.
	Auth Authenticator `json:"-"`

	// AuthOptional goes on without authentication where a server knows none, or has it
	// disabled, as the Java client does: for a cluster that is about to demand it.
	// Default: that is ErrAuthUnsupported.
	AuthOptional bool `json:"-"`

	// Dial opens a connection to a server; it replaces the network in tests, and is
	// where TLS comes in. Default: TCP. With a Dial of one's own, host names of meta
	// servers are passed to it as they are.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error) `json:"-"`

	// Clock tells the time that a time to live is added to: the expiry that is
	// stored is a point in time, and servers compare it with their own clocks.
	// It replaces the time in tests. Default: time.Now.
	Clock func() time.Time `json:"-"`
}

const defaultOperationTimeout = 10 * time.Second

// mostConnections is the number of lanes that hash keys are told apart by, see
// exchange.lane.
const mostConnections = 1 << 16

// validate reports the first field with an illegal value.
func (c *Config) validate() error {
	err := argument.Config(c.MetaServers, c.OperationTimeout, c.DialTimeout)
	if err == nil {
		err = argument.Auth(c.Auth, c.AuthOptional)
	}
	var ae *argument.Error
	switch {
	case errors.As(err, &ae):
		return &ArgumentError{ae.Name, ae.Reason}
	case c.ConnectionsPerServer < 0 || c.ConnectionsPerServer > mostConnections:
		return argumentError("ConnectionsPerServer", "is %d, must be 0 to %d", c.ConnectionsPerServer, mostConnections)
	}
	return err
}
