package pegasus_test

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/onebox"
	"github.com/pegasus-go/pegasus/pegasustest"
)

// observed has a cluster under load, and what its client's observers are told.
type observed struct {
	*pegasustest.Cluster
	events events
	tally  tally

	mu     sync.Mutex
	done   int64                        // operations of the load
	failed map[pegasus.ErrorClass]int64 // of those
	refuse bool                         // servers deny requests at present
	did    chan struct{}                // has one sent for each, to whoever receives

	addr []string // of the replica servers
	from int      // events before are looked at already
}

// wait waits until all patterns have an event since the latest phase, and checks that
// there is none that neither a pattern nor one of the others fits.
func (f *observed) wait(t *testing.T, phase string, must, may []string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	fits := func(pattern, line string) bool { return regexp.MustCompile("^" + pattern + "$").MatchString(line) }
	for {
		lines, next := f.events.since(f.from)
		missing := slices.DeleteFunc(slices.Clone(must), func(p string) bool {
			return slices.ContainsFunc(lines, func(line string) bool { return fits(p, line) })
		})
		if len(missing) == 0 {
			break
		}
		select {
		case <-next:
		case <-ctx.Done():
			t.Fatalf("%s: no event fits %q among\n%s", phase, missing, strings.Join(lines, "\n"))
		}
	}
	f.operations(ctx, t, phase, 300) // what else there is may come
	lines, _ := f.events.since(f.from)
	for _, line := range lines {
		if !slices.ContainsFunc(append(slices.Clone(must), may...), func(p string) bool { return fits(p, line) }) {
			t.Errorf("%s: %s", phase, line)
		}
	}
	f.from += len(lines)
}

// operations waits until the load has done so many more.
func (f *observed) operations(ctx context.Context, t *testing.T, phase string, n int) {
	t.Helper()
	for range n {
		select {
		case <-f.did:
		case <-ctx.Done():
			t.Fatalf("%s: the load does not go on", phase)
		}
	}
}

// load makes all kinds of operations: with one request and with many, hedged, and such as
// fail before there is a request.
func (f *observed) load(ctx context.Context, t *testing.T, g int) {
	key := func(i int) []byte { return fmt.Appendf(nil, "key%d", i%64) }
	hedged := f.Table.With(pegasus.TableOptions{Hedge: &pegasus.Hedge{Delay: hedgeDelay}})
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for i := g; ctx.Err() == nil; i++ {
		var err error
		switch i % 5 {
		case 0:
			_, err = f.Table.Get(context.Background(), key(i), s)
		case 1:
			err = f.Table.Set(context.Background(), key(i), s, []byte("value"))
		case 2:
			_, err = f.Table.BatchGet(context.Background(), []pegasus.CompositeKey{{HashKey: key(i), SortKey: s}, {HashKey: key(i + 1), SortKey: s}})
		case 3:
			_, err = hedged.Exist(context.Background(), key(i), s)
		case 4:
			_, err = f.Table.TTL(ended, key(i), s)
		}
		f.note(t, i%5 == 4, err)
	}
}

func (f *observed) note(t *testing.T, ended bool, err error) {
	f.mu.Lock()
	f.done++
	class := pegasus.ClassOf(err)
	switch {
	case ended != (class == pegasus.ClassCanceled), !ended && err != nil && !(f.refuse && class == pegasus.ClassDenied):
		t.Errorf("an operation ended with %v", err)
	case err != nil:
		f.failed[class]++
	}
	f.mu.Unlock()
	select {
	case f.did <- struct{}{}:
	default:
	}
}

// Faults of servers slow requests by so much, and reads are hedged after so long.
const (
	slow       = 20 * time.Millisecond
	hedgeDelay = 5 * time.Millisecond
)

