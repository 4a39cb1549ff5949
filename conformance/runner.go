package conformance

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"time"
)

// sharedPartitions is the partition count of the table that cases without isolation share.
const sharedPartitions = 4

// Runner runs behaviour cases against one target, in tables of its own. It is safe for concurrent use; each case may be
// run once.
type Runner struct {
	target Target
	prefix string // of the names of all tables of this run
	admin  *cluster
	shared *table
}

// NewRunner connects to a target and creates the table that most cases share.
func NewRunner(ctx context.Context, target Target) (*Runner, error) {
	admin, err := openCluster(ctx, target)
	if err != nil {
		return nil, err
	}
	r := &Runner{target: target, prefix: runPrefix(), admin: admin}
	if r.shared, err = admin.createTable(ctx, r.prefix+"shared", sharedPartitions); err != nil {
		admin.close()
		return nil, err
	}
	return r, nil
}

// runPrefix returns a prefix of table names that no other run has.
func runPrefix() string { return fmt.Sprintf("conformance_%x_", time.Now().UnixNano()) }

// Close drops every table of the run and disconnects.
func (r *Runner) Close(ctx context.Context) error {
	defer r.admin.close()
	return r.admin.dropTables(ctx, r.prefix)
}

// execution is the state of one case being run.
type execution struct {
	scope
	c       *Case
	cluster *cluster
	table   *table
}

// Run runs a case; the error says which step answered what instead of what. Whether the case may be sent to the target
// at all is for the caller to ask: Case.Skip.
func (r *Runner) Run(ctx context.Context, c *Case) error {
	cl, err := openCluster(ctx, r.target)
	if err != nil {
		return err
	}
	defer cl.close()
	x := &execution{c: c, cluster: cl, table: r.shared}
	if c.Isolation != nil {
		name := c.Isolation.Name
		if name == "" {
			name = "case_" + strings.NewReplacer("/", ".", "-", "_").Replace(c.ID)
		}
		if x.table, err = cl.createTable(ctx, r.prefix+name, c.Isolation.PartitionCount); err != nil {
			return err
		}
	}
	x.scope = scope{
		vars: map[string]any{"$APP_ID": int64(x.table.id)}, replicas: r.target.replicas(), table: x.table.name, prefix: r.prefix,
	}
	for i, step := range c.Given {
		if err := x.step(ctx, step, step.Expect); err != nil {
			return fmt.Errorf("given %d, %s: %w", i+1, step.RPC, err)
		}
	}
	if c.requires("table_ready") {
		if err := x.awaitTables(ctx); err != nil {
			return err
		}
	}
	if err := x.step(ctx, c.Op, c.Expect); err != nil {
		return fmt.Errorf("op %s: %w", c.Op.RPC, err)
	}
	for i, check := range c.Then {
		look := func() error { return x.step(ctx, check.Op, check.Expect) }
		var err error
		if c.Op.RPC == "meta.rename_app" { // is answered before the old name is gone
			err = poll(ctx, settleWait, look)
		} else {
			err = look()
		}
		if err != nil {
			return fmt.Errorf("then %d, %s: %w", i+1, check.Op.RPC, err)
		}
	}
	return nil
}

// step runs one step and compares the answer; a nil expectation is success.
func (x *execution) step(ctx context.Context, step Step, want Expectation) error {
	once := func() error {
		result, rpcError, err := x.send(ctx, step)
		if err != nil {
			return err
		}
		return x.check(step, want, rpcError, result)
	}
	isData := !strings.HasPrefix(step.RPC, "meta.")
	if !x.c.requires("settle") || !isData {
		if err := once(); err != nil {
			return err
		}
	} else if err := poll(ctx, settleWait, func() error {
		if t, err := x.cluster.lookUp(ctx, x.table.name); err == nil {
			x.table = t
		}
		return once()
	}); err != nil {
		return err
	}
	if step.RPC == "meta.update_app_env" && x.c.requires("env_sync") && !x.cluster.target.Embedded {
		return wait(ctx, envSyncWait)
	}
	return nil
}

