package rpc

import (
	"context"
	"net"
)

// What a pool has for those who do something beside its nodes.

// Context returns a context that ends with Close, with the cause ErrClosed. What
// Close is not to wait for, as it does for Go, ends with that.
func (p *Pool) Context() context.Context { return p.ctx }

// Dial opens a connection that is the caller's, to whatever is at addr.
func (p *Pool) Dial(ctx context.Context, addr string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, p.opts.DialTimeout)
	defer cancel()
	return p.opts.Dial(ctx, "tcp", addr)
}
