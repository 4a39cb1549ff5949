package storage

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/sstable"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// pebbleOptions translates o.
func (db *DB) pebbleOptions(fs vfs.FS) *pebble.Options {
	po := &pebble.Options{
		FS:                 fs,
		CacheSize:          db.opts.CacheSize,
		MemTableSize:       uint64(db.opts.MemTableSize),
		FormatMajorVersion: pebbleFormat,
		DisableWAL:         db.inMemory,
		Logger:             pebbleLogger{db},
		EventListener: &pebble.EventListener{
			FlushEnd:        func(info pebble.FlushInfo) { db.flushes.Add(int64(info.Input)) },
			WriteStallBegin: func(pebble.WriteStallBeginInfo) { db.full.Store(true) },
			WriteStallEnd:   func() { db.full.Store(false) },
			BackgroundError: func(err error) {
				level := slog.LevelError
				if db.guard != nil && db.guard.known() {
					level = slog.LevelDebug // has been logged
				}
				db.opts.Logger.Log(context.Background(), level, "background work on the store failed", "error", plain(err))
			},
			// Without this listener Pebble ends the process.
			DataCorruption: func(info pebble.DataCorruptionInfo) {
				db.opts.Logger.Error("store is corrupted", "file", info.Path, "error", plain(info.Details))
			},
		},
	}
	if files := openFiles(); files > 0 {
		po.MaxOpenFiles = min(1000, max(minTableFiles, files/4)) // Pebble's default, and the rest is for connections
	}
	// Writers do not wait for one memtable to be flushed. On a disk, tables that cannot be written
	// are tried again, and writes are refused before memtables are full (see refuses).
	po.MemTableStopWritesThreshold = 4
	if db.small {
		// Compactions need little room at a time.
		po.LBaseMaxBytes = 2 * db.opts.MemTableSize
		po.TargetFileSizes[0] = db.opts.MemTableSize / 4
	}
	// One compaction at a time, Pebble's default. Its usual scheduler looks ten times a second
	// whether the number allowed has changed, in a goroutine that a failing Open leaves behind;
	// this one acts when something happens, which is all that is needed.
	po.CompactionConcurrencyRange = func() (lower, upper int) { return 1, 1 }
	po.Experimental.CompactionScheduler = pebble.NewConcurrencyLimitSchedulerWithNoPeriodicGrantingForTest()
	if db.inMemory {
		po.Experimental.ReadSamplingMultiplier = -1 // of what to compact, by what is read most: it is all in memory
	}
	for i := range po.Levels {
		po.Levels[i].FilterPolicy = bloom.FilterPolicy(10) // 1 % false positives
		if db.inMemory {
			po.Levels[i].Compression = func() *sstable.CompressionProfile { return sstable.NoCompression }
		}
	}
	return po
}

// minTableFiles is how many files of tables are kept open at least.
const minTableFiles = 50

// plainError is an error of Pebble's without what it has for Pebble's authors: a log would print a
// stack, and the text has lines that tell nothing.
type plainError struct{ err error }

func plain(err error) error { return plainError{err} }

// Error returns the first line, of every one of joined errors.
func (e plainError) Error() string {
	text := e.err.Error()
	if j, ok := e.err.(interface{ Unwrap() []error }); ok && errors.Join(j.Unwrap()...).Error() == text {
		var lines []string
		for _, err := range j.Unwrap() {
			lines = append(lines, plain(err).Error())
		}
		return strings.Join(lines, "; ")
	}
	line, _, _ := strings.Cut(text, "\n")
	return line
}

// Unwrap returns the error itself.
func (e plainError) Unwrap() error { return e.err }

// pebbleLogger is Pebble's way to the logger.
type pebbleLogger struct{ db *DB }

// Infof implements pebble.Logger.
func (l pebbleLogger) Infof(format string, args ...any) {
	l.log(slog.LevelDebug, format, args)
}

// Errorf implements pebble.Logger.
func (l pebbleLogger) Errorf(format string, args ...any) {
	l.log(slog.LevelError, format, args)
}

// Fatalf implements pebble.Logger. It returns, and Pebble goes on; the store takes no more writes
// because Pebble is in a state that its authors did not foresee.
func (l pebbleLogger) Fatalf(format string, args ...any) {
	l.db.broken.Store(true)
	l.log(slog.LevelError, format, args)
}

func (l pebbleLogger) log(level slog.Level, format string, args []any) {
	logger := l.db.opts.Logger
	if logger.Enabled(context.Background(), level) {
		logger.Log(context.Background(), level, "pebble: "+fmt.Sprintf(format, args...))
	}
}
