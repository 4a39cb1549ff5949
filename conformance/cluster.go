package conformance

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"
)

// Target is the cluster under test.
type Target struct {
	Meta     []string // addresses of the meta servers, host:port
	Embedded bool     // a onebox: it may be sent what ends a real server's process, and what it is told is in force at once
	Version  string   // server version, major.minor, or "master" for the development branch; default "2.5"
	Replicas int      // replica count of new tables; default 1
	Framing  Framing  // default THFT v0
	Risky    bool     // a real cluster may be sent what ends a process of it now and then
}

// How long a real cluster may take. A onebox gets the same patience but needs none of it.
const (
	envSyncWait = 40 * time.Second // until changed environments are in force on every replica
	settleWait  = 60 * time.Second // until tables serve, or stop to serve, after the meta server said so
	pollPause   = 500 * time.Millisecond
	onewayPause = 30 * time.Millisecond // until a request that is not answered has been handled
)

func (t Target) replicas() int64 {
	if t.Replicas == 0 {
		return 1
	}
	return int64(t.Replicas)
}

// cluster is a set of connections to the servers of a target. It is safe for concurrent use, but calls to one server wait
// for each other.
type cluster struct {
	target Target
	leader string // address of the leading meta server
	mu     sync.Mutex
	peers  map[string]*Peer
}

// openCluster connects to the leading meta server of a target.
func openCluster(ctx context.Context, target Target) (*cluster, error) {
	c := &cluster{target: target, peers: map[string]*Peer{}}
	errs := []error{errors.New("no leading meta server found")}
	for _, c.leader = range target.Meta {
		_, err := c.meta(ctx, "RPC_CM_LIST_NODES", Struct{})
		if err == nil {
			return c, nil
		}
		errs = append(errs, fmt.Errorf("%s: %w", c.leader, err))
	}
	c.close()
	return nil, errors.Join(errs...)
}

func (c *cluster) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range c.peers {
		p.Close()
	}
	c.peers = nil
}

// peer returns the connection to a server.
func (c *cluster) peer(ctx context.Context, addr string) (*Peer, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.peers == nil {
		return nil, net.ErrClosed
	}
	if p := c.peers[addr]; p != nil {
		return p, nil
	}
	p, err := Dial(ctx, addr, c.target.Framing)
	if err != nil {
		return nil, err
	}
	c.peers[addr] = p
	return p, nil
}

// call sends q to a server and returns its response, nil for a request that is never answered. A connection that failed
// is replaced by the next call.
func (c *cluster) call(ctx context.Context, addr string, q *Request) (*Response, error) {
	p, err := c.peer(ctx, addr)
	if err != nil {
		return nil, err
	}
	var resp *Response
	if def := iface.rpcs[q.Code]; def != nil && def.result == nil {
		if err = p.Send(ctx, q); err == nil {
			err = c.awaitOneway(ctx, p, q)
		}
	} else {
		resp, err = p.Call(ctx, q)
	}
	if err != nil {
		p.Close()
		c.mu.Lock()
		if c.peers[addr] == p {
			delete(c.peers, addr)
		}
		c.mu.Unlock()
	}
	return resp, err
}

// awaitOneway returns when a request that is never answered has taken effect. A onebox handles the requests of one
// connection to one partition in order, so an answer to a later one tells; a real server gives nothing to wait for.
func (c *cluster) awaitOneway(ctx context.Context, p *Peer, q *Request) error {
	if !c.target.Embedded {
		return wait(ctx, onewayPause)
	}
	_, err := p.Call(ctx, &Request{
		Code: "RPC_RRDB_RRDB_SORTKEY_COUNT", AppID: q.AppID, PartitionIndex: q.PartitionIndex, ThreadHash: q.ThreadHash, Arg: []byte{},
	})
	return err
}

// callMeta sends a request to the leading meta server and returns what it answered.
func (c *cluster) callMeta(ctx context.Context, code string, arg any) (*Response, error) {
	return c.call(ctx, c.leader, &Request{Code: code, Arg: arg})
}

// meta is callMeta for steps that must succeed: missing argument fields are filled in, and any error is one.
func (c *cluster) meta(ctx context.Context, code string, arg Struct) (Struct, error) {
	resp, err := c.callMeta(ctx, code, completed(iface.rpcs[code].arg.def, arg))
	if err != nil {
		return nil, err
	}
	if resp.Error != "ERR_OK" {
		return nil, fmt.Errorf("%s: %s", code, resp.Error)
	}
	result := resp.Result.(Struct)
	if result["err"] != "ERR_OK" {
		return result, fmt.Errorf("%s: %s in the response", code, result["err"])
	}
	return result, nil
}