// Under load, servers are killed, cut off, hung, slowed and made busy, and the table is
// split: every fault shows in the events, nothing else does, and the counts add up.
func TestEventsTellWhatHappens(t *testing.T) {
	f := observed{failed: make(map[pegasus.ErrorClass]int64), did: make(chan struct{})}
	f.Cluster = pegasustest.Start(t, pegasustest.WithTable("temp", 6), pegasustest.WithReplicaServers(3),
		pegasustest.WithClient(func(cfg *pegasus.Config) {
			cfg.Observers = []pegasus.Observer{f.events.observer(), f.tally.observer()}
		}))
	for _, a := range f.Onebox().ReplicaServers() {
		f.addr = append(f.addr, regexp.QuoteMeta(a))
	}
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() { f.load(ctx, t, g) })
	}
	defer wg.Wait()
	defer stop()

	lane := "( bulk)?"
	var dialed []string
	for _, a := range f.addr {
		dialed = append(dialed, "dialed "+a+": true", "dialed "+a+" bulk: true")
	}
	asking := []string{"refreshing temp", "refreshed temp: 6 partitions, <nil>"}
	f.wait(t, "well", append(dialed, asking...), []string{"dialed .*: true"})
	f.wait(t, "still well", nil, nil)

	var moved []string
	for _, p := range f.Client.Stats().Tables[0].Partitions {
		if regexp.QuoteMeta(p.Primary) == f.addr[1] {
			moved = append(moved, fmt.Sprintf(`changed temp \d+\.%d at \d+: "%s" to "(%s|%s)"`, p.Partition, f.addr[1], f.addr[0], f.addr[2]))
		}
	}
	if len(moved) != 2 {
		t.Fatalf("two partitions are to move: %q", moved)
	}
	f.Kill(1)
	f.wait(t, "killed", append(append(moved, "lost "+f.addr[1]+": .*", "lost "+f.addr[1]+" bulk: .*"), asking...),
		[]string{"dialed " + f.addr[1] + lane + ": false"})
	f.Revive(1)

	// What was begun because of a fault may come to its end later: a dial that was put
	// off, a question to the meta servers.
	late := append(asking, "dialed "+f.addr[1]+lane+": .*")
	f.wait(t, "revived", nil, late)
	f.Link(f.Onebox().ReplicaServers()[0]).Break()
	f.wait(t, "cut off", []string{
		"lost " + f.addr[0] + ": .*", "dialed " + f.addr[0] + ": true",
		"lost " + f.addr[0] + " bulk: .*", "dialed " + f.addr[0] + " bulk: true",
	}, late)

	f.Onebox().Intercept(func(r onebox.Request) (a onebox.Action) {
		if !r.Meta && r.Node == 0 {
			a.Delay = slow
		}
		return a
	})
	f.tally.next()
	f.wait(t, "slow", nil, late)
	took := f.tally.next()[f.Onebox().ReplicaServers()[0]]
	f.Onebox().Intercept(nil)
	if len(took) == 0 || slices.Min(took) < slow {
		t.Errorf("slow: attempts took %v, where the server takes %v", took, slow)
	}
	if f.tally.count(pegasus.AttemptHedge) == 0 {
		t.Error("slow: no read was hedged")
	}

	link := f.Link(f.Onebox().ReplicaServers()[0])
	link.StallAfter(0)
	// All of the load waits from now on.
	hung, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for stalled := false; !stalled; {
		lines, next := f.events.since(f.from)
		stalled = slices.ContainsFunc(lines, func(line string) bool { return strings.HasPrefix(line, "stalled ") })
		select {
		case <-next:
		case <-hung.Done():
			t.Fatalf("hung: no server is stalled: %q", lines)
		}
	}
	link.Heal()
	f.wait(t, "hung", []string{"stalled " + f.addr[0] + lane + ": 2s", "recovered " + f.addr[0] + lane}, late)

	f.Split("temp")
	late = append(late, "refreshed temp: 12 partitions, <nil>")
	f.wait(t, "split", []string{"split temp: 6 to 12", "refreshed temp: 12 partitions, <nil>"}, append(late, `changed temp .*`))

	before := f.tally.reason(pegasus.RetryBusy)
	f.refused(20, "ERR_BUSY")
	f.wait(t, "busy", nil, late)
	f.mu.Lock()
	f.refuse = true
	f.mu.Unlock()
	f.refused(20, "ERR_ACL_DENY")
	f.wait(t, "denied", nil, late)
	stop()
	wg.Wait()
	if n := f.tally.reason(pegasus.RetryBusy) - before; n != 20 {
		t.Errorf("%d retries because of 20 answers that the server is busy", n)
	}
	if n := f.failed[pegasus.ClassDenied]; n != 20 {
		t.Errorf("%d operations failed because of 20 answers that they are denied", n)
	}
	f.compare(t)
}

