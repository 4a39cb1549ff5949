package resume

import "errors"

// ErrLocked: another process works with a file.
var ErrLocked = errors.New("another process is at work with it")

// lockName is the file that is locked in place of one that gets renamed.
func lockName(path string) string { return path + ".lock" }
