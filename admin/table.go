package admin

import (
	"context"
	"fmt"
	"maps"
	"math"
	"strings"
	"time"

	"github.com/pegasus-go/pegasus/internal/wire"
)

// TableStatus is the state of a table.
type TableStatus int32

// States of a table. AnyStatus selects all tables in Tables.
const (
	AnyStatus      TableStatus = 0
	TableAvailable TableStatus = 1
	TableCreating  TableStatus = 2
	TableDropping  TableStatus = 4
	TableDropped   TableStatus = 6 // and can be recalled
	TableRecalling TableStatus = 7
)

// String names the state, such as "available".
func (s TableStatus) String() string {
	switch s {
	case AnyStatus:
		return "any"
	case TableAvailable:
		return "available"
	case TableCreating:
		return "creating"
	case TableDropping:
		return "dropping"
	case TableDropped:
		return "dropped"
	case TableRecalling:
		return "recalling"
	}
	return fmt.Sprintf("status %d", int32(s))
}

// Table describes a table.
type Table struct {
	ID         int
	Name       string
	Status     TableStatus
	Partitions int
	Replicas   int               // wanted of each partition
	Envs       map[string]string // never nil
	Created    time.Time         // zero if the server did not say
	Dropped    time.Time         // zero if it never was
	// Purged is when the data of a dropped table is deleted for good. It means
	// nothing while the table is available.
	Purged time.Time
	// CreatedWith is the number of partitions that the table was created with; splits
	// have made more of them. Whether one is under way is told by QuerySplit.
	// 0 if the server does not say.
	CreatedWith int
	Duplicating bool
	BulkLoading bool
}

func tableOf(info *wire.AppInfo) Table {
	t := Table{
		ID:          int(info.AppID),
		Name:        info.AppName,
		Status:      TableStatus(info.Status),
		Partitions:  int(info.PartitionCount),
		Replicas:    int(info.MaxReplicaCount),
		Envs:        info.Envs,
		Created:     unix(info.CreateSecond),
		Dropped:     unix(info.DropSecond),
		Purged:      unix(info.ExpireSecond),
		CreatedWith: int(max(info.InitPartitionCount, 0)),
		Duplicating: info.Duplicating != nil && *info.Duplicating,
		BulkLoading: info.IsBulkLoading != nil && *info.IsBulkLoading,
	}
	if t.Envs == nil {
		t.Envs = make(map[string]string)
	}
	return t
}

func unix(seconds int64) time.Time {
	if seconds <= 0 {
		return time.Time{}
	}
	return time.Unix(seconds, 0)
}

// CreateOptions are the properties of a new table. The zero value of a field is
// its default.
type CreateOptions struct {
	// Partitions is the number of partitions. A power of two suits all clients
	// of Pegasus. Default 8.
	Partitions int
	// Replicas is the number of copies of each partition, 1 to 5, and no more
	// than the cluster has replica servers. Default 3.
	Replicas int
	// Envs is the environment, such as {"default_ttl": "86400"}.
	Envs map[string]string
	// SuccessIfExist makes it no error if the table exists with the same
	// properties.
	SuccessIfExist bool
}

const (
	defaultPartitions = 8
	defaultReplicas   = 3
	maxReplicas       = 5
)

// CreateTable creates a table and waits until all its partitions have a
// primary, so that it can be used. It returns the id of the table.
//
// The name consists of letters, digits and the characters _ . : since clients
// of Pegasus accept no others. If ctx ends during the wait the error has
// ErrNoPrimary, the id is valid, and the table stays: that it was made is not in
// doubt. If the table exists the error has ErrAppExist; servers before 2.4 answer
// ErrInvalidParameters.
func (c *Client) CreateTable(ctx context.Context, table string, options CreateOptions) (id int, err error) {
	const op = "CreateTable"
	if options.Partitions == 0 {
		options.Partitions = defaultPartitions
	}
	if options.Replicas == 0 {
		options.Replicas = defaultReplicas
	}
	if err := validateCreate(table, &options); err != nil {
		return 0, refuse(op, table, err)
	}
	ctx, cancel := c.limit(ctx)
	defer cancel()
	req := wire.CreateAppRequest{
		AppName: table,
		Options: wire.CreateAppOptions{
			PartitionCount: int32(options.Partitions),
			ReplicaCount:   int32(options.Replicas),
			SuccessIfExist: options.SuccessIfExist,
			AppType:        "pegasus",
			IsStateful:     true,
			Envs:           maps.Clone(options.Envs),
		},
	}
	r := request{op: op, table: table, task: wire.TaskCreateApp, kind: once}
	if options.SuccessIfExist {
		r.kind = idempotent
	}
	var resp wire.CreateAppResponse
	err = ask(ctx, c, r,
		&req, &resp, func() (wire.ErrorCode, string) { return resp.Err, "" })
	if err != nil {
		return 0, err
	}
	return int(resp.AppID), c.waitForPrimaries(ctx, op, table)
}

