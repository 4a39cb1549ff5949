package rpc

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"
)

func TestContextOfAPool(t *testing.T) {
	p := NewPool(PoolOptions{})
	if err := p.Context().Err(); err != nil {
		t.Error(err)
	}
	p.Close()
	if err := context.Cause(p.Context()); err != ErrClosed {
		t.Errorf("after Close: %v", err)
	}
}

func TestDialOutsideOfAPool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPool(PoolOptions{DialTimeout: time.Minute, Dial: func(ctx context.Context, _, addr string) (net.Conn, error) {
			if addr != "a:1" {
				t.Errorf("dialed %s", addr)
			}
			<-ctx.Done()
			return nil, ctx.Err()
		}})
		defer p.Close()
		start := time.Now()
		_, err := p.Dial(t.Context(), "a:1")
		if d := time.Since(start); !errors.Is(err, context.DeadlineExceeded) || d != time.Minute {
			t.Errorf("after %v: %v", d, err)
		}
	})
}

func TestWithoutAddr(t *testing.T) {
	refused := &net.OpError{Op: "dial", Net: "tcp", Addr: &net.TCPAddr{IP: net.IPv4(10, 0, 0, 1), Port: 1}, Err: io.ErrClosedPipe}
	for _, tc := range []struct {
		err  error
		text string
	}{
		{io.EOF, "EOF"},
		{&Error{Addr: "10.0.0.1:1", Err: ErrStalled}, ErrStalled.Error()},
		{&Error{Addr: "10.0.0.1:1", Err: refused}, "io: read/write on closed pipe"},
		{&net.DNSError{Err: "no such host", Name: "meta"}, "no such host"},
		{&net.DNSError{Err: "server misbehaving", Name: "meta", Server: "10.0.0.53:53"}, "10.0.0.53:53 says server misbehaving"},
	} {
		err := WithoutAddr(tc.err)
		if err.Error() != tc.text || !errors.Is(err, tc.err) {
			t.Errorf("%v, want %s", err, tc.text)
		}
	}
}
