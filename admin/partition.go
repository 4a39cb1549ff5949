package admin

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/pegasus-go/pegasus/internal/rpc"
	"github.com/pegasus-go/pegasus/internal/wire"
)

// Partition says who serves a partition.
type Partition struct {
	TableID int
	Index   int
	// Ballot is the version of this configuration. It is negative while the
	// partition is being split off another one, which serves its keys until
	// then.
	Ballot int64
	// Primary is "ip:port", or "" if the partition has none at present.
	Primary     string
	Secondaries []string
	Replicas    int // wanted
	// LastCommittedDecree is the number of the last write that the meta server
	// has heard of.
	LastCommittedDecree int64
}

// String returns the conventional name of the partition, such as "2.5".
func (p Partition) String() string { return fmt.Sprintf("%d.%d", p.TableID, p.Index) }

// Partitions returns where the partitions of a table are, by index.
func (c *Client) Partitions(ctx context.Context, table string) ([]Partition, error) {
	return c.partitions(ctx, "Partitions", table)
}

func (c *Client) partitions(ctx context.Context, op, table string) ([]Partition, error) {
	if err := validateName("table", table); err != nil {
		return nil, refuse(op, table, err)
	}
	var resp wire.QueryConfigResponse
	err := ask(ctx, c, request{op: op, table: table, task: wire.TaskQueryConfig}, &wire.QueryConfigRequest{AppName: table},
		&resp, func() (wire.ErrorCode, string) { return resp.Err, "" })
	if err != nil {
		return nil, err
	}
	partitions := make([]Partition, len(resp.Partitions))
	for i := range resp.Partitions {
		pc := &resp.Partitions[i]
		p := Partition{
			TableID:             int(resp.AppID),
			Index:               int(pc.PID.PartitionIndex),
			Ballot:              pc.Ballot,
			Replicas:            int(pc.MaxReplicaCount),
			LastCommittedDecree: pc.LastCommittedDecree,
		}
		if pc.Primary.Valid() {
			p.Primary = pc.Primary.String()
		}
		for _, s := range pc.Secondaries {
			p.Secondaries = append(p.Secondaries, s.String())
		}
		partitions[i] = p
	}
	return partitions, nil
}

// The meta server is asked again after a pause that doubles from the first to
// the longest, while partitions have no primary.
const (
	minPrimaryPause = 50 * time.Millisecond
	maxPrimaryPause = time.Second
)

func (c *Client) waitForPrimaries(ctx context.Context, op, table string) error {
	why := ErrNoPrimary // as of the last answer
	for wait := minPrimaryPause; ; wait = min(2*wait, maxPrimaryPause) {
		partitions, err := c.partitions(ctx, op, table)
		switch {
		case err == nil:
			missing := 0
			for i := range partitions {
				if partitions[i].Primary == "" {
					missing++
				}
			}
			if missing == 0 {
				return nil
			}
			why = fmt.Errorf("%w: %d of %d partitions", ErrNoPrimary, missing, len(partitions))
		case ctx.Err() == nil:
			return err
		case why == ErrNoPrimary: // nothing was heard
			return refuse(op, table, fmt.Errorf("%w is known: %w", ErrNoPrimary, errors.Unwrap(err)))
		}
		if !rpc.Pause(ctx, wait) {
			return refuse(op, table, fmt.Errorf("%w; last failure: %w", rpc.ContextError(ctx), why))
		}
	}
}

// What the meta server is asked for to move a primary.
const (
	upgradeToPrimary     = 2
	downgradeToSecondary = 5
	balanceMovePrimary   = 0
)

// MovePrimary proposes that a secondary of a partition becomes its primary, and
// returns when the meta server has noted that. node is the "ip:port" of the
// secondary. Partitions tells when it has happened.
func (c *Client) MovePrimary(ctx context.Context, table string, partition int, node string) error {
	const op = "MovePrimary"
	to, err := parseNode(node)
	if err != nil {
		return refuse(op, table, err)
	}
	ctx, cancel := c.limit(ctx)
	defer cancel()
	partitions, err := c.partitions(ctx, op, table)
	if err != nil {
		return err
	}
	if partition < 0 || partition >= len(partitions) {
		return refuse(op, table, argumentError("partition", "is %d, the table has %d", partition, len(partitions)))
	}
	p := partitions[partition]
	if p.Primary == "" {
		return refuse(op, table, fmt.Errorf("%w: %v", ErrNoPrimary, p))
	}
	from, err := parseNode(p.Primary)
	if err != nil {
		return refuse(op, table, err)
	}
	balance := int32(balanceMovePrimary)
	req := wire.BalancerRequest{
		PID: wire.GPID{AppID: int32(p.TableID), PartitionIndex: int32(p.Index)},
		ActionList: []wire.ProposalAction{
			{Target: from, Node: from, Type: downgradeToSecondary},
			{Target: to, Node: to, Type: upgradeToPrimary},
		},
		BalanceType: &balance,
	}
	var resp wire.ErrResponse
	return ask(ctx, c, request{op: op, table: table, task: wire.TaskProposeBalancer, kind: once},
		&req, &resp, func() (wire.ErrorCode, string) { return resp.Err, "" })
}

func parseNode(node string) (wire.Address, error) {
	ap, err := netip.ParseAddrPort(node)
	if err != nil {
		return 0, argumentError("node", "%q is not ip:port", node)
	}
	a := wire.AddressFrom(ap)
	if !a.Valid() {
		return 0, argumentError("node", "%q is not an IPv4 address and a port", node)
	}
	return a, nil
}
