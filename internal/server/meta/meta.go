// Package meta is the role of a meta server: it tells clients where partitions
// are, and changes tables. It knows the catalog and no connection.
package meta

import (
	"net/netip"
	"net/url"
	"reflect"
	"slices"
	"time"

	"github.com/pegasus-go/pegasus/internal/server/catalog"
	"github.com/pegasus-go/pegasus/internal/server/console"
	"github.com/pegasus-go/pegasus/internal/server/request"
	"github.com/pegasus-go/pegasus/internal/server/stats"
	"github.com/pegasus-go/pegasus/internal/wire"
)

// Role is the role of one meta server. All meta servers share the catalog; those
// that are not the leader forward clients to it.
type Role struct {
	Catalog *catalog.Catalog
	Console *console.Console
	Index   int // among the meta servers
	// ClusterName is what tools show.
	ClusterName string
	ReadOnly    bool
	// TellReached tells clients that all servers are at the address by which
	// they have reached this one.
	TellReached bool
}

// call is one request on its way.
type call struct {
	*Role
	r *request.Request
	h *handler // nil: no such RPC
}

// handler is an RPC. It appends the answer, and if the body cannot be decoded
// sets Malformed of the request.
type handler struct {
	task, ack string
	slow      bool
	named     bool // the argument begins with the name of a table
	serve     func(k *call, dst []byte) []byte
}

// handlers are all RPCs, by task code.
var handlers = func() map[string]*handler {
	m := make(map[string]*handler)
	for _, h := range slices.Concat(queryHandlers(), tableHandlers(), partitionHandlers(), disabledHandlers()) {
		h.ack = h.task + wire.AckSuffix
		m[h.task] = h
	}
	return m
}()

// Listens implements request.Role.
func (m *Role) Listens(wire.Address) {}

// NewCall implements request.Role.
func (m *Role) NewCall() request.Call { return &call{Role: m} }

// Page implements request.Role.
func (m *Role) Page(path string, query url.Values) (int, string) { return m.Console.Page(path, query) }

// Crashed implements request.Role. Clients have nothing open on a meta server.
func (m *Role) Crashed() {}

// Table implements request.Call.
func (k *call) Table(r *request.Request) string {
	if h := handlers[string(r.Task)]; h == nil || !h.named {
		return ""
	}
	arg := r.Arg // a copy
	if typ, id := arg.Field(); typ != wire.TypeString || id != 1 {
		return ""
	}
	return string(arg.Blob())
}

// Admit implements request.Call.
func (k *call) Admit(r *request.Request) request.Verdict {
	k.r, k.h = r, handlers[string(r.Task)]
	if !r.Client.Heard(r.Task) {
		return request.Verdict{Drop: true}
	}
	switch {
	case k.h != nil:
		return request.Verdict{Slow: k.h.slow, Memory: r.DecodedMemory()}
	case k.Console.Answers(r):
		return k.Console.Admit(r)
	}
	return request.Verdict{Code: wire.ErrHandlerNotFound}
}

// Commit implements request.Call. Nothing is staged.
func (k *call) Commit(*request.Request, []byte) {}

// Observe implements request.Call.
func (k *call) Observe(stats.Request, time.Duration) {}

// Failed implements request.Call.
func (k *call) Failed(*request.Request, wire.ErrorCode) {}

// Answer implements request.Call.
func (k *call) Answer(r *request.Request, dst []byte) []byte {
	if k.h == nil {
		return k.Console.Answer(r, dst)
	}
	return k.h.serve(k, dst)
}

// leads reports whether the node is the leader among the meta servers.
func (m *Role) leads() bool { return m.Catalog.Members().Leader() == m.Index }

// told returns what the client is told instead of the address of a server.
func (k *call) told(a wire.Address) wire.Address {
	if !k.TellReached || !k.r.Reached.IsValid() || !a.Valid() {
		return a
	}
	return wire.AddressFrom(netip.AddrPortFrom(k.r.Reached, a.AddrPort().Port()))
}

// rpc returns the handler of an RPC whose response is a struct with the outcome
// as the first field, ERR_OK unless serve changes it.
func rpc[Req, Resp any](task string, serve func(k *call, req *Req, resp *Resp)) *handler {
	t := reflect.TypeFor[Req]()
	named := t.NumField() > 0 && t.Field(0).Type.Kind() == reflect.String
	return &handler{task: task, slow: true, named: named, serve: func(k *call, dst []byte) []byte {
		var req Req
		wire.Of(&req).Read(&k.r.Arg)
		if k.r.Undecodable() {
			return dst
		}
		var resp Resp
		switch setOutcome(&resp, wire.ErrOK); {
		case !k.leads():
			setOutcome(&resp, wire.ErrForwardToOthers)
		case !public[task] && !k.r.Client.Super():
			setOutcome(&resp, wire.ErrACLDeny)
		default:
			serve(k, &req, &resp)
		}
		return wire.AppendReply(dst, &k.r.Request, k.h.ack, wire.Of(&resp))
	}}
}

// public are the RPCs that everybody may use where tables have lists of users. The one
// for the place of a table is not made by rpc, and public as well.
var public = map[string]bool{
	wire.TaskClusterInfo: true, wire.TaskListApps: true, wire.TaskListNodes: true, wire.TaskDDDDiagnose: true,
}

// changeRPC is rpc for one that changes something, which a read-only server
// refuses.
func changeRPC[Req, Resp any](task string, serve func(k *call, req *Req, resp *Resp)) *handler {
	return rpc(task, func(k *call, req *Req, resp *Resp) {
		if k.ReadOnly {
			setOutcome(resp, wire.ErrOperationDisabled)
			return
		}
		serve(k, req, resp)
	})
}

// setOutcome sets the first field of a response.
func setOutcome[Resp any](resp *Resp, code wire.ErrorCode) {
	reflect.ValueOf(resp).Elem().Field(0).SetString(string(code))
}
