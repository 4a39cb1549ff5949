package cli

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/admin"
	"github.com/pegasus-go/pegasus/internal/cli/figure"
	"github.com/pegasus-go/pegasus/internal/cli/survey"
)

// patient is what the checks look at.
type patient struct {
	*survey.Survey
	table  string                   // "" for all
	err    error                    // why nobody leads, or nil
	rtts   map[string]time.Duration // of the servers that answer
	routes map[string]pegasus.Pongs // of the reads from each table's servers
}

// only leaves one table.
func (p *patient) only(table string) error {
	p.Tables = slices.DeleteFunc(p.Tables, func(t survey.Table) bool { return t.Name != table })
	if len(p.Tables) == 0 {
		return fmt.Errorf("table %q: %w", table, admin.ErrTableNotFound)
	}
	return nil
}

// examination is a check to be made.
type examination struct {
	id      string
	leaders bool // it needs what only a leader knows
	run     func(*patient, *check)
}

var allChecks = []examination{
	{"metas", false, checkMetas},
	{"leader", false, checkLeader},
	{"level", true, checkLevel},
	{"nodes", true, checkNodes},
	{"rtt", true, checkRTT},
	{"routing", true, checkRouting},
	{"primaries", true, checkPrimaries},
	{"copies", true, checkCopies},
	{"clocks", true, checkClocks},
	{"versions", true, checkVersions},
	{"disks", true, checkDisks},
	{"throttling", true, checkThrottling},
}

func (p *patient) examine(e examination) check {
	c := check{ID: e.id, Verdict: survey.OK, Evidence: []string{}, Fix: []string{}}
	if e.leaders && p.err != nil {
		c.skip("no meta server leads and answers")
	} else {
		e.run(p, &c)
	}
	return c
}

func (c *check) found(verdict, format string, args ...any) {
	if verdict == survey.Crit || verdict == survey.Warn && c.Verdict != survey.Crit {
		c.Verdict = verdict
	}
	c.Evidence = append(c.Evidence, fmt.Sprintf(format, args...))
}

func (c *check) skip(format string, args ...any) {
	c.Verdict = skip
	c.Evidence = append(c.Evidence, fmt.Sprintf(format, args...))
}

func (c *check) fix(command string) { c.Fix = append(c.Fix, command) }

func checkMetas(p *patient, c *check) {
	up := 0
	for _, m := range p.Metas {
		if m.Err == nil {
			up++
			continue
		}
		c.found(survey.Warn, "%s does not answer: %v", m.Addr, m.Err)
	}
	switch {
	case up == 0:
		c.found(survey.Crit, "no meta server answers")
		c.fix("pegasus ping")
	case up < len(p.Metas):
		c.found(survey.Warn, "%d of %d meta servers answer", up, len(p.Metas))
		c.fix("pegasus ping")
	default:
		c.found(survey.OK, "%d of %d meta servers answer", up, len(p.Metas))
	}
}

func checkLeader(p *patient, c *check) {
	if p.err != nil {
		c.found(survey.Crit, "%s", strings.TrimPrefix(p.err.Error(), "pegasus: "))
		return
	}
	c.found(survey.OK, "%s leads", orUnknown(p.Leader))
}

func checkLevel(p *patient, c *check) {
	switch p.Level {
	case admin.LevelSteady.String(), admin.LevelLively.String():
		c.found(survey.OK, "the level is %s", p.Level)
	case "":
		c.skip("the leader does not tell its level")
	default:
		c.found(survey.Warn, "the level is %s, at which copies that are lost are not made anew", p.Level)
		c.fix("pegasus meta level set steady")
	}
}

func checkNodes(p *patient, c *check) {
	for _, n := range p.Nodes {
		switch {
		case !n.Alive && n.Err == nil:
			c.found(survey.Warn, "the leader has lost %s, which answers here: they may not reach each other", n.Addr)
		case !n.Alive:
			c.found(survey.Warn, "the leader has lost %s: %v", n.Addr, n.Err)
		case n.Err != nil:
			c.found(survey.Warn, "%s is alive to the leader and does not answer here: %v", n.Addr, n.Err)
		}
	}
	if c.Verdict != survey.OK {
		c.fix("pegasus node list")
		return
	}
	c.found(survey.OK, "%d nodes are alive and answer", len(p.Nodes))
}

// farAway is a time in which no server of a data centre answers.
const farAway = 50 * time.Millisecond

