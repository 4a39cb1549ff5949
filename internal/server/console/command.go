package console

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/pegasus-go/pegasus/internal/wire"
)

// run runs a text command.
func (c *Console) run(req *wire.Command) string {
	for _, e := range commands {
		if e.name == req.Cmd {
			return e.run(c, req.Arguments)
		}
	}
	for _, e := range c.Commands {
		if e.Name == req.Cmd {
			return e.Run(req.Arguments)
		}
	}
	return fmt.Sprintf("unknown command '%s'", req.Cmd)
}

// Command is a command that some servers have.
type Command struct {
	Name, Usage string
	Run         func(args []string) string
}

type command struct {
	name, usage string
	run         func(c *Console, args []string) string
}

// commands is filled by init because help lists it.
var commands []command

func init() {
	commands = []command{
		{"help", "help [command]: list the commands", help},
		{"server-info", "server-info: version and start time", serverInfo},
		{"server-stat", "server-stat: a summary of what the server does", serverStat},
		{"perf-counters", "perf-counters [name...]: counters with one of these names, or all", perfCounters(slices.Contains)},
		{"perf-counters-by-substr", "perf-counters-by-substr [text...]: counters whose names contain one of these", perfCounters(matching(strings.Contains))},
		{"perf-counters-by-prefix", "perf-counters-by-prefix [text...]: counters whose names begin with one of these", perfCounters(matching(strings.HasPrefix))},
		{"perf-counters-by-postfix", "perf-counters-by-postfix [text...]: counters whose names end with one of these", perfCounters(matching(strings.HasSuffix))},
	}
}

func help(c *Console, args []string) string {
	var b strings.Builder
	list := func(name, usage string) {
		if len(args) == 0 || slices.Contains(args, name) {
			b.WriteString(usage + "\n")
		}
	}
	for _, e := range commands {
		list(e.name, e.usage)
	}
	for _, e := range c.Commands {
		list(e.Name, e.Usage)
	}
	return b.String()
}

func serverInfo(c *Console, _ []string) string {
	return JSON(map[string]string{
		"version":    serverVersion,
		"build_type": "onebox",
		"git_SHA":    revision(),
		"start_time": c.Started.Format(time.DateTime),
	})
}

func serverStat(c *Console, _ []string) string {
	m := map[string]float64{"uptime(s)": c.Clock().Sub(c.Started).Seconds()}
	for _, e := range c.Counters() {
		if name, ok := strings.CutPrefix(e.Name, c.Role+"*server*"); ok {
			m[name] = e.Value
		}
	}
	return JSON(m)
}

// perfCounters returns a command that answers with the counters that match its
// arguments.
func perfCounters(match func(args []string, name string) bool) func(*Console, []string) string {
	return func(c *Console, args []string) string {
		found := slices.DeleteFunc(c.Counters(), func(e Counter) bool {
			return len(args) > 0 && !match(args, e.Name)
		})
		now := c.Clock()
		return JSON(map[string]any{
			"result":        "OK",
			"timestamp":     now.Unix(),
			"timestamp_str": now.Format(time.DateTime),
			"counters":      found,
		})
	}
}

func matching(f func(name, arg string) bool) func([]string, string) bool {
	return func(args []string, name string) bool {
		return slices.ContainsFunc(args, func(arg string) bool { return f(name, arg) })
	}
}
