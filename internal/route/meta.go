package route

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/pegasus-go/pegasus/internal/rpc"
	"github.com/pegasus-go/pegasus/internal/wire"
)

// hedgeAfter is how long the leader may take before the other meta servers
// are asked as well.
const hedgeAfter = time.Second

// askTimeout bounds a question whose context has no deadline.
const askTimeout = 10 * time.Second

// maxForwards bounds the chain of meta servers that name each other as leader.
const maxForwards = 4

// ErrNoMeta is the error of a question that no meta server answered.
var ErrNoMeta = errors.New("no meta server answered")

// Resolver looks up the addresses of a host name. *net.Resolver is one.
type Resolver interface {
	LookupHost(ctx context.Context, host string) ([]string, error)
}

// Meta asks the meta servers of a cluster.
type Meta struct {
	pool     *rpc.Pool
	servers  []string // as configured
	resolver Resolver // nil: host names are left to the dialer

	mu     sync.Mutex
	leader string // who answered last, or was named as leader; "" if unknown
}

// NewMeta returns a Meta for the given servers, each "host:port". Each address
// of a host name counts as a server; names are looked up whenever the leader
// is not known. A nil resolver leaves names to the pool's dialer.
func NewMeta(pool *rpc.Pool, servers []string, resolver Resolver) *Meta {
	return &Meta{pool: pool, servers: slices.Clone(servers), resolver: resolver}
}

// Reply decodes the answer of a meta server. It returns the outcome that the
// answer carries, and the leader if the answer names another one.
type Reply func(r *wire.Reader) (wire.ErrorCode, wire.Address)

// Ask sends a request to the meta leader and decodes the answer. The leader
// that answered last is asked first; when it is slow or fails, so are all
// others, and the first answer from a leader counts. Followers that know the
// leader lead there. Without a deadline in ctx it gives up after 10 s.
//
// The request may reach more than one server unless it is exclusive: an
// exclusive request, one that must not be executed twice, goes to one server
// at a time, and not to another one once it may have been received. The
// outcome that the answer carries is not an error here.
func (m *Meta) Ask(ctx context.Context, task string, arg wire.Message, exclusive bool, read Reply) (wire.ErrorCode, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if _, ok := ctx.Deadline(); !ok {
		ctx, cancel = context.WithTimeout(ctx, askTimeout)
		defer cancel()
	}
	q := &question{meta: m, ctx: ctx, task: task, arg: arg, read: read, answers: make(chan answer), found: make(chan []string)}

	m.mu.Lock()
	leader := m.leader
	m.mu.Unlock()
	if leader != "" {
		q.ask(leader)
	}
	if exclusive {
		return m.askInTurn(q)
	}
	hedge := time.NewTimer(hedgeAfter)
	defer hedge.Stop()
	hedged := false
	for {
		if q.pending == 0 && !hedged {
			hedged = true
			q.askAll()
		}
		if q.pending == 0 {
			m.setLeader("")
			return "", q.failure(nil)
		}
		select {
		case <-hedge.C:
			if !hedged {
				hedged = true
				q.askAll()
			}
		case all := <-q.found:
			q.pending--
			for _, addr := range all {
				q.ask(addr)
			}
		case a := <-q.answers:
			if code, err := q.judge(a); a.final(code, err) {
				m.setLeader(a.addr)
				return code, nil
			}
		case <-ctx.Done():
			return "", q.failure(rpc.ContextError(ctx))
		}
	}
}

// askInTurn asks one server after the other until one accepts the request.
func (m *Meta) askInTurn(q *question) (wire.ErrorCode, error) {
	if q.pending == 0 {
		q.askNext()
	}
	for q.pending > 0 {
		select {
		case a := <-q.answers:
			code, err := q.judge(a)
			if a.final(code, err) {
				m.setLeader(a.addr)
				return code, nil
			}
			if err != nil && !notExecuted(err) {
				return "", q.failure(nil)
			}
			if q.pending == 0 {
				q.askNext()
			}
		case <-q.ctx.Done():
			return "", q.failure(rpc.ContextError(q.ctx))
		}
	}
	m.setLeader("")
	return "", q.failure(nil)
}

// notExecuted reports whether err proves that the request had no effect.
func notExecuted(err error) bool {
	var re *rpc.Error
	return errors.As(err, &re) && !re.Sent || errors.Is(err, wire.ErrHandlerNotFound)
}

func (m *Meta) setLeader(addr string) {
	m.mu.Lock()
	m.leader = addr
	m.mu.Unlock()
}

