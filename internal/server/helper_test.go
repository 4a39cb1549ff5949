package server

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pegasus-go/pegasus/internal/schema"
	"github.com/pegasus-go/pegasus/internal/storage"
	"github.com/pegasus-go/pegasus/internal/wire"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// testClock is a clock that tests advance.
type testClock struct{ ns atomic.Int64 }

func newTestClock() *testClock {
	c := new(testClock)
	c.ns.Store(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).UnixNano())
	return c
}

func (c *testClock) now() time.Time          { return time.Unix(0, c.ns.Load()) }
func (c *testClock) advance(d time.Duration) { c.ns.Add(int64(d)) }

// startOn starts a server over db that the test closes.
func startOn(t testing.TB, db *storage.DB, opts Options) *Server {
	t.Helper()
	if opts.MetaAddrs == nil {
		opts.MetaAddrs = []string{"127.0.0.1:0"}
	}
	if opts.ReplicaAddrs == nil {
		opts.ReplicaAddrs = []string{"127.0.0.1:0"}
	}
	s, err := New(db, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func openStore(t testing.TB, opts storage.Options) *storage.DB {
	t.Helper()
	db, err := storage.Open(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

// testTable is a table that start makes, with id 1 and 4 partitions.
const (
	testTable      = "t"
	testPartitions = 4
)

// start starts a server in memory with testTable.
func start(t testing.TB, opts Options) *Server {
	t.Helper()
	s := startOn(t, openStore(t, storage.Options{Clock: opts.Clock}), opts)
	ensure(t, s, testTable, testPartitions)
	return s
}

func ensure(t testing.TB, s *Server, name string, partitions int) {
	t.Helper()
	if err := s.EnsureTable(TableSpec{Name: name, Partitions: partitions, ReplicaCount: 3}); err != nil {
		t.Fatal(err)
	}
}

// replicas returns the addresses for n replica servers.
func replicas(n int) []string {
	addrs := make([]string, n)
	for i := range addrs {
		addrs[i] = "127.0.0.1:0"
	}
	return addrs
}

// patience bounds how long a test waits for what must come.
const patience = 20 * time.Second

// client is one connection to a node.
type client struct {
	t   testing.TB
	nc  net.Conn
	seq int32
}

func dial(t testing.TB, n *Node) *client {
	t.Helper()
	nc, err := net.DialTimeout("tcp", n.Addr(), patience)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	return &client{t: t, nc: nc}
}

func (c *client) write(b []byte) {
	c.t.Helper()
	_ = c.nc.SetWriteDeadline(time.Now().Add(patience))
	if _, err := c.nc.Write(b); err != nil {
		c.t.Fatal(err)
	}
}

// answer is a reply with its sequence id and result.
type answer struct {
	seq    int32
	task   string
	err    wire.ErrorCode
	result wire.Reply
}

// next returns the next answer, or an error if the connection ended.
func (c *client) next() (answer, error) {
	_ = c.nc.SetReadDeadline(time.Now().Add(patience))
	prefix := make([]byte, 4)
	if _, err := io.ReadFull(c.nc, prefix); err != nil {
		return answer{}, err
	}
	frame := make([]byte, binary.BigEndian.Uint32(prefix)-4)
	if _, err := io.ReadFull(c.nc, frame); err != nil {
		return answer{}, err
	}
	var rep wire.Reply
	if err := rep.Parse(frame); err != nil {
		return answer{}, err
	}
	return answer{rep.Seq, string(rep.Task), rep.Err, rep}, nil
}

func (c *client) mustNext() answer {
	c.t.Helper()
	a, err := c.next()
	if err != nil {
		c.t.Fatal(err)
	}
	return a
}

// ended waits for the server to close the connection.
func (c *client) ended() {
	c.t.Helper()
	if a, err := c.next(); err == nil {
		c.t.Fatalf("answer %s %s, want the connection closed", a.task, a.err)
	} else if ne := net.Error(nil); errors.As(err, &ne) && ne.Timeout() {
		c.t.Fatal("the connection stays open")
	}
}

// send sends a request and returns its sequence id.
func send[M wire.Message](c *client, h wire.RequestHeader, task string, arg M) int32 {
	c.t.Helper()
	c.seq++
	c.write(wire.AppendRequest(nil, h, task, c.seq, arg))
	return c.seq
}

// do sends a request and decodes its answer with read, unless the answer is
// an error, which it returns.
func do[M wire.Message](c *client, h wire.RequestHeader, task string, arg M, read func(*wire.Reader)) wire.ErrorCode {
	c.t.Helper()
	seq := send(c, h, task, arg)
	a := c.mustNext()
	if a.seq != seq || a.task != task+wire.AckSuffix {
		c.t.Fatalf("answer %s of request %d, want %s of %d", a.task, a.seq, task+wire.AckSuffix, seq)
	}
	if a.err != wire.ErrOK {
		return a.err
	}
	a.decode(c.t, read)
	return wire.ErrOK
}

func (a answer) decode(t testing.TB, read func(*wire.Reader)) {
	t.Helper()
	typ := wire.TypeStruct
	if len(a.result.Result) > 0 && a.result.Result[0] == wire.TypeString {
		typ = wire.TypeString
	}
	r := a.result.ResultReader(typ)
	read(&r)
	if r.Err() != nil {
		t.Fatal(r.Err())
	}
}

// ask calls an RPC of a meta server.
func ask[Req, Resp any](c *client, task string, req Req) Resp {
	c.t.Helper()
	var resp Resp
	if code := do(c, wire.RequestHeader{}, task, wire.Of(&req), wire.Of(&resp).Read); code != wire.ErrOK {
		c.t.Fatalf("%s: %v", task, code)
	}
	return resp
}

// at returns the header of a request to a partition of testTable.
func at(partition int) wire.RequestHeader {
	return wire.RequestHeader{GPID: wire.GPID{AppID: 1, PartitionIndex: int32(partition)}, TimeoutMs: 10000}
}

// home returns the header of a request about a hash key of a table with
// testPartitions partitions.
func home(hashKey string) wire.RequestHeader { return homeOf(hashKey, testPartitions) }

func homeOf(hashKey string, partitions int) wire.RequestHeader {
	hash := schema.PartitionHash([]byte(hashKey), nil)
	h := at(int(hash % uint64(partitions)))
	h.PartitionHash = hash
	h.ThreadHash = h.GPID.ThreadHash()
	return h
}

func key(hashKey, sortKey string) wire.Key {
	return wire.Key{HashKey: []byte(hashKey), SortKey: []byte(sortKey)}
}

// put stores a record with a hash key and an empty sort key, where it belongs.
func (c *client) put(hashKey, value string) (wire.UpdateResponse, wire.ErrorCode) {
	c.t.Helper()
	return c.putAt(home(hashKey), hashKey, value, 0)
}

func (c *client) putAt(h wire.RequestHeader, hashKey, value string, expireTS int32) (wire.UpdateResponse, wire.ErrorCode) {
	c.t.Helper()
	var resp wire.UpdateResponse
	code := do(c, h, wire.TaskPut, wire.UpdateRequest{Key: key(hashKey, ""), Value: []byte(value), ExpireTS: expireTS}, resp.Read)
	return resp, code
}

func (c *client) mustPut(hashKey, value string) {
	c.t.Helper()
	if resp, code := c.put(hashKey, value); code != wire.ErrOK || resp.Error != 0 {
		c.t.Fatalf("put %s: %v, status %d", hashKey, code, resp.Error)
	}
}

func (c *client) get(hashKey string) (wire.ReadResponse, wire.ErrorCode) {
	c.t.Helper()
	return c.getAt(home(hashKey), hashKey)
}

func (c *client) getAt(h wire.RequestHeader, hashKey string) (wire.ReadResponse, wire.ErrorCode) {
	c.t.Helper()
	var resp wire.ReadResponse
	code := do(c, h, wire.TaskGet, key(hashKey, ""), resp.Read)
	return resp, code
}

// wantValue checks a record.
func (c *client) wantValue(hashKey, value string) {
	c.t.Helper()
	if resp, code := c.get(hashKey); code != wire.ErrOK || resp.Error != 0 || string(resp.Value) != value {
		c.t.Fatalf("get %s: %v, status %d, value %q; want %q", hashKey, code, resp.Error, resp.Value, value)
	}
}

// panicLogger returns a logger that panics when a panic of a handler is logged,
// which the server otherwise survives.
func panicLogger() *slog.Logger { return slog.New(panicHandler{}) }

type panicHandler struct{}

func (panicHandler) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelError }
func (h panicHandler) WithAttrs([]slog.Attr) slog.Handler         { return h }
func (h panicHandler) WithGroup(string) slog.Handler              { return h }

func (panicHandler) Handle(_ context.Context, r slog.Record) error {
	if r.Message == "handler panicked" {
		var text strings.Builder
		r.Attrs(func(a slog.Attr) bool {
			fmt.Fprintf(&text, "%s: %v\n", a.Key, a.Value)
			return true
		})
		panic(text.String())
	}
	return nil
}
