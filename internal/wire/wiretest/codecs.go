package wiretest

import (
	"reflect"

	"github.com/pegasus-go/pegasus/internal/wire"
)

// Codec is a message in both directions.
type Codec interface {
	wire.Message
	Read(r *wire.Reader)
}

// RPC makes an argument and a result of an RPC to decode into. A Result that is
// nil is never sent.
type RPC struct{ Arg, Result func() Codec }

// RPCs are all RPCs by their task code.
var RPCs = map[string]RPC{
	wire.TaskGet:            {newBlob, hand[wire.ReadResponse]},
	wire.TaskTTL:            {newBlob, hand[wire.TTLResponse]},
	wire.TaskMultiGet:       {hand[wire.MultiGetRequest], hand[wire.MultiGetResponse]},
	wire.TaskBatchGet:       {hand[wire.BatchGetRequest], hand[wire.BatchGetResponse]},
	wire.TaskSortKeyCount:   {newBlob, hand[wire.CountResponse]},
	wire.TaskGetScanner:     {hand[wire.GetScannerRequest], hand[wire.ScanResponse]},
	wire.TaskScan:           {hand[wire.ScanRequest], hand[wire.ScanResponse]},
	wire.TaskClearScanner:   {func() Codec { return new(contextIDCodec) }, nil},
	wire.TaskPut:            {hand[wire.UpdateRequest], hand[wire.UpdateResponse]},
	wire.TaskMultiPut:       {hand[wire.MultiPutRequest], hand[wire.UpdateResponse]},
	wire.TaskRemove:         {newBlob, hand[wire.UpdateResponse]},
	wire.TaskMultiRemove:    {hand[wire.MultiRemoveRequest], hand[wire.MultiRemoveResponse]},
	wire.TaskIncr:           {hand[wire.IncrRequest], hand[wire.IncrResponse]},
	wire.TaskCheckAndSet:    {hand[wire.CheckAndSetRequest], hand[wire.CheckResponse]},
	wire.TaskCheckAndMutate: {hand[wire.CheckAndMutateRequest], hand[wire.CheckResponse]},

	wire.TaskQueryConfig:           {tagged[wire.QueryConfigRequest], tagged[wire.QueryConfigResponse]},
	wire.TaskCreateApp:             {tagged[wire.CreateAppRequest], tagged[wire.CreateAppResponse]},
	wire.TaskDropApp:               {tagged[wire.DropAppRequest], tagged[wire.DropAppResponse]},
	wire.TaskRecallApp:             {tagged[wire.RecallAppRequest], tagged[wire.RecallAppResponse]},
	wire.TaskRenameApp:             {tagged[wire.RenameAppRequest], tagged[wire.HintResponse]},
	wire.TaskListApps:              {tagged[wire.ListAppsRequest], tagged[wire.ListAppsResponse]},
	wire.TaskListNodes:             {tagged[wire.ListNodesRequest], tagged[wire.ListNodesResponse]},
	wire.TaskClusterInfo:           {tagged[wire.ClusterInfoRequest], tagged[wire.ClusterInfoResponse]},
	wire.TaskControlMeta:           {tagged[wire.ControlMetaRequest], tagged[wire.ControlMetaResponse]},
	wire.TaskProposeBalancer:       {tagged[wire.BalancerRequest], tagged[wire.ErrResponse]},
	wire.TaskUpdateAppEnv:          {tagged[wire.UpdateAppEnvRequest], tagged[wire.HintResponse]},
	wire.TaskDDDDiagnose:           {tagged[wire.DiagnoseRequest], tagged[wire.DiagnoseResponse]},
	wire.TaskStartPartitionSplit:   {tagged[wire.StartPartitionSplitRequest], tagged[wire.HintResponse]},
	wire.TaskControlPartitionSplit: {tagged[wire.ControlPartitionSplitRequest], tagged[wire.OptionalHintResponse]},
	wire.TaskQueryPartitionSplit:   {tagged[wire.AppNameRequest], tagged[wire.QueryPartitionSplitResponse]},
	wire.TaskStartManualCompact:    {tagged[wire.StartManualCompactRequest], tagged[wire.HintResponse]},
	wire.TaskQueryManualCompact:    {tagged[wire.AppNameRequest], tagged[wire.QueryManualCompactResponse]},
	wire.TaskQueryDuplication:      {tagged[wire.AppNameRequest], tagged[wire.QueryDuplicationResponse]},
	wire.TaskGetMaxReplicaCount:    {tagged[wire.AppNameRequest], tagged[wire.MaxReplicaCountResponse]},
	wire.TaskSetMaxReplicaCount:    {tagged[wire.SetMaxReplicaCountRequest], tagged[wire.MaxReplicaCountResponse]},
	wire.TaskQueryAppInfo:          {tagged[wire.QueryAppInfoRequest], tagged[wire.QueryAppInfoResponse]},
	wire.TaskQueryReplicaInfo:      {tagged[wire.QueryReplicaInfoRequest], tagged[wire.QueryReplicaInfoResponse]},
	wire.TaskQueryDiskInfo:         {tagged[wire.QueryDiskInfoRequest], tagged[wire.QueryDiskInfoResponse]},
	wire.TaskRemoteCommand:         {tagged[wire.Command], func() Codec { return new(textCodec) }},
	wire.TaskNegotiation:           {tagged[wire.Negotiation], tagged[wire.Negotiation]},
}

// hand returns a message with a Codec written by hand.
func hand[T any, P interface {
	*T
	Codec
}]() Codec {
	return P(new(T))
}

// tagged returns a message of the reflective Codec.
func tagged[T any]() Codec { return wire.Of(new(T)) }

// The scalars that are an argument or a result by themselves.
type (
	blobCodec      struct{ wire.Blob }
	contextIDCodec struct{ wire.ContextID }
	textCodec      struct{ wire.Text }
)

func newBlob() Codec { return new(blobCodec) }

func (c *blobCodec) Read(r *wire.Reader)      { c.Blob = r.Blob() }
func (c *contextIDCodec) Read(r *wire.Reader) { c.ContextID = wire.ContextID(r.I64()) }
func (c *textCodec) Read(r *wire.Reader)      { c.Text = wire.Text(r.Blob()) }

// ValueOf returns the value that c decodes into.
func ValueOf(c Codec) reflect.Value {
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
