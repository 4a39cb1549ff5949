package server

import (
	"time"

	"github.com/pegasus-go/pegasus/internal/storage"
	"github.com/pegasus-go/pegasus/internal/wire"
)

// call is one request on its way through the server. A connection uses one for
// all requests that do not run aside.
type call struct {
	s    *Server
	n    *Node
	conn *conn
	now  uint32 // schema.EpochSeconds; 0: to be read, because something has waited

	req       wire.Request
	h         *handler   // nil: no such RPC on this node
	p         *partition // of a data RPC, once admitted
	throttled bool       // throttling was gone through
	bad       bool       // the body could not be decoded: close the connection

	writes []pendingWrite // not waited for yet

	// memory is that of the answer, if the request runs aside. Others have small
	// answers, which count when they are sent.
	memory answerMemory
}

// pendingWrite is a write that was carried out and answered, but may not be
// durable yet. Its answer must not be sent before.
type pendingWrite struct {
	commit storage.Commit
	at     int // of the response in the buffer of answers
}

func (k *call) parse(frame []byte) error {
	k.h, k.p, k.throttled, k.bad = nil, nil, false, false
	if err := k.req.Parse(frame); err != nil {
		return err
	}
	k.find()
	return nil
}

// admission is the decision on a request before it is carried out.
type admission struct {
	code  wire.ErrorCode // if not empty, the answer
	drop  bool           // no answer
	delay time.Duration  // first
}

// answer carries out a request, unless it was refused, and appends the answer.
func (k *call) answer(dst []byte, a admission) []byte {
	switch {
	case a.drop:
		return dst
	case a.code != "":
		return k.fail(dst, a.code)
	}
	if k.p != nil {
		// Only a split locks it, and requests do not wait for splits.
		if !k.p.use.TryRLock() {
			return k.fail(dst, wire.ErrSplitting)
		}
		defer k.p.use.RUnlock()
		if code := k.checkHash(); code != "" {
			return k.fail(dst, code)
		}
	}
	if k.now == 0 {
		k.now = k.s.now()
	}
	return k.h.serve(k, dst)
}

// room returns what makes room for the records of the answer; nil is no limit.
func (k *call) room() func(n int) bool {
	if k.memory.a == nil {
		return nil
	}
	return k.memory.room
}

// fail appends an answer that only has an error.
func (k *call) fail(dst []byte, code wire.ErrorCode) []byte {
	if k.h != nil {
		return wire.AppendErrorReply(dst, &k.req, k.h.ack, code)
	}
	task := k.req.Task[:min(len(k.req.Task), wire.MaxTaskCode)]
	return wire.AppendErrorReply(dst, &k.req, string(task)+wire.AckSuffix, code)
}

// reply appends an answer.
func reply[M wire.Message](k *call, dst []byte, m M) []byte {
	return wire.AppendReply(dst, &k.req, k.h.ack, m)
}

// replyWrite appends the answer to a write, to be sent when commit is durable.
func replyWrite[M wire.Message](k *call, dst []byte, m M, commit storage.Commit) []byte {
	start := len(dst)
	dst = k.req.BeginReply(dst, k.h.ack, wire.ErrOK, wire.TypeStruct)
	k.writes = append(k.writes, pendingWrite{commit, len(dst)})
	dst = m.AppendValue(dst)
	return k.req.EndReply(dst, start, wire.TypeStruct)
}

// settle waits for the writes whose answers are in out. A write that turned
// out not to be durable gets the status of an I/O error.
func (k *call) settle(out []byte) {
	for i := range k.writes {
		if err := k.writes[i].commit.Wait(); err != nil {
			wire.SetStatus(out, k.writes[i].at, wire.StatusIOError)
		}
		k.writes[i] = pendingWrite{}
	}
	k.writes = k.writes[:0]
}

// abandon waits for the writes whose answers will not be sent.
func (k *call) abandon() {
	for _, w := range k.writes {
		_ = w.commit.Wait() // nobody is told
	}
	k.writes = nil
}

// undecodable reports, and notes, that the body could not be decoded.
func (k *call) undecodable() bool {
	k.bad = k.req.Arg.Err() != nil
	return k.bad
}

// source is what every data response ends with.
func (k *call) source() wire.Source {
	return wire.Source{GPID: k.p.gpid, Server: k.n.name}
}
