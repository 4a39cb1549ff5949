package pegasus

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pegasus-go/pegasus/internal/argument"
	"github.com/pegasus-go/pegasus/internal/route"
	"github.com/pegasus-go/pegasus/internal/rpc"
)

// Client manages the connections to one cluster and the tables opened on it.
// It is safe for concurrent use; a process needs one per cluster.
type Client interface {
	// OpenTable opens a table. If it was opened before, the same connector is
	// returned and nothing is sent.
	//
	// It fails with ErrTableNotFound at once if the table does not exist. While
	// no meta server answers it tries again until the deadline of ctx, or for
	// Config.OperationTimeout if ctx has none; the error names the servers
	// tried. A slow open delays neither other tables nor Close.
	OpenTable(ctx context.Context, tableName string) (TableConnector, error)

	// Close closes the tables and connections. Pending operations fail with
	// ErrClosed, and so does everything later. It waits until all goroutines of
	// the client have ended. Closing twice is allowed; the error is always nil.
	Close() error
}

// NewClient creates a new instance of pegasus client. It connects when the
// first table is opened.
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

// New is NewClient for programs that want an error instead of a panic. The
// error is an *ArgumentError that names the field of cfg.
func New(cfg Config) (Client, error) {
	if err := argument.Config(cfg.MetaServers, cfg.OperationTimeout, cfg.DialTimeout); err != nil {
		return nil, err
	}
	var resolver route.Resolver = net.DefaultResolver
	if cfg.Dial != nil {
		resolver = nil
	}
	pool := rpc.NewPool(rpc.PoolOptions{Dial: cfg.Dial, DialTimeout: cfg.DialTimeout})
	c := &client{
		pool:    pool,
		meta:    route.NewMeta(pool, cfg.MetaServers, resolver),
		timeout: cfg.OperationTimeout,
		clock:   cfg.Clock,
		tables:  make(map[string]*table),
	}
	if c.timeout == 0 {
		c.timeout = defaultOperationTimeout
	}
	if c.clock == nil {
		c.clock = time.Now
	}
	return c, nil
}

type client struct {
	pool    *rpc.Pool
	meta    *route.Meta
	timeout time.Duration
	clock   func() time.Time
	closed  atomic.Bool
	// noBatchGet is set once a server turned out not to know batch_get.
	noBatchGet atomic.Bool
	// fullScan is set once a server turned out to know full_scan.
	fullScan atomic.Bool

	mu     sync.Mutex
	tables map[string]*table // open ones
}

func (c *client) OpenTable(ctx context.Context, tableName string) (TableConnector, error) {
	if tableName == "" {
		return nil, wrap(opOpenTable, "", argumentError("tableName", "must not be empty"))
	}
	if c.closed.Load() {
		return nil, wrap(opOpenTable, tableName, ErrClosed)
	}
	c.mu.Lock()
	t := c.tables[tableName]
	c.mu.Unlock()
	if t != nil {
		return t, nil
	}
	// Concurrent opens of one table each ask; the first to finish is kept.
	t = newTable(c, tableName)
	if err := t.open(ctx); err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed.Load() {
		return nil, wrap(opOpenTable, tableName, ErrClosed)
	}
	if first := c.tables[tableName]; first != nil {
		return first, nil
	}
	c.tables[tableName] = t
	return t, nil
}

// forget makes the next OpenTable open t's table anew.
func (c *client) forget(t *table) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.tables[t.name] == t {
		delete(c.tables, t.name)
	}
}

func (c *client) Close() error {
	c.mu.Lock()
	c.closed.Store(true)
	clear(c.tables)
	c.mu.Unlock()
	c.pool.Close()
	return nil
}
