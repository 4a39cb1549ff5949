package pegasus

import (
	"errors"
	"fmt"
	"strings"

	"github.com/pegasus-go/pegasus/internal/argument"
	"github.com/pegasus-go/pegasus/internal/route"
	"github.com/pegasus-go/pegasus/internal/rpc"
	"github.com/pegasus-go/pegasus/internal/wire"
)

// Errors to test for with errors.Is.
var (
	// ErrClosed: the client, the table or the scanner was closed.
	ErrClosed = rpc.ErrClosed

	// ErrTableClosed: the connector of the table was closed. It is ErrClosed to
	// errors.Is.
	ErrTableClosed error = tableClosed{}

	// ErrInvalidArgument: an argument was refused before anything was sent. The
	// chain has an *ArgumentError that names it.
	ErrInvalidArgument = argument.ErrInvalid

	// ErrTableNotFound: the table does not exist, or was dropped.
	ErrTableNotFound = route.ErrTableNotFound

	// ErrNoMeta: no meta server gave an answer. The message names those tried.
	ErrNoMeta = route.ErrNoMeta

	// ErrNoPrimary: the partition of the key has no primary at present.
	ErrNoPrimary = route.ErrNoPrimary

	// ErrInDoubt: a write was sent and no answer came, or one that the storage
	// has failed; it may have been applied, now or later, or not.
	ErrInDoubt = rpc.ErrInDoubt

	// ErrStalled: a server stopped answering while its connection stayed up.
	ErrStalled = rpc.ErrStalled

	// ErrMalformed: a peer sent bytes that are not the Pegasus protocol.
	ErrMalformed = wire.ErrMalformed

	// ErrCountUnknown: the server gave up counting the sort keys of a hash key
	// because that took longer than it allows.
	ErrCountUnknown = errors.New("the server gave up counting")

	// ErrRepartitioned: a scan or a DelRange cannot go on, because its name leads to
	// another table than when it began, or the table has fewer partitions.
	ErrRepartitioned = errors.New("the table is not the one that the scan began with")

	// ErrCannotResume: a scan of a whole table cannot go on after the server has
	// lost its place, because the server is older than Pegasus 2.3.
	ErrCannotResume = errors.New("the server is too old to resume the scan of a table")

	// ErrAuth: a connection could not be authenticated. All errors of Config.Auth are
	// this one, and so are the three that follow.
	ErrAuth = rpc.ErrAuth

	// ErrAuthRequired: the server demands authentication, and there is no Config.Auth. Such
	// a server drops requests without a word; it is found out after 1.25 s.
	ErrAuthRequired = rpc.ErrAuthRequired

	// ErrAuthUnsupported: the server does not offer the mechanism of Config.Auth, or knows
	// no authentication. See Config.AuthOptional.
	ErrAuthUnsupported = rpc.ErrAuthUnsupported

	// ErrAuthRefused: the server does not accept the client's credentials. Servers mostly
	// say so by closing the connection, as they do when they end: operations try again
	// then until their time is over.
	ErrAuthRefused = rpc.ErrAuthRefused

	// ErrReplyTooLarge: an answer was larger than the 256 MiB that are accepted.
	// Ask for less: fewer entries, or keys without their values. (Scanners ask
	// for smaller batches then by themselves.)
	ErrReplyTooLarge = wire.ErrReplyTooLarge
)

type tableClosed struct{}

func (tableClosed) Error() string        { return "table is closed" }
func (tableClosed) Is(target error) bool { return target == ErrClosed }

// ErrorCode is an error of the cluster, such as ErrBusy: its value is the name
// that a server sent, known here or not. Compare with errors.Is.
type ErrorCode string

// Error returns the name.
func (e ErrorCode) Error() string { return string(e) }

