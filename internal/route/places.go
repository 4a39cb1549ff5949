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
// name. It waits for name servers as little as a question does: what a name stood for
// last is good enough then.
func (m *Meta) Addresses(ctx context.Context) (addrs []string, failed []ServerError) {
	type name struct {
		server, port string
		*lookup
		known []string
	}
	var names []name
	for _, s := range m.servers {
		host, port, err := net.SplitHostPort(s)
		if _, notIP := netip.ParseAddr(host); err != nil || notIP == nil || m.names == nil {
			addrs = append(addrs, s)
			continue
		}
		l, known := m.names.lookUp(host)
		names = append(names, name{s, port, l, known})
	}
	patient, cancel := context.WithTimeout(ctx, lookupPatience)
	defer cancel()
	for _, n := range names {
		select {
		case <-n.done:
		case <-patient.Done():
		}
		found, err := n.known, errNoLookup
		select {
		case <-n.done:
			found, err = n.addrs, n.err
		default:
		}
		if len(found) == 0 {
			failed = append(failed, ServerError{n.server, err})
		}
		addrs = append(addrs, withPort(found, n.port)...)
	}
	return addrs, failed
}
