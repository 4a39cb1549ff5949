package main

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"time"
)

// ledger is what one worker knows of its entries. Only that worker changes them,
// and each of them once in a round: a request that was sent again because its
// connection broke may be carried out late, which is no harm as long as nothing
// else changed the entry.
type ledger struct {
	worker int

	mu      sync.Mutex
	keys    []string // in a fixed order, for choosing
	entries map[string]*entry
	made    int // entries so far, to name the next
}

// entry is a hash key with one or more sort keys that are set and deleted
// together.
type entry struct {
	hashKey  string
	sortKeys []string
	is       version // what was there at the start of the round
	or       version // what else there may be; equal to is if that is known
	touched  bool    // changed, or about to be, in this round
	expires  time.Time
}

func newLedger(worker int) *ledger {
	return &ledger{worker: worker, entries: make(map[string]*entry)}
}

const (
	maxEntries = 250 // of a worker; from there on more are deleted than made
	maxRows    = 12  // sort keys of an entry
)

// add makes an entry that is not stored yet.
func (l *ledger) add(rows int, expires time.Time) *entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.made++
	e := &entry{hashKey: fmt.Sprintf("w%d-%d", l.worker, l.made), touched: true, expires: expires}
	for i := range rows {
		e.sortKeys = append(e.sortKeys, fmt.Sprintf("s%02d", i))
	}
	l.keys = append(l.keys, e.hashKey)
	l.entries[e.hashKey] = e
	return e
}

// pick returns a random entry, nil if there is none. If it is to be changed it
// is one that was not yet in this round, and is marked.
func (l *ledger) pick(rng *rand.Rand, change bool) *entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	for range 4 {
		if len(l.keys) == 0 {
			break
		}
		e := l.entries[l.keys[rng.IntN(len(l.keys))]]
		if !change {
			return e
		}
		if !e.touched {
			e.touched = true
			return e
		}
	}
	return nil
}

// full reports whether there are enough entries.
func (l *ledger) full() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.keys) >= maxEntries
}

// begin notes that e is about to become v.
func (l *ledger) begin(e *entry, v version) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e.or = v
}

// end notes how that went.
func (l *ledger) end(e *entry, applied outcome) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch applied {
	case yes:
		e.is = e.or
	case no:
		e.or = e.is
	}
}

// outcome of a write.
type outcome int

const (
	no outcome = iota
	yes
	perhaps
)

// mayBe returns the versions that e can have.
func (l *ledger) mayBe(e *entry) (version, version) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return e.is, e.or
}

// stable calls f for all entries that were not changed in this round.
func (l *ledger) stable(f func(e *entry)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, k := range l.keys {
		if e := l.entries[k]; !e.touched {
			f(e)
		}
	}
}

// settle begins the next round: found is what is stored.
func (l *ledger) settle(found func(e *entry) version) {
	l.mu.Lock()
	defer l.mu.Unlock()
	kept := l.keys[:0]
	for _, k := range l.keys {
		e := l.entries[k]
		e.is = found(e)
		e.or, e.touched = e.is, false
		if e.is == 0 {
			delete(l.entries, k)
			continue
		}
		kept = append(kept, k)
	}
	l.keys = kept
}

// counter is a number that many workers count up, by Incr or by CheckAndSet.
type counter struct {
	mu      sync.Mutex
	base    int64          // at the start of the round
	applied int64          // acknowledged in this round
	doubt   int64          // perhaps applied in this round
	results map[int64]bool // that were acknowledged; each may be once
	again   []int64        // that were twice
}

func (c *counter) done(result int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.applied++
	if c.results[result] {
		c.again = append(c.again, result)
	}
	c.results[result] = true
}

func (c *counter) inDoubt() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.doubt++
}

// settle compares the counter with what is stored, and begins the next round.
func (c *counter) settle(stored int64) (lost, duplicated int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	lost = max(0, c.base+c.applied-stored)
	duplicated = max(0, stored-c.base-c.applied-c.doubt) + int64(len(c.again))
	for r := range c.results {
		if r <= c.base || r > stored {
			lost++ // acknowledged, and now as if it had never been
		}
	}
	c.base, c.applied, c.doubt, c.again = stored, 0, 0, nil
	c.results = make(map[int64]bool)
	return lost, duplicated
}
