package pegasus

import (
	"time"

	"github.com/pegasus-go/pegasus/internal/route"
	"github.com/pegasus-go/pegasus/internal/rpc"
)

// connectionEvents has the observer told what happens to connections.
func connectionEvents(o *Observer) rpc.Events {
	var e rpc.Events
	if f := o.ConnectionDialed; f != nil {
		e.Dialed = func(addr string, l rpc.Lane, took time.Duration, err error) {
			f(ConnectionDialed{Server: addr, Bulk: l == rpc.Bulk, Duration: took, Err: err})
		}
	}
	if f := o.ConnectionLost; f != nil {
		e.Lost = func(addr string, l rpc.Lane, err error) {
			f(ConnectionLost{Server: addr, Bulk: l == rpc.Bulk, Err: err})
		}
	}
	if f := o.ConnectionStalled; f != nil {
		e.Stalled = func(addr string, l rpc.Lane, silent time.Duration) {
			f(ConnectionStalled{Server: addr, Bulk: l == rpc.Bulk, Silent: silent})
		}
	}
	if f := o.ConnectionRecovered; f != nil {
		e.Recovered = func(addr string, l rpc.Lane) {
			f(ConnectionRecovered{Server: addr, Bulk: l == rpc.Bulk})
		}
	}
	return e
}

// routeEvents has the observer told what happens to the place of a table.
func routeEvents(o *Observer, table string) route.Events {
	var e route.Events
	if f := o.RouteRefreshing; f != nil {
		e.Refreshing = func() { f(RouteRefreshing{Table: table}) }
	}
	if f := o.RouteRefreshed; f != nil {
		e.Refreshed = func(took time.Duration, s *route.Snapshot, err error) {
			r := RouteRefreshed{Table: table, Duration: took, Err: public(err)}
			if err == nil {
				r.Partitions = s.Count
			}
			f(r)
		}
	}
	if f := o.RouteChanged; f != nil {
		e.Changed = func(s *route.Snapshot, p *route.Partition, ballot int64, from *rpc.Node) {
			f(RouteChanged{
				Table: table, TableID: s.AppID, Partition: p.PartitionIndex,
				From: addrOf(from), To: addrOf(p.Primary), Ballot: ballot,
			})
		}
	}
	if f := o.TableSplit; f != nil {
		e.Split = func(s *route.Snapshot, from int) {
			f(TableSplit{Table: table, TableID: s.AppID, From: from, To: s.Count})
		}
	}
	if f := o.TableReplaced; f != nil {
		e.Replaced = func(from, to int32) {
			f(TableReplaced{Table: table, From: from, To: to})
		}
	}
	return e
}

// addrOf returns the address of a server, "" if there is none.
func addrOf(n *rpc.Node) string {
	if n == nil {
		return ""
	}
	return n.Addr()
}
