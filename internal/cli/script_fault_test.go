package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/admin"
	"github.com/pegasus-go/pegasus/internal/cli/resume"
	"github.com/pegasus-go/pegasus/onebox"
	"github.com/rogpeppe/go-internal/testscript"
)

// faultCommands are commands of scripts that bring trouble.
var faultCommands = map[string]func(*testscript.TestScript, bool, []string){
	"fill": fill, "at": at, "calm": healOnebox, "same-lines": sameLines, "dump": dump, "fail": fail, "another-onebox": anotherOnebox, "settled": settled, "cut": cut, "lock": lock, "put-empty": putEmpty,
}

// table opens a table of the onebox.
func table(ts *testscript.TestScript, name string) (t *pegasus.Table, closeIt func()) {
	cluster, err := pegasus.New(pegasus.Config{MetaServers: strings.Split(ts.Getenv("PEGASUS_META"), ",")})
	ts.Check(err)
	t, err = cluster.Open(context.Background(), name)
	ts.Check(err)
	return t, func() { cluster.Close() }
}

// dump TABLE FILE writes the rows of a table to a file, in an order.
func dump(ts *testscript.TestScript, _ bool, args []string) {
	t, closeIt := table(ts, args[0])
	defer closeIt()
	scan, err := t.Scan(context.Background(), pegasus.ScanOptions{WithExpiry: true})
	ts.Check(err)
	var lines []string
	for row, err := range scan.Rows(context.Background()) {
		ts.Check(err)
		lines = append(lines, fmt.Sprintf("%q %q %q %d\n", row.HashKey, row.SortKey, row.Value, row.Expires.Unix()))
	}
	slices.Sort(lines)
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(strings.Join(lines, "")), 0o600))
}

// cut FILE N leaves the first bytes of a file.
func cut(ts *testscript.TestScript, _ bool, args []string) {
	n, err := strconv.ParseInt(args[1], 10, 64)
	ts.Check(err)
	ts.Check(os.Truncate(ts.MkAbs(args[0]), n))
}

// lock FILE locks a file as a command does that works with it.
func lock(ts *testscript.TestScript, _ bool, args []string) {
	unlock, err := resume.Lock(ts.MkAbs(args[0]))
	ts.Check(err)
	ts.Defer(func() { _ = unlock() })
}

// fill TABLE N writes rows of N/10 hash keys, some with an expiry.
func fill(ts *testscript.TestScript, _ bool, args []string) {
	n, err := strconv.Atoi(args[1])
	ts.Check(err)
	t, closeIt := table(ts, args[0])
	defer closeIt()
	var puts []pegasus.Put
	for i := range n {
		p := pegasus.Put{HashKey: fmt.Appendf(nil, "h%d", i/10), SortKey: fmt.Appendf(nil, "s%d", i%10), Value: fmt.Appendf(nil, "value %d", i)}
		if i%7 == 0 {
			p.TTL = time.Hour
		}
		puts = append(puts, p)
	}
	out, err := t.SetMany(context.Background(), puts)
	ts.Check(err)
	ts.Check(out.Err())
}

// at TASK N ACTION... holds the Nth request of a kind up until an action is done:
// kill (the server that has got it), pause (it hangs), mkdir NAME, split TABLE, set TABLE HASHKEY SORTKEY VALUE, break (all
// that come from then on are refused) and interrupt (the command that runs).
func at(ts *testscript.TestScript, _ bool, args []string) {
	n, err := strconv.ParseInt(args[1], 10, 64)
	ts.Check(err)
	srv := ts.Value("onebox").(*onebox.Server)
	var seen atomic.Int64
	srv.Intercept(func(r onebox.Request) onebox.Action {
		if r.Meta || !strings.HasSuffix(r.Task, "_"+args[0]) || seen.Add(1) != n {
			return onebox.Action{}
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			act(ts, srv, r, args[2:])
		}()
		return onebox.Action{Until: done}
	})
}