func checkRTT(p *patient, c *check) {
	if len(p.rtts) == 0 {
		c.skip("no server answers")
		return
	}
	addrs := slices.SortedFunc(maps.Keys(p.rtts), func(a, b string) int { return cmp.Or(cmp.Compare(p.rtts[a], p.rtts[b]), cmp.Compare(a, b)) })
	last := addrs[len(addrs)-1]
	verdict := survey.OK
	if p.rtts[last] > farAway {
		verdict = survey.Warn
		c.fix("pegasus ping --each-node --watch")
	}
	c.found(verdict, "%d servers answer within %s ms; the slowest is %s", len(addrs), figure.Millis(p.rtts[last]), last)
}

func checkRouting(p *patient, c *check) {
	if len(p.routes) == 0 {
		c.skip("there is no table")
		return
	}
	failed := make(map[string][]string) // tables, by what went wrong
	servers := make(map[string]bool)
	for _, table := range slices.Sorted(maps.Keys(p.routes)) {
		for _, pong := range p.routes[table] {
			switch {
			case pong.Role != pegasus.RoleReplica:
			case pong.Err == nil:
				servers[pong.Server] = true
			case errors.Is(pong.Err, pegasus.ErrNoPrimary): // see primaries
			default:
				text := strings.TrimSpace(pong.Server + " does not answer as the primary: " + survey.Cause(pong.Err).Error())
				failed[text] = append(failed[text], table)
			}
		}
	}
	for _, text := range slices.Sorted(maps.Keys(failed)) {
		c.found(survey.Crit, "%s (tables %s)", text, shortList(failed[text]))
	}
	if c.Verdict != survey.OK {
		c.fix("pegasus status")
		return
	}
	c.found(survey.OK, "%d servers answer for %d table%s as the leader says", len(servers), len(p.routes), plural(len(p.routes)))
}

// shortList names a few, and counts the rest.
func shortList(names []string) string {
	const few = 3
	if len(names) <= few {
		return strings.Join(names, " ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:few], " "), len(names)-few)
}

// Servers tell the time of their last look at their counters, which was up to ten seconds
// ago, in whole seconds. A clock is wrong if that cannot explain it.
const (
	clockAhead  = 3 * time.Second
	clockBehind = 15 * time.Second
)

func checkClocks(p *patient, c *check) {
	told := 0
	for _, n := range p.Nodes {
		if n.Sampled.IsZero() {
			continue
		}
		told++
		skew := n.Sampled.Sub(p.Time)
		switch {
		case skew > clockAhead:
			c.found(survey.Warn, "%s: its clock is %s or more ahead of the one here: rows expire early", n.Addr, figure.Age(skew))
		case skew < -clockBehind:
			c.found(survey.Warn, "%s: its clock is %s or more behind the one here: rows expire late", n.Addr, figure.Age(-skew-clockBehind+5*time.Second))
		}
	}
	switch {
	case told == 0:
		c.skip("no node tells its time: %s", p.whyNoCounters())
	case c.Verdict == survey.OK:
		c.found(survey.OK, "the clocks of %d node%s are like the one here, within %s, which is all that can be told", told, plural(told), figure.Age(clockBehind))
	default:
		c.fix("pegasus node exec server-info")
	}
}

func (p *patient) whyNoCounters() string {
	for _, n := range p.Nodes {
		if n.CountersErr != nil {
			return survey.Cause(n.CountersErr).Error()
		}
	}
	return "there is no node"
}

func checkVersions(p *patient, c *check) {
	at := make(map[string][]string)
	add := func(s survey.Server) {
		if s.Version != "" {
			at[s.Version] = append(at[s.Version], s.Addr)
		}
	}
	for _, m := range p.Metas {
		add(m)
	}
	for _, n := range p.Nodes {
		add(n.Server)
	}
	versions := slices.Sorted(maps.Keys(at))
	switch len(versions) {
	case 0:
		c.skip("no server tells its version")
	case 1:
		c.found(survey.OK, "all %d servers have version %s", len(at[versions[0]]), versions[0])
	default:
		for _, v := range versions {
			c.found(survey.Warn, "version %s: %s", v, shortList(at[v]))
		}
		c.fix("pegasus node exec server-info")
	}
}

// fullDisk is the part of a disk, in percent, from which on there is little time left. Servers
// refuse writes when less than a tenth is free, as they come.
const fullDisk = 85

func checkDisks(p *patient, c *check) {
	known := 0
	for _, n := range p.Nodes {
		for _, d := range n.Disks {
			used := survey.Used(d)
			if used < 0 {
				continue
			}
			known++
			if used >= fullDisk {
				c.found(survey.Warn, "%s %s is %d%% full: %s of %s left", n.Addr, d.Dir, used, figure.Bytes(d.Available), figure.Bytes(d.Capacity))
			}
		}
	}
	switch {
	case known == 0:
		c.skip("no node tells how full its disks are")
	case c.Verdict == survey.OK:
		c.found(survey.OK, "none of %d disks is %d%% full", known, fullDisk)
	default:
		c.fix("pegasus node list")
	}
}
