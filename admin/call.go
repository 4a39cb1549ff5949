package admin

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/pegasus-go/pegasus/internal/route"
	"github.com/pegasus-go/pegasus/internal/rpc"
	"github.com/pegasus-go/pegasus/internal/wire"
)

// request is what the way of a question to the meta servers depends on.
type request struct {
	op    string // the public method
	table string // "" if it is about none
	task  string
	kind  kind
}

// kind says what may be done with a request. Changes go to one server at a time: one
// that reached two could take effect a second time, after the next change.
type kind int

const (
	query      kind = iota // changes nothing: goes to many servers, and again
	idempotent             // a change that may be sent again when its answer is lost
	once                   // a change that must not
)

// Pauses between attempts: doubled from the first to the longest.
const (
	minPause = 20 * time.Millisecond
	maxPause = time.Second
)

// limit gives ctx a deadline if it has none, or a timer for the one that it has if
// it is of a kind that does not end by itself. A second timer beside the context's
// own could be the first to fire.
func (c *Client) limit(ctx context.Context) (context.Context, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	switch {
	case !ok:
		deadline = time.Now().Add(c.timeout)
	case ctx.Done() != nil:
		return ctx, func() {}
	}
	return context.WithDeadline(ctx, deadline)
}

// ask sends a request to the meta leader and decodes the answer into resp, as
// the package documentation says. outcome returns what resp says of success,
// and the server's explanation.
func ask[Q, A any](ctx context.Context, c *Client, r request, req *Q, resp *A, outcome func() (wire.ErrorCode, string)) error {
	ctx, cancel := c.limit(ctx)
	defer cancel()
	a := attempts{request: r}
	for wait := minPause; ; wait = min(2*wait, maxPause) {
		code, err := route.AskStruct(ctx, c.meta, r.task, req, r.kind != query, resp, func(*A) wire.ErrorCode {
			code, _ := outcome()
			return code
		})
		if err == nil && code == wire.ErrOK {
			return nil
		}
		hint := ""
		if err == nil {
			_, hint = outcome()
			err = codeError(code)
		}
		if !a.again(err) {
			return a.failure(hint, err)
		}
		if ctx.Err() == nil {
			a.last = err
			if rpc.Pause(ctx, wait) {
				continue
			}
		}
		return a.failure("", a.ended(ctx, err))
	}
}

// attempts is what became of a request so far.
type attempts struct {
	request
	inDoubt bool  // a change may have been carried out
	last    error // the latest failure that is not the end of the context
}

// again reports whether there is a point in sending the request once more after err,
// as long as there is time.
func (a *attempts) again(err error) bool {
	var me *route.MetaError
	if !errors.As(err, &me) {
		return passing(err) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
	}
	if me.Received && a.kind != query {
		a.inDoubt = true
	}
	return !me.Wrong && !errors.Is(err, ErrClosed) && (a.kind != once || !a.inDoubt)
}

// passing reports whether err is the answer of a meta server that has done nothing
// and may do it later.
func passing(err error) bool {
	for _, code := range []ErrorCode{ErrServiceNotActive, ErrUnderRecovery, ErrBusyCreating, ErrBusyDropping} {
		if errors.Is(err, code) {
			return true
		}
	}
	return false
}

// ended returns the error of a request that failed with err when the time was over.
func (a *attempts) ended(ctx context.Context, err error) error {
	if a.last == nil {
		return err
	}
	return fmt.Errorf("%w; last failure: %w", rpc.ContextError(ctx), a.last)
}

// failure returns the error of a request that is not sent any more.
func (a *attempts) failure(hint string, err error) error {
	if a.inDoubt {
		err = fmt.Errorf("%w: %w", ErrInDoubt, err)
	}
	return &Error{Op: a.op, Table: a.table, Hint: hint, Err: err}
}
