package storage

import (
	"errors"
	"io"
	"os"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Modes of what a store makes: its data is nobody else's business.
const (
	fileMode = 0o600
	dirMode  = 0o700
)

// systemFS is the file system of the machine.
var systemFS vfs.FS = privateFS{vfs.Default}

// A privateFS makes files that only their owner can read. Pebble makes them with the rights that the
// process's umask allows, which is not ours to change; what is in a directory of ours nobody sees in
// the moment between. What is there already keeps its rights.
type privateFS struct{ vfs.FS }

// Create implements vfs.FS.
func (fs privateFS) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := fs.FS.Create(name, category)
	if err != nil {
		return nil, err
	}
	if err := makePrivate(name); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// Lock implements vfs.FS.
func (fs privateFS) Lock(name string) (io.Closer, error) {
	_, before := fs.Stat(name)
	l, err := fs.FS.Lock(name)
	if err != nil || !errors.Is(before, os.ErrNotExist) {
		return l, err
	}
	if err := makePrivate(name); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// Unwrap implements vfs.FS.
func (fs privateFS) Unwrap() vfs.FS { return fs.FS }

// makePrivate takes the rights of others from a new file. On a file system that has none, as those of
// some removable disks, that is refused although the file is ours, and not needed.
func makePrivate(name string) error {
	err := os.Chmod(name, fileMode)
	if errors.Is(err, os.ErrPermission) || errors.Is(err, errors.ErrUnsupported) {
		return nil
	}
	return err
}