func act(ts *testscript.TestScript, srv *onebox.Server, r onebox.Request, action []string) {
	var err error
	switch action[0] {
	case "kill":
		srv.Replica(r.Node).Stop()
		err = srv.Failover(r.Node)
	case "pause":
		srv.Replica(r.Node).Pause()
	case "mkdir":
		err = os.Mkdir(ts.MkAbs(action[1]), 0o700)
	case "split":
		err = srv.Split(action[1])
	case "set":
		t, closeIt := table(ts, action[1])
		defer closeIt()
		err = t.Set(context.Background(), []byte(action[2]), []byte(action[3]), []byte(action[4]))
	case "break":
		tasks := []string{r.Task}
		if strings.HasSuffix(r.Task, "_SCAN") {
			tasks = append(tasks, "GET_SCANNER") // by which it would go on
		}
		fail(ts, false, tasks)
	case "interrupt":
		ts.Value(interrupts).(*interruption).now()
	default:
		err = fmt.Errorf("there is no action %s", action[0])
	}
	if err != nil {
		panic(err)
	}
}

// fail TASK... refuses all requests of some kinds.
func fail(ts *testscript.TestScript, _ bool, args []string) {
	ts.Value("onebox").(*onebox.Server).Intercept(func(r onebox.Request) onebox.Action {
		if slices.ContainsFunc(args, func(task string) bool { return strings.HasSuffix("_"+r.Task, "_"+task) }) {
			return onebox.Action{Error: "ERR_INVALID_DATA"}
		}
		return onebox.Action{}
	})
}

// anotherOnebox starts one that has the table far, with the address $OTHER_META.
func anotherOnebox(ts *testscript.TestScript, _ bool, _ []string) {
	srv, err := onebox.Start(onebox.Options{Tables: []onebox.Table{{Name: "far", Partitions: 16}}})
	ts.Check(err)
	ts.Defer(func() { _ = srv.Close() })
	ts.Setenv("OTHER_META", strings.Join(srv.MetaServers(), ","))
}

// settled TABLE waits until no split of a table is under way.
func settled(ts *testscript.TestScript, _ bool, args []string) {
	c, err := admin.New(admin.Config{MetaServers: strings.Split(ts.Getenv("PEGASUS_META"), ",")})
	ts.Check(err)
	defer c.Close()
	for {
		if _, err = c.QuerySplit(context.Background(), args[0]); err != nil {
			break
		}
	}
	if !errors.Is(err, admin.ErrInvalidState) {
		ts.Check(err)
	}
}

// healOnebox ends faults, and starts the servers again that were killed or hang.
func healOnebox(ts *testscript.TestScript, _ bool, _ []string) {
	srv := ts.Value("onebox").(*onebox.Server)
	srv.Intercept(nil)
	for i := range srv.ReplicaServers() {
		srv.Replica(i).Resume()
		if srv.Replica(i).Start() == nil {
			ts.Check(srv.Adopt(i))
		}
	}
}

// interruption ends the command that runs.
type interruption struct {
	cancel atomic.Pointer[context.CancelFunc]
}

type interruptsKey struct{}

var interrupts = interruptsKey{}

func (i *interruption) now() { (*i.cancel.Load())() }

// sameLines FILE FILE compares two files whatever the order of their lines, none of which
// may come twice.
func sameLines(ts *testscript.TestScript, _ bool, args []string) {
	sets := make([]map[string]int, 2)
	for i, name := range args {
		sets[i] = make(map[string]int)
		s := bufio.NewScanner(strings.NewReader(ts.ReadFile(name)))
		for s.Scan() {
			if sets[i][s.Text()]++; sets[i][s.Text()] > 1 {
				ts.Fatalf("%s has the line %q twice", name, s.Text())
			}
		}
	}
	for line := range sets[0] {
		if sets[1][line] == 0 {
			ts.Fatalf("%s lacks the line %q of %s", args[1], line, args[0])
		}
	}
	if len(sets[1]) > len(sets[0]) {
		ts.Fatalf("%s has %d lines, %s has %d", args[1], len(sets[1]), args[0], len(sets[0]))
	}
}
