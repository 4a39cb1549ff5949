package onebox

import "github.com/pegasus-go/pegasus/internal/wire"

// The names of the RPCs of a table, for Request.Task. Each says which methods of
// a client send it.
const (
	TaskGet            = wire.TaskGet            // Get
	TaskTTL            = wire.TaskTTL            // TTL, Exist
	TaskMultiGet       = wire.TaskMultiGet       // MultiGet and its variants
	TaskBatchGet       = wire.TaskBatchGet       // BatchGet
	TaskSortKeyCount   = wire.TaskSortKeyCount   // SortKeyCount
	TaskGetScanner     = wire.TaskGetScanner     // scanners and DelRange: the first batch of a partition
	TaskScan           = wire.TaskScan           // scanners and DelRange: the further batches
	TaskClearScanner   = wire.TaskClearScanner   // scanners: closed before the end
	TaskPut            = wire.TaskPut            // Set, SetTTL
	TaskMultiPut       = wire.TaskMultiPut       // MultiSet and its variants
	TaskRemove         = wire.TaskRemove         // Del
	TaskMultiRemove    = wire.TaskMultiRemove    // MultiDel, DelRange
	TaskIncr           = wire.TaskIncr           // Incr
	TaskCheckAndSet    = wire.TaskCheckAndSet    // CheckAndSet
	TaskCheckAndMutate = wire.TaskCheckAndMutate // CheckAndMutate of other clients
)

// The names of RPCs of the meta servers, for Request.Task.
const (
	TaskQueryConfig           = wire.TaskQueryConfig // opening a table, and looking for its primaries again
	TaskCreateTable           = wire.TaskCreateApp
	TaskDropTable             = wire.TaskDropApp
	TaskRecallTable           = wire.TaskRecallApp
	TaskRenameTable           = wire.TaskRenameApp
	TaskListTables            = wire.TaskListApps
	TaskListNodes             = wire.TaskListNodes
	TaskClusterInfo           = wire.TaskClusterInfo
	TaskControlMeta           = wire.TaskControlMeta
	TaskProposeBalancer       = wire.TaskProposeBalancer
	TaskUpdateEnvs            = wire.TaskUpdateAppEnv
	TaskStartPartitionSplit   = wire.TaskStartPartitionSplit
	TaskControlPartitionSplit = wire.TaskControlPartitionSplit
	TaskQueryPartitionSplit   = wire.TaskQueryPartitionSplit
	TaskStartManualCompact    = wire.TaskStartManualCompact
	TaskQueryManualCompact    = wire.TaskQueryManualCompact
)
