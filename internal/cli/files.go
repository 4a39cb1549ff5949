package cli

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/pegasus-go/pegasus/internal/cli/exit"
)

// fileArg is a file and the argument that names it.
type fileArg struct{ arg, path string }

// apart refuses files of a command of which one would be written over another; no path is
// none.
func apart(files ...fileArg) error {
	for i, f := range files {
		for _, other := range files[:i] {
			if f.path != "" && other.path != "" && sameFile(f.path, other.path) {
				return exit.Errorf(exit.Usage, "%s: %s is what %s is", f.arg, f.path, other.arg)
			}
		}
	}
	return nil
}

// sameFile reports whether two paths lead to the same file, or would if there was one.
func sameFile(a, b string) bool {
	x, errX := os.Stat(a)
	y, errY := os.Stat(b)
	if errX == nil && errY == nil {
		return os.SameFile(x, y)
	}
	return whereabouts(a) == whereabouts(b)
}

// mayBecome refuses a path at which there is something else than a file, which a file that is
// renamed would take the place of. hint is what to do instead.
func mayBecome(arg, path, hint string) error {
	switch info, err := os.Stat(path); {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case !info.Mode().IsRegular():
		return exit.Errorf(exit.Usage, "%s: %s is no file%s", arg, path, hint)
	}
	return nil
}

// whereabouts is a path without links to its directory.
func whereabouts(path string) string {
	dir, name := filepath.Split(filepath.Clean(path))
	if real, err := filepath.EvalSymlinks(filepath.Clean(dir)); err == nil {
		dir = real
	}
	if abs, err := filepath.Abs(dir); err == nil {
		dir = abs
	}
	return filepath.Join(dir, name)
}
