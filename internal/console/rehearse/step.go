package rehearse

import (
	"context"
	"errors"
	"fmt"
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
	Ms        int64  `json:"ms,omitempty"`      // slow: by how much, at most maxSlow; 0: no more
	Percent   int    `json:"percent,omitempty"` // errors: of the requests, 0 to 100
	Code      string `json:"code,omitempty"`    // errors: such as ERR_BUSY
	Rate      int    `json:"rate,omitempty"`    // throttle: writes per second and partition, at most maxThrottle; 0: no more
	Seconds   int64  `json:"seconds,omitempty"` // advance: 1 to maxAdvance
	From      string `json:"from,omitempty"`    // cut, mend: from clients, or from all
	Silent    bool   `json:"silent,omitempty"`  // cut: nothing is refused, nothing passes

	before string // throttle, once it is made: what the environment had before any
}

// What a node is cut off from.
const (
	fromClients = "clients"
	fromAll     = "all" // meta servers, too
)

// Timed is a step of a scenario.
type Timed struct {
	After time.Duration // since the first one
	Step
}

const (
	noticeAfter = 2 * time.Second // a meta server has noticed that a node is dead
	maxSlow     = 60_000          // ms
	maxThrottle = 1_000_000       // writes a second and partition
	maxAdvance  = 10 * 365 * 24 * 3600
	throttleEnv = "replica.write_throttling"
)

// doStep makes a step for the page. While a replay goes on nothing is made but to heal, which
// ends it: otherwise it would go on breaking.
func (s *Stage) doStep(ctx context.Context, st Step) (any, error) {
	s.mu.Lock()
	stop := s.running
	s.mu.Unlock()
	if stop != nil {
		if st.Do != "heal" {
			return nil, console.Refuse("a replay goes on: stop it before")
		}
		stop()
	}
	return nil, s.do(ctx, st)
}

// try makes a step that nobody waits for.
func (s *Stage) try(ctx context.Context, st Step) {
	if err := s.do(ctx, st); err != nil {
		s.note("note", "%v", err)
	}
}

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
	if err := s.learn(ctx, st.Table); err != nil {
		return err
	}
	return s.carryOut(ctx, st, k)
}

// learn notes how many partitions a table has before the first step that names it, which a
// test begins with. There has to be one, but for that of the load, which may be made later.
func (s *Stage) learn(ctx context.Context, table string) error {
	s.mu.Lock()
	_, known := s.tables[table]
	s.mu.Unlock()
	if known || table == "" {
		return nil
	}
	t, err := s.admin.Table(ctx, table)
	if errors.Is(err, admin.ErrTableNotFound) {
		if table == LoadTable {
			return nil
		}
		return console.Refuse("there is no table %q", table)
	}
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tables[table] = t.Partitions
	return nil
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
	if s.running == nil {
		s.rememberLocked(st)
	}
	s.lapseLocked()
	return nil
}

// lapseLocked has what is broken healed after a while, and again if that fails.
func (s *Stage) lapseLocked() {
	if s.lapses != nil {
		s.lapses.Stop()
	}
	if s.countFaults() == 0 || s.closed {
		return
	}
	s.lapses = time.AfterFunc(s.lapse, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.closed {
			return
		}
		s.pending.Go(func() {
			s.try(s.ctx, Step{Do: "heal"})
			s.mu.Lock()
			defer s.mu.Unlock()
			s.lapseLocked()
		})
	})
}

// rememberLocked adds a step to the scenario. Nothing happens in a pause that is longer than
// what is broken stays so: it is cut short.
func (s *Stage) rememberLocked(st Step) {
	n, now := len(s.scenario), time.Now()
	if n == maxStep {
		return
	}
	var after time.Duration
	if n > 0 {
		after = s.scenario[n-1].After + min(now.Sub(s.latest), s.lapse)
	}
	s.scenario, s.latest = append(s.scenario, Timed{after, st}), now
}

func (s *Stage) move(_ context.Context, st *Step) error {
	if err := s.box.MovePrimary(st.Table, st.Partition, st.Node); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.unserved, place{st.Table, st.Partition})
	return nil
}

func (s *Stage) unserve(_ context.Context, st *Step) error {
	if err := s.box.MovePrimary(st.Table, st.Partition, onebox.NoPrimary); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unserved[place{st.Table, st.Partition}] = true
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

// throttle remembers what was there before, which comes back when it ends.
func (s *Stage) throttle(ctx context.Context, st *Step) error {
	s.mu.Lock()
	before, on := s.throttled[st.Table]
	s.mu.Unlock()
	if !on {
		t, err := s.admin.Table(ctx, st.Table)
		if err != nil {
			return err
		}
		before = t.Envs[throttleEnv]
	}
	value := throttleValue(st.Rate)
	if st.Rate == 0 {
		if !on {
			return console.Refuse("it is not throttled")
		}
		value = before
	}
	st.before = before
	var err error
	if value != "" {
		err = s.admin.SetEnvs(ctx, st.Table, map[string]string{throttleEnv: value})
	} else {
		err = s.admin.DelEnvs(ctx, st.Table, throttleEnv)
	}
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if st.Rate > 0 {
		s.throttled[st.Table] = before
	} else {
		delete(s.throttled, st.Table)
	}
	return nil
}
