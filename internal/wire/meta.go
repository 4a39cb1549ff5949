package wire

// Enumerations of the meta server.
type (
	AppStatus         int32
	NodeStatus        int32
	PartitionStatus   int32
	AppEnvOperation   int32
	MetaFunctionLevel int32
	SplitStatus       int32
	SplitControlType  int32
)

// States of a table. AppInvalid selects all of them in list_apps.
const (
	AppInvalid   AppStatus = 0
	AppAvailable AppStatus = 1
	AppCreating  AppStatus = 2
	AppDropping  AppStatus = 4
	AppDropped   AppStatus = 6
	AppRecalling AppStatus = 7
)

// States of a replica server. NodeInvalid selects all of them in list_nodes.
const (
	NodeInvalid NodeStatus = 0
	NodeAlive   NodeStatus = 1
	NodeUnalive NodeStatus = 2
)

// Roles of a replica.
const (
	PartitionPrimary   PartitionStatus = 3
	PartitionSecondary PartitionStatus = 4
)

// Operations of update_app_env.
const (
	AppEnvSet   AppEnvOperation = 1
	AppEnvDel   AppEnvOperation = 2
	AppEnvClear AppEnvOperation = 3
)

// Levels of what the meta server may do by itself. MetaInvalid reads the level
// without setting it.
const (
	MetaStopped MetaFunctionLevel = 100
	MetaBlind   MetaFunctionLevel = 200
	MetaFreezed MetaFunctionLevel = 300
	MetaSteady  MetaFunctionLevel = 400
	MetaLively  MetaFunctionLevel = 500
	MetaInvalid MetaFunctionLevel = 10000
)

// States of a partition split.
const (
	NotSplit  SplitStatus = 0
	Splitting SplitStatus = 1
	Pausing   SplitStatus = 2
	Paused    SplitStatus = 3
	Canceling SplitStatus = 4
)

// Requests to control a partition split.
const (
	SplitPause   SplitControlType = 0
	SplitRestart SplitControlType = 1
	SplitCancel  SplitControlType = 2
)

// QueryConfigRequest asks where the partitions of a table are.
type QueryConfigRequest struct {
	AppName          string  `thrift:"1"`
	PartitionIndices []int32 `thrift:"2"` // empty = all
}

// QueryConfigResponse answers QueryConfigRequest. With ErrForwardToOthers,
// Partitions[0].Primary is the leader, if it is known.
type QueryConfigResponse struct {
	Err            ErrorCode                `thrift:"1"`
	AppID          int32                    `thrift:"2"`
	PartitionCount int32                    `thrift:"3"`
	IsStateful     bool                     `thrift:"4"`
	Partitions     []PartitionConfiguration `thrift:"5"`
}

// PartitionConfiguration says who serves a partition.
type PartitionConfiguration struct {
	PID                 GPID      `thrift:"1"`
	Ballot              int64     `thrift:"2"` // < 0: a split's child, not registered yet
	MaxReplicaCount     int32     `thrift:"3"`
	Primary             Address   `thrift:"4"` // invalid = none at present
	Secondaries         []Address `thrift:"5"`
	LastDrops           []Address `thrift:"6"`
	LastCommittedDecree int64     `thrift:"7"`
	PartitionFlags      int32     `thrift:"8"`

	HPPrimary     *HostPort   `thrift:"9"`
	HPSecondaries *[]HostPort `thrift:"10"`
	HPLastDrops   *[]HostPort `thrift:"11"`
}

// AppInfo describes a table.
type AppInfo struct {
	Status             AppStatus         `thrift:"1"`
	AppType            string            `thrift:"2"`
	AppName            string            `thrift:"3"`
	AppID              int32             `thrift:"4"`
	PartitionCount     int32             `thrift:"5"`
	Envs               map[string]string `thrift:"6"`
	IsStateful         bool              `thrift:"7"`
	MaxReplicaCount    int32             `thrift:"8"`
	ExpireSecond       int64             `thrift:"9"`  // Unix time when a dropped table is purged
	CreateSecond       int64             `thrift:"10"` // Unix time
	DropSecond         int64             `thrift:"11"` // Unix time
	Duplicating        *bool             `thrift:"12"`
	InitPartitionCount int32             `thrift:"13"`
	IsBulkLoading      *bool             `thrift:"14"`
	AtomicIdempotent   *bool             `thrift:"15"`
}

