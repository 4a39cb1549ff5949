//go:build unix

package reliability

import (
	"syscall"
	"testing"
)

// openFiles returns want, or fewer if the system does not let processes have so
// many connections.
func openFiles(t *testing.T, want int) int {
	t.Helper()
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	most := uint64(limit.Cur) // an int64 on some systems
	if most > uint64(want)+200 {
		return want
	}
	most = max(most, 200) - 200
	t.Logf("%d connections instead of %d: more files may not be open", most, want)
	return int(most)
}
