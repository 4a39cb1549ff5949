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
	out, received, err := c.remoteCommand(ctx, node, command, args)
	if err == nil {
		return out, nil
	}
	e := &Error{Op: op, Server: node, Err: rpc.WithoutAddr(err)}
	if received {
		e.Err = fmt.Errorf("%w: %w", ErrInDoubt, e.Err)
	}
	return "", e
}

// remoteCommand sends a command. With an error it returns whether the server may have
// received it without refusing it.
func (c *Client) remoteCommand(ctx context.Context, node, command string, args []string) (out string, received bool, err error) {
	arg := wire.Command{Cmd: command, Arguments: args}
	received, err = c.askNode(ctx, node, wire.TaskRemoteCommand, wire.Of(&arg), wire.TypeString, func(r *wire.Reader) {
		out = string(r.Blob())
	})
	return out, received, err
}

// askNode sends a request to one server, once, and has decode read the result, which has
// the type code typ. With an error it returns whether the server may have received the
// request without refusing it.
func (c *Client) askNode(ctx context.Context, node, task string, arg wire.Message, typ byte, decode func(*wire.Reader)) (received bool, err error) {
	if ctx.Err() != nil {
		return false, rpc.ContextError(ctx)
	}
	conn, err := c.pool.Node(node).Conn(ctx)
	if err != nil {
		return false, err
	}
	deadline, _ := ctx.Deadline()
	h := wire.RequestHeader{TimeoutMs: rpc.TimeoutMs(time.Until(deadline))}
	reply, err := rpc.Send(ctx, conn, time.Time{}, h, task, &arg)
	if err != nil {
		var re *rpc.Error
		return errors.As(err, &re) && re.Sent, err
	}
	switch code := reply.Err; {
	case !reply.Answers(task):
		return true, fmt.Errorf("%w: answer %q to %s", wire.ErrMalformed, reply.Task, task)
	case code == wire.ErrHandlerNotFound, code == wire.ErrACLDeny, code == wire.ErrUnauthenticated:
		return false, code
	case code != wire.ErrOK:
		return true, code
	}
	r := reply.ResultReader(typ)
	decode(&r)
	if err := r.Err(); err != nil {
		conn.Fail(err)
		return true, err
	}
	return false, nil
}
