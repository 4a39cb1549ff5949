package route

import (
	"context"
	"net"
	"net/netip"

	"github.com/pegasus-go/pegasus/internal/rpc"
	"github.com/pegasus-go/pegasus/internal/wire"
)

// Place is where a partition is.
type Place struct {
	wire.GPID
	Primary *rpc.Node // nil if it has none
	Ballot  int64
}

// Stats are what is known of a table.
type Stats struct {
	AppID     int32 // 0 if there is none
	Places    []Place
	Refreshes int64 // answers of the meta servers
	Failures  int64 // questions without one
}

// Stats returns what is known of the table.
func (t *Table) Stats() Stats {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := Stats{Refreshes: t.refreshes, Failures: t.failures}
	snap := t.snap.Load()
	if snap == nil {
		return s
	}
	s.AppID = snap.AppID
	for i, p := range snap.partitions {
		if int(p.PartitionIndex) == i {
			s.Places = append(s.Places, Place{p.GPID, p.Primary, p.ballot})
		}
	}
	return s
}

// Addresses returns the addresses of the meta servers, and why there are none of a
// name.
func (m *Meta) Addresses(ctx context.Context) (addrs []string, failed []ServerError) {
	for _, s := range m.servers {
		host, port, err := net.SplitHostPort(s)
		if _, isName := netip.ParseAddr(host); err != nil || m.names == nil || isName == nil {
			addrs = append(addrs, s)
			continue
		}
		l, _ := m.names.lookUp(host)
		select {
		case <-l.done:
			if l.err != nil {
				failed = append(failed, ServerError{s, l.err})
				continue
			}
			addrs = append(addrs, withPort(l.addrs, port)...)
		case <-ctx.Done():
			failed = append(failed, ServerError{s, errNoLookup})
		}
	}
	return addrs, failed
}