func validateCreate(table string, options *CreateOptions) error {
	if err := validateNewName("table", table); err != nil {
		return err
	}
	switch n := options.Partitions; {
	case n < 0 || n > math.MaxInt32:
		return argumentError("options.Partitions", "is %d, must be a positive number of 31 bits", n)
	case options.Replicas < 1 || options.Replicas > maxReplicas:
		return argumentError("options.Replicas", "is %d, must be 1 to %d", options.Replicas, maxReplicas)
	}
	return nil
}

func validateName(name, table string) error {
	if table == "" {
		return argumentError(name, "must not be empty")
	}
	return nil
}

func validateNewName(name, table string) error {
	if err := validateName(name, table); err != nil {
		return err
	}
	i := strings.IndexFunc(table, func(r rune) bool {
		switch {
		case r >= '0' && r <= '9', r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r == '_', r == '.', r == ':':
			return false
		}
		return true
	})
	if i >= 0 {
		return argumentError(name, "%q may only have letters, digits and the characters _ . :", table)
	}
	return nil
}

// DropTable drops a table. Its data is kept for recalling: for reserve, rounded
// up to seconds, or if that is 0 for as long as the server likes, a week by
// default.
//
// The error has ErrTableNotFound if there is no such table.
func (c *Client) DropTable(ctx context.Context, table string, reserve time.Duration) error {
	const op = "DropTable"
	if err := validateName("table", table); err != nil {
		return refuse(op, table, err)
	}
	if reserve < 0 {
		return refuse(op, table, argumentError("reserve", "is %v, must not be negative", reserve))
	}
	req := wire.DropAppRequest{AppName: table}
	if reserve > 0 {
		seconds := int64((reserve-1)/time.Second) + 1
		req.Options.ReserveSeconds = &seconds
	}
	var resp wire.DropAppResponse
	return ask(ctx, c, request{op: op, table: table, task: wire.TaskDropApp, kind: once},
		&req, &resp, func() (wire.ErrorCode, string) { return resp.Err, "" })
}

// RecallTable brings a dropped table back under newName, or under its old name
// if newName is empty, and waits until all its partitions have a primary. id is
// Table.ID, listed by Tables with TableDropped.
//
// The error has ErrTableNotFound if the table was purged or never existed,
// ErrAppExist if it is not dropped, and ErrInvalidParameters if the name is in
// use.
func (c *Client) RecallTable(ctx context.Context, id int, newName string) (Table, error) {
	const op = "RecallTable"
	if id <= 0 || id > math.MaxInt32 {
		return Table{}, refuse(op, newName, argumentError("id", "is %d, must be a positive number of 31 bits", id))
	}
	if newName != "" {
		if err := validateNewName("newName", newName); err != nil {
			return Table{}, refuse(op, newName, err)
		}
	}
	ctx, cancel := c.limit(ctx)
	defer cancel()
	var resp wire.RecallAppResponse
	err := ask(ctx, c, request{op: op, table: newName, task: wire.TaskRecallApp, kind: once},
		&wire.RecallAppRequest{AppID: int32(id), NewAppName: newName}, &resp,
		func() (wire.ErrorCode, string) { return resp.Err, "" })
	if err != nil {
		return Table{}, err
	}
	t := tableOf(&resp.Info)
	return t, c.waitForPrimaries(ctx, op, t.Name)
}

