package admin

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/pegasus-go/pegasus/internal/argument"
	"github.com/pegasus-go/pegasus/internal/route"
	"github.com/pegasus-go/pegasus/internal/rpc"
	"github.com/pegasus-go/pegasus/internal/wire"
)

// Config says which cluster to manage. The zero value of a field other than
// MetaServers is its default.
type Config struct {
	// MetaServers are the meta servers of the cluster, each as "host:port".
	MetaServers []string

	// OperationTimeout bounds every operation whose context has no deadline.
	// Default 30 s.
	OperationTimeout time.Duration

	// DialTimeout bounds one attempt to connect to a server. Default 3 s.
	DialTimeout time.Duration

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
// error is an *ArgumentError that names the field of cfg.
func New(cfg Config) (*Client, error) {
	if err := argument.Config(cfg.MetaServers, cfg.OperationTimeout, cfg.DialTimeout); err != nil {
		return nil, err
	}
	var resolver route.Resolver = net.DefaultResolver
	if cfg.Dial != nil {
		resolver = nil
	}
	pool := rpc.NewPool(rpc.PoolOptions{Dial: cfg.Dial, DialTimeout: cfg.DialTimeout})
	c := &Client{
		pool:    pool,
		meta:    route.NewMeta(pool, cfg.MetaServers, resolver),
		timeout: cfg.OperationTimeout,
	}
	if c.timeout == 0 {
		c.timeout = defaultOperationTimeout
	}
	return c, nil
}

// Close closes the connections and waits until all goroutines of the client
// have ended. Operations under way and later ones fail with ErrClosed. Closing
// twice is allowed; the error is always nil.
func (c *Client) Close() error {
	c.pool.Close()
	return nil
}

// limit gives ctx a deadline if it has none. If it has one the result ends then,
// even if ctx is of a kind that does not end by itself.
func (c *Client) limit(ctx context.Context) (context.Context, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	if !ok {
		deadline = time.Now().Add(c.timeout)
	}
	return context.WithDeadline(ctx, deadline)
}

// request is what the way of a question to the meta servers depends on.
type request struct {
	op    string // the public method
	table string // "" if it is about none
	task  string
	once  bool // must not be carried out twice
}

// Pauses between attempts: doubled from the first to the longest.
const (
	minPause = 20 * time.Millisecond
	maxPause = time.Second
)

// ask sends a request to the meta leader and decodes the answer into resp, as
// the package documentation says. outcome returns what resp says of success,
// and the server's explanation.
func ask[Q, A any](ctx context.Context, c *Client, r request, req *Q, resp *A, outcome func() (wire.ErrorCode, string)) error {
	ctx, cancel := c.limit(ctx)
	defer cancel()
	var last error
	for wait := minPause; ; wait = min(2*wait, maxPause) {
		code, err := route.AskStruct(ctx, c.meta, r.task, req, r.once, resp, func(*A) wire.ErrorCode {
			code, _ := outcome()
			return code
		})
		switch {
		case err == nil && code == wire.ErrOK:
			return nil
		case err == nil:
			_, hint := outcome()
			err = codeError(code)
			if !passing(code) {
				return &Error{Op: r.op, Table: r.table, Hint: hint, Err: err}
			}
		case r.once && received(err):
			return &Error{Op: r.op, Table: r.table, Err: fmt.Errorf("%w: %w", ErrInDoubt, err)}
		case errors.Is(err, ErrClosed), noPegasus(err):
			return &Error{Op: r.op, Table: r.table, Err: err}
		}
		if ctx.Err() == nil {
			last = err
			if rpc.Pause(ctx, wait) {
				continue
			}
		}
		if ended := ctx.Err(); last != nil && !errors.Is(last, ended) {
			err = fmt.Errorf("%w; last failure: %w", ended, last)
		}
		return &Error{Op: r.op, Table: r.table, Err: err}
	}
}

// noPegasus reports whether none of the meta servers is one, so that there is no
// point in asking them again. A wrong address among them does no harm.
func noPegasus(err error) bool {
	var me *route.MetaError
	return errors.As(err, &me) && me.Wrong
}

// passing reports whether a meta server that answers code has done nothing and
// may do it later.
func passing(code wire.ErrorCode) bool {
	switch code {
	case wire.ErrServiceNotActive, wire.ErrUnderRecovery, wire.ErrBusyCreating, wire.ErrBusyDropping:
		return true
	}
	return false
}

// received reports whether a server may have received a request that failed
// with err.
func received(err error) bool {
	var me *route.MetaError
	return errors.As(err, &me) && me.Received
}
