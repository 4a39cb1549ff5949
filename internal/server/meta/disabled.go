package meta

import "github.com/pegasus-go/pegasus/internal/wire"

// disabledHandlers are RPCs of a cluster that has other clusters or backups to
// work with. They are answered, because tools show an error
// and its reason but wait long for no answer.
func disabledHandlers() []*handler {
	const hint = "not supported by a onebox"
	withHint := func(_ *call, _ *struct{}, resp *wire.HintResponse) {
		resp.Err, resp.Hint = wire.ErrOperationDisabled, hint
	}
	withOptionalHint := func(_ *call, _ *struct{}, resp *wire.OptionalHintResponse) {
		text := hint
		resp.Err, resp.Hint = wire.ErrOperationDisabled, &text
	}
	withoutHint := func(_ *call, _ *struct{}, resp *wire.ErrResponse) { resp.Err = wire.ErrOperationDisabled }
	withHintAt4 := func(_ *call, _ *struct{}, resp *lateHintResponse) {
		text := hint
		resp.Err, resp.Hint = wire.ErrOperationDisabled, &text
	}
	return []*handler{
		rpc(wire.TaskStartRecovery, withHint),
		rpc(wire.TaskAddBackupPolicy, withHint),
		rpc(wire.TaskModifyBackupPolicy, withHint),
		rpc(wire.TaskQueryBackupPolicy, withHintAt4),
		rpc(wire.TaskStartBackupApp, withHint),
		rpc(wire.TaskQueryBackupStatus, withHint),
		rpc(wire.TaskStartRestore, withoutHint),
		rpc(wire.TaskQueryRestoreStatus, withoutHint),
		rpc(wire.TaskAddDuplication, withHintAt4),
		rpc(wire.TaskModifyDuplication, withoutHint),
		rpc(wire.TaskStartBulkLoad, withHint),
		rpc(wire.TaskControlBulkLoad, withOptionalHint),
		rpc(wire.TaskQueryBulkLoadStatus, withoutHint),
		rpc(wire.TaskClearBulkLoad, withHint),
	}
}

// lateHintResponse is the form of two responses whose hint is field 4.
type lateHintResponse struct {
	Err  wire.ErrorCode `thrift:"1"`
	Hint *string        `thrift:"4"`
}
