package rpc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/pegasus-go/pegasus/internal/wire"
)

// Auth is how connections are authenticated, by a mechanism of SASL.
type Auth struct {
	// Mechanism is the name of the mechanism.
	Mechanism string
	// Start begins to authenticate a connection to a server, "host:port", that offers
	// the mechanism.
	Start func(ctx context.Context, server string) (Exchange, error)
	// Optional goes on without authentication where a server knows none.
	Optional bool
}

// NewAuth returns how to authenticate with a mechanism, whose exchanges may be of an
// interface type of their own.
func NewAuth[E Exchange](mechanism string, start func(ctx context.Context, server string) (E, error), optional bool) *Auth {
	return &Auth{Mechanism: mechanism, Optional: optional, Start: func(ctx context.Context, server string) (Exchange, error) {
		return start(ctx, server)
	}}
}

// Exchange is the client's side of a mechanism on one connection.
type Exchange interface {
	// Step returns the answer to a challenge. The first one is nil.
	Step(ctx context.Context, challenge []byte) ([]byte, error)
	// Done reports whether the server has shown all that the mechanism asks of it.
	Done() bool
}

var (
	// ErrAuth is the error of all failures to authenticate, and those below.
	ErrAuth = errors.New("authentication failed")
	// ErrAuthRequired is the error of a server that does not listen to those who have not
	// authenticated, when there is no Auth.
	ErrAuthRequired error = &authError{"the server demands authentication, and the client has none"}
	// ErrAuthUnsupported is the error of a server that does not know the mechanism, or no
	// authentication at all.
	ErrAuthUnsupported error = &authError{"the server does not offer the authentication that the client is configured for"}
	// ErrAuthRefused is the error of a server that does not accept what the client has shown.
	ErrAuthRefused error = &authError{"the server refuses the client's credentials"}
)

type authError struct{ text string }

func (e *authError) Error() string        { return e.text }
func (e *authError) Is(target error) bool { return target == ErrAuth }

const (
	// maxNegotiation is the size of the largest message of a server, in bytes. A
	// ticket of Kerberos has 64 KiB at most.
	maxNegotiation = 256 << 10
	// maxSteps is the number of challenges that are answered. GSSAPI has two.
	maxSteps = 32
)

// Permanent reports whether err is of an authentication, and another try with the
// same server and the same credentials ends likewise. What the network does to the
// connection, or to those whom a mechanism asks, may pass.
func Permanent(err error) bool {
	var m *mayPass
	return errors.Is(err, ErrAuth) && !errors.As(err, &m)
}

// mayPass is a failure to authenticate that is worth another try. It is not the end of
// the time of a call, even if it is that of a connection.
type mayPass struct{ cause error }

func (m *mayPass) Error() string { return m.cause.Error() }

func (m *mayPass) Is(target error) bool {
	return target != context.DeadlineExceeded && target != context.Canceled && errors.Is(m.cause, target)
}

func (m *mayPass) As(target any) bool { return errors.As(m.cause, target) }

// negotiation is the authentication of one connection.
type negotiation struct {
	*Auth
	nc   net.Conn
	addr string
	buf  []byte
	seq  int32
}

// negotiate authenticates a connection before anything else is sent on it, until
// ctx ends. Errors are ErrAuth, or ErrStalled.
func (a *Auth) negotiate(ctx context.Context, nc net.Conn, addr string) error {
	stop := context.AfterFunc(ctx, func() { _ = nc.SetDeadline(time.Unix(1, 0)) })
	n := &negotiation{Auth: a, nc: nc, addr: addr}
	err := n.run(ctx)
	if !stop() && err == nil {
		err = ctx.Err() // the deadline of the connection is set, or about to be
	}
	return err
}

func (n *negotiation) run(ctx context.Context) error {
	answer, err := n.send(ctx, wire.NegotiationListMechanisms, nil)
	switch {
	case err != nil:
		return err
	case answer.Status == wire.NegotiationAuthDisable && n.Optional:
		return nil
	case answer.Status == wire.NegotiationAuthDisable:
		return fmt.Errorf("%w: it has authentication disabled", ErrAuthUnsupported)
	}
	if err := expect(answer, wire.NegotiationMechanisms); err != nil {
		return err
	}
	if offered := string(answer.Msg); !slices.Contains(strings.Split(offered, ","), n.Mechanism) {
		return fmt.Errorf("%w: it offers %.100q, not %q", ErrAuthUnsupported, offered, n.Mechanism)
	}
	if answer, err = n.send(ctx, wire.NegotiationSelectMechanism, []byte(n.Mechanism)); err != nil {
		return err
	}
	if err := expect(answer, wire.NegotiationMechanismSelected); err != nil {
		return err
	}
	exchange, err := n.Start(ctx, n.addr)
	if err != nil {
		return n.failed(ctx, err)
	}
	status, challenge := int32(wire.NegotiationInitiate), []byte(nil)
	for range maxSteps {
		response, err := exchange.Step(ctx, challenge)
		if err != nil {
			return n.failed(ctx, err)
		}
		if answer, err = n.send(ctx, status, response); err != nil {
			if Broke(err) {
				return fmt.Errorf("%w, or has just ended: it has closed the connection (%w)", ErrAuthRefused, errors.Unwrap(err))
			}
			return err
		}
		if answer.Status == wire.NegotiationSuccess {
			if !exchange.Done() {
				return fmt.Errorf("%w: the server says so before it has shown who it is", ErrAuth)
			}
			return nil
		}
		if err := expect(answer, wire.NegotiationChallenge); err != nil {
			return err
		}
		status, challenge = wire.NegotiationResponse, append([]byte{}, answer.Msg...) // not nil, which is the beginning
	}
	return fmt.Errorf("%w: the server does not come to an end", ErrAuth)
}

