package admin

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/pegasus-go/pegasus/internal/argument"
	"github.com/pegasus-go/pegasus/internal/rpc"
	"github.com/pegasus-go/pegasus/internal/wire"
)

// RemoteCommand has a server, meta or replica, carry out a command such as
// "server-info" or "help", and returns the text that it prints. node is
// "host:port". What a server does not know it answers with a text that says so,
// not with an error.
func (c *Client) RemoteCommand(ctx context.Context, node, command string, args ...string) (string, error) {
	const op = "RemoteCommand"
	if err := argument.Address("node", node); err != nil {
		return "", refuse(op, "", err)
	}
	if command == "" {
		return "", refuse(op, "", argumentError("command", "must not be empty"))
	}
	ctx, cancel := c.limit(ctx)
	defer cancel()
	e := &Error{Op: op, Server: node}
	if ctx.Err() != nil {
		e.Err = rpc.ContextError(ctx)
		return "", e
	}
	out, received, err := c.remoteCommand(ctx, node, wire.Command{Cmd: command, Arguments: args})
	if err == nil {
		return out, nil
	}
	if e.Err = rpc.WithoutAddr(err); received {
		e.Err = fmt.Errorf("%w: %w", ErrInDoubt, e.Err)
	}
	return "", e
}

// remoteCommand sends a command. With an error it returns whether the server may have
// received it without refusing it.
func (c *Client) remoteCommand(ctx context.Context, node string, command wire.Command) (out string, received bool, err error) {
	conn, err := c.pool.Node(node).Conn(ctx)
	if err != nil {
		return "", false, err
	}
	deadline, _ := ctx.Deadline()
	h := wire.RequestHeader{TimeoutMs: rpc.TimeoutMs(time.Until(deadline))}
	arg := wire.Of(&command)
	reply, err := rpc.Send(ctx, conn, time.Time{}, h, wire.TaskRemoteCommand, &arg)
	if err != nil {
		var re *rpc.Error
		return "", errors.As(err, &re) && re.Sent, err
	}
	switch code := reply.Err; {
	case !reply.Answers(wire.TaskRemoteCommand):
		return "", true, fmt.Errorf("%w: answer %q to %s", wire.ErrMalformed, reply.Task, wire.TaskRemoteCommand)
	case code == wire.ErrHandlerNotFound, code == wire.ErrACLDeny, code == wire.ErrUnauthenticated:
		return "", false, code
	case code != wire.ErrOK:
		return "", true, code
	}
	r := reply.ResultReader(wire.TypeString)
	out = string(r.Blob())
	if err := r.Err(); err != nil {
		conn.Fail(err)
		return "", true, err
	}
	return out, false, nil
}
