package storage

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// The format of a directory is in a file of its own, which is read before Pebble touches
// anything: opening a Pebble database for writing replays its log and deletes files.
const (
	formatFile    = "FORMAT"
	formatName    = "pegasus-go store"
	formatVersion = 1
)

// pebbleFormat is fixed rather than Pebble's newest. Later ones let the log promise "synced up to
// here" and make recovery refuse a log that ends before its promise; with DurabilityOS that
// promise would be a lie, and a loss of power could leave a directory that does not open.
const pebbleFormat = pebble.FormatColumnarBlocks

// makeDir makes a directory and those above it that there are not, durably.
func makeDir(dir string, fs vfs.FS) error {
	var parents []string // of those that are made
	for d := dir; ; d = fs.PathDir(d) {
		if _, err := fs.Stat(d); !errors.Is(err, os.ErrNotExist) || d == fs.PathDir(d) {
			break
		}
		parents = append(parents, fs.PathDir(d))
	}
	if err := fs.MkdirAll(dir, dirMode); err != nil {
		return err
	}
	for _, d := range parents {
		// Some may write into a directory and not look into it.
		if err := syncDir(d, fs); err != nil && !errors.Is(err, os.ErrPermission) {
			return err
		}
	}
	return nil
}

// prepareDir locks the directory and looks at its format. created is true when it holds no store
// yet. The caller closes the lock.
func prepareDir(dir string, fs vfs.FS) (lock *pebble.Lock, created bool, err error) {
	lock, err = pebble.LockDirectory(dir, fs)
	if err != nil {
		return nil, false, lockError(err)
	}
	created, err = checkFormat(dir, fs)
	if err != nil {
		_ = lock.Close()
		return nil, false, err
	}
	return lock, created, nil
}

// lockError tells a lock that somebody holds from a lock file that cannot be opened.
func lockError(err error) error {
	var path *os.PathError
	if errors.As(err, &path) {
		return err
	}
	// fcntl has no path. Within one process Pebble keeps a list, and no error value for it.
	var errno syscall.Errno
	if errors.As(err, &errno) && (errno == syscall.EAGAIN || errno == syscall.EACCES) ||
		strings.Contains(err.Error(), "lock held by current process") {
		return ErrLocked
	}
	return err
}

// checkFormat reads the format file.
func checkFormat(dir string, fs vfs.FS) (created bool, err error) {
	f, err := fs.Open(fs.PathJoin(dir, formatFile))
	if errors.Is(err, os.ErrNotExist) {
		return true, checkUnused(dir, fs)
	}
	if err != nil {
		return false, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, 100))
	if err != nil {
		return false, err
	}
	line, _, _ := strings.Cut(string(text), "\n") // later formats may have more to say
	number, ok := strings.CutPrefix(line, formatName+" ")
	version, err := strconv.Atoi(number)
	switch {
	case !ok || err != nil || version < 1:
		return false, fmt.Errorf("%s: not understood: %q", formatFile, text)
	case version > formatVersion:
		return false, fmt.Errorf("%w: format %d, this one knows %d", ErrNewerFormat, version, formatVersion)
	}
	return false, nil
}

// checkUnused refuses a directory without a format file that has tables in it. Pebble would
// delete them if it did not find the manifest they belong to. A manifest and logs may be left of
// an Open that was interrupted; Pebble itself makes sure that they are empty.
func checkUnused(dir string, fs vfs.FS) error {
	names, err := fs.List(dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		if strings.HasSuffix(name, ".sst") || strings.HasSuffix(name, ".blob") {
			return fmt.Errorf("%w: %s without %s", ErrForeign, name, formatFile)
		}
	}
	return nil
}

// writeFormat marks dir as a store, durably.
func writeFormat(dir string, fs vfs.FS) error {
	temp, name := fs.PathJoin(dir, formatFile+".tmp"), fs.PathJoin(dir, formatFile)
	f, err := fs.Create(temp, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(f, "%s %d\n", formatName, formatVersion)
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = fs.Rename(temp, name)
	}
	if err != nil {
		return err
	}
	return syncDir(dir, fs)
}

func syncDir(dir string, fs vfs.FS) error {
	d, err := fs.OpenDir(dir)
	if err != nil {
		return err
	}
	err = d.Sync()
	if cerr := d.Close(); err == nil {
		err = cerr
	}
	return err
}

// canonicalDir returns one spelling for every way to name dir, which exists, because the lock within
// a process goes by the name.
func canonicalDir(dir string) (string, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	return filepath.EvalSymlinks(abs)
}
