package conformance

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// maxFrame bounds what is read for one response: a batch of the largest records a server returns stays well below.
const maxFrame = 256 << 20

// defaultCallTimeout bounds a call whose context has no deadline.
const defaultCallTimeout = 30 * time.Second

// Peer is one connection to a server process that does one call at a time. It is safe for concurrent use; calls wait
// for each other. After an error the connection is unusable.
type Peer struct {
	framing Framing
	mu      sync.Mutex
	nc      net.Conn
	lastID  uint64
}

// Dial connects to a server process at a TCP address. All requests use the given framing: a server takes it from the
// first bytes of a connection.
func Dial(ctx context.Context, addr string, framing Framing) (*Peer, error) {
	var d net.Dialer
	nc, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	return &Peer{framing: framing, nc: nc}, nil
}

// Close closes the connection; a call in flight fails.
func (p *Peer) Close() error { return p.nc.Close() }

// Call sends q and returns the response to it. The framing and the id of q are set by the call. A context without a
// deadline is given 30 seconds.
func (p *Peer) Call(ctx context.Context, q *Request) (*Response, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	release, err := p.arm(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	if err := p.send(q); err != nil {
		return nil, err
	}
	frame, err := readResponseFrame(p.nc, p.framing)
	if err != nil {
		return nil, fmt.Errorf("%s: waiting for the response: %w", q.Code, err)
	}
	r, err := DecodeResponse(frame)
	if err != nil {
		return nil, fmt.Errorf("%s: response %s: %w", q.Code, abbreviated(frame), err)
	}
	if r.ID != q.ID || r.Code != q.Code {
		return nil, fmt.Errorf("%s, id %d: answered by %s_ACK, id %d", q.Code, q.ID, r.Code, r.ID)
	}
	return r, nil
}

// Send sends q and waits for nothing.
func (p *Peer) Send(ctx context.Context, q *Request) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	release, err := p.arm(ctx)
	if err != nil {
		return err
	}
	defer release()
	return p.send(q)
}

// arm puts the deadline and the cancellation of ctx on the connection until release is called.
func (p *Peer) arm(ctx context.Context) (release func(), err error) {
	deadline, ok := ctx.Deadline()
	if !ok {
		deadline = time.Now().Add(defaultCallTimeout)
	}
	if err := p.nc.SetDeadline(deadline); err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { p.nc.Close() })
	return func() { stop() }, nil
}

func (p *Peer) send(q *Request) error {
	p.lastID++
	q.Framing, q.ID = p.framing, p.lastID
	frame, err := AppendRequest(nil, q)
	if err != nil {
		return fmt.Errorf("%s: %w", q.Code, err)
	}
	_, err = p.nc.Write(frame)
	return err
}

// readResponseFrame reads one response frame off a connection.
func readResponseFrame(rd io.Reader, framing Framing) ([]byte, error) {
	head := make([]byte, 4)
	if framing == RDSN {
		head = make([]byte, rdsnHeaderLength)
	}
	if _, err := io.ReadFull(rd, head); err != nil {
		return nil, err
	}
	size := int64(binary.BigEndian.Uint32(head))
	if framing == RDSN {
		size = rdsnHeaderLength + int64(binary.LittleEndian.Uint32(head[16:]))
	}
	if size < int64(len(head)) || size > maxFrame {
		return nil, fmt.Errorf("response starts with %x: a length of %d", head[:4], size)
	}
	frame := make([]byte, size)
	copy(frame, head)
	_, err := io.ReadFull(rd, frame[len(head):])
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return frame, err
}

func abbreviated(b []byte) string {
	const most = 200
	if len(b) > most {
		return fmt.Sprintf("%x... (%d bytes)", b[:most], len(b))
	}
	return fmt.Sprintf("%x", b)
}
