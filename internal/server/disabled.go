package server

import "github.com/pegasus-go/pegasus/internal/wire"

// disabledHandlers are RPCs of a cluster that has other clusters, backups or
// several disks to work with. They are answered, because tools show an error
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
		metaRPC(wire.TaskStartRecovery, withHint),
		metaRPC(wire.TaskAddBackupPolicy, withHint),
		metaRPC(wire.TaskModifyBackupPolicy, withHint),
		metaRPC(wire.TaskQueryBackupPolicy, withHintAt4),
		metaRPC(wire.TaskStartBackupApp, withHint),
		metaRPC(wire.TaskQueryBackupStatus, withHint),
		metaRPC(wire.TaskStartRestore, withoutHint),
		metaRPC(wire.TaskQueryRestoreStatus, withoutHint),
		metaRPC(wire.TaskAddDuplication, withHintAt4),
		metaRPC(wire.TaskModifyDuplication, withoutHint),
		metaRPC(wire.TaskStartBulkLoad, withHint),
		metaRPC(wire.TaskControlBulkLoad, withOptionalHint),
		metaRPC(wire.TaskQueryBulkLoadStatus, withoutHint),
		metaRPC(wire.TaskClearBulkLoad, withHint),
		nodeRPC(replicaRole, wire.TaskReplicaDiskMigrate, withOptionalHint),
		nodeRPC(replicaRole, wire.TaskAddNewDisk, withOptionalHint),
	}
}

// lateHintResponse is the form of two responses whose hint is field 4.
type lateHintResponse struct {
	Err  wire.ErrorCode `thrift:"1"`
	Hint *string        `thrift:"4"`
}
