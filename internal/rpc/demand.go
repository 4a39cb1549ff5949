package rpc

import (
	"time"

	"github.com/pegasus-go/pegasus/internal/wire"
)

// demand finds out whether a server is silent because it demands authentication: it
// drops all requests of clients that have not authenticated then, without a word.
// A client without Auth asks a server that has not answered anything yet for its
// mechanisms, to which it answers in any case. Behind that goes a probe. If only the first
// one is answered, the client is not listened to.
//
// The mutex of the connection guards it.
type demand struct {
	asked       bool
	list, probe int32     // ids of the two requests
	since       time.Time // when the server has named its mechanisms; zero if it has not
}

// asksLocked reports whether the server is to be asked.
func (c *Conn) asksLocked() bool {
	return c.mu.received == 0 && !c.mu.watch.demand.asked && c.node != nil && c.node.pool.opts.Auth == nil
}

// askLocked asks the server.
func (c *Conn) askLocked() {
	d := &c.mu.watch.demand
	h := wire.RequestHeader{TimeoutMs: TimeoutMs(c.opts.ProbeAfter)}
	d.asked = true
	d.list = c.mu.calls.next
	c.tellLocked(h, wire.TaskNegotiation, wire.Of(&wire.Negotiation{Status: wire.NegotiationListMechanisms}))
	d.probe = c.mu.calls.next
	c.tellLocked(h, taskProbe, wire.Blob(nil))
}

// answeredLocked notes an answer that may be one to what was asked.
func (d *demand) answeredLocked(c *Conn, reply *wire.Reply, now time.Time) {
	if !d.asked || c.mu.received > 0 || reply.Seq != d.list && reply.Seq != d.probe {
		return
	}
	if reply.Seq == d.list && reply.Err == wire.ErrOK && reply.Answers(wire.TaskNegotiation) {
		if answer, err := negotiationIn(reply); err == nil && answer.Status == wire.NegotiationMechanisms {
			d.since = now
			return
		}
	}
	c.mu.received = 1 // it listens
}

// demandedLocked reports whether it has turned out that the server demands
// authentication. The probe has had its time then.
func (c *Conn) demandedLocked(now time.Time) bool {
	d := &c.mu.watch.demand
	return c.mu.received == 0 && !d.since.IsZero() && now.Sub(d.since) >= c.opts.ProbeAfter/2
}
