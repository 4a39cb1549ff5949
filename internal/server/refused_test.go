package server

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/pegasus-go/pegasus/internal/wire"
)

// Every RPC that is refused because a onebox has no such thing is listed as a difference from
// a Pegasus server, and every one listed is refused.
func TestRefusedIsListed(t *testing.T) {
	text, err := os.ReadFile("../../conformance/testdata/known_differences.json")
	if err != nil {
		t.Fatal(err)
	}
	listed := make(map[string]string)
	if err := json.Unmarshal(text, &listed); err != nil {
		t.Fatal(err)
	}
	s := start(t, Options{})
	m, r := dial(t, s.Metas()[0]), dial(t, s.Replicas()[0])
	for _, task := range []string{
		wire.TaskStartRecovery, wire.TaskAddBackupPolicy, wire.TaskModifyBackupPolicy, wire.TaskQueryBackupPolicy,
		wire.TaskStartBackupApp, wire.TaskQueryBackupStatus, wire.TaskStartRestore, wire.TaskQueryRestoreStatus,
		wire.TaskAddDuplication, wire.TaskModifyDuplication, wire.TaskStartBulkLoad, wire.TaskControlBulkLoad,
		wire.TaskQueryBulkLoadStatus, wire.TaskClearBulkLoad, wire.TaskDetectHotkey, wire.TaskReplicaDiskMigrate, wire.TaskAddNewDisk,
	} {
		if listed["rpc/"+task] == "" {
			t.Errorf("%s is not listed", task)
		}
		delete(listed, "rpc/"+task)
		c := r
		if strings.HasPrefix(task, "RPC_CM_") {
			c = m
		}
		if resp := ask[struct{}, wire.ErrResponse](c, task, struct{}{}); resp.Err != wire.ErrOperationDisabled {
			t.Errorf("%s: %+v", task, resp)
		}
	}
	for id := range listed {
		if strings.HasPrefix(id, "rpc/") {
			t.Errorf("%s is listed, and not refused", id)
		}
	}
}
