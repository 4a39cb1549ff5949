package wire

// StartManualCompactRequest starts a compaction of a table.
type StartManualCompactRequest struct {
	AppName         string `thrift:"1"`
	TriggerTime     *int64 `thrift:"2"` // Unix time
	TargetLevel     *int32 `thrift:"3"`
	Bottommost      *bool  `thrift:"4"`
	MaxRunningCount *int32 `thrift:"5"`
}

// AppNameRequest is the argument of the RPCs that only name a table.
type AppNameRequest struct {
	AppName string `thrift:"1"`
}

// QueryManualCompactResponse tells how far a compaction is.
type QueryManualCompactResponse struct {
	Err      ErrorCode `thrift:"1"`
	Hint     string    `thrift:"2"`
	Progress *int32    `thrift:"3"` // percent
}

// QueryDuplicationResponse lists the other clusters that a table is copied to.
type QueryDuplicationResponse struct {
	Err       ErrorCode          `thrift:"1"`
	AppID     int32              `thrift:"3"`
	EntryList []DuplicationEntry `thrift:"4"`
}

// DuplicationEntry is one of those clusters.
type DuplicationEntry struct {
	DupID  int32  `thrift:"1"`
	Status int32  `thrift:"2"`
	Remote string `thrift:"3"`
}

// MaxReplicaCountResponse is the answer of the RPCs about the replica count:
// the present one to get, the old one to set.
type MaxReplicaCountResponse struct {
	Err             ErrorCode `thrift:"1"`
	MaxReplicaCount int32     `thrift:"2"`
	Hint            string    `thrift:"3"`
}

// SetMaxReplicaCountRequest sets the replica count of a table.
type SetMaxReplicaCountRequest struct {
	AppName         string `thrift:"1"`
	MaxReplicaCount int32  `thrift:"2"`
}

// StartPartitionSplitRequest doubles the partitions of a table.
type StartPartitionSplitRequest struct {
	AppName           string `thrift:"1"`
	NewPartitionCount int32  `thrift:"2"`
}

// QueryPartitionSplitResponse tells how far a split is. Status maps the index
// of a parent that is still splitting to its state.
type QueryPartitionSplitResponse struct {
	Err               ErrorCode             `thrift:"1"`
	NewPartitionCount int32                 `thrift:"2"`
	Status            map[int32]SplitStatus `thrift:"3"`
	Hint              *string               `thrift:"4"`
}

// ControlPartitionSplitRequest pauses, restarts or cancels a split.
type ControlPartitionSplitRequest struct {
	AppName           string           `thrift:"1"`
	ControlType       SplitControlType `thrift:"2"`
	ParentIndex       int32            `thrift:"3"` // -1 = all
	OldPartitionCount *int32           `thrift:"4"`
}

// OptionalHintResponse is HintResponse with a text that may be missing.
type OptionalHintResponse struct {
	Err  ErrorCode `thrift:"1"`
	Hint *string   `thrift:"2"`
}

// BalancerRequest proposes a change of a partition's configuration.
type BalancerRequest struct {
	PID         GPID             `thrift:"1"`
	ActionList  []ProposalAction `thrift:"2"`
	Force       *bool            `thrift:"3"`
	BalanceType *int32           `thrift:"4"`
}

// ProposalAction is one step of a BalancerRequest.
type ProposalAction struct {
	Target   Address   `thrift:"1"`
	Node     Address   `thrift:"2"`
	Type     int32     `thrift:"3"`
	HPTarget *HostPort `thrift:"5"`
	HPNode   *HostPort `thrift:"6"`
}

// ErrResponse is an answer without anything but the outcome.
type ErrResponse struct {
	Err ErrorCode `thrift:"1"`
}

// DiagnoseRequest asks why a partition has no primary; GPID{-1, -1} is all.
type DiagnoseRequest struct {
	PID GPID `thrift:"1"`
}

// DiagnoseResponse answers DiagnoseRequest.
type DiagnoseResponse struct {
	Err        ErrorCode           `thrift:"1"`
	Partitions []PartitionDiagnose `thrift:"2"`
}

