package pegasus

import (
	"context"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pegasus-go/pegasus/internal/route"
	"github.com/pegasus-go/pegasus/internal/rpc"
)

// Client manages the connections to one cluster and the tables opened on it.
// It is safe for concurrent use; a process needs one per cluster.
type Client interface {
	// OpenTable opens a table. Its connector is closed by itself; all connectors
	// of a table share what the client knows of it, and any number of callers that
	// open it at the same time share one question to the meta servers.
	//
	// It fails with ErrTableNotFound at once if the table does not exist. While
	// no meta server answers it tries again until the deadline of ctx, or for
	// Config.OperationTimeout if ctx has none; the error names the servers
	// tried. A table that is open already opens also while no meta server answers,
	// a second later. A slow open delays neither other tables nor Close. It is a
	// question to the meta servers each time: keep the connector.
	OpenTable(ctx context.Context, tableName string) (TableConnector, error)

	// Close closes the tables and connections. Pending operations fail with
	// ErrClosed, and so does everything later. It waits until all goroutines of
	// the client have ended. Closing twice is allowed; the error is always nil.
	Close() error
}

// NewClient creates a new instance of pegasus client: what New returns, as a
// Client. It connects when the first table is opened.
//
// It panics if the configured addresses are illegal; New returns an error
// instead.
func NewClient(cfg Config) Client {
	c, err := New(cfg)
	if err != nil {
		panic(err)
	}
	return c
}

// New returns the client of a cluster. It connects when the first table is
// opened. It fails if cfg is illegal, with an *ArgumentError that names the field.
func New(cfg Config) (*Cluster, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	var resolver route.Resolver = net.DefaultResolver
	if cfg.Dial != nil {
		resolver = nil
	}
	var auth *rpc.Auth
	if cfg.Auth != nil {
		auth = rpc.NewAuth(cfg.Auth.Mechanism(), cfg.Auth.Start, cfg.AuthOptional)
	}
	observers := cfg.Observers
	if cfg.Logger != nil {
		observers = append(slices.Clone(observers), logging(cfg.Logger))
	}
	events := together(observers)
	pool := rpc.NewPool(rpc.PoolOptions{
		Dial:             cfg.Dial,
		DialTimeout:      cfg.DialTimeout,
		Auth:             auth,
		Connections:      cfg.ConnectionsPerServer,
		RetriesPerSecond: cfg.RetryBudget,
		Events:           connectionEvents(&events),
	})
	c := &Cluster{
		pool:    pool,
		meta:    route.NewMeta(pool, cfg.MetaServers, resolver),
		timeout: cfg.OperationTimeout,
		clock:   cfg.Clock,
		retries: cfg.Retry.or(defaultPolicy),
		events:  events,

		attempts: events.AttemptStarted != nil || events.AttemptEnded != nil,
		routes:   make(map[string]*sharedRoute),
		tables:   make(map[string]*counters),
	}
	if c.timeout == 0 {
		c.timeout = defaultOperationTimeout
	}
	if c.clock == nil {
		c.clock = time.Now
	}
	return c, nil
}

// Cluster is the client of a cluster: what New returns, and what the Client of
// NewClient is. It is safe for concurrent use; a process needs one for each
// cluster that it uses.
type Cluster struct {
	pool    *rpc.Pool
	meta    *route.Meta
	timeout time.Duration
	clock   func() time.Time
	retries RetryPolicy
	events  Observer // stands for all of Config.Observers
	// attempts is set if the observers are told of attempts.
	attempts bool
	counters counters // of operations that are of no open table
	closed   atomic.Bool
	// noBatchGet has the servers that turned out not to know batch_get.
	noBatchGet serverSet
	// fullScan has the servers that turned out to know full_scan.
	fullScan serverSet

	mu     sync.Mutex
	routes map[string]*sharedRoute // of open tables, and of those being opened
	tables map[string]*counters    // of all tables that were ever open
}

var _ Client = (*Cluster)(nil)

// Close closes the tables and connections: see Client.
func (c *Cluster) Close() error {
	c.mu.Lock()
	c.closed.Store(true)
	clear(c.routes)
	c.mu.Unlock()
	c.pool.Close()
	return nil
}
