package storage

import "errors"

// Status is the storage error of an operation: the code of the same number in RocksDB's Status,
// which is what Pegasus puts into its answers.
type Status int32

// The statuses that operations of a Partition have.
const (
	OK              Status = 0  // done; for reads of several records, all of them
	NotFound        Status = 1  // no such record; for a Scanner, its context is gone
	Corruption      Status = 2  // what is on disk cannot be read
	InvalidArgument Status = 4  // malformed key, unknown enum value, empty list, not an integer
	IOError         Status = 5  // the disk failed, or the store or partition is closed
	Incomplete      Status = 7  // a limit was reached; what was found until then counts
	TryAgain        Status = 13 // the check of a CheckAndSet or CheckAndMutate did not pass
)

// Errors of a DB. Those that Open returns are wrapped with the directory.
var (
	// ErrLocked says that the directory is open already, here or in another process.
	ErrLocked = errors.New("in use by another process or store")
	// ErrNewerFormat says that a newer version of this software has written the directory.
	// Nothing in it was changed.
	ErrNewerFormat = errors.New("written by a newer version")
	// ErrForeign says that the directory holds a database that this package did not make.
	// Nothing in it was changed.
	ErrForeign = errors.New("directory holds another database")
	// ErrNoStore says that there is no store in the directory, with Options.ReadOnly.
	ErrNoStore = errors.New("there is no store in the directory")
	// ErrClosed says that the DB is closed, or that the partition's table was dropped.
	ErrClosed = errors.New("storage: closed")
	// ErrReadOnly says that the store was opened with Options.ReadOnly.
	ErrReadOnly = errors.New("storage: opened for reading only")
	// ErrFull says that a write was not begun because there is too little room on the disk.
	ErrFull = errors.New("storage: disk is full")
	// ErrStalled says that a write was not begun because the disk cannot be written to for now,
	// for example because the process has too many open files.
	ErrStalled = errors.New("storage: writes wait for the disk")
	// ErrFailed says that the log, or another file that a store cannot do without, could not be
	// written. The store goes on answering reads from what it has in memory and on disk, and takes
	// no more writes until it is opened anew. A store whose disk is full is opened like that, too.
	ErrFailed = errors.New("storage: writes stopped after a disk error")
)
