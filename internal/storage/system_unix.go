//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package storage

import (
	"syscall"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// lockShared keeps others from locking the file for writing. A file in memory has no descriptor.
func lockShared(fd uintptr) error {
	if fd == vfs.InvalidFd {
		return nil
	}
	return syscall.FcntlFlock(fd, syscall.F_SETLK, &syscall.Flock_t{Type: syscall.F_RDLCK})
}

// openFiles returns how many files the process may have open, 0 if that is not known.
func openFiles() int {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil || limit.Cur > 1<<30 {
		return 0
	}
	return int(limit.Cur)
}
