// Package exit is the exit status of the pegasus command: what there is, and
// which one an error has.
package exit

import (
	"errors"
	"fmt"

	"github.com/pegasus-go/pegasus"
)

// Code is an exit status.
type Code int

// The codes that scripts rely on. Those that are not here mean failure.
const (
	OK          Code = 0
	Failed      Code = 1
	Usage       Code = 2
	Absent      Code = 3
	Unreachable Code = 4
	Unhealthy   Code = 5
	Partly      Code = 6
	InDoubt     Code = 7
	Refused     Code = 8
	Interrupted Code = 130
)

// Meanings says what each code means, in the order of the codes.
var Meanings = []struct {
	Code    Code
	Meaning string
}{
	{OK, "done"},
	{Failed, "failed; standard error says why"},
	{Usage, "the command line makes no sense; nothing was sent"},
	{Absent, "no such row, a condition that does not hold, or tables that differ"},
	{Unreachable, "the cluster could not be reached"},
	{Unhealthy, "the cluster answers and is not healthy"},
	{Partly, "done in part; standard error says which part is not"},
	{InDoubt, "a change was sent and no answer came: it may be stored or not"},
	{Refused, "refused: it needs --yes, or is not allowed"},
	{Interrupted, "interrupted; where there is something to go on from, it is saved"},
}

// Error is an error with the code that it ends the command with.
type Error struct {
	Code Code
	Err  error // nil: the code says it all, and nothing is printed
}

// Errorf returns an Error with a text as of fmt.Errorf.
func Errorf(code Code, format string, args ...any) error {
	return &Error{Code: code, Err: fmt.Errorf(format, args...)}
}

// Error returns the text of the cause.
func (e *Error) Error() string {
	if e.Err == nil {
		return ""
	}
	return e.Err.Error()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Of returns the code of an error: the one that it carries, or else the one that
// fits an error of the client. A change in doubt is that first of all, whatever
// else has happened to it.
func Of(err error) Code {
	var e *Error
	switch {
	case err == nil:
		return OK
	case errors.As(err, &e):
		return e.Code
	case errors.Is(err, pegasus.ErrInDoubt):
		return InDoubt
	case errors.Is(err, pegasus.ErrInvalidArgument):
		return Usage
	case errors.Is(err, pegasus.ErrNoMeta):
		return Unreachable
	}
	return Failed
}
