package server

import (
	"reflect"

	"github.com/pegasus-go/pegasus/internal/wire"
)

// metaRPC returns the handler of an RPC to the meta server. Its response is a
// struct whose first field is the outcome, ERR_OK unless serve changes it.
func metaRPC[Req, Resp any](task string, serve func(k *call, req *Req, resp *Resp)) *handler {
	return &handler{task: task, roles: metaRole, slow: always, serve: func(k *call, dst []byte) []byte {
		var req Req
		wire.Of(&req).Read(&k.req.Arg)
		if k.undecodable() {
			return dst
		}
		var resp Resp
		if code := k.leads(); code != wire.ErrOK {
			setOutcome(&resp, code)
		} else {
			setOutcome(&resp, wire.ErrOK)
			serve(k, &req, &resp)
		}
		return reply(k, dst, wire.Of(&resp))
	}}
}

// changeRPC is metaRPC for one that changes something, which a read-only server
// refuses.
func changeRPC[Req, Resp any](task string, serve func(k *call, req *Req, resp *Resp)) *handler {
	return metaRPC(task, func(k *call, req *Req, resp *Resp) {
		if k.s.opts.ReadOnly {
			setOutcome(resp, wire.ErrOperationDisabled)
			return
		}
		serve(k, req, resp)
	})
}

// leads returns ErrOK if the node is the leader among the meta servers.
func (k *call) leads() wire.ErrorCode {
	if k.s.leader.Load() == int32(k.n.index) {
		return wire.ErrOK
	}
	return wire.ErrForwardToOthers
}

// setOutcome sets the first field of a meta response.
func setOutcome[Resp any](resp *Resp, code wire.ErrorCode) {
	reflect.ValueOf(resp).Elem().Field(0).SetString(string(code))
}
