package route

import (
	"errors"
	"fmt"
	"strings"

	"github.com/pegasus-go/pegasus/internal/rpc"
)

// ErrNoMeta is the error of a question that no meta server answered.
var ErrNoMeta = errors.New("no meta server answered")

// How far it has come with a server that has not failed yet.
var (
	errNoLookup  = errors.New("not looked up yet, the name servers are silent")
	errNoConn    = errors.New("not connected yet")
	errNotTurn   = errors.New("not asked, because another server was")
	errNoAnswer  = errors.New("no answer yet")
	errNotLeader = errors.New("does not lead")
)

// MetaError is the failure of a question to the meta servers.
type MetaError struct {
	// Servers are the addresses that were tried and the names that could not be
	// looked up, each once.
	Servers []ServerError
	// Ended is why no more answers were waited for; nil if there were none to come.
	Ended error
	// Received is set if a server may have received the request without refusing it.
	Received bool
	// Wrong is set if the servers have answered, or one at least of the addresses
	// of each name, and none is a meta server that knows the request and listens to the
	// client: asking again is of no use.
	Wrong bool
}

// ServerError says why a server was of no use, or how far it has come with it.
type ServerError struct {
	Addr string // "host:port"
	Err  error
}

// Error tells it all in one line.
func (e *MetaError) Error() string {
	var b strings.Builder
	if e.Ended != nil {
		fmt.Fprintf(&b, "%v: ", e.Ended)
	}
	b.WriteString(ErrNoMeta.Error())
	sep := ": "
	for _, s := range e.Servers {
		fmt.Fprintf(&b, "%s%s: %v", sep, s.Addr, rpc.WithoutAddr(s.Err))
		sep = "; "
	}
	return b.String()
}

// Is reports whether target is ErrNoMeta.
func (e *MetaError) Is(target error) bool { return target == ErrNoMeta }

// Unwrap returns all causes.
func (e *MetaError) Unwrap() []error {
	causes := make([]error, 0, len(e.Servers)+1)
	if e.Ended != nil {
		causes = append(causes, e.Ended)
	}
	for _, s := range e.Servers {
		causes = append(causes, s.Err)
	}
	return causes
}
