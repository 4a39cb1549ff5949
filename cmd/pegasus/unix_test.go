//go:build unix

package main

import (
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
)

// become changes the user of the process, unless user is empty.
func become(user string) {
	if user == "" {
		return
	}
	id, err := strconv.Atoi(user)
	if err == nil {
		err = syscall.Setuid(id)
	}
	if err != nil {
		panic(err)
	}
}

// A directory that belongs to somebody else, who does not let us write.
func TestUnwritableDirectory(t *testing.T) {
	dir := makeData(t)
	if err := os.Chmod(dir, 0o555); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Chmod(dir, 0o755) })
	user := ""
	if os.Getuid() == 0 {
		user = "65534" // whom permissions concern
	}
	testRefused(t, dir, user, "permission denied")

	checkRefusal(t, filepath.Join(dir, "new"), user, "permission denied") // nor can one be made in it
}
