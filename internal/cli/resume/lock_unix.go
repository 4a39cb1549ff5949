//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package resume

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// Lock keeps other processes from a file until the function that it returns is called. The
// lock ends with the process, however that ends. It is ErrLocked if another one has it. On a
// file system that has no locks it does nothing, as on systems that have none.
func Lock(path string) (unlock func() error, err error) {
	for {
		f, err := os.OpenFile(lockName(path), os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			return nil, err
		}
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		switch {
		case errors.Is(err, errors.ErrUnsupported):
			return func() error { return errors.Join(os.Remove(f.Name()), f.Close()) }, nil
		case errors.Is(err, syscall.EWOULDBLOCK):
			return nil, errors.Join(fmt.Errorf("%s: %w", path, ErrLocked), f.Close())
		case err != nil:
			return nil, errors.Join(fmt.Errorf("%s: %w", f.Name(), err), f.Close())
		}
		if isThere(f) {
			return func() error { return errors.Join(os.Remove(f.Name()), f.Close()) }, nil
		}
		if err := f.Close(); err != nil { // who had it has removed it
			return nil, err
		}
	}
}

// isThere reports whether a file still has its name.
func isThere(f *os.File) bool {
	ours, err := f.Stat()
	if err != nil {
		return false
	}
	now, err := os.Stat(f.Name())
	return err == nil && os.SameFile(ours, now)
}
