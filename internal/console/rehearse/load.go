package rehearse

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/admin"
)

// LoadTable is the table of the load. It is made when the load starts for the first time.
const LoadTable = "console_load"

const (
	loadPartitions = 8
	loadTTL        = 10 * time.Minute // of its rows, so that they go by themselves
	loadKeys       = 500
	maxRate        = 5000
	maxInFlight    = 4000
	maxPoints      = 300 // seconds
	loadTick       = 10 * time.Millisecond
)

// load is a client that checks what it reads. Half its operations are writes.
//
// They begin when they are due, whether or not those before have ended, as the callers of
// a service do, and their time counts from then.
type load struct {
	table  *pegasus.Table
	clock  func() time.Time // of the cluster
	rate   atomic.Int64
	ctx    context.Context
	cancel context.CancelFunc
	all    sync.WaitGroup

	inFlight atomic.Int64
	keys     []atomic.Pointer[loadKey]
	names    atomic.Int64 // of keys so far

	mu     sync.Mutex
	points []point
	now    *second
	totals totals
	outage time.Time // when the first of the failures since the last success came; zero if none has
}

// loadKey is a key with a number that grows. One write of it is under way at a time, so
// that it is known what a read may find.
type loadKey struct {
	name  []byte
	mu    sync.Mutex
	sent  atomic.Int64 // latest number that was written
	acked atomic.Int64 // latest that was acknowledged
	until atomic.Int64 // Unix time in ns until when that one is there
}

// point is a second of the load.
type point struct {
	At     int64          `json:"at"`
	OK     int            `json:"ok"`
	Errors map[string]int `json:"errors,omitempty"` // by class
	P50    float64        `json:"p50"`              // microseconds, of those that have succeeded
	P99    float64        `json:"p99"`
}

type second struct {
	at     time.Time
	ok     int
	errors map[string]int
	times  []time.Duration
}

// totals are what the load has seen since it began.
type totals struct {
	OK       int64 `json:"ok"`
	Failed   int64 `json:"failed"`
	Lost     int64 `json:"lost"`    // reads that have not found an acknowledged write
	Invented int64 `json:"made_up"` // reads of what was never written
	InDoubt  int64 `json:"in_doubt"`
	Skipped  int64 `json:"skipped"` // were due while too many were under way
	// Outage is the longest time in seconds from a failure to the next success.
	Outage float64          `json:"outage"`
	Errors map[string]int64 `json:"errors"` // by text of the cause
}

func newLoad(t *pegasus.Table, rate int, clock func() time.Time) *load {
	l := &load{table: t, clock: clock, keys: make([]atomic.Pointer[loadKey], loadKeys), now: newSecond(time.Now())}
	l.totals.Errors = make(map[string]int64)
	l.rate.Store(int64(rate))
	l.names.Store(time.Now().UnixNano()) // an earlier load had other keys
	l.renew()
	l.ctx, l.cancel = context.WithCancel(context.Background())
	l.all.Go(l.run)
	return l
}

// renew gives up all keys, because what they have may be gone.
func (l *load) renew() {
	for i := range l.keys {
		l.keys[i].Store(l.newKey())
	}
}

func (l *load) newKey() *loadKey { return &loadKey{name: fmt.Appendf(nil, "load-%x", l.names.Add(1))} }

func (l *load) setRate(rate int) { l.rate.Store(int64(rate)) }

// stop ends it and waits for what is under way.
func (l *load) stop() {
	l.cancel()
	l.all.Wait()
	l.table.Close()
}

func (l *load) run() {
	tick := time.NewTicker(loadTick)
	defer tick.Stop()
	last, due := time.Now(), 0.0
	for {
		select {
		case <-l.ctx.Done():
			return
		case now := <-tick.C:
			due += float64(l.rate.Load()) * now.Sub(last).Seconds()
			last = now
			for ; due >= 1; due-- {
				if l.inFlight.Load() >= maxInFlight {
					l.mu.Lock()
					l.totals.Skipped++
					l.mu.Unlock()
					continue
				}
				l.inFlight.Add(1)
				l.all.Go(func() {
					defer l.inFlight.Add(-1)
					l.operation(now)
				})
			}
			l.roll(now)
		}
	}
}

