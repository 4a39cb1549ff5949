package admin

import (
	"context"
	"net"
	"time"

	"github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/internal/argument"
	"github.com/pegasus-go/pegasus/internal/route"
	"github.com/pegasus-go/pegasus/internal/rpc"
)

// Config says which cluster to manage. The zero value of a field other than
// MetaServers is its default.
type Config struct {
	// MetaServers are the meta servers of the cluster, each as "host:port". All
	// addresses of a name are used. It is looked up again when they fail; what it
	// stood for last is used when that fails, too.
	MetaServers []string

	// OperationTimeout bounds every operation whose context has no deadline, from
	// the call to the return. Default 30 s.
	OperationTimeout time.Duration

	// DialTimeout bounds one attempt to connect to a server, authentication included.
	// Default 3 s.
	DialTimeout time.Duration

	// Auth authenticates connections to servers: see [pegasus.Authenticator]. Default:
	// they are not authenticated.
	Auth pegasus.Authenticator

	// AuthOptional goes on without authentication where a server knows none, or has it
	// disabled. Default: that is pegasus.ErrAuthUnsupported.
	AuthOptional bool

	// Dial opens a connection to a server; it replaces the network in tests.
	// Default: TCP. With a Dial of one's own, host names of meta servers are
	// passed to it as they are.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
}

const defaultOperationTimeout = 30 * time.Second

// Client manages one cluster.
type Client struct {
	pool    *rpc.Pool
	meta    *route.Meta
	timeout time.Duration
}

// New returns a client for the cluster of cfg. It connects when it is used. The
// error has an *ArgumentError that names the field of cfg.
func New(cfg Config) (*Client, error) {
	if err := argument.Config(cfg.MetaServers, cfg.OperationTimeout, cfg.DialTimeout); err != nil {
		return nil, refuse("New", "", err)
	}
	if err := argument.Auth(cfg.Auth, cfg.AuthOptional); err != nil {
		return nil, refuse("New", "", err)
	}
	var resolver route.Resolver = net.DefaultResolver
	if cfg.Dial != nil {
		resolver = nil
	}
	return connect(cfg, resolver), nil
}

func connect(cfg Config, resolver route.Resolver) *Client {
	var auth *rpc.Auth
	if cfg.Auth != nil {
		auth = rpc.NewAuth(cfg.Auth.Mechanism(), cfg.Auth.Start, cfg.AuthOptional)
	}
	pool := rpc.NewPool(rpc.PoolOptions{Dial: cfg.Dial, DialTimeout: cfg.DialTimeout, Auth: auth})
	c := &Client{
		pool:    pool,
		meta:    route.NewMeta(pool, cfg.MetaServers, resolver),
		timeout: cfg.OperationTimeout,
	}
	if c.timeout == 0 {
		c.timeout = defaultOperationTimeout
	}
	return c
}

// Close closes the connections and waits until all goroutines of the client
// have ended, but for name servers: a lookup under way ends by itself. Operations
// under way and later ones fail with ErrClosed. Closing twice is allowed; the error
// is always nil.
func (c *Client) Close() error {
	c.pool.Close()
	return nil
}
