package route

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/pegasus-go/pegasus/internal/rpc"
	"github.com/pegasus-go/pegasus/internal/wire"
)

// askTimeout bounds a question whose context has no deadline.
const askTimeout = 10 * time.Second

// Meta asks the meta servers of a cluster.
type Meta struct {
	pool    *rpc.Pool
	servers []string // as configured
	names   *names   // nil: host names are left to the dialer

	mu     sync.Mutex
	leader string    // who answered last; "" if unknown
	met    bool      // a meta server has answered: there are some at these addresses
	latest *question // perhaps over; nil before the first
}

// NewMeta returns a Meta for the given servers, each "host:port". Each address of a
// host name counts as a server; names are looked up whenever the leader is not
// known or of no use, and what they stood for last is kept for when that fails. A
// nil resolver leaves names to the pool's dialer.
func NewMeta(pool *rpc.Pool, servers []string, resolver Resolver) *Meta {
	m := &Meta{pool: pool, servers: slices.Clone(servers)}
	if resolver != nil {
		m.names = newNames(pool.Context(), resolver)
	}
	return m
}

// Decode reads the answer of a meta server. It returns the outcome that the answer
// carries, and the leader if the answer names another one.
type Decode func(r *wire.Reader) (wire.ErrorCode, wire.Address)

// Ask sends a request to the meta leader and decodes the answer. The leader that
// answered last is asked first; when it is slow or fails, so are all others, side by
// side, and the first answer from a leader counts. Followers that know the leader
// lead there, and are asked again while it is silent. Without a deadline in ctx it gives up after 10 s.
//
// The request may reach more than one server unless it is exclusive: an exclusive
// request, one that must not be executed twice, goes to one server at a time, and
// not to another one once it may have been received.
//
// The outcome that the answer carries is not an error here. Errors are of type
// *MetaError; but when ctx has ended already, or the pool was closed, nothing is
// sent, and the error is that.
func (m *Meta) Ask(ctx context.Context, task string, arg wire.Message, exclusive bool, decode Decode) (wire.ErrorCode, error) {
	if m.pool.Context().Err() != nil {
		return "", rpc.ErrClosed
	}
	if ctx.Err() != nil {
		return "", rpc.ContextError(ctx)
	}
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, askTimeout)
		defer cancel()
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(m.pool.Context(), func() { cancel(rpc.ErrClosed) })()

	q := newQuestion(ctx, m, task, arg, exclusive, decode)
	m.mu.Lock()
	leader := m.leader
	m.latest = q
	m.mu.Unlock()
	return q.run(leader)
}

// Failure returns what has been heard so far of the servers that the latest
// question went to: the error for those who cannot wait for its end. It wraps
// ErrNoMeta.
func (m *Meta) Failure() error {
	m.mu.Lock()
	latest := m.latest
	m.mu.Unlock()
	if latest == nil {
		return ErrNoMeta
	}
	return latest.failure()
}

// answered notes that the server at addr leads.
func (m *Meta) answered(addr string) {
	m.mu.Lock()
	m.leader, m.met = addr, true
	m.mu.Unlock()
}

// meet notes that there are meta servers at the addresses.
func (m *Meta) meet() {
	m.mu.Lock()
	m.met = true
	m.mu.Unlock()
}

// lost notes that nobody is known to lead.
func (m *Meta) lost() {
	m.mu.Lock()
	m.leader = ""
	m.mu.Unlock()
}

// hasMet reports whether there are meta servers at the addresses.
func (m *Meta) hasMet() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.met
}

// AskStruct is Ask for an answer in the form of a struct. code returns where
// the answer keeps its outcome.
func AskStruct[Q, A any](ctx context.Context, m *Meta, task string, req *Q, exclusive bool, resp *A, code func(*A) wire.ErrorCode) (wire.ErrorCode, error) {
	return m.Ask(ctx, task, wire.Of(req), exclusive, func(r *wire.Reader) (wire.ErrorCode, wire.Address) {
		*resp = *new(A)
		wire.Of(resp).Read(r)
		return code(resp), 0
	})
}

// Servers returns the meta servers as configured.
func (m *Meta) Servers() []string { return slices.Clone(m.servers) }
