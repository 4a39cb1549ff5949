package storage

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/pegasus-go/pegasus/internal/schema"
)

// A liveTable is a table that goroutines write to and read while something is done to it. Each has
// keys of its own, so it knows what it must find there.
type liveTable struct {
	t     testing.TB
	db    *DB
	appID int32

	route sync.RWMutex // held shared by requests, exclusively when the count changes
	count int32

	users []*liveUser
	wrote sync.Cond // signaled after every write
	stop  atomic.Bool
	done  sync.WaitGroup
}

const liveKeys = 40 // of a user

// A liveUser is one of the goroutines.
type liveUser struct {
	table   *liveTable
	name    string
	random  *rand.Rand
	mu      sync.Mutex // of acked and doubt
	acked   map[string]string
	doubt   *liveWrite // under way
	written int        // under wrote
}

// A liveWrite is a write to some keys: what they hold afterwards, "" for nothing.
type liveWrite map[string]string

// startLive starts the users of a table, of which every value is padded by pad bytes.
func startLive(t testing.TB, db *DB, appID, count int32, users int, pad string) *liveTable {
	table := &liveTable{t: t, db: db, appID: appID, count: count, wrote: sync.Cond{L: new(sync.Mutex)}}
	for i := range users {
		u := &liveUser{table: table, name: fmt.Sprint("user", i), acked: map[string]string{}, random: rand.New(rand.NewPCG(uint64(i), 1))}
		table.users = append(table.users, u)
		table.done.Go(func() {
			defer table.wrote.Broadcast()
			for n := 0; !table.stop.Load() && u.write(n, pad); n++ {
				u.read()
				table.wrote.L.Lock()
				u.written++
				table.wrote.L.Unlock()
				table.wrote.Broadcast()
				runtime.Gosched() // users who never wait would leave the rest one turn in a while
			}
		})
	}
	return table
}

// await waits until every user has written n more times.
func (table *liveTable) await(n int) {
	table.wrote.L.Lock()
	defer table.wrote.L.Unlock()
	for _, u := range table.users {
		for want := u.written + n; u.written < want && !table.t.Failed(); {
			table.wrote.Wait()
		}
	}
}

func (table *liveTable) end() {
	table.stop.Store(true)
	table.done.Wait()
}

// partition returns where a hash key is. The route is locked.
func (table *liveTable) partition(hashKey string) *Partition {
	p, err := table.db.Partition(table.appID, int32(schema.Hash([]byte(hashKey))%uint64(table.count)))
	if err != nil {
		table.t.Error(err)
	}
	return p
}