// table says where the partitions of a table are.
type table struct {
	name      string
	id        int32
	primaries []string // address of each partition's primary
}

// count returns the number of partitions.
func (t *table) count() int32 { return int32(len(t.primaries)) }

// partitionOf returns the partition that a hash belongs to.
func (t *table) partitionOf(hash uint64) int32 { return int32(hash % uint64(len(t.primaries))) }

// node returns the server to ask about a partition: its primary, or any server for a partition that does not exist.
func (t *table) node(partition int32) string {
	if partition < 0 || partition >= t.count() {
		return t.primaries[0]
	}
	return t.primaries[partition]
}

// header returns a request to a partition of the table. A real server checks the thread hash of writes.
func (t *table) header(code string, partition int32) *Request {
	return &Request{Code: code, AppID: t.id, PartitionIndex: partition, ThreadHash: t.id*7919 + partition}
}

// createTable creates a table and waits until it serves.
func (c *cluster) createTable(ctx context.Context, name string, partitions int) (*table, error) {
	_, err := c.meta(ctx, "RPC_CM_CREATE_APP", Struct{"app_name": name, "options": Struct{
		"partition_count": int64(partitions), "replica_count": c.target.replicas(), "success_if_exist": false,
		"app_type": "pegasus", "is_stateful": true, "envs": []Pair{},
	}})
	if err != nil {
		return nil, fmt.Errorf("create table %s: %w", name, err)
	}
	return c.openTable(ctx, name)
}

// openTable waits until every partition of a table has a primary.
func (c *cluster) openTable(ctx context.Context, name string) (*table, error) {
	var t *table
	err := poll(ctx, settleWait, func() (err error) {
		t, err = c.lookUp(ctx, name)
		return err
	})
	return t, err
}

func (c *cluster) lookUp(ctx context.Context, name string) (*table, error) {
	cfg, err := c.meta(ctx, "RPC_CM_QUERY_PARTITION_CONFIG_BY_INDEX", Struct{"app_name": name})
	if err != nil {
		return nil, fmt.Errorf("table %s: %w", name, err)
	}
	t := &table{name: name, id: int32(cfg["app_id"].(int64))}
	for _, p := range cfg["partitions"].([]any) {
		p := p.(Struct)
		if p["primary"] == Address(0) || p["ballot"].(int64) <= 0 {
			return nil, fmt.Errorf("table %s: partition %v has no primary yet", name, p["pid"])
		}
		t.primaries = append(t.primaries, p["primary"].(Address).String())
	}
	if n := cfg["partition_count"].(int64); n < 1 || n != int64(len(t.primaries)) {
		return nil, fmt.Errorf("table %s: %d partitions listed, count is %d", name, len(t.primaries), n)
	}
	return t, nil
}

// dropTables drops every serving table whose name starts with prefix and leaves nothing to recall.
func (c *cluster) dropTables(ctx context.Context, prefix string) error {
	apps, err := c.meta(ctx, "RPC_CM_LIST_APPS", Struct{"status": iface.enums["AS_AVAILABLE"]})
	if err != nil {
		return err
	}
	for _, app := range apps["infos"].([]any) {
		name := app.(Struct)["app_name"].(string)
		if !strings.HasPrefix(name, prefix) {
			continue
		}
		err := poll(ctx, settleWait, func() error { // it may still be busy creating the table
			options := Struct{"success_if_not_exist": true, "reserve_seconds": int64(1)}
			_, err := c.meta(ctx, "RPC_CM_DROP_APP", Struct{"app_name": name, "options": options})
			return err
		})
		if err != nil {
			return fmt.Errorf("table %s: %w", name, err)
		}
	}
	return nil
}

// poll calls f until it returns nil, at most for the given time, and returns its last error.
func poll(ctx context.Context, most time.Duration, f func() error) error {
	deadline := time.Now().Add(most)
	for {
		err := f()
		if err == nil || !time.Now().Add(pollPause).Before(deadline) {
			return err
		}
		if ctxErr := wait(ctx, pollPause); ctxErr != nil {
			return errors.Join(err, ctxErr)
		}
	}
}

// wait lets real time pass, for what a real cluster does by its own clock and does not announce.
func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