// PartitionDiagnose is one partition without a primary.
type PartitionDiagnose struct {
	Config  PartitionConfiguration `thrift:"1"`
	Dropped []DiagnoseNode         `thrift:"2"`
	Reason  string                 `thrift:"3"`
}

// DiagnoseNode is a replica that was lost.
type DiagnoseNode struct {
	Node                Address   `thrift:"1"`
	DropTimeMs          int64     `thrift:"2"`
	IsAlive             bool      `thrift:"3"`
	IsCollected         bool      `thrift:"4"`
	Ballot              int64     `thrift:"5"`
	LastCommittedDecree int64     `thrift:"6"`
	LastPreparedDecree  int64     `thrift:"7"`
	HPNode              *HostPort `thrift:"8"`
}

// QueryAppInfoRequest asks a replica server for its tables.
type QueryAppInfoRequest struct {
	MetaServer   Address   `thrift:"1"`
	HPMetaServer *HostPort `thrift:"2"`
}

// QueryAppInfoResponse answers QueryAppInfoRequest.
type QueryAppInfoResponse struct {
	Err  ErrorCode `thrift:"1"`
	Apps []AppInfo `thrift:"2"`
}

// QueryReplicaInfoRequest asks a replica server for its replicas.
type QueryReplicaInfoRequest struct {
	Node   Address   `thrift:"1"`
	HPNode *HostPort `thrift:"2"`
}

// QueryReplicaInfoResponse answers QueryReplicaInfoRequest.
type QueryReplicaInfoResponse struct {
	Err      ErrorCode     `thrift:"1"`
	Replicas []ReplicaInfo `thrift:"2"`
}

// ReplicaInfo is one replica of a node.
type ReplicaInfo struct {
	PID                 GPID            `thrift:"1"`
	Ballot              int64           `thrift:"2"`
	Status              PartitionStatus `thrift:"3"`
	LastCommittedDecree int64           `thrift:"4"`
	LastPreparedDecree  int64           `thrift:"5"`
	LastDurableDecree   int64           `thrift:"6"`
	AppType             string          `thrift:"7"`
	DiskTag             string          `thrift:"8"`
	ManualCompactStatus *int32          `thrift:"9"`
}

// QueryDiskInfoRequest asks a replica server for its disks.
type QueryDiskInfoRequest struct {
	Node    Address   `thrift:"1"`
	AppName string    `thrift:"2"` // empty = all tables
	HPNode  *HostPort `thrift:"3"`
}

// QueryDiskInfoResponse answers QueryDiskInfoRequest.
type QueryDiskInfoResponse struct {
	Err              ErrorCode  `thrift:"1"`
	TotalCapacityMB  int64      `thrift:"2"`
	TotalAvailableMB int64      `thrift:"3"`
	DiskInfos        []DiskInfo `thrift:"4"`
}

// DiskInfo is one disk and the replicas on it, by table id.
type DiskInfo struct {
	Tag                      string                      `thrift:"1"`
	FullDir                  string                      `thrift:"2"`
	DiskCapacityMB           int64                       `thrift:"3"`
	DiskAvailableMB          int64                       `thrift:"4"`
	HoldingPrimaryReplicas   map[int32]map[GPID]struct{} `thrift:"5"`
	HoldingSecondaryReplicas map[int32]map[GPID]struct{} `thrift:"6"`
}

// Command is a remote command; the answer is a Text.
type Command struct {
	Cmd       string   `thrift:"1"`
	Arguments []string `thrift:"2"`
}

// Negotiation is both the request and the answer of the authentication RPC.
type Negotiation struct {
	Status int32 `thrift:"1"`
	Msg    Blob  `thrift:"2"`
}

// What a Negotiation is. Clients send those that are not answers.
const (
	NegotiationListMechanisms = iota + 1
	NegotiationMechanisms     // the answer: names, with commas between them
	NegotiationSelectMechanism
	NegotiationMechanismSelected // the answer
	NegotiationInitiate          // with the first message of the mechanism
	NegotiationChallenge         // an answer
	NegotiationResponse          // to a challenge
	NegotiationSuccess           // an answer
	NegotiationAuthDisable       // an answer: go on without authentication
	NegotiationAuthFail          // an answer
)
