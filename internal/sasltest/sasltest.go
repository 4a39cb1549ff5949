// Package sasltest is a mechanism of SASL for tests: a password that goes over the
// network as it is, a greeting of the server, and thanks for it.
package sasltest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"

	"github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/onebox"
)

// Name is the name of the mechanism.
const Name = "X-TEST"

// Client is the client's side.
type Client struct {
	Principal, Password string
	// Name replaces that of the mechanism.
	Name string
	// Begin, if not nil, is called for each connection, which fails with its error.
	Begin func(ctx context.Context, server string) error

	starts atomic.Int64
}

// Starts returns how many connections were begun with.
func (c *Client) Starts() int64 { return c.starts.Load() }

// Mechanism implements pegasus.Authenticator.
func (c *Client) Mechanism() string {
	if c.Name != "" {
		return c.Name
	}
	return Name
}

// Start implements pegasus.Authenticator.
func (c *Client) Start(ctx context.Context, server string) (pegasus.AuthExchange, error) {
	c.starts.Add(1)
	if c.Begin != nil {
		if err := c.Begin(ctx, server); err != nil {
			return nil, err
		}
	}
	return &clientExchange{c: c}, nil
}

type clientExchange struct {
	c       *Client
	step    int
	greeted bool
}

func (x *clientExchange) Step(_ context.Context, challenge []byte) ([]byte, error) {
	x.step++
	switch x.step {
	case 1:
		return []byte(x.c.Principal + "\x00" + x.c.Password), nil
	case 2:
		if x.greeted = string(challenge) == "welcome "+x.c.Principal; x.greeted {
			return []byte("thanks"), nil
		}
	}
	return nil, fmt.Errorf("sasltest: strange challenge %q", challenge)
}

func (x *clientExchange) Done() bool { return x.greeted }

// Acceptor is the server's side.
type Acceptor struct {
	Passwords map[string]string // by principal
	// Hasty believes a password without a greeting.
	Hasty bool
}

// Mechanism implements onebox.Acceptor.
func (a *Acceptor) Mechanism() string { return Name }

// Accept implements onebox.Acceptor.
func (a *Acceptor) Accept() onebox.AcceptorExchange { return &acceptorExchange{a: a} }

type acceptorExchange struct {
	a         *Acceptor
	principal string
	greeted   bool
}

func (x *acceptorExchange) Step(message []byte) (challenge []byte, done bool, err error) {
	if x.greeted {
		if string(message) != "thanks" {
			return nil, false, errors.New("sasltest: no thanks")
		}
		return nil, true, nil
	}
	principal, password, _ := strings.Cut(string(message), "\x00")
	if want, ok := x.a.Passwords[principal]; !ok || password != want {
		return nil, false, fmt.Errorf("sasltest: wrong password of %q", principal)
	}
	x.principal, x.greeted = principal, true
	return []byte("welcome " + principal), x.a.Hasty, nil
}

func (x *acceptorExchange) Principal() string { return x.principal }