// The error codes that operations report. Which of them are retried is listed
// in the package documentation.
const (
	ErrUnknown            ErrorCode = "ERR_UNKNOWN"
	ErrServerTimeout      ErrorCode = "ERR_TIMEOUT" // between servers; the end of the caller's own time is context.DeadlineExceeded
	ErrBusy               ErrorCode = "ERR_BUSY"
	ErrObjectNotFound     ErrorCode = "ERR_OBJECT_NOT_FOUND"
	ErrHandlerNotFound    ErrorCode = "ERR_HANDLER_NOT_FOUND"
	ErrServiceNotActive   ErrorCode = "ERR_SERVICE_NOT_ACTIVE"
	ErrForwardToOthers    ErrorCode = "ERR_FORWARD_TO_OTHERS"
	ErrInvalidParameters  ErrorCode = "ERR_INVALID_PARAMETERS"
	ErrInvalidState       ErrorCode = "ERR_INVALID_STATE"
	ErrInactiveState      ErrorCode = "ERR_INACTIVE_STATE"
	ErrInvalidData        ErrorCode = "ERR_INVALID_DATA"
	ErrCapacityExceeded   ErrorCode = "ERR_CAPACITY_EXCEEDED"
	ErrNotEnoughMember    ErrorCode = "ERR_NOT_ENOUGH_MEMBER"
	ErrOperationDisabled  ErrorCode = "ERR_OPERATION_DISABLED"
	ErrACLDeny            ErrorCode = "ERR_ACL_DENY"
	ErrSplitting          ErrorCode = "ERR_SPLITTING"
	ErrParentMisused      ErrorCode = "ERR_PARENT_PARTITION_MISUSED"
	ErrDiskInsufficient   ErrorCode = "ERR_DISK_INSUFFICIENT"
	ErrDiskIOError        ErrorCode = "ERR_DISK_IO_ERROR"
	ErrBusyCreating       ErrorCode = "ERR_BUSY_CREATING"
	ErrBusyDropping       ErrorCode = "ERR_BUSY_DROPPING"
	ErrUnderRecovery      ErrorCode = "ERR_UNDER_RECOVERY"
	ErrReplicationFailure ErrorCode = "ERR_REPLICATION_FAILURE"
	ErrSessionReset       ErrorCode = "ERR_SESSION_RESET"
	ErrUnauthenticated    ErrorCode = "ERR_UNAUTHENTICATED"
)

// StorageError is a storage status other than success, a RocksDB code, in a
// server's answer. Compare with errors.Is.
type StorageError int32

// The storage errors that servers send.
const (
	// StorageCorruption: damaged data.
	StorageCorruption = StorageError(wire.StatusCorruption)
	// StorageInvalidArgument: the server could not apply the operation to what
	// is stored: Incr or an integer check of CheckAndSet met a value that is not
	// an integer of 64 bits, or Incr would overflow.
	StorageInvalidArgument = StorageError(wire.StatusInvalidArgument)
	// StorageIOError: reading or writing the disk failed.
	StorageIOError = StorageError(wire.StatusIOError)
	// StorageIncomplete: a limit of the server stopped the operation.
	StorageIncomplete = StorageError(wire.StatusIncomplete)
)

var storageNames = [...]string{
	"ok", "not found", "corruption", "not supported", "invalid argument", "I/O error", "merge in progress",
	"incomplete", "shutdown in progress", "timed out", "aborted", "busy", "expired", "try again",
}

// Error names the status.
func (e StorageError) Error() string {
	if e >= 0 && int(e) < len(storageNames) {
		return fmt.Sprintf("storage: %s (%d)", storageNames[e], int32(e))
	}
	return fmt.Sprintf("storage: status %d", int32(e))
}

// ArgumentError says which argument was refused, and why. It is
// ErrInvalidArgument to errors.Is.
type ArgumentError struct {
	Name   string // of the argument, such as "hashKey" or "sortKeys[2]"
	Reason string
}

// Error names the argument and the reason.
func (e *ArgumentError) Error() string {
	return fmt.Sprintf("%v: %s %s", ErrInvalidArgument, e.Name, e.Reason)
}

// Is reports whether target is ErrInvalidArgument.
func (e *ArgumentError) Is(target error) bool { return target == ErrInvalidArgument }

// PError is the error of every operation: what was tried, where, and the cause
// in Err, which errors.Is and errors.As see through.
//
// When the time is over, the cause has context.DeadlineExceeded (or
// context.Canceled) and the last failure before that.
type PError struct {
	Op        string // the method, such as "Get"
	Table     string
	Partition string // "appID.index" of the last attempt, "" if there was none
	Server    string // "host:port" of the last attempt, "" if there was none
	Attempts  int    // how often the request was tried, 0 if it never was
	Err       error

	sent bool // a request has left, or may have
}

// Error tells it all in one line.
func (e *PError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "pegasus: %s", e.Op)
	if e.Table != "" {
		fmt.Fprintf(&b, " table %q", e.Table)
	}
	if e.Partition != "" {
		fmt.Fprintf(&b, " partition %s", e.Partition)
	}
	if e.Server != "" {
		fmt.Fprintf(&b, " at %s", e.Server)
	}
	if e.Attempts > 1 {
		fmt.Fprintf(&b, " (%d attempts)", e.Attempts)
	}
	fmt.Fprintf(&b, ": %v", e.Err)
	return b.String()
}

// Unwrap returns the cause.
func (e *PError) Unwrap() error { return e.Err }

// wrap is the PError of an operation that did not come to an attempt.
func wrap(op, table string, err error) error {
	return &PError{Op: op, Table: table, Err: err}
}
