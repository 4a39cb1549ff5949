package route

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/pegasus-go/pegasus/internal/rpc"
	"github.com/pegasus-go/pegasus/internal/wire"
)

// hedgeAfter is how long the leader may take before the other meta servers
// are asked as well.
const hedgeAfter = 250 * time.Millisecond

// maxForwards bounds the chain of meta servers that name each other as leader.
const maxForwards = 4

// question is one Ask under way. It belongs to the goroutine of Ask, which starts
// one for each server to ask and each name to look up. They say what came of it to
// the channels.
type question struct {
	meta    *Meta
	ctx     context.Context
	task    string
	arg     wire.Message
	decode  Decode
	turn    chan struct{} // of capacity 1: held by the server asked, if it is exclusive; else nil
	answers chan answer
	found   chan found

	pending  int // answers, and lookups that have not ended
	all      bool
	forwards int

	mu       sync.Mutex
	contacts []*contact
	over     bool // nothing may be sent any more
}

// found are addresses of a name.
type found struct {
	*contact
	addrs []string
	err   error
	last  bool // the lookup has ended
}

func newQuestion(ctx context.Context, m *Meta, task string, arg wire.Message, exclusive bool, decode Decode) *question {
	q := &question{meta: m, ctx: ctx, task: task, arg: arg, decode: decode, answers: make(chan answer), found: make(chan found)}
	if exclusive {
		q.turn = make(chan struct{}, 1)
	}
	return q
}

// run asks the leader first, if it is known, and the others when it does not answer.
func (q *question) run(leader string) (wire.ErrorCode, error) {
	hedge := time.NewTimer(hedgeAfter)
	defer hedge.Stop()
	if leader != "" {
		q.ask(leader, leader)
	} else {
		q.askAll()
	}
	for q.ctx.Err() == nil {
		if q.pending == 0 {
			q.askAll()
		}
		if q.pending == 0 {
			q.meta.lost()
			return "", q.end()
		}
		select {
		case <-hedge.C:
			q.askAll()
			q.askAgain()
			hedge.Reset(hedgeAfter)
		case f := <-q.found:
			q.follow(f)
		case a := <-q.answers:
			q.pending--
			code, err := q.read(&a)
			if err == nil && code != wire.ErrForwardToOthers {
				q.meta.answered(a.addr)
				q.close()
				return code, nil
			}
			if q.turn != nil && a.sent {
				return "", q.end()
			}
		case <-q.ctx.Done():
		}
	}
	return "", q.end()
}

// ended returns why the context has ended, nil if it has not.
func (q *question) ended() error {
	switch {
	case q.ctx.Err() == nil:
		return nil
	case context.Cause(q.ctx) == rpc.ErrClosed:
		return rpc.ErrClosed
	}
	return rpc.ContextError(q.ctx)
}

// askAll asks all servers, once. It waits for none of their names.
func (q *question) askAll() {
	if q.all {
		return
	}
	q.all = true
	for _, s := range q.meta.servers {
		host, port, err := net.SplitHostPort(s)
		if err == nil && q.meta.names != nil {
			if _, err := netip.ParseAddr(host); err != nil {
				q.lookUp(s, host, port)
				continue
			}
		}
		q.ask(s, s)
	}
}

// lookUp asks the addresses of a server's name when they are found.
func (q *question) lookUp(server, host, port string) {
	c := q.add(contact{addr: server, server: server, err: errNoLookup})
	if c == nil {
		return
	}
	q.start(c, func() {
		l, known := q.meta.names.lookUp(host)
		patience := time.NewTimer(lookupPatience)
		defer patience.Stop()
		for {
			select {
			case <-l.done:
				q.tell(found{contact: c, addrs: withPort(l.addrs, port), err: l.err, last: true})
				return
			case <-patience.C:
				q.tell(found{contact: c, addrs: withPort(known, port), err: errNoLookup})
			case <-q.ctx.Done():
				return
			}
		}
	})
}

func withPort(hosts []string, port string) []string {
	addrs := make([]string, len(hosts))
	for i, h := range hosts {
		addrs[i] = net.JoinHostPort(h, port)
	}
	return addrs
}

func (q *question) tell(f found) {
	select {
	case q.found <- f:
	case <-q.ctx.Done():
	}
}

// follow asks what a name stands for.
func (q *question) follow(f found) {
	if f.last {
		q.pending--
	}
	q.mu.Lock()
	f.contact.err = f.err
	q.mu.Unlock()
	for _, addr := range f.addrs {
		q.ask(addr, f.server)
	}
}

// close keeps those that are not connected yet from sending anything.
func (q *question) close() {
	q.mu.Lock()
	q.over = true
	q.mu.Unlock()
	q.decode = nil // and what it has decoded
}

// end closes the question and returns its error.
func (q *question) end() error {
	q.close()
	e := q.failure()
	e.Ended = q.ended()
	return e
}

// failure returns what has been heard of all servers so far.
func (q *question) failure() *MetaError {
	e := new(MetaError)
	q.mu.Lock()
	defer q.mu.Unlock()
	wrong := make(map[string]bool) // servers as configured
	for _, c := range q.contacts {
		if c.err != nil {
			e.Servers = append(e.Servers, ServerError{c.addr, c.err})
		}
		e.Received = e.Received || c.sent
		if c.wrong {
			wrong[c.server] = true
		}
	}
	e.Wrong = len(wrong) > 0 && !slices.ContainsFunc(q.contacts, func(c *contact) bool { return c.err != nil && !wrong[c.server] })
	return e
}
