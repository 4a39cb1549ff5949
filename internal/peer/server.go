// Package peer is the other end of the client in tests: servers that speak the
// Pegasus protocol and say whatever the test wants them to say.
//
// A [Server] hands each request to a [Handler]. A [Cluster] is a meta server
// and replica servers on a network in memory, with a table whose partitions
// the test assigns; the test scripts the answers to each RPC.
package peer

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"sync"
	"testing"

	"github.com/pegasus-go/pegasus/internal/wire"
)

// Handler answers a request, or does not. It is called by the goroutine of the
// request's connection; the request may also be answered later, from any
// goroutine, and any number of times.
type Handler func(*Request)

// Request is a request that a server has received.
type Request struct {
	wire.Request
	// Server is the address of the server.
	Server string

	nc net.Conn
	mu *sync.Mutex // held while writing to nc
}

// Name returns the task code.
func (r *Request) Name() string { return string(r.Task) }

// Arg decodes the argument.
func Arg[T any, P interface {
	*T
	Read(*wire.Reader)
}](r *Request) T {
	var v T
	arg := r.Arg
	P(&v).Read(&arg)
	return v
}

// Reply answers with a result.
func (r *Request) Reply(result wire.Message) { r.Send(r.Frame(result)) }

// Frame returns the bytes that Reply sends.
func (r *Request) Frame(result wire.Message) []byte {
	return wire.AppendReply(nil, &r.Request, r.Name()+wire.AckSuffix, result)
}

// Fail answers with an error of the cluster.
func (r *Request) Fail(code wire.ErrorCode) {
	r.Send(wire.AppendErrorReply(nil, &r.Request, r.Name()+wire.AckSuffix, code))
}

// Send writes raw bytes to the connection.
func (r *Request) Send(b []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.nc.Write(b) // the client may have gone; that is its right
}

// Hangup closes the connection.
func (r *Request) Hangup() { r.nc.Close() }

// Code returns a handler that answers with an error of the cluster.
func Code(code wire.ErrorCode) Handler { return func(r *Request) { r.Fail(code) } }

// Result returns a handler that answers with a result.
func Result(m wire.Message) Handler { return func(r *Request) { r.Reply(m) } }

// Hangup is a handler that closes the connection.
func Hangup(r *Request) { r.Hangup() }

// Silence is a handler that never answers.
func Silence(*Request) {}

// Each returns a handler that leaves the first request to the first of
// handlers, and so on; the last one has all further requests.
func Each(handlers ...Handler) Handler {
	var mu sync.Mutex
	return func(r *Request) {
		mu.Lock()
		h := handlers[0]
		if len(handlers) > 1 {
			handlers = handlers[1:]
		}
		mu.Unlock()
		h(r)
	}
}

// Server is a server of scripted answers.
type Server struct {
	addr   string
	listen func(addr string) (net.Listener, error)
	handle Handler

	mu       sync.Mutex
	listener net.Listener // nil while stopped
	conns    map[net.Conn]struct{}
	accepted int
	wg       sync.WaitGroup
}

// Serve starts a server at addr, which listen announces. It is stopped when
// the test ends.
func Serve(t testing.TB, listen func(addr string) (net.Listener, error), addr string, handle Handler) *Server {
	t.Helper()
	s := &Server{addr: addr, listen: listen, handle: handle, conns: make(map[net.Conn]struct{})}
	s.Start(t)
	t.Cleanup(s.Stop)
	return s
}

// ListenTCP announces on a real socket; addr may have the port 0.
func ListenTCP(addr string) (net.Listener, error) { return net.Listen("tcp", addr) }

// Addr returns the address, "host:port".
func (s *Server) Addr() string { return s.addr }

// Start makes a stopped server listen again, on the same address.
func (s *Server) Start(t testing.TB) {
	t.Helper()
	l, err := s.listen(s.addr)
	if err != nil {
		t.Fatal(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.listener = l
	s.addr = l.Addr().String()
	s.wg.Go(func() { s.accept(l) })
}

// Stop closes the listener and all connections, and waits for all goroutines.
func (s *Server) Stop() {
	s.mu.Lock()
	if s.listener != nil {
		s.listener.Close()
		s.listener = nil
	}
	for nc := range s.conns {
		nc.Close()
	}
	s.mu.Unlock()
	s.wg.Wait()
}

// Disconnect closes all connections.
func (s *Server) Disconnect() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for nc := range s.conns {
		nc.Close()
	}
}

// Accepted returns the number of connections that were ever accepted.
func (s *Server) Accepted() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.accepted
}

func (s *Server) accept(l net.Listener) {
	for {
		nc, err := l.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		if s.listener != l {
			nc.Close()
		}
		s.conns[nc] = struct{}{}
		s.accepted++
		s.wg.Go(func() { s.serve(nc) })
		s.mu.Unlock()
	}
}

func (s *Server) serve(nc net.Conn) {
	defer func() {
		nc.Close()
		s.mu.Lock()
		delete(s.conns, nc)
		s.mu.Unlock()
	}()
	var mu sync.Mutex
	for {
		frame, err := readRequest(nc)
		if err != nil {
			return
		}
		r := &Request{Server: s.addr, nc: nc, mu: &mu}
		if err := r.Parse(frame); err != nil {
			return
		}
		s.handle(r)
	}
}

func readRequest(r io.Reader) ([]byte, error) {
	frame := make([]byte, wire.RequestPrefix)
	if _, err := io.ReadFull(r, frame); err != nil {
		return nil, err
	}
	size, err := wire.RequestSize(frame, 64<<20)
	if err != nil {
		return nil, err
	}
	frame = append(frame, make([]byte, size-len(frame))...)
	_, err = io.ReadFull(r, frame[wire.RequestPrefix:])
	return frame, err
}

// WithSeq returns a reply frame with another sequence id.
func WithSeq(frame []byte, seq int32) []byte {
	var rep wire.Reply
	if err := rep.Parse(frame[wire.ReplyPrefix:]); err != nil {
		panic(err)
	}
	frame = bytes.Clone(frame)
	// The id is right in front of the result.
	binary.BigEndian.PutUint32(frame[len(frame)-len(rep.Result)-4:], uint32(seq))
	return frame
}
