package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"time"

	"github.com/pegasus-go/pegasus"
)

// Hash keys that no package has, because they begin with a slash.
var (
	counterKey = []byte("/counters")
	lockKey    = []byte("/locks")
	sessionKey = []byte("/sessions")
)

// counters counts the files by extension, with all workers adding to the same
// counters.
func (t *tour) counters(ctx context.Context) error {
	err := parallel(ctx, loaders, t.src.packages, func(ctx context.Context, p *pkg) error {
		for extension, n := range extensions(p) {
			if _, err := t.table.Incr(ctx, counterKey, []byte(extension), n); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	want := make(map[string]int64)
	for _, p := range t.src.packages {
		for extension, n := range extensions(p) {
			want[extension] += n
		}
	}
	most := slices.SortedFunc(maps.Keys(want), func(a, b string) int { return int(want[b] - want[a]) })
	for i, extension := range most {
		got, err := t.table.Incr(ctx, counterKey, []byte(extension), 0)
		if err != nil {
			return err
		}
		if got != want[extension] {
			return differs("counter of %s is %d, want %d", extension, got, want[extension])
		}
		if i < shown {
			t.out.line("%6d  %s", got, extension)
		}
	}
	return nil
}

func extensions(p *pkg) map[string]int64 {
	n := make(map[string]int64)
	for _, f := range p.files {
		extension := path.Ext(f.name)
		if extension == "" {
			extension = "(none)"
		}
		n[extension]++
	}
	return n
}

// lock lets several workers compete for a lock: an entry that only one of them
// can create. It expires, in case its owner dies.
func (t *tour) lock(ctx context.Context) error {
	name := []byte("release")
	owners := make(chan string, loaders)
	workers := make([]string, loaders)
	for i := range workers {
		workers[i] = fmt.Sprintf("worker %d", i)
	}
	err := parallel(ctx, loaders, workers, func(ctx context.Context, worker string) error {
		res, err := t.table.CheckAndSet(ctx, lockKey, name, pegasus.CheckTypeValueNotExist, nil, name, []byte(worker),
			&pegasus.CheckAndSetOptions{SetValueTTLSeconds: 60, ReturnCheckValue: true})
		switch {
		case err != nil:
			return err
		case res.SetSucceed:
			owners <- worker
		case !res.CheckValueExist:
			return differs("%s was refused a free lock", worker)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if len(owners) != 1 {
		return differs("%d workers have the lock", len(owners))
	}
	owner := <-owners
	t.out.line("%s has the lock, %s were refused", owner, plural(loaders-1, "worker"))

	// Only its owner may pass it on.
	for _, from := range []string{"somebody else", owner} {
		res, err := t.table.CheckAndSet(ctx, lockKey, name, pegasus.CheckTypeBytesEqual, []byte(from), name, []byte("the next"), nil)
		if err != nil {
			return err
		}
		if res.SetSucceed != (from == owner) {
			return differs("%s passing on the lock: %v", from, res.SetSucceed)
		}
	}
	t.out.line("%s has passed it on", owner)
	return t.table.Del(ctx, lockKey, name)
}

const pollInterval = 50 * time.Millisecond

// expiry stores sessions that expire, and waits until the first has.
func (t *tour) expiry(ctx context.Context) error {
	short, long := []byte("short"), []byte("long")
	if err := t.table.SetTTL(ctx, sessionKey, short, []byte("gone soon"), time.Second); err != nil {
		return err
	}
	if err := t.table.MultiSetOpt(ctx, sessionKey, [][]byte{long}, [][]byte{[]byte("here to stay")}, time.Hour); err != nil {
		return err
	}
	ttl, err := t.table.TTL(ctx, sessionKey, long)
	if err != nil {
		return err
	}
	if ttl < 3500 || ttl > 3600 {
		return differs("TTL is %d", ttl)
	}
	t.out.line("one session for a second, one for an hour: TTL %d", ttl)

	start := time.Now()
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for {
		exist, err := t.table.Exist(ctx, sessionKey, short)
		switch {
		case errors.Is(err, context.DeadlineExceeded):
			return differs("the session does not expire")
		case err != nil:
			return err
		}
		if !exist {
			break
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
	t.out.line("the first was gone after %s: expiry counts in whole seconds", since(start))
	n, err := t.table.SortKeyCount(ctx, sessionKey)
	if err == nil && n != 1 {
		return differs("%d sessions are left", n)
	}
	return err
}
