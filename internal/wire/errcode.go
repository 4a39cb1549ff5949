package wire

// ErrorCode is an error name of the cluster, such as "ERR_BUSY". Only names
// travel; an unknown name is kept as it came. It implements error.
type ErrorCode string

// Error returns the name.
func (e ErrorCode) Error() string { return string(e) }

// Is reports whether target has the same name. The packages that a program sees
// have types of their own for that.
func (e ErrorCode) Is(target error) bool { return target.Error() == string(e) }

// The names that clients or the onebox give a meaning to.
const (
	ErrOK                 ErrorCode = "ERR_OK"
	ErrUnknown            ErrorCode = "ERR_UNKNOWN"
	ErrTimeout            ErrorCode = "ERR_TIMEOUT"
	ErrBusy               ErrorCode = "ERR_BUSY"
	ErrForwardToOthers    ErrorCode = "ERR_FORWARD_TO_OTHERS"
	ErrObjectNotFound     ErrorCode = "ERR_OBJECT_NOT_FOUND"
	ErrHandlerNotFound    ErrorCode = "ERR_HANDLER_NOT_FOUND"
	ErrServiceNotActive   ErrorCode = "ERR_SERVICE_NOT_ACTIVE"
	ErrInvalidParameters  ErrorCode = "ERR_INVALID_PARAMETERS"
	ErrCapacityExceeded   ErrorCode = "ERR_CAPACITY_EXCEEDED"
	ErrInvalidState       ErrorCode = "ERR_INVALID_STATE"
	ErrInactiveState      ErrorCode = "ERR_INACTIVE_STATE"
	ErrNotEnoughMember    ErrorCode = "ERR_NOT_ENOUGH_MEMBER"
	ErrInvalidData        ErrorCode = "ERR_INVALID_DATA"
	ErrAppExist           ErrorCode = "ERR_APP_EXIST"
	ErrAppNotExist        ErrorCode = "ERR_APP_NOT_EXIST"
	ErrAppDropped         ErrorCode = "ERR_APP_DROPPED"
	ErrBusyCreating       ErrorCode = "ERR_BUSY_CREATING"
	ErrBusyDropping       ErrorCode = "ERR_BUSY_DROPPING"
	ErrNetworkFailure     ErrorCode = "ERR_NETWORK_FAILURE"
	ErrUnderRecovery      ErrorCode = "ERR_UNDER_RECOVERY"
	ErrOperationDisabled  ErrorCode = "ERR_OPERATION_DISABLED"
	ErrStateFreezed       ErrorCode = "ERR_STATE_FREEZED"
	ErrACLDeny            ErrorCode = "ERR_ACL_DENY"
	ErrUnauthenticated    ErrorCode = "ERR_UNAUTHENTICATED"
	ErrSplitting          ErrorCode = "ERR_SPLITTING"
	ErrParentMisused      ErrorCode = "ERR_PARENT_PARTITION_MISUSED"
	ErrChildRegistered    ErrorCode = "ERR_CHILD_REGISTERED"
	ErrChildNotReady      ErrorCode = "ERR_CHILD_NOT_READY"
	ErrDiskInsufficient   ErrorCode = "ERR_DISK_INSUFFICIENT"
	ErrDiskIOError        ErrorCode = "ERR_DISK_IO_ERROR"
	ErrSessionReset       ErrorCode = "ERR_SESSION_RESET"
	ErrReplicationFailure ErrorCode = "ERR_REPLICATION_FAILURE"
	ErrInconsistentState  ErrorCode = "ERR_INCONSISTENT_STATE"
	ErrCorruption         ErrorCode = "ERR_CORRUPTION"
	ErrRDBCorruption      ErrorCode = "ERR_RDB_CORRUPTION"
)

// codes interns the names above, so that decoding one does not allocate.
var codes = func() map[string]ErrorCode {
	m := make(map[string]ErrorCode)
	for _, c := range []ErrorCode{
		ErrOK,
		ErrUnknown,
		ErrTimeout,
		ErrBusy,
		ErrForwardToOthers,
		ErrObjectNotFound,
		ErrHandlerNotFound,
		ErrServiceNotActive,
		ErrInvalidParameters,
		ErrCapacityExceeded,
		ErrInvalidState,
		ErrInactiveState,
		ErrNotEnoughMember,
		ErrInvalidData,
		ErrAppExist,
		ErrAppNotExist,
		ErrAppDropped,
		ErrBusyCreating,
		ErrBusyDropping,
		ErrNetworkFailure,
		ErrUnderRecovery,
		ErrOperationDisabled,
		ErrStateFreezed,
		ErrACLDeny,
		ErrUnauthenticated,
		ErrSplitting,
		ErrParentMisused,
		ErrChildRegistered,
		ErrChildNotReady,
		ErrDiskInsufficient,
		ErrDiskIOError,
		ErrSessionReset,
		ErrReplicationFailure,
		ErrInconsistentState,
		ErrRDBCorruption,
		ErrCorruption,
	} {
		m[string(c)] = c
	}
	return m
}()

// errorCode returns the ErrorCode of name; an empty name is ErrOK, the value
// of a field that was left out.
func errorCode(name []byte) ErrorCode {
	if len(name) == 0 || string(name) == string(ErrOK) {
		return ErrOK
	}
	if c, ok := codes[string(name)]; ok {
		return c
	}
	return ErrorCode(name)
}
