package server

import (
	"errors"
	"slices"

	"github.com/pegasus-go/pegasus/internal/storage"
	"github.com/pegasus-go/pegasus/internal/wire"
)

// handler is an RPC that nodes answer.
type handler struct {
	task, ack string
	roles     role // of the nodes that answer it
	kind      kind
	// slow reports whether the request with that argument may take long, and
	// runs aside; nil is never.
	slow func(arg wire.Reader) bool
	// ownsContext is set for requests that name a scan context. It belongs to
	// the partition whatever the hash in the header says.
	ownsContext bool
	// serve carries out the request and appends the answer. If the body cannot
	// be decoded it sets call.bad.
	serve func(k *call, dst []byte) []byte
}

// always is the slow of RPCs that may take long whatever the argument.
func always(wire.Reader) bool { return true }

type kind byte

const (
	noPartition kind = iota // concerns no partition
	readRPC
	writeRPC
)

// handlers are all RPCs, by task code.
var handlers = func() map[string]*handler {
	m := make(map[string]*handler)
	for _, h := range slices.Concat(readHandlers(), writeHandlers(), scanHandlers(),
		metaHandlers(), tableHandlers(), adminHandlers(), nodeHandlers(), disabledHandlers()) {
		h.ack = h.task + wire.AckSuffix
		m[h.task] = h
	}
	return m
}()

// find looks up the handler. An RPC about a partition with a table id that
// cannot be one is unknown, as it is to a Pegasus server.
func (k *call) find() {
	h := handlers[string(k.req.Task)]
	if h == nil || h.roles&k.n.role == 0 || h.kind != noPartition && k.req.AppID <= 0 {
		return
	}
	k.h = h
}

// admit decides on a request. The order of the checks is that of a Pegasus
// server: the first one that fails is the answer.
func (k *call) admit() admission {
	if k.h == nil {
		return admission{code: wire.ErrHandlerNotFound}
	}
	if k.h.kind == noPartition {
		return admission{}
	}
	p := k.s.partition(k.req.GPID)
	if p == nil {
		return admission{code: wire.ErrObjectNotFound}
	}
	k.p = p
	primary, secondary := p.conf.Load().serves(k.n.index)
	if !primary && !secondary {
		return admission{code: wire.ErrObjectNotFound}
	}
	if k.h.kind == readRPC {
		return k.admitRead(primary)
	}
	return k.admitWrite(primary)
}

func (k *call) admitRead(primary bool) admission {
	pol := k.p.policy()
	if a, refused := pol.denyRead.admission(); refused {
		return a
	}
	if k.req.BackupRequest {
		if !k.throttled && pol.backupQPS != nil && k.p.backupQPS.admit(pol.backupQPS, k, 1).code != "" {
			return admission{drop: true}
		}
		return admission{}
	}
	if !k.throttled && pol.readQPS != nil {
		if a := k.p.readQPS.admit(pol.readQPS, k, 1); a.delay > 0 || a.code != "" {
			return a
		}
	}
	if !primary {
		return admission{code: wire.ErrInvalidState}
	}
	if pol.readSize > 0 && k.p.readSize.empty(pol.readSize, k.s.opts.Clock()) {
		return admission{code: wire.ErrBusy}
	}
	return admission{}
}

func (k *call) admitWrite(primary bool) admission {
	pol := k.p.policy()
	if a, refused := pol.denyWrite.admission(); refused {
		return a
	}
	if limit := k.s.opts.Limits.WriteSize; limit > 0 && k.req.BodySize > limit {
		return admission{code: wire.ErrInvalidData}
	}
	if k.s.opts.ReadOnly {
		return admission{code: wire.ErrOperationDisabled}
	}
	if !primary {
		return admission{code: wire.ErrInvalidState}
	}
	if code := k.admitToDisk(); code != "" {
		return admission{code: code}
	}
	if k.throttled {
		return admission{}
	}
	if pol.writeQPS != nil {
		if a := k.p.writeQPS.admit(pol.writeQPS, k, 1); a.delay > 0 || a.code != "" {
			return a
		}
	}
	if pol.writeSize != nil {
		return k.p.writeSize.admit(pol.writeSize, k, int64(k.req.BodySize))
	}
	return admission{}
}

// admitToDisk refuses writes that the disk has no room for, or does not take for
// now. What only deletes may use room that is kept for that.
func (k *call) admitToDisk() wire.ErrorCode {
	if k.n.diskFull.Load() {
		return wire.ErrDiskInsufficient
	}
	deletes := k.h.task == wire.TaskRemove || k.h.task == wire.TaskMultiRemove
	switch err := k.s.db.Admit(deletes); {
	case errors.Is(err, storage.ErrFull):
		return wire.ErrDiskInsufficient
	case err != nil:
		return wire.ErrBusy
	}
	return ""
}

// checkHash refuses requests while a split moves records, and afterwards those
// that were sent by the old partition count. Tables do not look at the hash
// before their first split. The partition is in use.
func (k *call) checkHash() wire.ErrorCode {
	if k.p.t.moving.Load() {
		return wire.ErrSplitting
	}
	if !k.p.policy().validateHash || k.h.ownsContext {
		return ""
	}
	if k.req.PartitionHash%uint64(k.p.t.count()) != uint64(k.p.gpid.PartitionIndex) {
		return wire.ErrParentMisused
	}
	return ""
}
