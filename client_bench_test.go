package pegasus

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/pegasus-go/pegasus/internal/wire"
)

// echoConn is a connection to a server that costs nothing: a write leaves the
// replies to its requests to be read. Benchmarks on it measure the client alone.
type echoConn struct {
	net.Conn
	reply []byte // of a get; the sequence id is patched in
	seqAt int

	in []byte // the beginning of a request

	mu     sync.Mutex
	cond   *sync.Cond
	out    []byte // replies
	read   int    // how much of out was read
	closed bool
}

func newEchoConn() *echoConn {
	source := wire.Source{GPID: wire.GPID{AppID: 1}, Server: []byte("127.0.0.1:34801")}
	return newEchoConnOf(wire.TaskGet, wire.ReadResponse{Value: make([]byte, 100), Source: source})
}

// newEchoConnOf returns a server that answers everything but the query of the
// configuration with the result of one RPC.
func newEchoConnOf(task string, result wire.Message) *echoConn {
	q := wire.Request{Seq: 0x01020304}
	c := &echoConn{reply: wire.AppendReply(nil, &q, task+wire.AckSuffix, result)}
	c.seqAt = 4 + 4 + len("ERR_OK") + 4 + 4 + len(task+wire.AckSuffix)
	c.cond = sync.NewCond(&c.mu)
	return c
}

func (c *echoConn) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	rest := b
	if len(c.in) > 0 {
		rest = append(c.in, b...)
	}
	for len(rest) >= wire.RequestPrefix {
		n, err := wire.RequestSize(rest, 1<<20)
		if err != nil {
			return 0, err
		}
		if n > len(rest) {
			break
		}
		var q wire.Request
		if err := q.Parse(rest[:n]); err != nil {
			return 0, err
		}
		rest = rest[n:]
		if string(q.Task) == wire.TaskQueryConfig {
			c.out = wire.AppendReply(c.out, &q, wire.TaskQueryConfig+wire.AckSuffix, wire.Of(&wire.QueryConfigResponse{
				Err: wire.ErrOK, AppID: 1, PartitionCount: 1, IsStateful: true,
				Partitions: []wire.PartitionConfiguration{{PID: wire.GPID{AppID: 1}, Ballot: 1, Primary: 0x7f00000187290001}},
			}))
			continue
		}
		at := len(c.out)
		c.out = append(c.out, c.reply...)
		binary.BigEndian.PutUint32(c.out[at+c.seqAt:], uint32(q.Seq))
	}
	c.in = append(c.in[:0], rest...)
	c.cond.Signal()
	return len(b), nil
}

func (c *echoConn) Read(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.out) == 0 && !c.closed {
		c.cond.Wait()
	}
	if c.closed {
		return 0, io.EOF
	}
	n := copy(b, c.out[c.read:])
	if c.read += n; c.read == len(c.out) {
		c.out, c.read = c.out[:0], 0
	}
	return n, nil
}

func (c *echoConn) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	c.cond.Broadcast()
	return nil
}

func (c *echoConn) SetDeadline(time.Time) error { return nil }

// BenchmarkGet measures what a Get costs the client, without any network.
func BenchmarkGet(b *testing.B) {
	for _, callers := range []int{1, 64, 1024} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			c := NewClient(Config{
				MetaServers: []string{"127.0.0.1:34601"},
				Dial:        func(context.Context, string, string) (net.Conn, error) { return newEchoConn(), nil },
			})
			defer c.Close()
			ctx := context.Background()
			t, err := c.OpenTable(ctx, "temp")
			if err != nil {
				b.Fatal(err)
			}
			hashKey, sortKey := []byte("user_00000001"), []byte("profile")
			b.ReportAllocs()
			b.ResetTimer()
			var wg sync.WaitGroup
			for g := range callers {
				n := b.N / callers
				if g < b.N%callers {
					n++
				}
				wg.Go(func() {
					for range n {
						if _, err := t.Get(ctx, hashKey, sortKey); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
		})
	}
}
