package route

import (
	"errors"
	"fmt"

	"github.com/pegasus-go/pegasus/internal/rpc"
	"github.com/pegasus-go/pegasus/internal/wire"
)

// answer is what came of asking a server.
type answer struct {
	*contact
	reply wire.Reply
	err   error
}

// read decodes an answer and follows it to the leader that it names, or notes why it
// is of no use. The next one has its turn then, unless the request may be carried
// out.
func (q *question) read(a *answer) (wire.ErrorCode, error) {
	code, leader, err := q.outcome(a)
	if err == nil && code != wire.ErrForwardToOthers {
		return code, nil
	}
	q.mu.Lock()
	turn := a.sent
	switch {
	case err == nil:
		a.contact.err, a.sent, a.follows = fmt.Errorf("%w: %w", errNotLeader, code), false, true
	case a.err != nil && q.ctx.Err() != nil:
		// It was not waited for any longer, which is no fault of the server.
		a.sent = a.sent && !refused(err)
	default:
		a.contact.err, a.sent = err, a.sent && !refused(err)
		a.wrong = q.isWrong(err)
	}
	if turn && !a.sent && q.turn != nil {
		<-q.turn
	}
	q.mu.Unlock()
	if err == nil {
		q.meta.meet()
	}
	if leader.Valid() && q.forwards < maxForwards && q.ask(leader.String(), "") {
		q.forwards++
	}
	return code, err
}

// outcome returns what an answer says: the outcome, and the leader if that is
// another server.
func (q *question) outcome(a *answer) (wire.ErrorCode, wire.Address, error) {
	switch {
	case a.err != nil:
		return "", 0, a.err
	case !a.reply.Answers(q.task):
		return "", 0, fmt.Errorf("%w: answer %q to %s", wire.ErrMalformed, a.reply.Task, q.task)
	}
	switch code := a.reply.Err; code {
	case wire.ErrOK:
	case wire.ErrForwardToOthers, wire.ErrACLDeny, wire.ErrUnauthenticated:
		return code, 0, nil
	case wire.ErrHandlerNotFound:
		if q.task == wire.TaskQueryConfig {
			return "", 0, fmt.Errorf("no meta server: %w", code)
		}
		return "", 0, fmt.Errorf("no meta server, or one that is too old for %s: %w", q.task, code)
	default:
		return "", 0, code
	}
	r := a.reply.ResultReader(wire.TypeStruct)
	code, leader := q.decode(&r)
	return code, leader, r.Err()
}

// refused reports whether err proves that the request had no effect.
func refused(err error) bool {
	var re *rpc.Error
	return errors.Is(err, wire.ErrHandlerNotFound) || errors.Is(err, wire.ErrOtherProtocol) ||
		errors.As(err, &re) && !re.Sent
}

// isWrong reports whether err shows that a server will never be of use. A meta
// server that has just been started knows nothing for a moment, and the request for
// a configuration is known to all versions: it does not count if they have been met.
// One that does not listen to the client will not do so later.
func (q *question) isWrong(err error) bool {
	switch unknown := errors.Is(err, wire.ErrHandlerNotFound); {
	case unknown && q.task != wire.TaskQueryConfig, rpc.Permanent(err):
		return true
	case q.meta.hasMet():
		return false
	default:
		return unknown || errors.Is(err, wire.ErrMalformed)
	}
}