// refused has the next n Sets answered with an error: no other attempt may make up for them.
func (f *observed) refused(n int64, code string) {
	var seen atomic.Int64
	f.Onebox().Intercept(func(r onebox.Request) (a onebox.Action) {
		if r.Task == onebox.TaskPut && seen.Add(1) <= n {
			a.Error = code
		}
		return a
	})
}

// compare compares what the load did, what the observers were told, and Stats.
func (f *observed) compare(t *testing.T) {
	f.tally.check(t)
	st := f.Client.Stats()
	f.Client.Close()
	lines, _ := f.events.since(0)

	succeeded, failed := make(map[string]int64), make(map[pegasus.ErrorClass]int64)
	for _, e := range f.tally.ended {
		if e.Err == nil {
			succeeded[e.Operation]++
		} else {
			failed[pegasus.ClassOf(e.Err)]++
		}
	}
	countedWell, countedFailed, operations := make(map[string]int64), make(map[pegasus.ErrorClass]int64), int64(0)
	for _, o := range append(slices.Clone(st.Operations), st.Tables[0].Operations...) {
		operations += o.Latency.Count
		if o.Latency.Count > 0 {
			countedWell[o.Operation] += o.Latency.Count
		}
		for class, n := range o.Failed {
			operations += n
			countedFailed[class] += n
		}
	}
	if want := f.done + 1; operations != want || int64(f.tally.started) != want { // and the opening of the table
		t.Errorf("%d operations: %d by Stats, %d started by the events", want, operations, f.tally.started)
	}
	if !maps.Equal(succeeded, countedWell) {
		t.Errorf("succeeded: %v by the events, %v by Stats", succeeded, countedWell)
	}
	if !maps.Equal(failed, countedFailed) || !maps.Equal(failed, f.failed) || failed[pegasus.ClassCanceled] == 0 {
		t.Errorf("failed: %v by the events, %v by Stats, %v of the load", failed, countedFailed, f.failed)
	}
	retries := make(map[pegasus.RetryReason]int64)
	for reason, n := range f.tally.retrying {
		retries[reason] = int64(n)
	}
	if !maps.Equal(retries, st.Tables[0].Retries) {
		t.Errorf("retries: %v by the events, %v by Stats", retries, st.Tables[0].Retries)
	}
	count := func(what, server, how string) (n int64) {
		pattern := regexp.MustCompile("^" + what + " " + regexp.QuoteMeta(server) + "( bulk)?: " + how)
		for _, line := range lines {
			if pattern.MatchString(line) {
				n++
			}
		}
		return n
	}
	for _, v := range st.Servers {
		dials, lost, closed := count("dialed", v.Server, "true"), count("lost", v.Server, ""), count("lost", v.Server, "client is closed")
		if dials != v.Dials || lost-closed != v.Lost || dials != lost || closed != int64(v.Connections) {
			t.Errorf("%s: %d connections made, %d lost, %d of them by Close; %+v", v.Server, dials, lost, closed, v)
		}
	}
	if n := wantBeginAndEnd(t, lines, "12 partitions"); n != int(st.Tables[0].Refreshes+st.Tables[0].FailedRefreshes) {
		t.Errorf("%d questions to the meta servers, %+v", n, st.Tables[0])
	}
}
