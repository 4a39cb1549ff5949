package pegasus_test

import (
	"context"
	"fmt"
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
	done   atomic.Int64 // operations of the load

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
		f.events.mu.Lock()
		lines := f.events.lines[f.from:]
		f.events.mu.Unlock()
		missing := slices.DeleteFunc(slices.Clone(must), func(p string) bool {
			return slices.ContainsFunc(lines, func(line string) bool { return fits(p, line) })
		})
		if len(missing) == 0 {
			break
		}
		f.operations(ctx, 10)
		if ctx.Err() != nil {
			t.Fatalf("%s: no event fits %q among\n%s", phase, missing, strings.Join(lines, "\n"))
		}
	}
	f.operations(ctx, 300) // what else there is may come
	f.events.mu.Lock()
	defer f.events.mu.Unlock()
	for _, line := range f.events.lines[f.from:] {
		if !slices.ContainsFunc(append(slices.Clone(must), may...), func(p string) bool { return fits(p, line) }) {
			t.Errorf("%s: %s", phase, line)
		}
	}
	f.from = len(f.events.lines)
}

// operations waits until the load has done so many more, or ctx has ended.
func (f *observed) operations(ctx context.Context, n int64) {
	end := f.done.Load() + n
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for f.done.Load() < end && ctx.Err() == nil {
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
}

func (f *observed) load(ctx context.Context, t *testing.T, g int) {
	key := func(i int) []byte { return fmt.Appendf(nil, "key%d", i%64) }
	for i := g; ctx.Err() == nil; i++ {
		var err error
		switch i % 3 {
		case 0:
			_, err = f.Table.Get(context.Background(), key(i), s)
		case 1:
			err = f.Table.Set(context.Background(), key(i), s, []byte("value"))
		case 2:
			_, err = f.Table.BatchGet(context.Background(), []pegasus.CompositeKey{{HashKey: key(i), SortKey: s}, {HashKey: key(i + 1), SortKey: s}})
		}
		if err != nil {
			t.Error(err)
		}
		f.done.Add(1)
	}
}

// Under load, servers are killed, cut off, hung, slowed and made busy, and the table is
// split: every fault shows in the events, nothing else does, and the counts add up.
func TestEventsTellWhatHappens(t *testing.T) {
	var f observed
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
	opening := []string{"dialed .*: true", "refreshed temp: 6 partitions, <nil>"}
	f.wait(t, "well", dialed, opening)
	f.wait(t, "still well", nil, []string{"refreshed temp: 6 partitions, <nil>"})

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
	f.wait(t, "killed", append(moved, "lost "+f.addr[1]+": .*", "lost "+f.addr[1]+" bulk: .*"),
		[]string{"dialed " + f.addr[1] + lane + ": false", "refreshed temp: 6 partitions, <nil>"})
	f.Revive(1)

	// What was begun because of a fault may come to its end later: a dial that was put
	// off, a question to the meta servers.
	late := []string{"dialed " + f.addr[1] + lane + ": .*", "refreshed temp: 6 partitions, <nil>"}
	f.wait(t, "revived", nil, late)
	f.Link(f.Onebox().ReplicaServers()[0]).Break()
	f.wait(t, "cut off", []string{
		"lost " + f.addr[0] + ": .*", "dialed " + f.addr[0] + ": true",
		"lost " + f.addr[0] + " bulk: .*", "dialed " + f.addr[0] + " bulk: true",
	}, late)

	const slow = 20 * time.Millisecond
	f.Onebox().Intercept(func(r onebox.Request) (a onebox.Action) {
		if !r.Meta && r.Node == 0 {
			a.Delay = slow
		}
		return a
	})
	f.wait(t, "slow", nil, late)
	f.Onebox().Intercept(nil)
	for _, o := range f.Client.Stats().Tables[0].Operations {
		if o.Latency.P999 < slow {
			t.Errorf("%s took %v at most, where a server took %v", o.Operation, o.Latency.P999, slow)
		}
	}

	link := f.Link(f.Onebox().ReplicaServers()[0])
	link.StallAfter(0)
	stalled := func() bool {
		f.events.mu.Lock()
		defer f.events.mu.Unlock()
		return slices.ContainsFunc(f.events.lines[f.from:], func(line string) bool { return strings.HasPrefix(line, "stalled ") })
	}
	for !stalled() && t.Context().Err() == nil {
		time.Sleep(time.Millisecond) // all of the load waits: there is nothing else to wait for
	}
	link.Heal()
	f.wait(t, "hung", []string{"stalled " + f.addr[0] + lane + ": 2s", "recovered " + f.addr[0] + lane}, late)

	f.Split("temp")
	f.wait(t, "split", []string{"split temp: 6 to 12"}, append(late, "refreshed temp: 12 partitions, <nil>", `changed temp .*`))

	f.tally.mu.Lock()
	before := f.tally.retrying[pegasus.RetryBusy]
	f.tally.mu.Unlock()
	var busy atomic.Int64
	f.Onebox().Intercept(func(r onebox.Request) (a onebox.Action) {
		if !r.Meta && busy.Add(1) <= 20 {
			a.Error = "ERR_BUSY"
		}
		return a
	})
	f.wait(t, "busy", nil, append(late, "refreshed temp: 12 partitions, <nil>"))
	stop()
	wg.Wait()

	f.tally.check(t)
	f.tally.mu.Lock()
	defer f.tally.mu.Unlock()
	if n := f.tally.retrying[pegasus.RetryBusy] - before; n != 20 {
		t.Errorf("%d retries because of 20 answers that the server is busy", n)
	}
	var counted, failed, retries int64
	st := f.Client.Stats()
	for _, o := range append(slices.Clone(st.Operations), st.Tables[0].Operations...) {
		counted += o.Latency.Count
		for _, n := range o.Failed {
			failed += n
		}
	}
	for _, n := range st.Tables[0].Retries {
		retries += n
	}
	told := 0
	for _, n := range f.tally.retrying {
		told += n
	}
	if want := f.done.Load() + 1; counted != want || failed != 0 || f.tally.started != int(want) || retries != int64(told) {
		t.Errorf("%d operations: %d started, %d succeeded and %d failed; %d retries, %d told of", want, f.tally.started, counted, failed, retries, told)
	}
}
