package cli

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/admin"
	"github.com/pegasus-go/pegasus/internal/cli/survey"
)

// What the checks say of what a onebox never is.
func TestChecks(t *testing.T) {
	now := time.Date(2026, 11, 26, 14, 2, 11, 0, time.UTC)
	node := func(change func(*survey.Node)) *patient {
		n := survey.Node{Server: survey.Server{Addr: "n1", Version: "2.5.0"}, Alive: true}
		change(&n)
		return &patient{Survey: &survey.Survey{Time: now, Nodes: []survey.Node{n, {Server: survey.Server{Addr: "n2", Version: "2.5.0"}, Alive: true}}}}
	}
	sampled := func(ago time.Duration) *patient {
		return node(func(n *survey.Node) { n.Sampled = now.Add(-ago) })
	}
	disk := func(available, capacity int64) *patient {
		return node(func(n *survey.Node) {
			n.Disks = []admin.Disk{{Dir: "/ssd1", Capacity: 100, Available: 90}, {Dir: "/ssd2", Capacity: capacity, Available: available}}
		})
	}
	table := func(envs map[string]string, l survey.Load) *patient {
		t := survey.Table{Table: admin.Table{Name: "orders", Envs: envs}, Partitions: []survey.Partition{{Load: l}}}
		return &patient{Survey: &survey.Survey{Tables: []survey.Table{t}}}
	}
	for _, tc := range []struct {
		check    string
		p        *patient
		verdict  string
		evidence string
		fixes    int
	}{
		{"clocks", sampled(0), survey.OK, "1 node are like the one here", 0},
		{"clocks", sampled(14 * time.Second), survey.OK, "", 0}, // it looks at its clock every 10 s
		{"clocks", sampled(-time.Minute), survey.Warn, "n1: its clock is 1m00s or more ahead of the one here: rows expire early", 1},
		{"clocks", sampled(70 * time.Second), survey.Warn, "n1: its clock is 1m00s or more behind the one here: rows expire late", 1},
		{"clocks", node(func(n *survey.Node) { n.CountersErr = admin.ErrNoCounters }), skip, "no node tells its time: the server has no counters that it tells", 0},
		{"clocks", &patient{Survey: &survey.Survey{}}, skip, "there is no node", 0},
		{"versions", node(func(n *survey.Node) { n.Version = "2.4.0" }), survey.Warn, "version 2.4.0: n1\nversion 2.5.0: n2", 1},
		{"versions", &patient{Survey: &survey.Survey{}}, skip, "no server tells its version", 0},
		{"disks", disk(10<<30, 100<<30), survey.Warn, "n1 /ssd2 is 90% full: 10.0 GiB of 100 GiB left", 1},
		{"disks", disk(16, 100), survey.OK, "none of 2 disks", 0},
		{"disks", &patient{Survey: &survey.Survey{}}, skip, "no node tells how full its disks are", 0},
		{"nodes", node(func(n *survey.Node) { n.Alive = false }), survey.Warn, "the leader has lost n1, which answers here", 1},
		{"nodes", node(func(n *survey.Node) { n.Err = errors.New("no answer within 2s") }), survey.Warn, "n1 is alive to the leader and does not answer here: no answer within 2s", 1},
		{"rtt", &patient{rtts: map[string]time.Duration{"n1": time.Millisecond, "n2": 90 * time.Millisecond}}, survey.Warn, "2 servers answer within 90.0 ms; the slowest is n2", 1},
		{"rtt", &patient{}, skip, "no server answers", 0},
		{"routing", &patient{}, skip, "there is no table", 0},
		{"routing", &patient{routes: map[string]pegasus.Pongs{"a": {{Role: pegasus.RoleReplica, Server: "n1", Err: errors.New("lost")}}}}, survey.Crit, "n1 does not answer as the primary: lost (tables a)", 1},
		{"level", &patient{Survey: &survey.Survey{}}, skip, "does not tell its level", 0},
		{"level", &patient{Survey: &survey.Survey{Level: "blind"}}, survey.Warn, "the level is blind", 1},
		{"throttling", table(map[string]string{"replica.read_throttling": "9*reject*0"}, survey.Load{Throttled: 12}), survey.Warn, "table orders is throttled: replica.read_throttling=9*reject*0; it holds up 12 requests a second", 1},
		{"throttling", table(map[string]string{"replica.deny_client_request": "reconfig*write"}, survey.Load{}), survey.Warn, "table orders refuses requests", 1},
		{"throttling", table(map[string]string{"default_ttl": "1"}, survey.Load{}), survey.OK, "no variable", 0},
		{"copies", &patient{err: pegasus.ErrNoMeta}, skip, "no meta server leads and answers", 0},
	} {
		for _, e := range allChecks {
			if e.id != tc.check {
				continue
			}
			c := tc.p.examine(e)
			if evidence := strings.Join(c.Evidence, "\n"); c.Verdict != tc.verdict || !strings.Contains(evidence, tc.evidence) || len(c.Fix) != tc.fixes {
				t.Errorf("%s: %s, %q, %q; want %s, %q and %d fixes", tc.check, c.Verdict, evidence, c.Fix, tc.verdict, tc.evidence, tc.fixes)
			}
		}
	}
}
