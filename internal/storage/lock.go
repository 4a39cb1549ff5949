package storage

import (
	"errors"
	"io"
	"os"
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// claims are the directories that this process has open. The locks of files are those of a process,
// not of who opened the file: a reader would end the lock of a writer.
var claims = struct {
	sync.Mutex
	readers map[string]int // -1: a writer
}{readers: make(map[string]int)}

// claim returns ErrLocked if the directory is open in this process, unless all only read it.
func claim(dir string, read bool) (release func(), err error) {
	claims.Lock()
	defer claims.Unlock()
	n := claims.readers[dir]
	switch {
	case n == 0 && !read:
		claims.readers[dir] = -1
	case n >= 0 && read:
		claims.readers[dir] = n + 1
	default:
		return nil, ErrLocked
	}
	return func() {
		claims.Lock()
		defer claims.Unlock()
		if claims.readers[dir]--; claims.readers[dir] <= 0 {
			delete(claims.readers, dir)
		}
	}, nil
}

// A readerFS is a file system whose locks change nothing, and keep only writers away.
type readerFS struct{ vfs.FS }

// Lock implements vfs.FS. A store that was copied without its lock file has no writer.
func (fs readerFS) Lock(name string) (io.Closer, error) {
	f, err := fs.Open(name)
	if errors.Is(err, os.ErrNotExist) {
		return io.NopCloser(nil), nil
	}
	if err != nil {
		return nil, err
	}
	if err := lockShared(f.Fd()); err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}
