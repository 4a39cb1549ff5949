package wire

import (
	"errors"
	"fmt"
	"testing"
)

// otherCode is a type of codes in another package.
type otherCode string

func (e otherCode) Error() string { return string(e) }

func TestErrorCodeIsItsName(t *testing.T) {
	err := fmt.Errorf("wrapped: %w", ErrBusy)
	if !errors.Is(err, ErrBusy) || !errors.Is(err, otherCode("ERR_BUSY")) || errors.Is(err, otherCode("ERR_TIMEOUT")) || errors.Is(err, ErrTimeout) {
		t.Errorf("%v is not what has its name, or is something else", err)
	}
}
