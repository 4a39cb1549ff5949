package access

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/pegasus-go/pegasus/internal/wire"
)

// Client is who is at the other end of a connection. Nil is anybody, who may do
// everything. Its methods may be called concurrently.
type Client struct {
	access *Access
	user   atomic.Pointer[string] // nil: not known

	mu       sync.Mutex
	status   int32 // what was answered last
	exchange Exchange
}

// NewClient returns the client of a new connection.
func (a *Access) NewClient() *Client {
	if a == nil {
		return nil
	}
	return &Client{access: a}
}

// Heard reports whether the server listens to a request of the client. If not it
// gives no answer.
func (c *Client) Heard(task []byte) bool {
	return c == nil || c.access.Optional || c.user.Load() != nil || string(task) == wire.TaskNegotiation
}

// May reports whether the client may use a table that is for users.
func (c *Client) May(users Users) bool {
	if c == nil || !c.access.ACL || users == nil {
		return true
	}
	_, listed := users[c.User()]
	return listed || c.Super()
}

// Super reports whether the client may change tables.
func (c *Client) Super() bool {
	if c == nil || !c.access.ACL {
		return true
	}
	user := c.user.Load()
	if user == nil {
		return false
	}
	_, super := c.access.SuperUsers[*user]
	return super
}

// User returns the name of the client, "" if it is not known.
func (c *Client) User() string {
	if c == nil {
		return ""
	}
	if user := c.user.Load(); user != nil {
		return *user
	}
	return ""
}

// Negotiate answers a message of a client that authenticates. An error ends the
// connection without an answer, as it does at a Pegasus server.
func (c *Client) Negotiate(msg wire.Negotiation) (wire.Negotiation, error) {
	if c == nil {
		return wire.Negotiation{Status: wire.NegotiationAuthDisable}, nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	answer, err := c.negotiateLocked(msg)
	if err != nil {
		c.status, c.exchange = wire.NegotiationAuthFail, nil
		return wire.Negotiation{}, err
	}
	c.status = answer.Status
	return answer, nil
}

func (c *Client) negotiateLocked(msg wire.Negotiation) (wire.Negotiation, error) {
	var answer wire.Negotiation
	want, ok := follows[c.status]
	if !ok || msg.Status != want {
		return answer, fmt.Errorf("negotiation status %d follows %d", msg.Status, c.status)
	}
	switch msg.Status {
	case wire.NegotiationListMechanisms:
		answer = wire.Negotiation{Status: wire.NegotiationMechanisms, Msg: []byte(c.access.Mechanism)}
	case wire.NegotiationSelectMechanism:
		if string(msg.Msg) != c.access.Mechanism {
			return answer, fmt.Errorf("the client wants mechanism %.100q", msg.Msg)
		}
		c.exchange = c.access.Start()
		answer.Status = wire.NegotiationMechanismSelected
	default:
		challenge, done, err := c.exchange.Step(msg.Msg)
		switch {
		case err != nil:
			return answer, err
		case !done:
			return wire.Negotiation{Status: wire.NegotiationChallenge, Msg: challenge}, nil
		}
		user := userOf(c.exchange.Principal())
		if user == "" {
			return answer, errors.New("the client has no name")
		}
		c.exchange = nil
		c.user.Store(&user)
		answer.Status = wire.NegotiationSuccess
	}
	return answer, nil
}

// follows is what a client has to say to an answer; the first message follows
// nothing.
var follows = map[int32]int32{
	0:                                 wire.NegotiationListMechanisms,
	wire.NegotiationMechanisms:        wire.NegotiationSelectMechanism,
	wire.NegotiationMechanismSelected: wire.NegotiationInitiate,
	wire.NegotiationChallenge:         wire.NegotiationResponse,
}
