package rehearse

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/pegasus-go/pegasus/internal/console"
)

var errorName = regexp.MustCompile(`^ERR_[A-Z0-9_]{1,60}$`)

// kind is how a step is made. check refuses one that makes no sense.
type kind struct {
	check func(*Stage, *Step) error
	make  func(*Stage, context.Context, *Step) error
	heals bool
	text  func(*Stage, *Step) string
	code  func(*Step) []string // of a Go test
}

var kinds map[string]kind

func init() {
	at := func(s *Stage, st *Step) string { return s.nodes[st.Node].Address }
	onNode := func(s *Stage, st *Step) error {
		if st.Node < 0 || st.Node >= len(s.nodes) {
			return console.Refuse("there is no node %d", st.Node)
		}
		return nil
	}
	onTable := func(_ *Stage, st *Step) error {
		if st.Table == "" {
			return console.Refuse("the table is missing")
		}
		return nil
	}
	anything := func(*Stage, *Step) error { return nil }
	goNode := func(call string) func(*Step) []string {
		return func(st *Step) []string { return []string{fmt.Sprintf("box.Replica(%d).%s", st.Node, call)} }
	}
	kinds = map[string]kind{
		"kill": {
			check: onNode, make: (*Stage).kill,
			text: func(s *Stage, st *Step) string { return "kill " + at(s, st) },
			code: goNode("Stop()"),
		},
		"notice": { // follows by itself
			check: onNode, make: func(s *Stage, _ context.Context, st *Step) error { return s.box.Failover(st.Node) },
			text: func(s *Stage, st *Step) string {
				if s.node(st.Node).Down {
					return "the meta server has noticed that " + at(s, st) + " is dead"
				}
				return "the meta server has noticed that it does not reach " + at(s, st)
			},
			code: func(st *Step) []string { return mustLine("box.Failover(%d)", st.Node) },
		},
		"revive": {
			check: onNode, heals: true, make: (*Stage).revive,
			text: func(s *Stage, st *Step) string { return "revive " + at(s, st) },
			code: func(st *Step) []string {
				return append(mustLine("box.Replica(%d).Start()", st.Node), mustLine("box.Adopt(%d)", st.Node)...)
			},
		},
		"hang": {
			check: onNode, make: (*Stage).hang,
			text: func(s *Stage, st *Step) string { return "hang " + at(s, st) },
			code: goNode("Pause()"),
		},
		"resume": {
			check: onNode, heals: true, make: (*Stage).resume,
			text: func(s *Stage, st *Step) string { return "resume " + at(s, st) },
			code: goNode("Resume()"),
		},
		"cut": {
			check: func(s *Stage, st *Step) error {
				if st.From != fromClients && st.From != fromAll {
					return console.Refuse("a node is cut off from %q or %q, not from %q", fromClients, fromAll, st.From)
				}
				return onNode(s, st)
			},
			make: (*Stage).cut,
			text: func(s *Stage, st *Step) string {
				how := "connections are refused"
				if st.Silent {
					how = "nothing passes"
				}
				return fmt.Sprintf("cut %s off from %s: %s", at(s, st), map[string]string{fromClients: "its clients", fromAll: "its clients and the meta servers"}[st.From], how)
			},
			code: func(st *Step) []string {
				var how []string
				if st.Silent {
					how = append(how, "Silent: true")
				}
				if st.From == fromAll {
					how = append(how, "Meta: true")
				}
				return mustLine("box.Replica(%d).Cut(onebox.Cut{%s})", st.Node, strings.Join(how, ", "))
			},
		},
		"mend": {
			check: onNode, heals: true, make: (*Stage).mend,
			text: func(s *Stage, st *Step) string { return "mend the links of " + at(s, st) },
			code: func(st *Step) []string {
				code := mustLine("box.Replica(%d).Mend()", st.Node)
				if st.From == fromAll {
					code = append(code, mustLine("box.Adopt(%d)", st.Node)...)
				}
				return code
			},
		},
		"fill": {
			check: onNode, make: func(s *Stage, _ context.Context, st *Step) error { return s.fill(st.Node, true) },
			text: func(s *Stage, st *Step) string { return "fill the disk of " + at(s, st) },
			code: goNode("FillDisk(true)"),
		},
		"empty": {
			check: onNode, heals: true, make: func(s *Stage, _ context.Context, st *Step) error { return s.fill(st.Node, false) },
			text: func(s *Stage, st *Step) string { return "make room on the disk of " + at(s, st) },
			code: goNode("FillDisk(false)"),
		},
		"slow": {
			check: func(s *Stage, st *Step) error {
				if st.Ms < 0 || st.Ms > maxSlow {
					return console.Refuse("%d ms is not in 0 to %d", st.Ms, maxSlow)
				}
				return onNode(s, st)
			},
			make: (*Stage).slow,
			text: func(s *Stage, st *Step) string {
				if st.Ms == 0 {
					return at(s, st) + " is as fast as ever"
				}
				return fmt.Sprintf("%s answers %d ms late", at(s, st), st.Ms)
			},
			code: func(st *Step) []string {
				return []string{fmt.Sprintf("slow[%d].Store(%d) // ms", st.Node, st.Ms)}
			},
		},
		"errors": {
			check: func(_ *Stage, st *Step) error {
				if st.Percent < 0 || st.Percent > 100 {
					return console.Refuse("%d %% is not in 0 to 100", st.Percent)
				}
				if st.Percent > 0 && (!errorName.MatchString(st.Code) || st.Code == "ERR_OK") {
					return console.Refuse("%q is not the name of an error, such as ERR_BUSY", st.Code)
				}
				return nil
			},
			make: (*Stage).answerErrors,
			text: func(_ *Stage, st *Step) string {
				if st.Percent == 0 {
					return "no more errors"
				}
				return fmt.Sprintf("answer %d %% of the requests to %s with %s", st.Percent, orAll(st.Table), st.Code)
			},
			code: func(st *Step) []string {
				if st.Percent == 0 {
					return []string{"share.Store(nil)"}
				}
				return []string{fmt.Sprintf("share.Store(&errorShare{%d, %q, %q})", st.Percent, st.Code, st.Table)}
			},
		},
		"move": {
			check: func(s *Stage, st *Step) error { return errors.Join(onNode(s, st), onTable(s, st)) },
			make:  (*Stage).move,
			text: func(s *Stage, st *Step) string {
				return fmt.Sprintf("move the primary of %s %d to %s", st.Table, st.Partition, at(s, st))
			},
			code: func(st *Step) []string {
				return mustLine("box.MovePrimary(%q, %d, %d)", st.Table, st.Partition, st.Node)
			},
		},
		"unserve": {
			check: onTable,
			make:  (*Stage).unserve,
			text: func(_ *Stage, st *Step) string {
				return fmt.Sprintf("leave %s %d without a primary", st.Table, st.Partition)
			},
			code: func(st *Step) []string {
				return mustLine("box.MovePrimary(%q, %d, onebox.NoPrimary)", st.Table, st.Partition)
			},
		},
		"split": {
			check: onTable, make: func(s *Stage, _ context.Context, st *Step) error { return s.box.Split(st.Table) },
			text: func(_ *Stage, st *Step) string { return "split " + st.Table },
			code: func(st *Step) []string { return mustLine("box.Split(%q)", st.Table) },
		},
		"throttle": {
			check: func(s *Stage, st *Step) error {
				if st.Rate < 0 || st.Rate > maxThrottle {
					return console.Refuse("%d writes a second are not in 0 to %d", st.Rate, maxThrottle)
				}
				return onTable(s, st)
			},
			make: (*Stage).throttle,
			text: func(_ *Stage, st *Step) string {
				if st.Rate == 0 {
					return "throttle " + st.Table + " no more"
				}
				return fmt.Sprintf("reject what is more than %d writes a second and partition of %s", st.Rate, st.Table)
			},
			code: func(st *Step) []string {
				switch {
				case st.Rate > 0:
					return setThrottle(st.Table, throttleValue(st.Rate))
				case st.before != "":
					return setThrottle(st.Table, st.before)
				}
				return mustLine("c.Admin().DelEnvs(ctx, %q, %q)", st.Table, throttleEnv)
			},
		},
		"advance": {
			check: func(_ *Stage, st *Step) error {
				if st.Seconds < 1 || st.Seconds > maxAdvance {
					return console.Refuse("the clock can be put forward by 1 to %d seconds", maxAdvance)
				}
				return nil
			},
			make: func(s *Stage, _ context.Context, st *Step) error {
				s.mu.Lock()
				l := s.load
				s.mu.Unlock()
				if l != nil {
					l.renew() // what it has written expires
				}
				s.clock.advance(time.Duration(st.Seconds) * time.Second)
				return nil
			},
			text: func(_ *Stage, st *Step) string {
				return fmt.Sprintf("put the clock forward by %v", time.Duration(st.Seconds)*time.Second)
			},
			code: func(st *Step) []string { return []string{fmt.Sprintf("c.AdvanceClock(%d * time.Second)", st.Seconds)} },
		},
		"heal": {check: anything, heals: true, make: (*Stage).heal, text: func(*Stage, *Step) string { return "heal everything" }},
	}
}

func orAll(table string) string {
	if table == "" {
		return "all tables"
	}
	return table
}
