package wire

import "reflect"

// A codec is a message in both directions.
type codec interface {
	Message
	Read(r *Reader)
}

// rpcs says how the argument and the result of a task code are decoded. A
// result that is nil is never sent.
var rpcs = map[string]struct{ arg, result func() codec }{
	TaskGet:            {newBlob, hand[ReadResponse]},
	TaskTTL:            {newBlob, hand[TTLResponse]},
	TaskMultiGet:       {hand[MultiGetRequest], hand[MultiGetResponse]},
	TaskBatchGet:       {hand[BatchGetRequest], hand[BatchGetResponse]},
	TaskSortKeyCount:   {newBlob, hand[CountResponse]},
	TaskGetScanner:     {hand[GetScannerRequest], hand[ScanResponse]},
	TaskScan:           {hand[ScanRequest], hand[ScanResponse]},
	TaskClearScanner:   {func() codec { return new(contextIDCodec) }, nil},
	TaskPut:            {hand[UpdateRequest], hand[UpdateResponse]},
	TaskMultiPut:       {hand[MultiPutRequest], hand[UpdateResponse]},
	TaskRemove:         {newBlob, hand[UpdateResponse]},
	TaskMultiRemove:    {hand[MultiRemoveRequest], hand[MultiRemoveResponse]},
	TaskIncr:           {hand[IncrRequest], hand[IncrResponse]},
	TaskCheckAndSet:    {hand[CheckAndSetRequest], hand[CheckResponse]},
	TaskCheckAndMutate: {hand[CheckAndMutateRequest], hand[CheckResponse]},

	TaskQueryConfig:           {tagged[QueryConfigRequest], tagged[QueryConfigResponse]},
	TaskCreateApp:             {tagged[CreateAppRequest], tagged[CreateAppResponse]},
	TaskDropApp:               {tagged[DropAppRequest], tagged[DropAppResponse]},
	TaskRecallApp:             {tagged[RecallAppRequest], tagged[RecallAppResponse]},
	TaskRenameApp:             {tagged[RenameAppRequest], tagged[HintResponse]},
	TaskListApps:              {tagged[ListAppsRequest], tagged[ListAppsResponse]},
	TaskListNodes:             {tagged[ListNodesRequest], tagged[ListNodesResponse]},
	TaskClusterInfo:           {tagged[ClusterInfoRequest], tagged[ClusterInfoResponse]},
	TaskControlMeta:           {tagged[ControlMetaRequest], tagged[ControlMetaResponse]},
	TaskProposeBalancer:       {tagged[BalancerRequest], tagged[ErrResponse]},
	TaskUpdateAppEnv:          {tagged[UpdateAppEnvRequest], tagged[HintResponse]},
	TaskDDDDiagnose:           {tagged[DiagnoseRequest], tagged[DiagnoseResponse]},
	TaskStartPartitionSplit:   {tagged[StartPartitionSplitRequest], tagged[HintResponse]},
	TaskControlPartitionSplit: {tagged[ControlPartitionSplitRequest], tagged[OptionalHintResponse]},
	TaskQueryPartitionSplit:   {tagged[AppNameRequest], tagged[QueryPartitionSplitResponse]},
	TaskStartManualCompact:    {tagged[StartManualCompactRequest], tagged[HintResponse]},
	TaskQueryManualCompact:    {tagged[AppNameRequest], tagged[QueryManualCompactResponse]},
	TaskQueryDuplication:      {tagged[AppNameRequest], tagged[QueryDuplicationResponse]},
	TaskGetMaxReplicaCount:    {tagged[AppNameRequest], tagged[MaxReplicaCountResponse]},
	TaskSetMaxReplicaCount:    {tagged[SetMaxReplicaCountRequest], tagged[MaxReplicaCountResponse]},
	TaskQueryAppInfo:          {tagged[QueryAppInfoRequest], tagged[QueryAppInfoResponse]},
	TaskQueryReplicaInfo:      {tagged[QueryReplicaInfoRequest], tagged[QueryReplicaInfoResponse]},
	TaskQueryDiskInfo:         {tagged[QueryDiskInfoRequest], tagged[QueryDiskInfoResponse]},
	TaskRemoteCommand:         {tagged[Command], func() codec { return new(textCodec) }},
	TaskNegotiation:           {tagged[Negotiation], tagged[Negotiation]},
}

// hand returns a message with a codec written by hand.
func hand[T any, P interface {
	*T
	codec
}]() codec {
	return P(new(T))
}

// tagged returns a message of the reflective codec.
func tagged[T any]() codec { return Of(new(T)) }

// The scalars that are an argument or a result by themselves.
type (
	blobCodec      struct{ Blob }
	contextIDCodec struct{ ContextID }
	textCodec      struct{ Text }
)

func newBlob() codec { return new(blobCodec) }

func (c *blobCodec) Read(r *Reader)      { c.Blob = r.Blob() }
func (c *contextIDCodec) Read(r *Reader) { c.ContextID = ContextID(r.I64()) }
func (c *textCodec) Read(r *Reader)      { c.Text = Text(r.Blob()) }

// valueOf returns the value that c decodes into.
func valueOf(c codec) reflect.Value {
	v := reflect.ValueOf(c)
	if v.Kind() == reflect.Struct { // Struct[T]
		return v.Field(0).Elem()
	}
	switch v := v.Elem(); c.(type) {
	case *blobCodec, *contextIDCodec, *textCodec:
		return v.Field(0)
	default:
		return v
	}
}