// write makes a write of one of all kinds, and reports false when the store failed.
func (u *liveUser) write(n int, pad string) bool {
	k := u.random.IntN(liveKeys)
	hashKey := fmt.Sprint(u.name, "-", k/2)
	value := fmt.Sprint(n, pad)
	one, two := fmt.Sprint(k), fmt.Sprint("twin of ", k)
	w := liveWrite{}
	u.table.route.RLock()
	defer u.table.route.RUnlock()
	p := u.table.partition(hashKey)
	var send func() (WriteResult, Commit)
	switch u.random.IntN(7) {
	case 0:
		w[hashKey+"/"+one] = ""
		send = func() (WriteResult, Commit) { return p.Remove(rawKeyOf(hashKey, one)) }
	case 1:
		w[hashKey+"/"+one], w[hashKey+"/"+two] = "", ""
		send = func() (WriteResult, Commit) {
			res, c := p.MultiRemove([]byte(hashKey), [][]byte{[]byte(one), []byte(two)})
			return res.WriteResult, c
		}
	case 2:
		w[hashKey+"/"+one], w[hashKey+"/"+two] = value, value
		send = func() (WriteResult, Commit) {
			return p.MultiPut([]byte(hashKey), []KV{{[]byte(one), []byte(value)}, {[]byte(two), []byte(value)}}, 0, testNow)
		}
	case 3:
		w[hashKey+"/"+one], w[hashKey+"/"+two] = "", value
		send = func() (WriteResult, Commit) {
			res, c := p.CheckAndMutate(&CheckAndMutate{HashKey: []byte(hashKey), Mutations: []Mutation{
				{Operation: MutateRemove, SortKey: []byte(one)}, {SortKey: []byte(two), Value: []byte(value)},
			}}, testNow)
			return res.WriteResult, c
		}
	case 4:
		w[hashKey+"/"+one] = "" // it is expired
		send = func() (WriteResult, Commit) { return p.Put(rawKeyOf(hashKey, one), []byte(value), 1, testNow) }
	case 5:
		other := fmt.Sprint(u.name, "-", u.random.IntN(liveKeys/2)) // in another partition perhaps
		w[hashKey+"/"+one], w[hashKey+"/"+two], w[other+"/group"] = value, "", value
		send = func() (WriteResult, Commit) {
			var g Group
			g.Put(p, rawKeyOf(hashKey, one), []byte(value), 0, testNow)
			g.Put(u.table.partition(other), rawKeyOf(other, "group"), []byte(value), 0, testNow)
			g.Remove(p, rawKeyOf(hashKey, two))
			return settle(g.Commit())
		}
	default:
		w[hashKey+"/"+one] = value
		send = func() (WriteResult, Commit) { return p.Put(rawKeyOf(hashKey, one), []byte(value), 0, testNow) }
	}
	u.mu.Lock()
	u.doubt = &w
	u.mu.Unlock()
	res, c := send()
	if err := c.Wait(); err != nil || res.Status != OK {
		u.table.t.Errorf("%s: write has status %d, %v", u.name, res.Status, err)
		return false
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	for key, value := range w {
		u.acked[key] = value
	}
	u.doubt = nil
	return true
}

// settle waits for all of a group but its last write, and returns that or the first one that has
// failed.
func settle(committed []Committed) (res WriteResult, last Commit) {
	for i, c := range committed {
		for _, r := range c.Results {
			if res.Status == OK {
				res = r
			}
		}
		if last = c.Commit; i < len(committed)-1 {
			if err := c.Commit.Wait(); err != nil {
				res.Status = IOError
			}
		}
	}
	return res, last
}

// read looks up a random key.
func (u *liveUser) read() {
	k := u.random.IntN(liveKeys)
	hashKey, sortKey := fmt.Sprint(u.name, "-", k/2), fmt.Sprint(k)
	u.table.route.RLock()
	defer u.table.route.RUnlock()
	u.check(hashKey, sortKey, u.table.partition(hashKey), u.acked[hashKey+"/"+sortKey], "")
}

// check looks a key up and compares with what may be there.
func (u *liveUser) check(hashKey, sortKey string, p *Partition, want, orElse string) {
	got := get(p, hashKey, sortKey)
	if got == "<not found>" {
		got = ""
	}
	if got != want && got != orElse {
		u.table.t.Errorf("%s: %s/%s is %.20q in partition %d, want %.20q or %.20q", u.name, hashKey, sortKey, got, p.index, want, orElse)
	}
}

// liveState is what a liveTable must hold at a moment.
type liveState struct {
	acked map[string]string
	doubt map[string]string
}

// state is taken between the acknowledgements of a user, not of all of them.
func (u *liveUser) state() liveState {
	u.mu.Lock()
	defer u.mu.Unlock()
	s := liveState{map[string]string{}, map[string]string{}}
	for key, value := range u.acked {
		s.acked[key], s.doubt[key] = value, value
	}
	if u.doubt != nil {
		for key, value := range *u.doubt {
			s.doubt[key] = value
		}
	}
	return s
}

// checkAll compares the store with states, of every user. A scan must not find anything else either.
func (table *liveTable) checkAll(states []liveState) {
	table.t.Helper()
	awaitLeftovers(table.db)
	for i, u := range table.users {
		for k := range liveKeys {
			hashKey := fmt.Sprint(u.name, "-", k/2)
			p := table.partition(hashKey)
			for _, sortKey := range []string{fmt.Sprint(k), fmt.Sprint("twin of ", k)} {
				key := hashKey + "/" + sortKey
				u.check(hashKey, sortKey, p, states[i].acked[key], states[i].doubt[key])
			}
		}
	}
	for index := range table.count {
		s, status := partition(table.t, table.db, table.appID, index).NewScanner(fullScan())
		for more := status == OK && s != nil; more; {
			res := s.Next(testNow, func(key, _ []byte, _ uint32) {
				if schema.KeyHash(key)%uint64(table.count) != uint64(index) {
					table.t.Errorf("record %q is in partition %d of %d", key, index, table.count)
				}
			})
			if more = res.More; res.Status != OK {
				table.t.Errorf("scan has status %d", res.Status)
			}
		}
	}
}

func (table *liveTable) states() (states []liveState) {
	for _, u := range table.users {
		states = append(states, u.state())
	}
	return states
}

// split splits the table, which serves meanwhile, and calls moved when it has the new layout.
func (table *liveTable) split(moved func()) error {
	return table.db.SplitApp(table.t.Context(), table.appID, table.count, func(commit func(map[string][]byte) error) error {
		table.route.Lock()
		defer table.route.Unlock()
		err := commit(map[string][]byte{"count": fmt.Append(nil, 2*table.count)})
		if err == nil {
			table.count *= 2
			moved()
		}
		return err
	})
}

// A table that is split three times serves as if nothing happened.
func TestSplitServes(t *testing.T) {
	for _, dir := range []string{"", t.TempDir()} {
		t.Run("dir="+fmt.Sprint(dir != ""), func(t *testing.T) {
			db := openDB(t, Options{Dir: dir, Durability: DurabilityOS, SweepInterval: -1, MemTableSize: 256 << 10, CacheSize: 4 << 20})
			db.runRecords = 7
			pad := string(make([]byte, 1000))
			fillTable(t, db, 2, 1, 10, "other table")
			table := startLive(t, db, 1, 1, 4, pad)
			table.await(50)
			// Many more records that split has to walk over while the users are at work.
			fill := partition(t, db, 1, 0)
			for i := range 1000 {
				put(t, fill, fmt.Sprint("fill", i), "", "v", 0)
			}
			for range 3 {
				if err := table.split(func() {}); err != nil {
					t.Fatal(err)
				}
				table.await(20)
			}
			table.end()
			table.checkAll(table.states())
			checkTable(t, db, 2, 1, 10, "other table")
			for i := range 1000 {
				hashKey := fmt.Sprint("fill", i)
				if got := get(table.partition(hashKey), hashKey, ""); got != "v" {
					t.Errorf("%s is %s", hashKey, got)
				}
			}
		})
	}
}

// TestSplitKilled ends the process, or cuts the power, at a random write to the log while a table is
// split and serves. Afterwards it has its old or its new layout, what was acknowledged is there, and
// what was removed is not.
func TestSplitKilled(t *testing.T) {
	seen := map[int32]int{}
	for seed := range uint64(30) {
		rng := rand.New(rand.NewPCG(seed, 3))
		durability, percent := DurabilitySync, 30
		if seed%2 == 0 {
			durability, percent = DurabilityOS, 100 // what the process wrote stays
		}
		var table *liveTable
		var states []liveState
		fs := &cuttingFS{MemFS: vfs.NewCrashableMem(), writes: true, cfg: vfs.CrashCloneCfg{UnsyncedDataPercent: percent, RNG: rng}}
		fs.before = func() { states = table.states() }
		opts := Options{Dir: "/db", FS: fs, Durability: durability, SweepInterval: -1, MemTableSize: 256 << 10, CacheSize: 4 << 20}
		db := openDB(t, opts)
		db.runRecords = 3
		fillTable(t, db, 2, 1, 10, "other table")
		table = startLive(t, db, 1, 2, 3, string(make([]byte, 300)))
		table.await(40)
		cut := func() { fs.left.Store(1 + rng.Int64N(20)) }
		late := seed%4 < 2
		if !late {
			cut()
		}
		if err := table.split(func() {
			if late {
				cut()
			}
		}); err != nil {
			t.Fatal(err)
		}
		for fs.left.Load() > 0 && !t.Failed() {
			table.await(1)
		}
		table.end()
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}

		opts.FS = fs.clone
		opts.Durability = DurabilitySync
		table.db, table.count = openDB(t, opts), 2
		if metaText(t, table.db) == "count=4" {
			table.count = 4
		}
		seen[table.count]++
		// A key that was written again after the states were taken is in doubt, too, if that write had
		// begun. It had not: acknowledging a write needs a write to the log.
		table.checkAll(states)
		checkTable(t, table.db, 2, 1, 10, "other table")
		if t.Failed() {
			t.Fatalf("seed %d, %d partitions", seed, table.count)
		}
	}
	if seen[2] == 0 || seen[4] == 0 {
		t.Errorf("partition counts afterwards %v: one is missing", seen)
	}
}