// failed is the error of the mechanism.
func (n *negotiation) failed(ctx context.Context, err error) error {
	switch {
	case ctx.Err() != nil:
		err = &mayPass{fmt.Errorf("not done within the time for a connection: %w", err)}
	case ofNetwork(err):
		err = &mayPass{err}
	}
	return fmt.Errorf("%w: %s: %w", ErrAuth, n.Mechanism, err)
}

// ofNetwork reports whether somebody whom a mechanism has asked could not be reached. That a
// file is not there, which is a net.Error, too, does not count.
func ofNetwork(err error) bool {
	var op *net.OpError
	var dns *net.DNSError
	var ne net.Error
	return errors.As(err, &op) || errors.As(err, &dns) || errors.As(err, &ne) && ne.Timeout() || errors.Is(err, context.Canceled)
}

// expect makes sure that an answer is of the status that has to come next.
func expect(answer wire.Negotiation, status int32) error {
	switch answer.Status {
	case status:
		return nil
	case wire.NegotiationAuthFail:
		return ErrAuthRefused
	}
	return fmt.Errorf("%w: %w: negotiation status %d instead of %d", ErrAuth, wire.ErrMalformed, answer.Status, status)
}

// send sends a message and returns the answer to it.
func (n *negotiation) send(ctx context.Context, status int32, msg []byte) (wire.Negotiation, error) {
	n.seq++
	n.buf = wire.AppendRequest(n.buf[:0], wire.RequestHeader{TimeoutMs: negotiationTimeoutMs(ctx)}, wire.TaskNegotiation, n.seq,
		wire.Of(&wire.Negotiation{Status: status, Msg: msg}))
	if _, err := n.nc.Write(n.buf); err != nil {
		return wire.Negotiation{}, n.broken(ctx, err)
	}
	reply, err := n.read(ctx)
	if err != nil {
		return wire.Negotiation{}, err
	}
	switch {
	case reply.Seq != n.seq || !reply.Answers(wire.TaskNegotiation):
		return wire.Negotiation{}, fmt.Errorf("%w: %w: answer %.100q to %s", ErrAuth, wire.ErrMalformed, reply.Task, wire.TaskNegotiation)
	case reply.Err == wire.ErrHandlerNotFound:
		// A server that is older than authentication.
		return wire.Negotiation{Status: wire.NegotiationAuthDisable}, nil
	case reply.Err != wire.ErrOK:
		return wire.Negotiation{}, fmt.Errorf("%w: %w", ErrAuthRefused, reply.Err)
	}
	return negotiationIn(&reply)
}

// negotiationIn decodes an answer.
func negotiationIn(reply *wire.Reply) (wire.Negotiation, error) {
	var answer wire.Negotiation
	r := reply.ResultReader(wire.TypeStruct)
	wire.Of(&answer).Read(&r)
	if err := r.Err(); err != nil {
		return wire.Negotiation{}, fmt.Errorf("%w: %w", ErrAuth, err)
	}
	return answer, nil
}

// read reads one reply. It reads nothing behind it.
func (n *negotiation) read(ctx context.Context) (reply wire.Reply, err error) {
	var head [wire.ReplyPrefix]byte
	if _, err := io.ReadFull(n.nc, head[:]); err != nil {
		return reply, n.broken(ctx, err)
	}
	size, err := wire.ReplySize(head[:], maxNegotiation)
	if err != nil {
		return reply, fmt.Errorf("%w: %w", ErrAuth, err)
	}
	frame := make([]byte, size-wire.ReplyPrefix)
	if _, err := io.ReadFull(n.nc, frame); err != nil {
		return reply, n.broken(ctx, err)
	}
	if err := reply.Parse(frame); err != nil {
		return reply, fmt.Errorf("%w: %w", ErrAuth, err)
	}
	return reply, nil
}

// broken is the error of the network.
func (n *negotiation) broken(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("%w: %s", ErrStalled, wire.TaskNegotiation)
	}
	return &brokeOff{&mayPass{brokenOff(err)}}
}

// brokeOff is a server that has closed the connection instead of giving an answer.
type brokeOff struct{ cause error }

func (b *brokeOff) Error() string {
	return fmt.Sprintf("%v: the server has closed the connection (%v)", ErrAuth, b.cause)
}
func (b *brokeOff) Is(target error) bool { return target == ErrAuth }
func (b *brokeOff) Unwrap() error        { return b.cause }

// Broke reports whether a connection could not be made because the server has closed it
// instead of giving an answer to a negotiation, before it has heard from the mechanism.
func Broke(err error) bool {
	var b *brokeOff
	return errors.As(err, &b)
}

// negotiationTimeoutMs is how long the client waits.
func negotiationTimeoutMs(ctx context.Context) int32 {
	deadline, ok := ctx.Deadline()
	if !ok {
		return 0
	}
	return TimeoutMs(time.Until(deadline))
}
