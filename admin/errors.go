package admin

import (
	"fmt"
	"strings"

	"github.com/pegasus-go/pegasus/internal/argument"
	"github.com/pegasus-go/pegasus/internal/route"
	"github.com/pegasus-go/pegasus/internal/rpc"
	"github.com/pegasus-go/pegasus/internal/wire"
)

// Errors to test for with errors.Is. They are those of package pegasus.
var (
	// ErrClosed: the client was closed.
	ErrClosed = rpc.ErrClosed

	// ErrInvalidArgument: an argument was refused before anything was sent. The
	// chain has an *ArgumentError that names it.
	ErrInvalidArgument = argument.ErrInvalid

	// ErrTableNotFound: there is no table of that name or id, or it is dropped.
	ErrTableNotFound = route.ErrTableNotFound

	// ErrNoMeta: no meta server gave an answer. The message names those tried.
	ErrNoMeta = route.ErrNoMeta

	// ErrNoPrimary: partitions of the table have no primary at present.
	ErrNoPrimary = route.ErrNoPrimary

	// ErrInDoubt: a change was sent and no answer came; it may have been carried
	// out, now or later, or not.
	ErrInDoubt = rpc.ErrInDoubt
)

// ErrorCode is an error of the cluster: the name that a server sent, known here
// or not. It is the type of the same name of package pegasus. Compare with
// errors.Is.
type ErrorCode = wire.ErrorCode

// The error codes that meta servers report.
const (
	ErrAppExist          = wire.ErrAppExist          // CreateTable, RecallTable: the table exists
	ErrAppNotExist       = wire.ErrAppNotExist       // also ErrTableNotFound
	ErrAppDropped        = wire.ErrAppDropped        // also ErrTableNotFound
	ErrInvalidParameters = wire.ErrInvalidParameters // the hint may say which
	ErrInvalidState      = wire.ErrInvalidState      // nothing is under way that could be queried or controlled
	ErrBusy              = wire.ErrBusy              // StartSplit: a split is under way
	ErrBusyCreating      = wire.ErrBusyCreating
	ErrBusyDropping      = wire.ErrBusyDropping
	ErrSplitting         = wire.ErrSplitting
	ErrChildRegistered   = wire.ErrChildRegistered // CancelSplit: too late
	ErrOperationDisabled = wire.ErrOperationDisabled
	ErrStateFreezed      = wire.ErrStateFreezed // too few replica servers are alive
	ErrServiceNotActive  = wire.ErrServiceNotActive
	ErrUnderRecovery     = wire.ErrUnderRecovery
	ErrHandlerNotFound   = wire.ErrHandlerNotFound // the server is too old for the operation
	ErrACLDeny           = wire.ErrACLDeny
)

// ArgumentError says which argument was refused, in its field Name, and why, in
// its field Reason. It is ErrInvalidArgument to errors.Is, and the type of the
// same name of package pegasus.
type ArgumentError = argument.Error

func argumentError(name, format string, args ...any) error {
	return argument.Errorf(name, format, args...)
}

// Error is the error of every operation.
//
// When the time is over, the cause has context.DeadlineExceeded (or
// context.Canceled) and the last failure before that.
type Error struct {
	Op    string // the method, such as "CreateTable"
	Table string // "" if the operation is not about one
	Hint  string // what the server says beside the code, "" if nothing
	Err   error
}

// Error tells it all in one line.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "pegasus: %s", e.Op)
	if e.Table != "" {
		fmt.Fprintf(&b, " table %q", e.Table)
	}
	fmt.Fprintf(&b, ": %v", e.Err)
	if e.Hint != "" {
		fmt.Fprintf(&b, " (%s)", e.Hint)
	}
	return b.String()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// codeError returns the error of a code, with ErrTableNotFound where the code
// means that.
func codeError(code wire.ErrorCode) error {
	switch code {
	case wire.ErrAppNotExist, wire.ErrAppDropped, wire.ErrObjectNotFound:
		return fmt.Errorf("%w: %w", ErrTableNotFound, code)
	}
	return code
}

func refuse(op, table string, err error) error {
	return &Error{Op: op, Table: table, Err: err}
}
