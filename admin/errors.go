package admin

import (
	"errors"
	"fmt"
	"strings"
	"unicode"

	"github.com/pegasus-go/pegasus"
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

	// ErrNoMeta: no meta server gave an answer. The message says of each server why,
	// and of each name that could not be looked up.
	ErrNoMeta = route.ErrNoMeta

	// ErrNoPrimary: partitions of the table have no primary at present.
	ErrNoPrimary = route.ErrNoPrimary

	// ErrNoCounters: the server does not tell its counters, see Counters.
	ErrNoCounters = errors.New("the server has no counters that it tells")

	// ErrInDoubt: a change was sent and no answer came, or one that makes no sense; it
	// may have been carried out, now or later, or not.
	ErrInDoubt = rpc.ErrInDoubt
)

// ErrorCode is an error of the cluster: the name that a server sent, known here
// or not. Compare with errors.Is.
type ErrorCode = pegasus.ErrorCode

// The error codes that meta servers report.
const (
	ErrAppExist          ErrorCode = "ERR_APP_EXIST"          // CreateTable, RecallTable: the table exists
	ErrAppNotExist       ErrorCode = "ERR_APP_NOT_EXIST"      // also ErrTableNotFound
	ErrAppDropped        ErrorCode = "ERR_APP_DROPPED"        // also ErrTableNotFound
	ErrInvalidParameters ErrorCode = "ERR_INVALID_PARAMETERS" // the hint may say which
	ErrInvalidState      ErrorCode = "ERR_INVALID_STATE"      // nothing is under way that could be queried or controlled
	ErrBusy              ErrorCode = "ERR_BUSY"               // StartSplit: a split is under way
	ErrBusyCreating      ErrorCode = "ERR_BUSY_CREATING"
	ErrBusyDropping      ErrorCode = "ERR_BUSY_DROPPING"
	ErrSplitting         ErrorCode = "ERR_SPLITTING"
	ErrChildRegistered   ErrorCode = "ERR_CHILD_REGISTERED" // CancelSplit: too late
	ErrOperationDisabled ErrorCode = "ERR_OPERATION_DISABLED"
	ErrStateFreezed      ErrorCode = "ERR_STATE_FREEZED" // too few replica servers are alive
	ErrServiceNotActive  ErrorCode = "ERR_SERVICE_NOT_ACTIVE"
	ErrUnderRecovery     ErrorCode = "ERR_UNDER_RECOVERY"
	ErrHandlerNotFound   ErrorCode = "ERR_HANDLER_NOT_FOUND" // the server is too old for the operation, or no meta server
	ErrACLDeny           ErrorCode = "ERR_ACL_DENY"
)

// ArgumentError says which argument was refused, such as "table" or
// "options.Replicas", and why. It is ErrInvalidArgument to errors.Is.
type ArgumentError = pegasus.ArgumentError

func argumentError(name, format string, args ...any) error {
	return argument.Errorf(name, format, args...)
}

// Error is the error of every operation.
//
// When the time is over, the cause has context.DeadlineExceeded (or
// context.Canceled) and the last failure before that, or, if there was none, how far
// it has come with each meta server.
type Error struct {
	Op     string // the method, such as "CreateTable"
	Table  string // "" if the operation is not about one
	Server string // "host:port" of the one server that is asked, as by RemoteCommand; the cause names meta servers
	Hint   string // what the server says beside the code, "" if nothing
	Err    error
}

// Error tells it all in one line.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "pegasus: %s", e.Op)
	if e.Table != "" {
		fmt.Fprintf(&b, " table %q", e.Table)
	}
	if e.Server != "" {
		fmt.Fprintf(&b, " at %s", e.Server)
	}
	fmt.Fprintf(&b, ": %v", e.Err)
	if e.Hint != "" {
		fmt.Fprintf(&b, " (%s)", e.Hint)
	}
	return oneLine(b.String())
}

// oneLine replaces what ends a line, or does worse to a terminal. Servers send it.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' {
			return ' '
		}
		return r
	}, s)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// As finds an ErrorCode or an *ArgumentError in the cause. Inside they are of other
// types.
func (e *Error) As(target any) bool {
	switch to := target.(type) {
	case *ErrorCode:
		var code wire.ErrorCode
		if errors.As(e.Err, &code) {
			*to = ErrorCode(code)
			return true
		}
	case **ArgumentError:
		var refused *argument.Error
		if errors.As(e.Err, &refused) {
			*to = &ArgumentError{Name: refused.Name, Reason: refused.Reason}
			return true
		}
	}
	return false
}

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
