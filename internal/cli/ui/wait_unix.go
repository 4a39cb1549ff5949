//go:build unix

package ui

import (
	"context"
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

const canWait = true

// look is how long a look for input takes, in milliseconds: so late an end of ctx is noticed.
const look = 50

// wait waits until a file can be read, if only to its end.
func wait(ctx context.Context, f *os.File) error {
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		fds := []unix.PollFd{{Fd: int32(f.Fd()), Events: unix.POLLIN}}
		n, err := unix.Poll(fds, look)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return err
		}
		if n > 0 {
			return nil
		}
	}
}
