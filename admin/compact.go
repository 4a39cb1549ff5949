package admin

import (
	"context"

	"github.com/pegasus-go/pegasus/internal/wire"
)

// CompactOptions are the details of a manual compaction. The zero value is what
// is wanted most of the time.
type CompactOptions struct {
	// Bottommost rewrites the lowest level, too, even if nothing was deleted
	// there.
	Bottommost bool
	// TargetLevel is the level that the data is moved to; 0 lets the server
	// choose.
	TargetLevel int
	// MaxRunning bounds the partitions compacted at the same time on a server;
	// 0 is no bound.
	MaxRunning int
}

// StartCompact starts the compaction of a table: deleted, expired and
// overwritten data is removed from disk. It goes on in the background; servers
// know it since 2.4.
//
// The error has ErrOperationDisabled if the environment of the table forbids
// it.
func (c *Client) StartCompact(ctx context.Context, table string, options CompactOptions) error {
	const op = "StartCompact"
	if err := validateName("table", table); err != nil {
		return refuse(op, table, err)
	}
	if n := options.TargetLevel; n < 0 || n > 1<<20 {
		return refuse(op, table, argumentError("options.TargetLevel", "is %d, not a level", n))
	}
	if n := options.MaxRunning; n < 0 || n > 1<<20 {
		return refuse(op, table, argumentError("options.MaxRunning", "is %d, must be 0 to %d", n, 1<<20))
	}
	req := wire.StartManualCompactRequest{AppName: table, Bottommost: &options.Bottommost}
	if options.TargetLevel > 0 {
		level := int32(options.TargetLevel)
		req.TargetLevel = &level
	}
	if options.MaxRunning > 0 {
		n := int32(options.MaxRunning)
		req.MaxRunningCount = &n
	}
	var resp wire.HintResponse
	return ask(ctx, c, request{op: op, table: table, task: wire.TaskStartManualCompact, kind: once}, &req,
		&resp, func() (wire.ErrorCode, string) { return resp.Err, resp.Hint })
}

// QueryCompact returns how far the compaction of a table is, in percent. It
// stays at 100 after the end. The error has ErrInvalidState if none was started.
func (c *Client) QueryCompact(ctx context.Context, table string) (percent int, err error) {
	const op = "QueryCompact"
	if err := validateName("table", table); err != nil {
		return 0, refuse(op, table, err)
	}
	var resp wire.QueryManualCompactResponse
	err = ask(ctx, c, request{op: op, table: table, task: wire.TaskQueryManualCompact}, &wire.AppNameRequest{AppName: table},
		&resp, func() (wire.ErrorCode, string) { return resp.Err, resp.Hint })
	if err != nil || resp.Progress == nil {
		return 0, err
	}
	return int(*resp.Progress), nil
}
