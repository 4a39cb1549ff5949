package route

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/pegasus-go/pegasus/internal/rpc"
	"github.com/pegasus-go/pegasus/internal/wire"
)

// A wrong address is often that of a server of HTTP or TLS, and neither says so by
// itself: the first waits for the end of a line, the second hangs up.

// lineEnds is the partition hash of a question, which meta servers do not look at:
// two ends of a line. A server of HTTP says at once then that it understands
// nothing.
const lineEnds = 0x0d0a0d0a0d0a0d0a

// helloTimeout bounds the wait for what a server says to a broken greeting.
const helloTimeout = time.Second

// brokenHello is a TLS handshake record with a greeting that is all zeros and too
// short. It is long enough for the header of a Pegasus request, which it is not.
var brokenHello = append([]byte{0x16, 3, 1, 0, 24, 1, 0, 0, 20}, make([]byte, 20)...)

// speaksTLS reports whether the server at addr does: it answers a broken greeting
// with an alert. Others see a stranger, and hang up.
func speaksTLS(ctx context.Context, pool *rpc.Pool, addr string) bool {
	const alert, version = 0x15, 3
	ctx, cancel := context.WithTimeout(ctx, helloTimeout)
	defer cancel()
	nc, err := pool.Dial(ctx, addr)
	if err != nil {
		return false
	}
	defer nc.Close()
	defer context.AfterFunc(ctx, func() { nc.Close() })()
	if _, err := nc.Write(brokenHello); err != nil {
		return false
	}
	var head [2]byte
	_, err = io.ReadFull(nc, head[:])
	return err == nil && head == [2]byte{alert, version}
}

// hungUp reports whether err is that of a call whose server broke the connection.
func hungUp(err error) bool {
	var re *rpc.Error
	if !errors.As(err, &re) || !re.Sent {
		return false
	}
	for _, other := range []error{wire.ErrMalformed, wire.ErrReplyTooLarge, rpc.ErrStalled, rpc.ErrClosed, rpc.ErrAuth} {
		if errors.Is(err, other) {
			return false
		}
	}
	return true
}
