package pegasus

import (
	"context"
	"errors"
	"slices"

	"github.com/pegasus-go/pegasus/internal/rpc"
)

// ErrorClass is what became of an operation: one of few words, for the labels of
// metrics, which must not be texts of errors.
type ErrorClass string

// The classes of operations. More may be added.
const (
	ClassOK          ErrorClass = "ok"          // no error
	ClassTimeout     ErrorClass = "timeout"     // the time of the caller was over
	ClassCanceled    ErrorClass = "canceled"    // the caller did not want to wait any longer
	ClassInDoubt     ErrorClass = "in_doubt"    // a write that may or may not have been executed, also at the end of the time
	ClassBusy        ErrorClass = "busy"        // the server refused it for now
	ClassUnavailable ErrorClass = "unavailable" // no server could be asked, or it gave no answer
	ClassNoTable     ErrorClass = "no_table"    // there is no such table, or another one than before
	ClassDenied      ErrorClass = "denied"      // the server does not allow it, or the client could not authenticate
	ClassInvalid     ErrorClass = "invalid"     // the arguments, or what is stored, do not go with the operation
	ClassClosed      ErrorClass = "closed"      // the table or the client was closed
	ClassServer      ErrorClass = "server"      // any other error that a server has answered with
	ClassOther       ErrorClass = "other"       // any other error
)

// ErrorClasses returns all that ClassOf returns.
func ErrorClasses() []ErrorClass { return slices.Clone(classes[:]) }

var classes = [...]ErrorClass{
	ClassOK, ClassTimeout, ClassCanceled, ClassInDoubt, ClassBusy, ClassUnavailable,
	ClassNoTable, ClassDenied, ClassInvalid, ClassClosed, ClassServer, ClassOther,
}

// ClassOf returns the outcome of an operation that has returned err.
func ClassOf(err error) ErrorClass { return classes[classIndex(err)] }

func classIndex(err error) int {
	if err == nil {
		return 0
	}
	return slices.Index(classes[:], classOf(err))
}

func classOf(err error) ErrorClass {
	var code ErrorCode
	var status StorageError
	var ae *ArgumentError
	var re *rpc.Error
	switch {
	case errors.Is(err, ErrInDoubt):
		return ClassInDoubt
	case errors.Is(err, context.Canceled):
		return ClassCanceled
	case errors.Is(err, context.DeadlineExceeded):
		return ClassTimeout
	case errors.Is(err, ErrClosed):
		return ClassClosed
	case errors.Is(err, ErrTableNotFound), errors.Is(err, ErrRepartitioned):
		return ClassNoTable
	case errors.Is(err, ErrAuth):
		return ClassDenied
	case errors.As(err, &ae):
		return ClassInvalid
	case errors.As(err, &status):
		if status == StorageInvalidArgument {
			return ClassInvalid
		}
		return ClassServer
	case errors.As(err, &code):
		switch code {
		case ErrBusy, ErrCapacityExceeded, ErrSplitting, ErrNotEnoughMember:
			return ClassBusy
		case ErrObjectNotFound, ErrInvalidState, ErrInactiveState, ErrSessionReset, ErrParentMisused:
			return ClassUnavailable
		case ErrACLDeny, ErrUnauthenticated, ErrOperationDisabled:
			return ClassDenied
		case ErrInvalidData, ErrInvalidParameters:
			return ClassInvalid
		}
		return ClassServer
	case errors.As(err, &re), errors.Is(err, ErrNoPrimary), errors.Is(err, ErrNoMeta):
		return ClassUnavailable
	}
	return ClassOther
}

// RetryReason is why a request is sent again: one of few words.
type RetryReason string

// The reasons why requests are sent again. More may be added.
const (
	RetryConnection RetryReason = "connection"  // the connection broke
	RetryStalled    RetryReason = "stalled"     // the server did not answer any more
	RetryMoved      RetryReason = "moved"       // news of another primary came while the request waited
	RetryNotPrimary RetryReason = "not_primary" // the server said that it does not serve the partition
	RetryBusy       RetryReason = "busy"        // the server was busy, or limits its clients
	RetrySplitting  RetryReason = "splitting"   // the partition is being split
	RetryReplicas   RetryReason = "replicas"    // the partition has too few replicas for writes
	RetryOther      RetryReason = "other"
)

// RetryReasons returns all reasons.
func RetryReasons() []RetryReason { return slices.Clone(retryReasons[:]) }

var retryReasons = [...]RetryReason{
	RetryConnection, RetryStalled, RetryMoved, RetryNotPrimary, RetryBusy, RetrySplitting, RetryReplicas, RetryOther,
}

// reasonOf returns why a request is sent again after an attempt that ended with err.
func reasonOf(err error) RetryReason {
	var code ErrorCode
	var re *rpc.Error
	switch {
	case errors.Is(err, rpc.ErrMoved):
		return RetryMoved
	case errors.Is(err, ErrStalled):
		return RetryStalled
	case errors.As(err, &re):
		return RetryConnection
	case errors.As(err, &code):
		switch code {
		case ErrObjectNotFound, ErrInvalidState, ErrInactiveState, ErrSessionReset, ErrParentMisused:
			return RetryNotPrimary
		case ErrBusy, ErrCapacityExceeded:
			return RetryBusy
		case ErrSplitting:
			return RetrySplitting
		case ErrNotEnoughMember:
			return RetryReplicas
		}
	}
	return RetryOther
}
