package admin

import (
	"context"

	"github.com/pegasus-go/pegasus/internal/argument"
	"github.com/pegasus-go/pegasus/internal/rpc"
	"github.com/pegasus-go/pegasus/internal/wire"
)

// Disk is a directory of a replica server that its replicas are in.
type Disk struct {
	Tag string // the name that the server has for it
	Dir string
	// Capacity and Available are those of the whole disk, in bytes, in steps of a MiB; 0
	// and 0 if the server does not know.
	Capacity, Available int64
	// Primaries and Secondaries are how many replicas are in it.
	Primaries, Secondaries int
}

// Disks returns the disks of a replica server. node is its "ip:port". It is asked once.
func (c *Client) Disks(ctx context.Context, node string) ([]Disk, error) {
	const op = "Disks"
	if err := argument.Address("node", node); err != nil {
		return nil, refuse(op, "", err)
	}
	ctx, cancel := c.limit(ctx)
	defer cancel()
	var resp wire.QueryDiskInfoResponse
	to, _ := parseNode(node) // a host name is none; servers do not look at it
	_, err := c.askNode(ctx, node, wire.TaskQueryDiskInfo, wire.Of(&wire.QueryDiskInfoRequest{Node: to}), wire.TypeStruct, func(r *wire.Reader) {
		wire.Of(&resp).Read(r)
	})
	if err == nil && resp.Err != wire.ErrOK {
		err = codeError(resp.Err)
	}
	if err != nil {
		return nil, &Error{Op: op, Server: node, Err: rpc.WithoutAddr(err)}
	}
	disks := make([]Disk, len(resp.DiskInfos))
	for i, d := range resp.DiskInfos {
		disks[i] = Disk{
			Tag: d.Tag, Dir: d.FullDir, Capacity: d.DiskCapacityMB << 20, Available: d.DiskAvailableMB << 20,
			Primaries: count(d.HoldingPrimaryReplicas), Secondaries: count(d.HoldingSecondaryReplicas),
		}
	}
	return disks, nil
}

func count(replicas map[int32]map[wire.GPID]struct{}) int {
	n := 0
	for _, of := range replicas {
		n += len(of)
	}
	return n
}