// check compares the answer to a step and saves what later steps refer to.
func (x *execution) check(step Step, want Expectation, rpcError string, result Struct) error {
	wantError := "ERR_OK"
	fields := maps.Clone(want)
	if e, ok := want["rpc_error"].(string); ok {
		wantError = e
		delete(fields, "rpc_error")
	}
	if rpcError != wantError {
		return fmt.Errorf("rpc error %s, want %s", rpcError, wantError)
	}
	if rpcError != "ERR_OK" || result == nil {
		return nil
	}
	if want == nil {
		if e, ok := result["error"]; ok && e != int64(0) {
			return fmt.Errorf("error %v, want success", e)
		}
		if e, ok := result["err"]; ok && e != "ERR_OK" {
			return fmt.Errorf("err %v, want success", e)
		}
	}
	if err := x.matchFields(fields, result); err != nil {
		return fmt.Errorf("%w; the answer was %s", err, show(result))
	}
	for variable, name := range step.Save {
		x.vars[variable] = result[name]
	}
	return nil
}

// send runs the RPC of a step. The result is nil if the RPC is never answered or answered with an RPC-level error.
func (x *execution) send(ctx context.Context, step Step) (result Struct, rpcError string, err error) {
	var resp *Response
	if strings.HasPrefix(step.RPC, "meta.") {
		resp, err = x.sendMeta(ctx, step)
	} else {
		resp, err = x.sendData(ctx, step)
	}
	if err != nil {
		return nil, "", err
	}
	if resp == nil {
		return nil, "ERR_OK", nil
	}
	result, _ = resp.Result.(Struct)
	if step.RPC == "get_scanner" || step.RPC == "scan" {
		err = splitScannedKeys(result)
	}
	return result, resp.Error, err
}

func (x *execution) sendData(ctx context.Context, step Step) (*Response, error) {
	q, err := x.request(x.table, step)
	if err != nil {
		return nil, err
	}
	return x.cluster.call(ctx, x.table.node(q.PartitionIndex), q)
}

// sendMeta runs a meta RPC. A meta server that is still busy with an earlier change of the table is asked again.
func (x *execution) sendMeta(ctx context.Context, step Step) (*Response, error) {
	def := rpcNamed(step.RPC)
	if def == nil {
		return nil, fmt.Errorf("unknown rpc %q", step.RPC)
	}
	arg, err := x.structure(def.arg.def, step.Args)
	if err != nil {
		return nil, err
	}
	var resp *Response
	callErr := error(nil)
	err = poll(ctx, settleWait, func() error {
		if resp, callErr = x.cluster.callMeta(ctx, def.code, arg); callErr != nil {
			return nil
		}
		if result, _ := resp.Result.(Struct); result["err"] == "ERR_BUSY_CREATING" || result["err"] == "ERR_BUSY_DROPPING" {
			return fmt.Errorf("%s: still %s", def.code, result["err"])
		}
		return nil
	})
	if callErr != nil {
		return nil, callErr
	}
	return resp, err
}

// awaitTables waits until the tables that the case created serve.
func (x *execution) awaitTables(ctx context.Context) error {
	for _, step := range x.c.Given {
		if name, ok := step.Args["app_name"].(string); ok && step.RPC == "meta.create_app" {
			if _, err := x.cluster.openTable(ctx, x.tableName(name)); err != nil {
				return err
			}
		}
	}
	return nil
}

// splitScannedKeys replaces the raw keys of a scanned batch by hash_key and sort_key, the form case files use.
func splitScannedKeys(result Struct) error {
	kvs, _ := result["kvs"].([]any)
	for _, kv := range kvs {
		kv := kv.(Struct)
		raw, _ := kv["key"].([]byte)
		hashKey, sortKey, ok := splitRawKey(raw)
		if !ok {
			return fmt.Errorf("scanned key %x is not a key", raw)
		}
		delete(kv, "key")
		kv["hash_key"], kv["sort_key"] = hashKey, sortKey
	}
	return nil
}
