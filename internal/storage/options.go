package storage

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/pegasus-go/pegasus/onebox/limits"
)

// Durability says what an acknowledged write survives.
type Durability int

const (
	// DurabilitySync: loss of power. Every acknowledged write was synced to disk; concurrent
	// writes share syncs.
	DurabilitySync Durability = iota
	// DurabilityOS: the death of this process. An acknowledged write was handed to the operating
	// system, as on a Pegasus server with stock settings.
	DurabilityOS
)

// Options of a DB. The zero value is a store in memory with default limits.
type Options struct {
	// Dir is the directory of the store, made if it does not exist. Empty keeps everything in
	// memory and makes Durability and FS irrelevant.
	Dir string
	// ReadOnly opens a store that there is, and changes nothing in Dir: not even the file system
	// need be writable. Writes fail with ErrReadOnly. Several can read a store at the same time, and
	// none while it is open for writing.
	ReadOnly bool
	// Durability of acknowledged writes. Default DurabilitySync.
	Durability Durability
	// Clock tells the time for the background sweep and for Limits.IterationTime. Operations get
	// their time from the caller. Default time.Now.
	Clock func() time.Time
	// FS replaces the file system, for tests. Default the operating system's, where new files have
	// mode 0600 and new directories 0700.
	FS vfs.FS
	// CacheSize and MemTableSize are in bytes. Pebble takes the memory of its memtables (the
	// active one and a recycled one) out of the cache, so CacheSize less twice MemTableSize is
	// left for data; Open refuses values that leave nothing. Both are upper limits, not reserved
	// up front. Default for MemTableSize 4 MiB in memory and 32 MiB on disk, for CacheSize four
	// times MemTableSize in memory and eight times on disk. On a small disk memtables are smaller.
	CacheSize, MemTableSize int64
	// SweepInterval is the time between two background passes that delete expired records, which
	// reads do not see in any case. Passes start when the first record with an expiry is written;
	// on disk right away. Default 5 minutes; negative switches them off.
	SweepInterval time.Duration
	// Logger gets what goes wrong in the background, and Pebble's events at debug level. Default
	// none.
	Logger *slog.Logger
	// Limits of reads: MultiGetCount, MultiGetSize, ScanCount and IterationTime count here.
	// Partition.SetIterationTime overrides IterationTime for one partition.
	Limits limits.Limits
}

const (
	memoryMemTableSize = 4 << 20
	diskMemTableSize   = 32 << 20
)

// withDefaults returns o with zero fields filled in, or an error that names the field that makes
// no sense.
func (o Options) withDefaults() (Options, error) {
	if o.Durability != DurabilitySync && o.Durability != DurabilityOS {
		return o, fmt.Errorf("storage: Options.Durability: unknown value %d", o.Durability)
	}
	if o.ReadOnly && o.Dir == "" {
		return o, fmt.Errorf("storage: Options.ReadOnly: needs a Dir")
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.FS == nil || o.FS == vfs.Default {
		o.FS = systemFS
	}
	if o.MemTableSize < 0 || o.CacheSize < 0 {
		return o, fmt.Errorf("storage: Options.MemTableSize and CacheSize must not be negative")
	}
	cachePerMemTable := int64(4)
	if o.Dir != "" {
		cachePerMemTable = 8
	}
	if o.MemTableSize == 0 {
		o.MemTableSize = memoryMemTableSize
		if o.Dir != "" {
			o.MemTableSize = diskMemTableSize
		}
		if o.CacheSize > 0 {
			o.MemTableSize = min(o.MemTableSize, o.CacheSize/cachePerMemTable)
		}
	}
	if o.CacheSize == 0 {
		o.CacheSize = cachePerMemTable * o.MemTableSize
	}
	if o.CacheSize <= 2*o.MemTableSize {
		return o, fmt.Errorf("storage: Options.CacheSize %d leaves no room for data beside two memtables of %d bytes",
			o.CacheSize, o.MemTableSize)
	}
	if o.ReadOnly {
		o.SweepInterval = -1
	}
	if o.SweepInterval == 0 {
		o.SweepInterval = 5 * time.Minute
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	var err error
	if o.Limits, err = o.Limits.WithDefaults(); err != nil {
		return o, fmt.Errorf("storage: %w", err)
	}
	return o, nil
}
