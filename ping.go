package pegasus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/pegasus-go/pegasus/internal/route"
	"github.com/pegasus-go/pegasus/internal/rpc"
	"github.com/pegasus-go/pegasus/internal/wire"
)

// pingTimeout bounds the time that one server is waited for.
const pingTimeout = 2 * time.Second

// Role is what a server is for.
type Role string

// The roles of servers.
const (
	RoleMeta    Role = "meta"
	RoleReplica Role = "replica"
)

// Pong is what came of asking a server for a sign of life.
type Pong struct {
	Server string // "host:port", "" for that of a partition that has none
	Role   Role
	RTT    time.Duration // with the time to connect, if there was no connection
	Err    error
}

// MarshalJSON writes the error as a text.
func (p Pong) MarshalJSON() ([]byte, error) {
	text := ""
	if p.Err != nil {
		text = p.Err.Error()
	}
	return json.Marshal(struct {
		Server string        `json:"server"`
		Role   Role          `json:"role"`
		RTT    time.Duration `json:"rtt_ns"`
		Err    string        `json:"error,omitempty"`
	}{p.Server, p.Role, p.RTT, text})
}

// Pongs are those of all servers that were asked.
type Pongs []Pong

// Err returns why the servers are not ready: no meta server has answered, or a
// replica server has not. It is nil if all is well.
func (ps Pongs) Err() error {
	metas, answered := 0, 0
	var errs []error
	for _, p := range ps {
		switch {
		case p.Role == RoleMeta:
			metas++
			if p.Err == nil {
				answered++
			}
		case p.Err != nil:
			errs = append(errs, fmt.Errorf("%s: %w", p.Server, rpc.WithoutAddr(p.Err)))
		}
	}
	if metas > 0 && answered == 0 {
		errs = append(errs, ErrNoMeta)
	}
	return errors.Join(errs...)
}

// Ping asks all meta servers for a sign of life, side by side. It waits two seconds
// at most for all of them, or until ctx has ended. It is for probes of readiness.
func (c *Cluster) Ping(ctx context.Context) Pongs { return c.ping(ctx, nil) }

// Ping asks all meta servers, and all servers that are the primary of a partition of
// the table, for a sign of life, side by side: see Cluster.Ping. A replica server is
// asked for an entry that nobody has. Partitions without a primary make one Pong
// without a server, with ErrNoPrimary.
func (t *Table) Ping(ctx context.Context) Pongs {
	return t.client.ping(ctx, t.route.Stats().Places)
}

// pingKey is the key of no entry, and the name of no table.
const pingKey = "pegasus-go.ping"

func (c *Cluster) ping(ctx context.Context, places []route.Place) Pongs {
	ctx, cancel := context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	var pongs Pongs
	var asks []func() error
	ask := func(n *rpc.Node, role Role, h wire.RequestHeader, task string, arg wire.Message) {
		pongs = append(pongs, Pong{Server: n.Addr(), Role: role})
		asks = append(asks, func() error { return signOfLife(ctx, n, h, task, arg) })
	}
	metas, failed := c.meta.Addresses(ctx)
	for _, addr := range metas {
		// Who does not lead says so, and who does knows no such table.
		ask(c.pool.Node(addr), RoleMeta, wire.RequestHeader{}, wire.TaskQueryConfig, wire.Of(&wire.QueryConfigRequest{AppName: pingKey}))
	}
	asked := make(map[*rpc.Node]bool)
	lost := false
	for _, p := range places {
		switch {
		case p.Primary == nil:
			lost = true
		case !asked[p.Primary]:
			asked[p.Primary] = true
			h := wire.RequestHeader{GPID: p.GPID, ThreadHash: p.ThreadHash(), PartitionHash: uint64(p.PartitionIndex)}
			ask(p.Primary, RoleReplica, h, wire.TaskTTL, wire.Key{HashKey: []byte(pingKey)})
		}
	}
	var wg sync.WaitGroup
	for i, f := range asks {
		wg.Go(func() {
			began := time.Now()
			pongs[i].Err = f()
			pongs[i].RTT = time.Since(began)
		})
	}
	wg.Wait()
	for _, f := range failed {
		pongs = append(pongs, Pong{Server: f.Addr, Role: RoleMeta, Err: f.Err})
	}
	if lost {
		pongs = append(pongs, Pong{Role: RoleReplica, Err: ErrNoPrimary})
	}
	return pongs
}

// signOfLife sends a request to a server, which may answer what it likes.
func signOfLife(ctx context.Context, n *rpc.Node, h wire.RequestHeader, task string, arg wire.Message) error {
	conn, err := n.Conn(ctx)
	if err != nil {
		return err
	}
	h.TimeoutMs = rpc.TimeoutMs(pingTimeout)
	_, err = rpc.Send(ctx, conn, time.Time{}, h, task, &arg)
	return err
}
