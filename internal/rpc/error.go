package rpc

import (
	"context"
	"errors"
	"fmt"
	"time"
)

var (
	// ErrClosed is the cause of failures after the client was closed.
	ErrClosed = errors.New("client is closed")
	// ErrStalled is the cause of failures of a connection whose peer stopped
	// answering while calls were pending.
	ErrStalled = errors.New("server does not answer")
	// ErrMoved is the cause of the failure of a call that was recalled.
	ErrMoved = errors.New("the partition has moved to another server")
	// ErrInDoubt is the error of a change that was sent and whose fate is
	// unknown.
	ErrInDoubt = errors.New("it may or may not have been carried out")
	// ErrTimeout is the cause of failures of a call whose own deadline, not
	// its context's, passed. It is context.DeadlineExceeded to errors.Is.
	ErrTimeout error = timeoutError{}
)

type timeoutError struct{}

func (timeoutError) Error() string        { return "no answer in time" }
func (timeoutError) Timeout() bool        { return true }
func (timeoutError) Is(target error) bool { return target == context.DeadlineExceeded }

// Error is the failure of a call for any reason but an answer of the server.
type Error struct {
	// Addr is the server, "host:port".
	Addr string
	// Sent is set if the request may have reached the server.
	Sent bool
	// Err is the cause.
	Err error
}

// Error says what happened, and where.
func (e *Error) Error() string { return fmt.Sprintf("%s: %v", e.Addr, e.Err) }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// ContextError returns why ctx ended: its Err, together with the cause given
// to it, if there is one.
func ContextError(ctx context.Context) error {
	err := ctx.Err()
	if cause := context.Cause(ctx); cause != err {
		return fmt.Errorf("%w: %w", err, cause)
	}
	return err
}

// Pause waits for d. It returns false if ctx ended.
func Pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// TimeoutMs returns d in the form of the request header: milliseconds, rounded
// up, at least 1 and at most what 31 bits hold.
func TimeoutMs(d time.Duration) int32 {
	const most = 1<<31 - 1
	d = min(d, most*time.Millisecond) // or rounding up would overflow
	return int32(max((d+time.Millisecond-1)/time.Millisecond, 1))
}
