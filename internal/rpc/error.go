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
	// ErrTimeout is the cause of failures of a call whose own deadline, not
	// its context's, passed.
	ErrTimeout = errors.New("no answer in time")
	// ErrInDoubt is the error of a change that was sent and whose fate is
	// unknown.
	ErrInDoubt = errors.New("it may or may not have been carried out")
)

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
