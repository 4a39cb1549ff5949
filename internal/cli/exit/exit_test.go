package exit

import (
	"errors"
	"fmt"
	"testing"

	"github.com/pegasus-go/pegasus"
)

func TestOf(t *testing.T) {
	for _, tc := range []struct {
		err  error
		want Code
	}{
		{nil, OK},
		{errors.New("any"), Failed},
		{pegasus.ErrTableNotFound, Failed},
		{&pegasus.PError{Err: pegasus.ErrNoMeta}, Unreachable},
		{&pegasus.PError{Err: fmt.Errorf("%w: %w", pegasus.ErrNoMeta, pegasus.ErrInDoubt)}, InDoubt},
		{&pegasus.PError{Err: pegasus.ErrInvalidArgument}, Usage},
		{fmt.Errorf("more: %w", Errorf(Refused, "no: %w", pegasus.ErrNoMeta)), Refused},
		{&Error{Code: Absent}, Absent},
	} {
		if got := Of(tc.err); got != tc.want {
			t.Errorf("%v: %d, want %d", tc.err, got, tc.want)
		}
	}
}

func TestMeanings(t *testing.T) {
	last := Code(-1)
	for _, m := range Meanings {
		if m.Code <= last || m.Meaning == "" {
			t.Errorf("%d %q follows %d", m.Code, m.Meaning, last)
		}
		last = m.Code
	}
}