// RenameTable changes the name of a table; servers know it since 2.5.
//
// A client that has the table open under its old name goes on with it, since servers
// know tables by their ids, until it has reason to ask the meta servers, such as a
// partition that moved. They know tables by their names: the client's operations
// fail with ErrTableNotFound then, or go to another table that has got the name
// meanwhile. Open the table under its new name before that, and close the old one.
//
// The error has ErrTableNotFound if there is no such table, and
// ErrInvalidParameters if the new name is in use.
func (c *Client) RenameTable(ctx context.Context, table, newName string) error {
	const op = "RenameTable"
	if err := validateName("table", table); err != nil {
		return refuse(op, table, err)
	}
	if err := validateNewName("newName", newName); err != nil {
		return refuse(op, table, err)
	}
	var resp wire.HintResponse
	return ask(ctx, c, request{op: op, table: table, task: wire.TaskRenameApp, kind: once},
		&wire.RenameAppRequest{OldAppName: table, NewAppName: newName}, &resp,
		func() (wire.ErrorCode, string) { return resp.Err, resp.Hint })
}

// Tables lists the tables in a state, or all of them with AnyStatus, ordered by
// id.
func (c *Client) Tables(ctx context.Context, status TableStatus) ([]Table, error) {
	return c.tables(ctx, request{op: "Tables", task: wire.TaskListApps}, status)
}

func (c *Client) tables(ctx context.Context, r request, status TableStatus) ([]Table, error) {
	var resp wire.ListAppsResponse
	err := ask(ctx, c, r, &wire.ListAppsRequest{Status: wire.AppStatus(status)}, &resp,
		func() (wire.ErrorCode, string) { return resp.Err, text(resp.Hint) })
	if err != nil {
		return nil, err
	}
	tables := make([]Table, len(resp.Infos))
	for i := range resp.Infos {
		tables[i] = tableOf(&resp.Infos[i])
	}
	return tables, nil
}

// Table describes an available table. The error has ErrTableNotFound if there
// is none of that name.
func (c *Client) Table(ctx context.Context, table string) (Table, error) {
	return c.table(ctx, "Table", table)
}

func (c *Client) table(ctx context.Context, op, table string) (Table, error) {
	if err := validateName("table", table); err != nil {
		return Table{}, refuse(op, table, err)
	}
	tables, err := c.tables(ctx, request{op: op, table: table, task: wire.TaskListApps}, TableAvailable)
	if err != nil {
		return Table{}, err
	}
	for _, t := range tables {
		if t.Name == table {
			return t, nil
		}
	}
	return Table{}, refuse(op, table, ErrTableNotFound)
}

// Replicas returns the number of copies that each partition of a table is to
// have; servers know it since 2.4.
func (c *Client) Replicas(ctx context.Context, table string) (int, error) {
	const op = "Replicas"
	if err := validateName("table", table); err != nil {
		return 0, refuse(op, table, err)
	}
	var resp wire.MaxReplicaCountResponse
	err := ask(ctx, c, request{op: op, table: table, task: wire.TaskGetMaxReplicaCount}, &wire.AppNameRequest{AppName: table},
		&resp, func() (wire.ErrorCode, string) { return resp.Err, resp.Hint })
	return int(resp.MaxReplicaCount), err
}

// SetReplicas changes the number of copies of each partition of a table, 1 to
// 5, and returns the number before; servers know it since 2.4. The cluster adds
// and removes copies in the background. After an error with ErrInDoubt Replicas tells
// whether it was carried out.
func (c *Client) SetReplicas(ctx context.Context, table string, replicas int) (old int, err error) {
	const op = "SetReplicas"
	if err := validateName("table", table); err != nil {
		return 0, refuse(op, table, err)
	}
	if replicas < 1 || replicas > maxReplicas {
		return 0, refuse(op, table, argumentError("replicas", "is %d, must be 1 to %d", replicas, maxReplicas))
	}
	var resp wire.MaxReplicaCountResponse
	err = ask(ctx, c, request{op: op, table: table, task: wire.TaskSetMaxReplicaCount, kind: once},
		&wire.SetMaxReplicaCountRequest{AppName: table, MaxReplicaCount: int32(replicas)},
		&resp, func() (wire.ErrorCode, string) { return resp.Err, resp.Hint })
	return int(resp.MaxReplicaCount), err
}
