package cli

import (
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/pegasus-go/pegasus/onebox"
	"github.com/rogpeppe/go-internal/testscript"
)

// The scripts about the servers of a cluster have one of two meta servers and three
// replica servers, with three copies of the tables temp and other. "node stop 1" stops one
// of them, "node start", "pause" and "failover" likewise; "meta stop 1" and "meta lead 1" are
// about meta servers; "orphan temp 2" takes the primary of a partition away. "screen" writes what was printed to the file screen, with servers and
// figures by names; -update writes the files anew that it is compared with.
func TestClusterScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:           "testdata/cluster",
		UpdateScripts: *update,
		Setup: func(env *testscript.Env) error {
			srv, err := onebox.Start(onebox.Options{
				MetaServers: 2, ReplicaServers: 3,
				Tables: []onebox.Table{{Name: "temp", Partitions: 4, ReplicaCount: 3}, {Name: "other", Partitions: 4, ReplicaCount: 3}},
			})
			if err != nil {
				return err
			}
			env.Defer(func() { _ = srv.Close() })
			env.Values["onebox"], env.Values[interrupts] = srv, new(interruption)
			env.Setenv("PEGASUS_META", strings.Join(srv.MetaServers(), ","))
			for i, addr := range srv.MetaServers() {
				env.Setenv("META"+strconv.Itoa(i), addr)
			}
			for i, addr := range srv.ReplicaServers() {
				env.Setenv("NODE"+strconv.Itoa(i), addr)
			}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": exits, "node": nodeDoes, "meta": metaDoes, "orphan": orphan, "hold-splits": holdSplits, "screen": screen},
	})
}

func nodeDoes(ts *testscript.TestScript, _ bool, args []string) {
	srv := ts.Value("onebox").(*onebox.Server)
	i, err := strconv.Atoi(args[1])
	ts.Check(err)
	switch args[0] {
	case "stop":
		srv.Replica(i).Stop()
	case "start":
		ts.Check(srv.Replica(i).Start())
	case "pause":
		srv.Replica(i).Pause()
	case "resume":
		srv.Replica(i).Resume()
	case "failover":
		ts.Check(srv.Failover(i))
	default:
		ts.Fatalf("node %s", args[0])
	}
}

func metaDoes(ts *testscript.TestScript, _ bool, args []string) {
	srv := ts.Value("onebox").(*onebox.Server)
	i, err := strconv.Atoi(args[1])
	ts.Check(err)
	switch args[0] {
	case "stop":
		srv.Meta(i).Stop()
	case "lead":
		srv.SetMetaLeader(i)
	default:
		ts.Fatalf("meta %s", args[0])
	}
}

// orphan takes the primary of a partition away.
func orphan(ts *testscript.TestScript, _ bool, args []string) {
	i, err := strconv.Atoi(args[1])
	ts.Check(err)
	ts.Check(ts.Value("onebox").(*onebox.Server).MovePrimary(args[0], i, onebox.NoPrimary))
}

func holdSplits(ts *testscript.TestScript, _ bool, args []string) {
	on, err := strconv.ParseBool(args[0])
	ts.Check(err)
	ts.Value("onebox").(*onebox.Server).HoldSplits(on)
}

// figures are what differs from one run to the next.
var figures = []struct {
	pattern *regexp.Regexp
	name    string
}{
	{regexp.MustCompile(`\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\dZ`), "TIME"},
	{regexp.MustCompile(`\b\d\d:\d\d:\d\dZ`), "CLOCK"},
	{regexp.MustCompile(`(_ms|_us|primaries|secondaries|capacity_bytes|available_bytes|used_percent)": [0-9.e+-]+`), `$1": N`},
	{regexp.MustCompile(`fullest disk .*`), "fullest disk DISK"},
	{regexp.MustCompile(`\d+(\.\d+)? ms; the slowest is\s+\S+[0-9]`), "N ms; the slowest is SERVER"},
	{regexp.MustCompile(`go1\.[0-9.]+ \w+/\w+`), "GO"},
}

func screen(ts *testscript.TestScript, _ bool, _ []string) {
	got := ts.ReadFile("stdout")
	srv := ts.Value("onebox").(*onebox.Server)
	for _, f := range figures {
		got = f.pattern.ReplaceAllString(got, f.name)
	}
	for i, addr := range srv.MetaServers() {
		got = strings.ReplaceAll(got, addr, "META"+strconv.Itoa(i))
	}
	nodes := srv.ReplicaServers() // by their place in the text: their ports have no order
	slices.SortFunc(nodes, func(a, b string) int { return strings.Index(got, a) - strings.Index(got, b) })
	for i, addr := range nodes {
		got = strings.ReplaceAll(got, addr, "NODE"+strconv.Itoa(i))
	}
	ts.Check(os.WriteFile(ts.MkAbs("screen"), []byte(got), 0o600))
}
