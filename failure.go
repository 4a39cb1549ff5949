package pegasus

import (
	"context"
	"errors"
	"fmt"

	"github.com/pegasus-go/pegasus/internal/rpc"
	"github.com/pegasus-go/pegasus/internal/wire"
)

// defaultWriteLimit is the limit of servers for the size of a write, in bytes,
// unless it is configured otherwise (max_allowed_write_size).
const defaultWriteLimit = 1 << 20

// cause is a failure with a text of its own, one line that names no server
// twice, in front of the errors that led to it.
type cause struct {
	text string
	errs []error
}

func (c *cause) Error() string   { return c.text }
func (c *cause) Unwrap() []error { return c.errs }

// failure makes the error of an operation that ends with err.
func (t *Table) failure(x *exchange, err error) error {
	x.begin(1)
	e := &PError{Op: x.op.name, Table: t.name, Attempts: x.attempts, sent: x.sent || x.call != nil && x.call.Sent > 0}
	if x.partition != nil {
		e.Partition = x.partition.String()
		if x.partition.Primary != nil {
			e.Server = x.partition.Primary.Addr()
		}
	}
	if timeIsOver(err) && x.waiting == forMeta && x.last == nil {
		x.last = t.client.meta.Failure()
	}
	e.Err = x.describe(err, e.Server)
	if x.inDoubt {
		e.Err = &cause{fmt.Sprintf("%v: %v", ErrInDoubt, e.Err), []error{ErrInDoubt, e.Err}}
	}
	return e
}

// describe adds to err what a person wants to know. The server is named
// elsewhere.
func (x *exchange) describe(err error, server string) error {
	if timeIsOver(err) {
		text := fmt.Sprintf("%s %s", plain(err, server), waitingFor[x.waiting])
		if x.last == nil {
			return &cause{text, []error{err}}
		}
		return &cause{fmt.Sprintf("%s; last failure: %s", text, plain(x.last, server)), []error{err, x.last}}
	}
	if errors.Is(err, ErrInvalidData) && x.op.kind != read && x.call.Size() > defaultWriteLimit {
		text := fmt.Sprintf("%v: the request has %d bytes, and the limit of a server is %d unless it is configured otherwise",
			err, x.call.Size(), defaultWriteLimit)
		return &cause{text, []error{err}}
	}
	if text := plain(err, server); text != err.Error() {
		return &cause{text, []error{err}}
	}
	return err
}

// timeIsOver reports whether err is the end of a context, or of the time of the
// operation.
func timeIsOver(err error) bool {
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)
}

// plain is the text of err without the address of the server.
func plain(err error, server string) string {
	re, ok := err.(*rpc.Error)
	switch {
	case errors.Is(err, rpc.ErrTimeout):
		return context.DeadlineExceeded.Error()
	case ok && re.Addr == server:
		return rpc.WithoutAddr(err).Error()
	}
	return err.Error()
}

// public adds the error code of an answer of the meta servers in the form that
// users know.
func public(err error) error {
	var code wire.ErrorCode
	if err != nil && errors.As(err, &code) {
		return &cause{err.Error(), []error{err, ErrorCode(code)}}
	}
	return err
}

// refuse is the error of an operation that did not come to an attempt.
func (t *Table) refuse(o *operation, err error) error { return wrap(o.name, t.name, err) }