// addresses returns the configured servers with host names replaced by their
// addresses. A name that cannot be looked up stays; dialing it will fail with
// the reason.
func (m *Meta) addresses(ctx context.Context) []string {
	if m.resolver == nil {
		return m.servers
	}
	var all []string
	for _, s := range m.servers {
		host, port, err := net.SplitHostPort(s)
		if err != nil || net.ParseIP(host) != nil {
			all = append(all, s)
			continue
		}
		ips, err := m.resolver.LookupHost(ctx, host)
		if err != nil || len(ips) == 0 {
			all = append(all, s)
			continue
		}
		for _, ip := range ips {
			all = append(all, net.JoinHostPort(ip, port))
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// question is one Ask under way. All of it belongs to the goroutine of Ask,
// which starts one goroutine per server asked.
type question struct {
	meta     *Meta
	ctx      context.Context
	task     string
	arg      wire.Message
	read     Reply
	answers  chan answer
	found    chan []string // the addresses of all servers
	pending  int           // servers that have not answered, and a search for addresses
	asked    []string      // so that none is asked twice
	next     []string      // servers for askNext, nil if not looked up yet
	forwards int
	failures []error
}

type answer struct {
	addr  string
	reply rpc.Reply
	err   error
}

// final reports whether a is the leader's word.
func (a answer) final(code wire.ErrorCode, err error) bool {
	return err == nil && code != wire.ErrForwardToOthers
}

func (q *question) ask(addr string) {
	if slices.Contains(q.asked, addr) {
		return
	}
	q.asked = append(q.asked, addr)
	node := q.meta.pool.Node(addr)
	q.start(func() {
		a := answer{addr: addr}
		conn, err := node.Conn(q.ctx)
		if err == nil {
			deadline, _ := q.ctx.Deadline()
			h := wire.RequestHeader{TimeoutMs: rpc.TimeoutMs(time.Until(deadline))}
			err = rpc.Call(q.ctx, conn, deadline, &h, q.task, &q.arg, &a.reply)
		}
		a.err = err
		select {
		case q.answers <- a:
		case <-q.ctx.Done():
		}
	})
}

// askAll asks all servers once their names are looked up, which may take long.
func (q *question) askAll() {
	q.start(func() {
		all := q.meta.addresses(q.ctx)
		select {
		case q.found <- all:
		case <-q.ctx.Done():
		}
	})
}

// start runs f, which ends with a message to the question.
func (q *question) start(f func()) {
	if q.meta.pool.Go(func(context.Context) { f() }) {
		q.pending++
	} else {
		q.failures = append(q.failures, rpc.ErrClosed)
	}
}

func (q *question) askNext() {
	if q.next == nil {
		q.next = slices.Clone(q.meta.addresses(q.ctx))
	}
	for len(q.next) > 0 && q.pending == 0 {
		q.ask(q.next[0])
		q.next = q.next[1:]
	}
}

// judge decodes an answer, notes why it is of no use, and follows it to the
// leader it names.
func (q *question) judge(a answer) (wire.ErrorCode, error) {
	q.pending--
	code, leader, err := q.decode(a)
	switch {
	case err != nil:
		q.failures = append(q.failures, err)
	case code == wire.ErrForwardToOthers:
		q.failures = append(q.failures, fmt.Errorf("%s: %w", a.addr, code))
		if leader.Valid() && q.forwards < maxForwards {
			q.forwards++
			q.ask(leader.String())
		}
	}
	return code, err
}

func (q *question) decode(a answer) (wire.ErrorCode, wire.Address, error) {
	if a.err != nil {
		return "", 0, a.err
	}
	if a.reply.Err != wire.ErrOK {
		return "", 0, fmt.Errorf("%s: %w", a.addr, a.reply.Err)
	}
	r := a.reply.ResultReader(wire.TypeStruct)
	code, leader := q.read(&r)
	if err := r.Err(); err != nil {
		return "", 0, fmt.Errorf("%s: %s: %w", a.addr, a.reply.Task, err)
	}
	return code, leader, nil
}

// failure returns the error of a question without an answer: all causes, and
// the end of the context if that is one of them.
func (q *question) failure(ended error) error {
	causes := q.failures
	if ended != nil {
		causes = append(causes, ended)
	}
	return &MetaError{Servers: q.asked, Causes: causes}
}

// MetaError is the failure of a question to the meta servers.
type MetaError struct {
	// Servers are the addresses that were tried.
	Servers []string
	// Causes say why each of them was of no use.
	Causes []error
}

// Error names the servers and the causes.
func (e *MetaError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%v (tried %s)", ErrNoMeta, strings.Join(e.Servers, ", "))
	sep := ": "
	for _, cause := range e.Causes {
		b.WriteString(sep)
		b.WriteString(cause.Error())
		sep = "; "
	}
	return b.String()
}

// Is reports whether target is ErrNoMeta.
func (e *MetaError) Is(target error) bool { return target == ErrNoMeta }

// Unwrap returns the causes.
func (e *MetaError) Unwrap() []error { return e.Causes }

// AllMalformed reports whether everything that was tried answered, and none of
// it in the Pegasus protocol.
func (e *MetaError) AllMalformed() bool {
	return len(e.Causes) > 0 && !slices.ContainsFunc(e.Causes, func(err error) bool {
		return !errors.Is(err, wire.ErrMalformed)
	})
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
