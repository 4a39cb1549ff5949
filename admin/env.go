package admin

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/pegasus-go/pegasus/internal/wire"
)

// GetEnvs returns the environment of a table; it is empty, not nil, if nothing
// is set.
func (c *Client) GetEnvs(ctx context.Context, table string) (map[string]string, error) {
	t, err := c.table(ctx, "GetEnvs", table)
	return t.Envs, err
}

// SetEnvs adds variables to the environment of a table, or changes them: all of
// envs, or none if the server refuses one. The error then has
// ErrInvalidParameters, and Error.Hint says why.
//
// The servers of a cluster learn of a change within about 30 s, an onebox at
// once.
func (c *Client) SetEnvs(ctx context.Context, table string, envs map[string]string) error {
	const op = "SetEnvs"
	if len(envs) == 0 {
		return refuse(op, table, argumentError("envs", "must not be nil or empty"))
	}
	keys := slices.Sorted(maps.Keys(envs))
	values := make([]string, len(keys))
	for i, k := range keys {
		values[i] = envs[k]
	}
	return c.updateEnvs(ctx, op, wire.UpdateAppEnvRequest{AppName: table, Op: wire.AppEnvSet, Keys: &keys, Values: &values})
}

// DelEnvs removes variables from the environment of a table. Those that are not
// set are passed over.
func (c *Client) DelEnvs(ctx context.Context, table string, keys ...string) error {
	const op = "DelEnvs"
	if len(keys) == 0 {
		return refuse(op, table, argumentError("keys", "must not be empty"))
	}
	return c.updateEnvs(ctx, op, wire.UpdateAppEnvRequest{AppName: table, Op: wire.AppEnvDel, Keys: &keys})
}

// ClearEnvs removes the variables whose names begin with prefix and a dot from
// the environment of a table, or all of them if prefix is empty.
func (c *Client) ClearEnvs(ctx context.Context, table, prefix string) error {
	return c.updateEnvs(ctx, "ClearEnvs", wire.UpdateAppEnvRequest{AppName: table, Op: wire.AppEnvClear, ClearPrefix: &prefix})
}

// hintNoTable is how servers up to 2.5 say that there is no such table; the
// code beside it, ErrInvalidParameters, has other meanings, too.
const hintNoTable = "invalid app name"

func (c *Client) updateEnvs(ctx context.Context, op string, req wire.UpdateAppEnvRequest) error {
	if err := validateName("table", req.AppName); err != nil {
		return refuse(op, req.AppName, err)
	}
	var resp wire.HintResponse
	err := ask(ctx, c, request{op: op, table: req.AppName, task: wire.TaskUpdateAppEnv, kind: idempotent}, &req,
		&resp, func() (wire.ErrorCode, string) { return resp.Err, resp.Hint })
	var e *Error
	if errors.As(err, &e) && e.Hint == hintNoTable {
		e.Err = fmt.Errorf("%w: %w", ErrTableNotFound, e.Err)
	}
	return err
}
