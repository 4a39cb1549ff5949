package pegasustest

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/admin"
	"github.com/pegasus-go/pegasus/internal/memnet"
	"github.com/pegasus-go/pegasus/internal/rpc"
	"github.com/pegasus-go/pegasus/onebox"
)

// Cluster is a running onebox with a client. Its methods fail the test if they
// cannot do what they are asked for; like t.Fatal, those that can must be called
// from the test's own goroutine.
type Cluster struct {
	// Client is connected to the cluster.
	Client *pegasus.Cluster
	// Table is the first table, opened by Client.
	Table *pegasus.Table

	t         testing.TB
	options   onebox.Options
	config    pegasus.Config
	table     string // name of Table
	clock     func() time.Time
	advanced  atomic.Int64 // nanoseconds that the servers are ahead of clock
	listeners addresses
	network   Network
	admin     func() *admin.Client

	onebox atomic.Pointer[onebox.Server]
}

// Start starts a cluster and a client, and stops both at the end of the test. From then
// on what BorrowedRows lends is overwritten when it is taken back, so that whoever keeps
// it finds out.
func Start(t testing.TB, options ...Option) *Cluster {
	t.Helper()
	rpc.Poison.Store(true)
	var s settings
	for _, o := range options {
		o(&s)
	}
	if len(s.onebox.Tables) == 0 && !s.onebox.ReadOnly {
		s.onebox.Tables = []onebox.Table{{Name: DefaultTable, Partitions: DefaultPartitions}}
	}
	c := &Cluster{t: t, options: s.onebox, table: DefaultTable, clock: s.onebox.Clock}
	if len(s.onebox.Tables) > 0 {
		c.table = s.onebox.Tables[0].Name
	}
	if c.clock == nil {
		c.clock = time.Now
		if time.Now().Year() < 2016 {
			// A bubble of testing/synctest begins in 2000, when there was no time to
			// live yet.
			c.AdvanceClock(bubbleAhead)
		}
	}
	c.options.Clock = c.Now
	c.listeners.listen = func(addr string) (net.Listener, error) { return net.Listen("tcp", addr) }
	c.network.dial = new(net.Dialer).DialContext
	if s.memory {
		memory := new(memnet.Network)
		c.listeners.listen, c.network.dial = memory.Listen, memory.Dial
	}
	if c.options.ListenFunc != nil {
		c.listeners.listen = c.options.ListenFunc
	}
	c.options.ListenFunc = c.listeners.open

	c.start()
	t.Cleanup(func() {
		if err := c.Onebox().Close(); err != nil {
			t.Errorf("pegasustest: %v", err)
		}
	})
	c.connect(s.client)
	return c
}

// start starts the onebox.
func (c *Cluster) start() {
	c.t.Helper()
	c.listeners.again()
	srv, err := onebox.Start(c.options)
	if err != nil {
		c.t.Fatalf("pegasustest: %v", err)
	}
	c.onebox.Store(srv)
}

// connect makes the clients.
func (c *Cluster) connect(changes []func(*pegasus.Config)) {
	c.t.Helper()
	for _, change := range changes {
		change(&c.config)
	}
	c.config.MetaServers = c.MetaServers()
	c.config.Dial = c.network.Dial
	c.config.Clock = c.Now
	client, err := pegasus.New(c.config)
	if err != nil {
		c.t.Fatalf("pegasustest: %v", err)
	}
	c.t.Cleanup(func() { client.Close() })
	c.Client = client
	c.admin = sync.OnceValue(func() *admin.Client {
		a, err := admin.New(admin.Config{MetaServers: c.config.MetaServers, Dial: c.network.dial})
		if err != nil {
			c.t.Fatalf("pegasustest: %v", err)
		}
		c.t.Cleanup(func() { a.Close() })
		return a
	})
	c.Table = c.OpenTable(c.table)
}

// MetaServers returns the addresses that clients are configured with.
func (c *Cluster) MetaServers() []string { return c.Onebox().MetaServers() }

// Config returns the configuration of Client, for further clients.
func (c *Cluster) Config() pegasus.Config {
	cfg := c.config
	cfg.MetaServers = c.MetaServers()
	return cfg
}

// OpenTable opens a table with Client.
func (c *Cluster) OpenTable(name string) *pegasus.Table {
	c.t.Helper()
	table, err := c.Client.Open(context.Background(), name)
	if err != nil {
		c.t.Fatalf("pegasustest: %v", err)
	}
	return table
}

// Admin returns a client for the administration of the cluster. Link does not
// concern it.
func (c *Cluster) Admin() *admin.Client { return c.admin() }

// Onebox returns the server. It is another one after Restart and Crash if there is a
// directory.
func (c *Cluster) Onebox() *onebox.Server { return c.onebox.Load() }

// Now tells the time of the servers and of the clients.
func (c *Cluster) Now() time.Time { return c.clock().Add(time.Duration(c.advanced.Load())) }

// bubbleAhead is how far the clock of a cluster is ahead of that of its bubble.
const bubbleAhead = 30 * 365 * 24 * time.Hour

// AdvanceClock puts the clock of the servers, and of clients with the
// configuration of Config, forward: entries whose time to live ends in that
// period are gone when it returns.
func (c *Cluster) AdvanceClock(d time.Duration) { c.advanced.Add(int64(d)) }

// addresses gives the servers the same addresses at every start.
type addresses struct {
	listen func(addr string) (net.Listener, error)

	mu    sync.Mutex
	fixed []string // of the listeners on free ports, in the order of the first start
	next  int      // of this start
}

// again begins another start.
func (a *addresses) again() {
	a.mu.Lock()
	a.next = 0
	a.mu.Unlock()
}

func (a *addresses) open(addr string) (net.Listener, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if _, port, err := net.SplitHostPort(addr); err != nil || port != "0" {
		return a.listen(addr)
	}
	if a.next < len(a.fixed) {
		addr = a.fixed[a.next]
	}
	l, err := a.listen(addr)
	if err != nil {
		return nil, err
	}
	if a.next == len(a.fixed) {
		a.fixed = append(a.fixed, l.Addr().String())
	}
	a.next++
	return l, nil
}
