package resume

import (
	"errors"
	"fmt"
	"syscall"
)

const (
	deleteOnClose    = 0x04000000
	sharingViolation = syscall.Errno(32)
)

// Lock keeps other processes from a file until the function that it returns is called. The
// lock ends with the process, however that ends: nobody else can open the file that is it.
func Lock(path string) (unlock func() error, err error) {
	name, err := syscall.UTF16PtrFromString(lockName(path))
	if err != nil {
		return nil, err
	}
	h, err := syscall.CreateFile(name, syscall.GENERIC_READ|syscall.GENERIC_WRITE, 0, nil, syscall.OPEN_ALWAYS, syscall.FILE_ATTRIBUTE_NORMAL|deleteOnClose, 0)
	if errors.Is(err, sharingViolation) {
		err = ErrLocked
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return func() error { return syscall.CloseHandle(h) }, nil
}
