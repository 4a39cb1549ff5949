package route

import (
	"context"
	"errors"
	"sync"
	"time"
)

// Resolver looks up the addresses of a host name. *net.Resolver is one.
type Resolver interface {
	LookupHost(ctx context.Context, host string) ([]string, error)
}

const (
	// lookupTimeout bounds a lookup.
	lookupTimeout = 10 * time.Second
	// lookupPatience is how long a lookup may take before what the name stood for
	// last is used meanwhile. An address that it does not stand for any more may
	// belong to another cluster by now.
	lookupPatience = 100 * time.Millisecond
)

var errNoAddress = errors.New("the name has no address")

// names looks up host names and keeps what they stood for.
//
// Nobody waits for a lookup to close a client: there are resolvers that do not end
// with their context. One such lookup is left behind for a name at most, since
// there is one of a name at a time.
type names struct {
	resolver Resolver
	closing  context.Context

	mu    sync.Mutex
	known map[string][]string // what lookups that succeeded have found
	under map[string]*lookup  // those under way
}

// lookup finds the addresses of a name. They are valid once done is closed.
type lookup struct {
	done  chan struct{}
	addrs []string // if it failed: those of the one before
	err   error
}

func newNames(closing context.Context, resolver Resolver) *names {
	return &names{
		resolver: resolver, closing: closing,
		known: make(map[string][]string), under: make(map[string]*lookup),
	}
}

// lookUp joins or starts a lookup. last are the addresses that the one before has
// found.
func (n *names) lookUp(host string) (l *lookup, last []string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	l = n.under[host]
	if l == nil {
		l = &lookup{done: make(chan struct{})}
		n.under[host] = l
		go n.run(l, host)
	}
	return l, n.known[host]
}

func (n *names) run(l *lookup, host string) {
	ctx, cancel := context.WithTimeout(n.closing, lookupTimeout)
	defer cancel()
	l.addrs, l.err = n.resolver.LookupHost(ctx, host)
	if l.err == nil && len(l.addrs) == 0 {
		l.err = errNoAddress
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if l.err != nil {
		l.addrs = n.known[host]
	} else {
		n.known[host] = l.addrs
	}
	delete(n.under, host)
	close(l.done)
}
