package storage

import (
	"cmp"
	"slices"

	"github.com/cockroachdb/pebble/v2"
	"github.com/pegasus-go/pegasus/internal/schema"
)

// A Group is puts and removes of any partitions of a DB that are committed together, in the order
// in which they were added: what a commit costs by itself, they share. To everybody else they are
// writes of their own. Its zero value is empty. Keys and values are not kept after Commit.
type Group struct {
	db     *DB
	batch  *pebble.Batch
	writes []groupWrite
	expire uint32 // the earliest

	// Memory of Commit.
	partitions []*Partition
	results    []WriteResult
	committed  []Committed
	reserved   []reservation
}

type groupWrite struct {
	p           *Partition
	remove      bool
	key, value  []byte
	expire, now uint32
}

// Put adds Partition.Put. It returns false, and does nothing, if the key is malformed.
func (g *Group) Put(p *Partition, key, value []byte, expire, now uint32) bool {
	if _, _, ok := schema.SplitKey(key); !ok {
		return false
	}
	g.begin(p)
	stored := p.expiry(expire, now)
	p.addPut(g.batch, rawKey{whole: key}, value, stored)
	if stored != 0 && (g.expire == 0 || stored < g.expire) {
		g.expire = stored
	}
	g.writes = append(g.writes, groupWrite{p: p, key: key, value: value, expire: expire, now: now})
	return true
}

// Remove adds Partition.Remove. It returns false, and does nothing, if the key is malformed.
func (g *Group) Remove(p *Partition, key []byte) bool {
	if _, _, ok := schema.SplitKey(key); !ok {
		return false
	}
	g.begin(p)
	p.addRemove(g.batch, rawKey{whole: key})
	g.writes = append(g.writes, groupWrite{p: p, remove: true, key: key})
	return true
}

func (g *Group) begin(p *Partition) {
	if g.batch == nil {
		g.db, g.batch = p.db, p.db.pebble.NewBatch()
	}
}

// Committed is the outcome of some writes of a group, that follow each other.
type Committed struct {
	Results []WriteResult
	Commit  Commit // of all of them
}

// Commit carries the writes out and empties the group. What it returns is valid until the next
// Commit; together it has a result for each of the writes, in their order.
func (g *Group) Commit() []Committed {
	if len(g.writes) == 0 {
		return nil
	}
	g.results, g.committed = g.results[:0], g.committed[:0]
	g.lock()
	alone := g.alone()
	if !alone {
		g.together()
	}
	g.unlock()
	if alone {
		_ = g.batch.Close()
		g.oneByOne()
	}
	clear(g.writes)
	clear(g.partitions)
	g.writes, g.partitions, g.batch, g.expire = g.writes[:0], g.partitions[:0], nil, 0
	return g.committed
}

// lock locks the partitions concerned, in the order in which splits do that, too.
func (g *Group) lock() {
	for i := range g.writes {
		if p := g.writes[i].p; len(g.partitions) == 0 || g.partitions[len(g.partitions)-1] != p {
			g.partitions = append(g.partitions, p)
		}
	}
	if len(g.partitions) > 1 {
		slices.SortFunc(g.partitions, func(a, b *Partition) int {
			return cmp.Or(cmp.Compare(a.appID, b.appID), cmp.Compare(a.index, b.index))
		})
		g.partitions = slices.Compact(g.partitions)
	}
	for _, p := range g.partitions {
		p.mu.Lock()
	}
}

func (g *Group) unlock() {
	for _, p := range g.partitions {
		p.mu.Unlock()
	}
}

// alone reports whether the writes have to be carried out one by one: a partition is shut, or being
// split, when its writes go to another one, too.
func (g *Group) alone() bool {
	return slices.ContainsFunc(g.partitions, func(p *Partition) bool { return p.closed || p.mu.move != nil })
}

// together commits the batch. The partitions are locked.
func (g *Group) together() {
	for i := range g.writes {
		g.results = append(g.results, WriteResult{Status: OK, Decree: g.writes[i].p.nextDecreeLocked()})
	}
	g.reserved = g.reserved[:0]
	for _, p := range g.partitions {
		if r, ok := p.reserveLocked(g.batch, p.mu.decree); ok {
			g.reserved = append(g.reserved, r)
		}
	}
	c, err := g.db.apply(g.batch)
	if err != nil {
		for _, r := range g.reserved {
			r.giveBackLocked()
		}
		for i := range g.results {
			g.results[i].Status = IOError
		}
	} else {
		g.db.sweeper.note(g.expire)
		c.reserved = slices.Clone(g.reserved) // nil nearly always
	}
	g.committed = append(g.committed, Committed{g.results, c})
}

func (g *Group) oneByOne() {
	for i := range g.writes {
		w := &g.writes[i]
		var res WriteResult
		var c Commit
		if w.remove {
			res, c = w.p.Remove(w.key)
		} else {
			res, c = w.p.Put(w.key, w.value, w.expire, w.now)
		}
		g.results = append(g.results, res)
		g.committed = append(g.committed, Committed{Commit: c})
	}
	for i := range g.committed { // results does not move any more
		g.committed[i].Results = g.results[i : i+1]
	}
}
