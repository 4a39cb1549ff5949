package transport

import (
	"errors"
	"log/slog"
	"net"
	"sync/atomic"
	"time"

	"github.com/pegasus-go/pegasus/internal/schema"
	"github.com/pegasus-go/pegasus/internal/server/access"
	"github.com/pegasus-go/pegasus/onebox/limits"
)

// Options of a Hub. All fields are needed.
type Options struct {
	// Listen opens a listener, whose address must be "ip:port" again.
	Listen func(address string) (net.Listener, error)
	Clock  func() time.Time
	Logger *slog.Logger
	Limits limits.Limits
	// Access is what is demanded of clients. It may be nil.
	Access *access.Access
}

// Hub is what all nodes and connections of a onebox share.
type Hub struct {
	opts Options
	log  *slog.Logger

	connections atomic.Int64
	full        atomic.Bool // connections are being refused
	requests    requests
	answers     answers
	// disturbed counts the paused nodes and the interceptor: while it is 0
	// requests need not ask for either.
	disturbed   atomic.Int32
	interceptor atomic.Pointer[func(Call) Action]
	closing     atomic.Bool
}

// errClosed is what a closed onebox answers to nodes that start and connections.
var errClosed = errors.New("server: closed")

// NewHub returns a Hub without nodes.
func NewHub(o Options) *Hub {
	h := &Hub{opts: o, log: o.Logger}
	h.requests.limit, h.answers.limit = o.Limits.BufferedBytes, o.Limits.AnswerBytes
	return h
}

// Close refuses new connections. It returns false if that was so already.
func (h *Hub) Close() bool { return h.closing.CompareAndSwap(false, true) }

// now is the present in seconds of the Pegasus epoch.
func (h *Hub) now() uint32 { return schema.EpochSeconds(h.opts.Clock()) }

// Usage is what connections make a onebox keep.
type Usage struct {
	Connections   int
	RequestBytes  int64 // see Limits.BufferedBytes
	AnswerBytes   int64 // see Limits.AnswerBytes
	AnswersUnsent int   // that count
	Disturbances  int   // paused nodes and interceptors
}

// Usage returns what connections use now.
func (h *Hub) Usage() Usage {
	u := Usage{
		Connections:  int(h.connections.Load()),
		Disturbances: int(h.disturbed.Load()),
	}
	h.requests.mu.Lock()
	u.RequestBytes = h.requests.bytes
	h.requests.mu.Unlock()
	h.answers.mu.Lock()
	defer h.answers.mu.Unlock()
	u.AnswerBytes, u.AnswersUnsent = h.answers.bytes, h.answers.waiting.Len()
	return u
}
