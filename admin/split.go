package admin

import (
	"context"
	"fmt"
	"math"

	"github.com/pegasus-go/pegasus/internal/wire"
)

// SplitStatus is the state of one partition's split.
type SplitStatus int32

// States of one partition's split.
const (
	NotSplit  SplitStatus = 0
	Splitting SplitStatus = 1
	Pausing   SplitStatus = 2
	Paused    SplitStatus = 3
	Canceling SplitStatus = 4
)

// String names the state, such as "splitting".
func (s SplitStatus) String() string {
	switch s {
	case NotSplit:
		return "not split"
	case Splitting:
		return "splitting"
	case Pausing:
		return "pausing"
	case Paused:
		return "paused"
	case Canceling:
		return "canceling"
	}
	return fmt.Sprintf("status %d", int32(s))
}

// Split tells how far a split is.
type Split struct {
	// Partitions is the number of partitions that the table is to have.
	Partitions int
	// Status has the partitions, by index, that are not split yet.
	Status map[int]SplitStatus
}

// AllPartitions stands for every partition of a table.
const AllPartitions = -1

// StartSplit starts to double the number of partitions of a table; servers know
// it since 2.2. newPartitions must be exactly twice the present number. The
// table stays usable. QuerySplit tells how far it is.
//
// The new partitions count as soon as a split has started: during it, and when
// it is asked for again, the error has ErrInvalidParameters, or ErrBusy if
// newPartitions is twice their number.
func (c *Client) StartSplit(ctx context.Context, table string, newPartitions int) error {
	const op = "StartSplit"
	if err := validateName("table", table); err != nil {
		return refuse(op, table, err)
	}
	if newPartitions <= 0 || newPartitions > math.MaxInt32 {
		return refuse(op, table, argumentError("newPartitions", "is %d, must be a positive number of 31 bits", newPartitions))
	}
	var resp wire.HintResponse
	return ask(ctx, c, request{op: op, table: table, task: wire.TaskStartPartitionSplit, kind: once},
		&wire.StartPartitionSplitRequest{AppName: table, NewPartitionCount: int32(newPartitions)},
		&resp, func() (wire.ErrorCode, string) { return resp.Err, resp.Hint })
}

// QuerySplit tells how far the split of a table is. The error has
// ErrInvalidState if none is under way.
func (c *Client) QuerySplit(ctx context.Context, table string) (Split, error) {
	return c.querySplit(ctx, "QuerySplit", table)
}

func (c *Client) querySplit(ctx context.Context, op, table string) (Split, error) {
	if err := validateName("table", table); err != nil {
		return Split{}, refuse(op, table, err)
	}
	var resp wire.QueryPartitionSplitResponse
	err := ask(ctx, c, request{op: op, table: table, task: wire.TaskQueryPartitionSplit}, &wire.AppNameRequest{AppName: table},
		&resp, func() (wire.ErrorCode, string) { return resp.Err, text(resp.Hint) })
	if err != nil {
		return Split{}, err
	}
	s := Split{Partitions: int(resp.NewPartitionCount), Status: make(map[int]SplitStatus, len(resp.Status))}
	for index, status := range resp.Status {
		s.Status[int(index)] = SplitStatus(status)
	}
	return s, nil
}

// PauseSplit pauses the split of one partition, or of AllPartitions.
func (c *Client) PauseSplit(ctx context.Context, table string, partition int) error {
	return c.controlSplit(ctx, "PauseSplit", wire.ControlPartitionSplitRequest{
		AppName: table, ControlType: wire.SplitPause, ParentIndex: int32(partition),
	})
}

// ResumeSplit goes on with the split of one paused partition, or of
// AllPartitions.
func (c *Client) ResumeSplit(ctx context.Context, table string, partition int) error {
	return c.controlSplit(ctx, "ResumeSplit", wire.ControlPartitionSplitRequest{
		AppName: table, ControlType: wire.SplitRestart, ParentIndex: int32(partition),
	})
}

// CancelSplit gives the split of a table up. The error has ErrChildRegistered
// if that is too late, because a partition has been split already.
func (c *Client) CancelSplit(ctx context.Context, table string) error {
	const op = "CancelSplit"
	ctx, cancel := c.limit(ctx)
	defer cancel()
	s, err := c.querySplit(ctx, op, table)
	if err != nil {
		return err
	}
	old := int32(s.Partitions / 2)
	return c.controlSplit(ctx, op, wire.ControlPartitionSplitRequest{
		AppName: table, ControlType: wire.SplitCancel, ParentIndex: AllPartitions, OldPartitionCount: &old,
	})
}

func (c *Client) controlSplit(ctx context.Context, op string, req wire.ControlPartitionSplitRequest) error {
	if err := validateName("table", req.AppName); err != nil {
		return refuse(op, req.AppName, err)
	}
	if req.ParentIndex < AllPartitions {
		return refuse(op, req.AppName, argumentError("partition", "is %d, must be an index or AllPartitions", req.ParentIndex))
	}
	var resp wire.OptionalHintResponse
	return ask(ctx, c, request{op: op, table: req.AppName, task: wire.TaskControlPartitionSplit, kind: once},
		&req, &resp, func() (wire.ErrorCode, string) { return resp.Err, text(resp.Hint) })
}

// text returns what s points to, "" if to nothing.
func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
