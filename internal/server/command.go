package server

import (
	"encoding/json"
	"fmt"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/pegasus-go/pegasus/internal/wire"
)

// remoteCommand runs a text command, for the tools of operators.
func (k *call) remoteCommand(dst []byte) []byte {
	var req wire.Command
	wire.Of(&req).Read(&k.req.Arg)
	if k.undecodable() {
		return dst
	}
	i := slices.IndexFunc(commands, func(c command) bool { return c.name == req.Cmd })
	if i < 0 {
		return reply(k, dst, wire.Text(fmt.Sprintf("unknown command '%s'", req.Cmd)))
	}
	return reply(k, dst, wire.Text(commands[i].run(k, req.Arguments)))
}

type command struct {
	name, usage string
	run         func(k *call, args []string) string
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

func help(_ *call, args []string) string {
	var b strings.Builder
	for _, c := range commands {
		if len(args) == 0 || slices.Contains(args, c.name) {
			b.WriteString(c.usage + "\n")
		}
	}
	return b.String()
}

// serverVersion is the Pegasus release whose behaviour is followed.
const serverVersion = "2.5.0"

// revision is the commit that the program was built from, if it knows.
func revision() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, e := range info.Settings {
			if e.Key == "vcs.revision" {
				return e.Value
			}
		}
	}
	return "unknown"
}

func serverInfo(k *call, _ []string) string {
	return toJSON(map[string]string{
		"version":    serverVersion,
		"build_type": "onebox",
		"git_SHA":    revision(),
		"start_time": k.s.started.Format(time.DateTime),
	})
}

func serverStat(k *call, _ []string) string {
	return toJSON(map[string]float64{
		"connections":   float64(k.s.connections.Load()),
		"scan_contexts": float64(k.s.scans.count()),
		"uptime(s)":     k.s.opts.Clock().Sub(k.s.started).Seconds(),
	})
}

type perfCounter struct {
	Name  string  `json:"name"`
	Type  string  `json:"type"`
	Value float64 `json:"value"`
}

func (k *call) counters() []perfCounter {
	role := "replica"
	if k.n.role == metaRole {
		role = "meta"
	}
	return []perfCounter{
		{role + "*server*connection.count", "NUMBER", float64(k.s.connections.Load())},
		{role + "*server*scan.context.count", "NUMBER", float64(k.s.scans.count())},
		{role + "*server*table.count", "NUMBER", float64(len(*k.s.available.Load()))},
	}
}

// perfCounters returns a command that answers with the counters that match its
// arguments.
func perfCounters(match func(args []string, name string) bool) func(*call, []string) string {
	return func(k *call, args []string) string {
		found := slices.DeleteFunc(k.counters(), func(c perfCounter) bool {
			return len(args) > 0 && !match(args, c.Name)
		})
		now := k.s.opts.Clock()
		return toJSON(map[string]any{
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

func toJSON(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(b)
}
