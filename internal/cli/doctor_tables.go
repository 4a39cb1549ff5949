package cli

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/pegasus-go/pegasus/internal/cli/figure"
	"github.com/pegasus-go/pegasus/internal/cli/survey"
)

// checkPartitions finds the tables with partitions of a health, those that have what they
// should not.
func (p *patient) checkPartitions(c *check, h survey.Health, verdict, have, should string) {
	total := 0
	for i := range p.Tables {
		t := &p.Tables[i]
		total += len(t.Partitions)
		var which []string
		for _, part := range t.Partitions {
			if part.Health == h {
				which = append(which, fmt.Sprint(part.Index))
			}
		}
		if len(which) > 0 {
			c.found(verdict, "table %s: %d of %d partitions have %s (index %s)", t.Name, len(which), len(t.Partitions), have, shortList(which))
			c.fix("pegasus table show " + quote(t.Name))
		}
	}
	if c.Verdict == survey.OK {
		c.found(survey.OK, "%d partitions have %s", total, should)
	}
}

func checkPrimaries(p *patient, c *check) {
	p.checkPartitions(c, survey.NoPrimary, survey.Crit, "no primary", "a primary")
}

func checkCopies(p *patient, c *check) {
	p.checkPartitions(c, survey.Short, survey.Warn, "too few copies", "all their copies")
}

// checkThrottling looks for variables of tables that hold clients up.
func checkThrottling(p *patient, c *check) {
	for i := range p.Tables {
		t := &p.Tables[i]
		for _, name := range slices.Sorted(maps.Keys(t.Envs)) {
			value := t.Envs[name]
			switch {
			case strings.HasPrefix(name, "replica.deny_client_") && value != "" && value != "false":
				c.found(survey.Warn, "table %s refuses requests: %s=%s", t.Name, name, value)
			case strings.HasPrefix(name, "replica.") && strings.Contains(name, "throttling") && value != "":
				now := ""
				if held := t.Sum().Throttled; held > 0 {
					now = fmt.Sprintf("; it holds up %s requests a second", figure.Count(held))
				}
				c.found(survey.Warn, "table %s is throttled: %s=%s%s", t.Name, name, value, now)
			default:
				continue
			}
			c.fix(fmt.Sprintf("pegasus table env unset %s %s", quote(t.Name), quote(name)))
		}
	}
	if c.Verdict == survey.OK {
		c.found(survey.OK, "no variable of a table holds requests up")
	}
}