// CreateAppRequest creates a table.
type CreateAppRequest struct {
	AppName string           `thrift:"1"`
	Options CreateAppOptions `thrift:"2"`
}

// CreateAppOptions are the properties of a new table.
type CreateAppOptions struct {
	PartitionCount   int32             `thrift:"1"`
	ReplicaCount     int32             `thrift:"2"`
	SuccessIfExist   bool              `thrift:"3"`
	AppType          string            `thrift:"4"` // "pegasus"
	IsStateful       bool              `thrift:"5"` // true
	Envs             map[string]string `thrift:"6"`
	AtomicIdempotent *bool             `thrift:"7"`
}

// CreateAppResponse answers CreateAppRequest.
type CreateAppResponse struct {
	Err   ErrorCode `thrift:"1"`
	AppID int32     `thrift:"2"`
}

// DropAppRequest drops a table.
type DropAppRequest struct {
	AppName string         `thrift:"1"`
	Options DropAppOptions `thrift:"2"`
}

// DropAppOptions say how to drop a table.
type DropAppOptions struct {
	SuccessIfNotExist bool   `thrift:"1"`
	ReserveSeconds    *int64 `thrift:"2"` // time until the data is purged
}

// DropAppResponse answers DropAppRequest.
type DropAppResponse struct {
	Err ErrorCode `thrift:"1"`
}

// RecallAppRequest brings a dropped table back.
type RecallAppRequest struct {
	AppID      int32  `thrift:"1"`
	NewAppName string `thrift:"2"` // empty = the old name
}

// RecallAppResponse answers RecallAppRequest.
type RecallAppResponse struct {
	Err  ErrorCode `thrift:"1"`
	Info AppInfo   `thrift:"2"`
}

// RenameAppRequest renames a table.
type RenameAppRequest struct {
	OldAppName string `thrift:"1"`
	NewAppName string `thrift:"2"`
}

// HintResponse is the answer of the RPCs that explain failures in a text.
type HintResponse struct {
	Err  ErrorCode `thrift:"1"`
	Hint string    `thrift:"2"`
}

// ListAppsRequest lists tables.
type ListAppsRequest struct {
	Status         AppStatus `thrift:"1"` // AppInvalid = all
	AppNamePattern *string   `thrift:"2"`
	MatchType      *int32    `thrift:"3"`
}

// ListAppsResponse answers ListAppsRequest.
type ListAppsResponse struct {
	Err   ErrorCode `thrift:"1"`
	Infos []AppInfo `thrift:"2"`
	Hint  *string   `thrift:"3"`
}

// ListNodesRequest lists replica servers.
type ListNodesRequest struct {
	Status NodeStatus `thrift:"1"` // NodeInvalid = all
}

// NodeInfo is one replica server.
type NodeInfo struct {
	Status NodeStatus `thrift:"1"`
	Node   Address    `thrift:"2"`
	HPNode *HostPort  `thrift:"3"`
}

// ListNodesResponse answers ListNodesRequest.
type ListNodesResponse struct {
	Err   ErrorCode  `thrift:"1"`
	Infos []NodeInfo `thrift:"2"`
}

// ClusterInfoRequest asks for facts about the cluster.
type ClusterInfoRequest struct{}

// ClusterInfoResponse answers ClusterInfoRequest; the lists are parallel.
type ClusterInfoResponse struct {
	Err    ErrorCode `thrift:"1"`
	Keys   []string  `thrift:"2"`
	Values []string  `thrift:"3"`
}

// ControlMetaRequest reads or sets the function level.
type ControlMetaRequest struct {
	Level MetaFunctionLevel `thrift:"1"`
}

// ControlMetaResponse answers ControlMetaRequest.
type ControlMetaResponse struct {
	Err      ErrorCode         `thrift:"1"`
	OldLevel MetaFunctionLevel `thrift:"2"`
}

// UpdateAppEnvRequest changes the environment of a table.
type UpdateAppEnvRequest struct {
	AppName     string          `thrift:"1"`
	Op          AppEnvOperation `thrift:"2"`
	Keys        *[]string       `thrift:"3"`
	Values      *[]string       `thrift:"4"`
	ClearPrefix *string         `thrift:"5"`
}
