package pegasus

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/pegasus-go/pegasus/internal/route"
	"github.com/pegasus-go/pegasus/internal/rpc"
	"github.com/pegasus-go/pegasus/internal/wire"
)

var (
	opOpenTable = &operation{name: "OpenTable"}
	opOpen      = &operation{name: "Open"}
)

// sharedRoute is the routing of a table, for all its connectors. The mutex of the
// client guards users.
type sharedRoute struct {
	*route.Table
	users int // connectors, and calls of OpenTable
}

// reopenPatience is how long OpenTable of a table that is open already waits for
// the meta servers to say that it is still there.
const reopenPatience = time.Second

// OpenTable is Open: see Client.
func (c *Cluster) OpenTable(ctx context.Context, tableName string) (TableConnector, error) {
	t, err := c.open(ctx, opOpenTable, tableName)
	if err != nil {
		return nil, err // not a connector that is a nil table
	}
	return t, nil
}

// Open opens a table, as Client.OpenTable does.
func (c *Cluster) Open(ctx context.Context, tableName string) (*Table, error) {
	return c.open(ctx, opOpen, tableName)
}

func (c *Cluster) open(ctx context.Context, o *operation, tableName string) (t *Table, err error) {
	if tableName == "" {
		return nil, wrap(o.name, "", argumentError("tableName", "must not be empty"))
	}
	ctx, run := c.begin(ctx, o, tableName, &c.counters)
	defer func() { run.end(ctx, err) }()
	if c.closed.Load() {
		return nil, wrap(o.name, tableName, ErrClosed)
	}
	r := c.acquire(tableName)
	t = &Table{name: tableName, client: c, route: r.Table, shared: r, isClosed: new(atomic.Bool), closed: make(chan struct{}), hedger: newHedger()}
	if err := t.open(ctx, o); err != nil {
		c.release(tableName, r)
		return nil, err
	}
	t.counters = c.countersOf(tableName)
	return t, nil
}

// acquire returns the routing of a table for one more user.
func (c *Cluster) acquire(name string) *sharedRoute {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.routes[name]
	if r == nil {
		r = &sharedRoute{Table: route.NewTable(c.pool, c.meta, name, routeEvents(&c.events, name))}
		c.routes[name] = r
	}
	r.users++
	return r
}

// release is the end of a user. A route without users is forgotten.
func (c *Cluster) release(name string, r *sharedRoute) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if r.users--; r.users == 0 && c.routes[name] == r {
		delete(c.routes, name)
	}
}

// open makes sure that the table exists. It tries again while the reason why that
// is not known may pass.
func (t *Table) open(ctx context.Context, o *operation) error {
	x := exchange{op: o, course: new(course)}
	if ctx.Err() != nil {
		return t.failure(&x, rpc.ContextError(ctx))
	}
	x.deadline, x.own = t.client.limit(ctx, time.Now())
	if !x.own.IsZero() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, x.own)
		defer cancel()
	}
	if t.route.Snapshot() != nil {
		patient, cancel := context.WithTimeout(ctx, reopenPatience)
		defer cancel()
		x.waiting = forMeta
		err := public(t.route.Load(patient))
		switch {
		case errors.Is(err, ErrTableNotFound), errors.Is(err, ErrClosed):
			return t.failure(&x, err)
		case err != nil && ctx.Err() != nil:
			return t.failure(&x, rpc.ContextError(ctx))
		}
		return nil
	}
	if _, err := t.snapshot(ctx, &x); err != nil {
		return t.failure(&x, err)
	}
	return nil
}

// permanentMeta reports whether there is no point in asking the meta servers
// again after err.
func permanentMeta(err error) bool {
	var me *route.MetaError
	switch {
	case errors.Is(err, ErrTableNotFound), errors.Is(err, ErrClosed):
		return true
	case errors.As(err, &me):
		// No meta server at any of the addresses will become one.
		return me.Wrong
	case errors.Is(err, ErrMalformed):
		return true
	}
	var code wire.ErrorCode
	if !errors.As(err, &code) {
		return false
	}
	switch code {
	case wire.ErrBusyCreating, wire.ErrServiceNotActive, wire.ErrUnderRecovery, wire.ErrForwardToOthers, wire.ErrBusy, wire.ErrTimeout:
		return false
	}
	return true
}
