package scale

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"slices"
	"testing"
	"testing/synctest"
	"text/tabwriter"
	"time"

	pegasus "github.com/pegasus-go/pegasus"
)

const (
	servers    = 1000
	partitions = 65536
	callers    = 10000
	failing    = 100 // servers, at once

	latency = time.Millisecond
	think   = 50 * time.Millisecond
	known   = 100 * time.Millisecond // until the meta server has new primaries
	warmUp  = time.Second
	quiet   = time.Second // without a late call, and it is over
	longest = 30 * time.Second
)

// TestRecovery prints how long calls take when servers fail.
func TestRecovery(t *testing.T) {
	for _, sc := range []struct {
		name string
		fail func(*server)
	}{
		{"vanish: connections break, dials get no answer; the meta server knows new primaries after " + known.String(), (*server).vanish},
		{"hang: connections stay up, dials succeed, nothing is answered; the meta server knows new primaries after " + known.String(), (*server).hang},
		{"restart: connections break, dials succeed, the primaries stay", (*server).restart},
	} {
		synctest.Test(t, func(t *testing.T) { recovery(t, sc.name, sc.fail) })
	}
}

func recovery(t *testing.T, name string, fail func(*server)) {
	c := newCluster(servers, partitions)
	n := &network{cluster: c, latency: latency}
	n.line.kick = make(chan struct{}, 1)
	go n.line.run()
	defer close(n.line.kick)
	base := runtime.NumGoroutine()
	client, err := pegasus.New(pegasus.Config{MetaServers: []string{c.meta.addr}, Dial: n.dial})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	table, err := client.OpenTable(context.Background(), tableName)
	if err != nil {
		t.Fatal(err)
	}
	l := &load{table: table, cluster: c, think: think, late: 3 * latency}
	l.start(callers)
	time.Sleep(warmUp)

	goroutines := runtime.NumGoroutine() - base - callers
	most := goroutines
	queries := c.queries.Load()
	failed := time.Now()
	for _, s := range c.replicas[:failing] {
		fail(s)
	}
	replaced := false
	for end := failed.Add(quiet); ; {
		time.Sleep(10 * time.Millisecond)
		most = max(most, runtime.NumGoroutine()-base-callers)
		now := time.Now()
		if !replaced && now.Sub(failed) >= known {
			c.replace()
			replaced = true
		}
		if now.Sub(failed) > longest || now.After(end) && l.settled(now.Add(-quiet)) {
			break
		}
	}
	queries = c.queries.Load() - queries
	late, count := l.finish()
	r := report{calls: count, queries: queries, goroutines: goroutines, most: most}
	for _, call := range late {
		r.add(call, failed, slices.Contains(c.replicas[:failing], call.server))
	}
	r.print(name)
	if r.failed > 0 || r.otherFailed > 0 {
		t.Errorf("%d calls to servers that failed and %d to others ended with an error, such as %v", r.failed, r.otherFailed, r.err)
	}
	if queries > failing {
		t.Errorf("%d queries for %d servers", queries, failing)
	}
}

// report is the outcome of a scenario.
type report struct {
	calls            int
	answered, waited []time.Duration // after the failure, and after their beginning: the calls that were hit
	others           []time.Duration // what late calls to the other servers took
	failed           int
	otherFailed      int
	err              error
	queries          int64
	goroutines, most int
}

// add counts a late call; hit says that its server was one of those that failed.
func (r *report) add(call lateCall, failed time.Time, hit bool) {
	end := call.begun.Add(call.took)
	if end.Before(failed) {
		return // connecting
	}
	if call.err != nil {
		r.err = call.err
	}
	if !hit {
		r.others = append(r.others, call.took)
		if call.err != nil {
			r.otherFailed++
		}
		return
	}
	r.answered = append(r.answered, end.Sub(failed))
	r.waited = append(r.waited, call.took)
	if call.err != nil {
		r.failed++
	}
}

func (r *report) print(name string) {
	fmt.Printf("%d of the servers %s\n", failing, name)
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "\tcalls\tp50\tp99\tworst\tfailed\t")
	row := func(what string, d []time.Duration, failed any) {
		slices.Sort(d)
		at := func(q float64) time.Duration {
			if len(d) == 0 {
				return 0
			}
			return d[int(q*float64(len(d)-1))].Round(time.Millisecond)
		}
		fmt.Fprintf(w, "%s\t%d\t%v\t%v\t%v\t%v\t\n", what, len(d), at(0.5), at(0.99), at(1), failed)
	}
	row("hit: answered after the failure", r.answered, r.failed)
	row("hit: answered after the call", r.waited, "")
	row("late at the other servers", r.others, r.otherFailed)
	w.Flush()
	fmt.Printf("  meta queries %d; goroutines of the client %d before, %d at most; %d calls in all\n\n", r.queries, r.goroutines, r.most, r.calls)
}
