// Package catalog is the state of the cluster: its servers, its tables and who
// serves which partition. The meta servers change it, the replica servers go by
// it. It is published as snapshots, which do not change; what writes goes
// through one door, Catalog.change.
package catalog

import (
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pegasus-go/pegasus/internal/storage"
	"github.com/pegasus-go/pegasus/internal/wire"
)

// Options of a Catalog. All fields are needed.
type Options struct {
	DB       *storage.DB
	Clock    func() time.Time
	Logger   *slog.Logger
	ReadOnly bool
	// IterationTime is that of the partitions of tables whose environment does
	// not say otherwise.
	IterationTime time.Duration
	Members       *Members
	// Ended is told that what clients have open on a partition of a table, or
	// with AllPartitions on all of them, has come to its end.
	Ended func(table, partition int32)
}

// AllPartitions stands for all partitions of a table.
const AllPartitions = -1

// Catalog is the meta data of all tables. It is kept in the store, too: every
// change is written there, all or nothing, before it takes effect. Its methods
// may be called concurrently.
type Catalog struct {
	opts Options
	log  *slog.Logger
	db   *storage.DB

	// mu is held while something changes. What is published can be read without.
	mu         sync.Mutex
	level      wire.MetaFunctionLevel
	lastID     int32
	byID       map[int32]*Table
	byName     map[string]*Table // available ones
	holdSplits bool              // see HoldSplits

	published  atomic.Pointer[snapshot]
	background background
	purge      alarm // of dropped tables
	compacts   alarm // of tables that ask for it
}

// snapshot are the tables that there are. It does not change.
type snapshot struct {
	sorted    []*Table // by id
	byName    map[string]*Table
	available map[int32]*Table
}

// Open reads the tables from the store and makes them available.
func Open(opts Options) (*Catalog, error) {
	c := &Catalog{
		opts:   opts,
		log:    opts.Logger,
		db:     opts.DB,
		level:  wire.MetaSteady,
		byID:   make(map[int32]*Table),
		byName: make(map[string]*Table),
	}
	if err := c.load(); err != nil {
		return nil, err
	}
	c.publish()
	c.background.start()
	c.compactDue()
	return c, nil
}

// Close ends the work in the background, and waits for it.
func (c *Catalog) Close() {
	c.purge.stop()
	c.compacts.stop()
	c.background.stop()
}

// publish lets others see which tables there are now. The catalog is locked, or
// not shared yet.
func (c *Catalog) publish() {
	s := &snapshot{
		sorted:    slices.SortedFunc(maps.Values(c.byID), func(a, b *Table) int { return int(a.ID) - int(b.ID) }),
		byName:    maps.Clone(c.byName),
		available: make(map[int32]*Table, len(c.byName)),
	}
	for _, t := range c.byName {
		s.available[t.ID] = t
	}
	c.published.Store(s)
}

// Tables returns all tables, dropped ones too, by id.
func (c *Catalog) Tables() []*Table { return c.published.Load().sorted }

// Named returns the available table with that name, or nil.
func (c *Catalog) Named(name string) *Table { return c.published.Load().byName[name] }

// Available returns the available table with that id, or nil.
func (c *Catalog) Available(id int32) *Table { return c.published.Load().available[id] }

// Count returns the number of available tables.
func (c *Catalog) Count() int { return len(c.published.Load().available) }

// Members returns the servers of the cluster.
func (c *Catalog) Members() *Members { return c.opts.Members }

// Level returns what the meta server may do by itself.
func (c *Catalog) Level() wire.MetaFunctionLevel {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.level
}

// SetLevel changes what the meta server may do by itself.
func (c *Catalog) SetLevel(l wire.MetaFunctionLevel) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.level = l
}

// frozen refuses changes that need nodes when the meta server may not make
// them. The catalog is locked.
func (c *Catalog) frozen() error {
	if c.level <= wire.MetaFreezed {
		return Refuse(wire.ErrStateFreezed, "the meta server is freezed")
	}
	return nil
}

// Now is the present in seconds of Unix time.
func (c *Catalog) Now() int64 { return c.opts.Clock().Unix() }
