package route

import (
	"context"
	"net"
	"testing"

	"go.uber.org/goleak"

	"github.com/pegasus-go/pegasus/internal/memnet"
	"github.com/pegasus-go/pegasus/internal/peer"
	"github.com/pegasus-go/pegasus/internal/rpc"
	"github.com/pegasus-go/pegasus/internal/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// newPool returns a pool that dials with dial and is closed with the test.
func newPool(t *testing.T, dial rpc.DialFunc) *rpc.Pool {
	t.Helper()
	p := rpc.NewPool(rpc.PoolOptions{Dial: dial})
	t.Cleanup(p.Close)
	return p
}

// metas starts meta servers with the given handlers, at 10.0.0.1:34601 and on.
func metas(t *testing.T, n *memnet.Network, handlers ...peer.Handler) []string {
	t.Helper()
	var addrs []string
	for i, h := range handlers {
		addr := net.JoinHostPort(net.IPv4(10, 0, 0, byte(i+1)).String(), "34601")
		peer.Serve(t, n.Listen, addr, h)
		addrs = append(addrs, addr)
	}
	return addrs
}

// answerWith returns a handler that answers a query.
func answerWith(resp wire.QueryConfigResponse) peer.Handler { return peer.Result(wire.Of(&resp)) }

// forward returns a handler of a follower that knows the leader, or does not.
func forward(leader string) peer.Handler {
	resp := wire.QueryConfigResponse{Err: wire.ErrForwardToOthers}
	if leader != "" {
		resp.Partitions = []wire.PartitionConfiguration{{Primary: peer.Address(leader)}}
	}
	return answerWith(resp)
}

// config returns the answer for a table whose partitions have these ballots.
func config(ballots ...int64) wire.QueryConfigResponse {
	t := peer.Table{AppID: 2}
	for _, b := range ballots {
		p := peer.Partition{Ballot: b, Primary: "10.0.1.1:34801"}
		if b <= 0 {
			p.Primary = ""
		}
		t.Partitions = append(t.Partitions, p)
	}
	return t.Response()
}

// query loads the table through the meta servers.
func query(ctx context.Context, p *rpc.Pool, servers []string, resolver Resolver) (*Table, error) {
	table := NewTable(p, NewMeta(p, servers, resolver), "temp", Events{})
	return table, table.Load(ctx)
}
