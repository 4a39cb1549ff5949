package route

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/pegasus-go/pegasus/internal/rpc"
	"github.com/pegasus-go/pegasus/internal/wire"
)

// contact is a server that is asked, or a name that is looked up. The mutex of the
// question guards what may change.
type contact struct {
	addr   string
	server string // where that comes from: a server as configured, "" if another one named it
	err    error  // why it is of no use, or how far it has come; nil: a name that has addresses
	sent   bool   // the request may have been received, and was not refused
	wrong  bool   // it is no meta server that knows the request
	// It has answered that it does not lead, and was not asked again.
	follows bool
}

// ask asks the server at addr, unless that was done.
func (q *question) ask(addr, server string) (asked bool) {
	c := q.add(contact{addr: addr, server: server, err: errNoConn})
	if c != nil {
		q.send(c)
	}
	return c != nil
}

// askAgain asks those who do not lead once more, while another one is silent: it
// may be gone, and one of them lead by now. What is exclusive waits for the silent
// one in any case.
func (q *question) askAgain() {
	if q.turn != nil {
		return
	}
	q.mu.Lock()
	var followers []*contact
	for _, c := range q.contacts {
		if c.follows {
			c.follows = false
			followers = append(followers, c)
		}
	}
	q.mu.Unlock()
	for _, c := range followers {
		q.send(c)
	}
}

// send sends the request to a server.
func (q *question) send(c *contact) {
	q.start(c, func() {
		a := answer{contact: c}
		a.err = q.call(c, &a.reply)
		select {
		case q.answers <- a:
		case <-q.ctx.Done():
		}
	})
}

// add returns nil if the contact is there already.
func (q *question) add(c contact) *contact {
	q.mu.Lock()
	defer q.mu.Unlock()
	if slices.ContainsFunc(q.contacts, func(old *contact) bool { return old.addr == c.addr }) {
		return nil
	}
	q.contacts = append(q.contacts, &c)
	return &c
}

// start runs f, which ends with a message to the question.
func (q *question) start(c *contact, f func()) {
	if q.meta.pool.Go(func(context.Context) { f() }) {
		q.pending++
		return
	}
	q.mu.Lock()
	c.err = rpc.ErrClosed
	q.mu.Unlock()
}

// call sends the request, in turn if it is exclusive, and waits for the answer.
func (q *question) call(c *contact, reply *wire.Reply) error {
	conn, err := q.meta.pool.Node(c.addr).Conn(q.ctx)
	if err != nil && rpc.Broke(err) && !q.meta.hasMet() && speaksTLS(q.ctx, q.meta.pool, c.addr) {
		return wire.OtherProtocol("TLS")
	}
	if err != nil {
		return err
	}
	if q.turn != nil {
		q.progress(c, errNotTurn)
		select {
		case q.turn <- struct{}{}:
		case <-q.ctx.Done():
			return q.ended()
		}
	}
	if !q.progress(c, errNoAnswer) {
		return q.ended()
	}
	deadline, _ := q.ctx.Deadline()
	h := wire.RequestHeader{TimeoutMs: rpc.TimeoutMs(time.Until(deadline)), PartitionHash: lineEnds}
	*reply, err = rpc.Send(q.ctx, conn, time.Time{}, h, q.task, &q.arg)
	if err != nil && q.ctx.Err() == nil && hungUp(err) && !q.meta.hasMet() && speaksTLS(q.ctx, q.meta.pool, c.addr) {
		return wire.OtherProtocol("TLS")
	}
	return err
}

// progress notes how far it has come with a server, unless that has answered before.
// It returns false if the question is over.
func (q *question) progress(c *contact, err error) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.over {
		return false
	}
	if !errors.Is(c.err, errNotLeader) {
		c.err = err
	}
	c.sent = err == errNoAnswer
	return true
}
