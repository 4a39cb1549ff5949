//go:build unix

package limits

import "syscall"

func defaultConnections() int {
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l); err != nil {
		return usualConnections
	}
	return connectionsFor(uint64(l.Cur))
}
