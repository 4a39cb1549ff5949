package rehearse

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/pegasus-go/pegasus/admin"
	"github.com/pegasus-go/pegasus/internal/console"
	"github.com/pegasus-go/pegasus/onebox"
)

// Step is something that befalls the cluster.
type Step struct {
	Do        string `json:"do"`
	Node      int    `json:"node,omitempty"`
	Table     string `json:"table,omitempty"`
	Partition int    `json:"partition,omitempty"`
	Ms        int64  `json:"ms,omitempty"`      // slow: by how much
	Percent   int    `json:"percent,omitempty"` // errors: of the requests
	Code      string `json:"code,omitempty"`    // errors: such as ERR_BUSY
	Rate      int    `json:"rate,omitempty"`    // throttle: writes per second and partition
	Seconds   int64  `json:"seconds,omitempty"` // advance
}

// Timed is a step of a scenario.
type Timed struct {
	After time.Duration // since the first one
	Step
}

const (
	noticeAfter = 2 * time.Second // a meta server has noticed that a node is dead
	maxSlow     = 60_000          // ms
	maxAdvance  = 10 * 365 * 24 * 3600
	throttleEnv = "replica.write_throttling"
)

var errorName = regexp.MustCompile(`^ERR_[A-Z0-9_]+$`)

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
	must := func(format string, args ...any) []string {
		return []string{"must(" + fmt.Sprintf(format, args...) + ")"}
	}
	kinds = map[string]kind{
		"kill": {
			check: onNode, make: (*Stage).kill,
			text: func(s *Stage, st *Step) string { return "kill " + at(s, st) },
			code: goNode("Stop()"),
		},
		"notice": { // follows a kill by itself
			check: onNode, make: func(s *Stage, _ context.Context, st *Step) error { return s.box.Failover(st.Node) },
			text: func(s *Stage, st *Step) string { return "the meta server has noticed that " + at(s, st) + " is dead" },
			code: func(st *Step) []string { return must("box.Failover(%d)", st.Node) },
		},
		"revive": {
			check: onNode, heals: true, make: (*Stage).revive,
			text: func(s *Stage, st *Step) string { return "revive " + at(s, st) },
			code: func(st *Step) []string {
				return append(must("box.Replica(%d).Start()", st.Node), must("box.Adopt(%d)", st.Node)...)
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
				if st.Percent > 0 && !errorName.MatchString(st.Code) {
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
			make: func(s *Stage, _ context.Context, st *Step) error {
				return s.box.MovePrimary(st.Table, st.Partition, st.Node)
			},
			text: func(s *Stage, st *Step) string {
				return fmt.Sprintf("move the primary of %s %d to %s", st.Table, st.Partition, at(s, st))
			},
			code: func(st *Step) []string { return must("box.MovePrimary(%q, %d, %d)", st.Table, st.Partition, st.Node) },
		},
		"unserve": {
			check: onTable,
			make: func(s *Stage, _ context.Context, st *Step) error {
				return s.box.MovePrimary(st.Table, st.Partition, onebox.NoPrimary)
			},
			text: func(_ *Stage, st *Step) string {
				return fmt.Sprintf("leave %s %d without a primary", st.Table, st.Partition)
			},
			code: func(st *Step) []string {
				return must("box.MovePrimary(%q, %d, onebox.NoPrimary)", st.Table, st.Partition)
			},
		},
		"split": {
			check: onTable, make: func(s *Stage, _ context.Context, st *Step) error { return s.box.Split(st.Table) },
			text: func(_ *Stage, st *Step) string { return "split " + st.Table },
			code: func(st *Step) []string { return must("box.Split(%q)", st.Table) },
		},
		"throttle": {
			check: func(s *Stage, st *Step) error {
				if st.Rate < 0 || st.Rate > 1_000_000 {
					return console.Refuse("%d writes a second are not in 0 to 1000000", st.Rate)
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
				if st.Rate == 0 {
					return must("c.Admin().DelEnvs(ctx, %q, %q)", st.Table, throttleEnv)
				}
				return must("c.Admin().SetEnvs(ctx, %q, map[string]string{%q: %q})", st.Table, throttleEnv, throttleValue(st.Rate))
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

// doStep makes a step for the page.
func (s *Stage) doStep(ctx context.Context, st Step) (any, error) { return nil, s.do(ctx, st) }

func (s *Stage) do(ctx context.Context, st Step) error {
	k, ok := kinds[st.Do]
	if !ok {
		return console.Refuse("there is no step %q", st.Do)
	}
	if err := k.check(s, &st); err != nil {
		return err
	}
	s.steps.Lock()
	defer s.steps.Unlock()
	return s.carryOut(ctx, st, k)
}

// carryOut makes a step, notes it, and remembers it as one of the scenario. It is called
// with steps locked.
func (s *Stage) carryOut(ctx context.Context, st Step, k kind) error {
	if err := k.make(s, ctx, &st); err != nil {
		return err
	}
	if st.Do == "heal" {
		return nil // its parts have been noted
	}
	word := "fault"
	if k.heals || st.Do == "slow" && st.Ms == 0 || st.Do == "errors" && st.Percent == 0 || st.Do == "throttle" && st.Rate == 0 {
		word = "heal"
	}
	s.note(word, "%s", k.text(s, &st))
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if len(s.scenario) == 0 {
		s.began = now
	}
	if len(s.scenario) < maxStep && s.running == nil {
		s.scenario = append(s.scenario, Timed{now.Sub(s.began), st})
	}
	if s.lapses != nil {
		s.lapses.Stop()
	}
	if s.countFaults() > 0 && !s.closed {
		s.lapses = time.AfterFunc(s.lapse, func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			if !s.closed {
				s.pending.Go(func() {
					_ = s.do(s.ctx, Step{Do: "heal"}) // nobody is there to be told
				})
			}
		})
	}
	return nil
}

// on changes what is known of a node.
func (s *Stage) on(node int, f func(*nodeState)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(&s.nodes[node])
	s.nodes[node].Since = time.Now().UnixMilli()
}

func (s *Stage) node(i int) nodeState {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.nodes[i]
}

func (s *Stage) kill(_ context.Context, st *Step) error {
	if s.node(st.Node).Down {
		return console.Refuse("it is dead already")
	}
	s.box.Replica(st.Node).Stop()
	s.on(st.Node, func(n *nodeState) { n.Down, n.Hung = true, false })
	since := s.node(st.Node).Since
	s.after(noticeAfter, func() {
		s.steps.Lock()
		defer s.steps.Unlock()
		if n := s.node(st.Node); n.Down && n.Since == since {
			if err := s.carryOut(s.ctx, Step{Do: "notice", Node: st.Node}, kinds["notice"]); err != nil {
				s.note("note", "%v", err)
			}
		}
	})
	return nil
}

func (s *Stage) revive(_ context.Context, st *Step) error {
	if !s.node(st.Node).Down {
		return console.Refuse("it is not dead")
	}
	if err := s.box.Replica(st.Node).Start(); err != nil {
		return err
	}
	s.on(st.Node, func(n *nodeState) { n.Down = false })
	return s.box.Adopt(st.Node)
}

func (s *Stage) hang(_ context.Context, st *Step) error {
	if n := s.node(st.Node); n.Down || n.Hung {
		return console.Refuse("it is dead or hangs already")
	}
	s.box.Replica(st.Node).Pause()
	s.on(st.Node, func(n *nodeState) { n.Hung = true })
	return nil
}

func (s *Stage) resume(_ context.Context, st *Step) error {
	if !s.node(st.Node).Hung {
		return console.Refuse("it does not hang")
	}
	s.box.Replica(st.Node).Resume()
	s.on(st.Node, func(n *nodeState) { n.Hung = false })
	return nil
}

func (s *Stage) fill(node int, full bool) error {
	s.box.Replica(node).FillDisk(full)
	s.on(node, func(n *nodeState) { n.Full = full })
	return nil
}

func (s *Stage) slow(_ context.Context, st *Step) error {
	s.faults.slow(s.box, st.Node, time.Duration(st.Ms)*time.Millisecond)
	s.on(st.Node, func(n *nodeState) { n.Slow = st.Ms })
	return nil
}

func (s *Stage) answerErrors(_ context.Context, st *Step) error {
	var e *ErrorShare
	if st.Percent > 0 {
		e = &ErrorShare{st.Percent, st.Code, st.Table}
	}
	s.faults.answer(s.box, e)
	return nil
}

func throttleValue(rate int) string { return fmt.Sprintf("%d*reject*0", rate) }

func (s *Stage) throttle(ctx context.Context, st *Step) error {
	var err error
	if st.Rate > 0 {
		err = s.admin.SetEnvs(ctx, st.Table, map[string]string{throttleEnv: throttleValue(st.Rate)})
	} else {
		err = s.admin.DelEnvs(ctx, st.Table, throttleEnv)
	}
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if st.Rate > 0 {
		s.throttled[st.Table] = true
	} else {
		delete(s.throttled, st.Table)
	}
	return nil
}

// heal undoes everything that can be undone, also if a part of it fails.
func (s *Stage) heal(ctx context.Context, _ *Step) error {
	var steps []Step
	s.mu.Lock()
	for i, n := range s.nodes {
		if n.Down {
			steps = append(steps, Step{Do: "revive", Node: i})
		}
		if n.Hung {
			steps = append(steps, Step{Do: "resume", Node: i})
		}
		if n.Full {
			steps = append(steps, Step{Do: "empty", Node: i})
		}
		if n.Slow > 0 {
			steps = append(steps, Step{Do: "slow", Node: i})
		}
	}
	if s.faults.errorShare() != nil {
		steps = append(steps, Step{Do: "errors"})
	}
	for _, name := range s.throttledTables() {
		steps = append(steps, Step{Do: "throttle", Table: name})
	}
	s.mu.Unlock()
	var all error
	for _, st := range steps {
		err := s.carryOut(ctx, st, kinds[st.Do])
		if st.Do == "throttle" && errors.Is(err, admin.ErrTableNotFound) { // it was dropped
			s.mu.Lock()
			delete(s.throttled, st.Table)
			s.mu.Unlock()
			err = nil
		}
		all = errors.Join(all, err)
	}
	return all
}