// operation is a read or a write.
func (l *load) operation(due time.Time) {
	place := &l.keys[rand.IntN(len(l.keys))]
	k := place.Load()
	if rand.IntN(2) == 0 && k.mu.TryLock() {
		defer k.mu.Unlock()
		err := l.write(k)
		if errors.Is(err, pegasus.ErrInDoubt) {
			// It may land at any time, also over later ones: the key is of no more use.
			place.CompareAndSwap(k, l.newKey())
		}
		l.done(due, err, true)
		return
	}
	l.done(due, l.read(k, place), false)
}

var loadSortKey = []byte("n")

func (l *load) write(k *loadKey) error {
	n := k.sent.Add(1)
	until := l.clock().Add(loadTTL - time.Second) // servers count whole seconds
	err := l.table.SetTTL(l.ctx, k.name, loadSortKey, binary.BigEndian.AppendUint64(nil, uint64(n)), loadTTL)
	if err == nil {
		k.until.Store(until.UnixNano())
		k.acked.Store(n)
	}
	return err
}

// read holds what it reads against what was acknowledged before it began.
func (l *load) read(k *loadKey, place *atomic.Pointer[loadKey]) error {
	acked := k.acked.Load()
	until := k.until.Load()
	value, err := l.table.Get(l.ctx, k.name, loadSortKey)
	if err != nil || place.Load() != k {
		return err
	}
	var got int64
	if len(value) == 8 {
		got = int64(binary.BigEndian.Uint64(value))
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if got < acked && l.clock().UnixNano() < until {
		l.totals.Lost++
	}
	if got > k.sent.Load() {
		l.totals.Invented++
	}
	return nil
}

func newSecond(at time.Time) *second {
	return &second{at: at.Truncate(time.Second), errors: make(map[string]int)}
}

// done counts what became of an operation.
func (l *load) done(due time.Time, err error, write bool) {
	if err != nil && l.ctx.Err() != nil {
		return // the load has ended
	}
	now := time.Now()
	l.roll(now)
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		l.now.errors[string(pegasus.ClassOf(err))]++
		l.totals.Failed++
		if cause := causeOf(err); len(l.totals.Errors) < 20 || l.totals.Errors[cause] > 0 {
			l.totals.Errors[cause]++
		}
		if write && errors.Is(err, pegasus.ErrInDoubt) {
			l.totals.InDoubt++
		}
		if l.outage.IsZero() {
			l.outage = now
		}
		return
	}
	l.now.ok++
	l.now.times = append(l.now.times, now.Sub(due))
	l.totals.OK++
	if !l.outage.IsZero() {
		l.totals.Outage = max(l.totals.Outage, now.Sub(l.outage).Seconds())
		l.outage = time.Time{}
	}
}

// causeOf returns the code that a server has answered with, or the class.
func causeOf(err error) string {
	var code pegasus.ErrorCode
	if errors.As(err, &code) {
		return string(code)
	}
	return string(pegasus.ClassOf(err))
}

// roll begins another second when it is time.
func (l *load) roll(now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now.Sub(l.now.at) < time.Second {
		return
	}
	s := l.now
	l.now = newSecond(now)
	slices.Sort(s.times)
	p := point{At: s.at.UnixMilli(), OK: s.ok, Errors: s.errors}
	if n := len(s.times); n > 0 {
		p.P50 = float64(s.times[n/2].Microseconds())
		p.P99 = float64(s.times[n*99/100].Microseconds())
	}
	l.points = append(l.points, p)
	l.points = slices.Delete(l.points, 0, max(0, len(l.points)-maxPoints))
}

// report returns the points after a time, and the totals.
func (l *load) report(since int64) map[string]any {
	l.mu.Lock()
	defer l.mu.Unlock()
	points := []point{}
	for _, p := range l.points {
		if p.At > since {
			points = append(points, p)
		}
	}
	t := l.totals
	t.Errors = maps.Clone(t.Errors)
	return map[string]any{"rate": l.rate.Load(), "points": points, "totals": t, "table": LoadTable, "in_flight": l.inFlight.Load()}
}

// isThere says whether a table could not be made because it is there with other
// properties, such as after a split.
func isThere(err error) bool {
	return errors.Is(err, admin.ErrAppExist) || errors.Is(err, admin.ErrInvalidParameters)
}
