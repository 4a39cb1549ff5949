package rehearse

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/pegasus-go/pegasus/internal/console"
)

// forget begins another scenario. It begins, as the first one has, with a cluster that is whole.
func (s *Stage) forget(context.Context, struct{}) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running != nil || s.countFaults() > 0 {
		return nil, console.Refuse("something is broken, or a replay goes on: heal it before")
	}
	s.scenario = nil
	clear(s.tables)
	return nil, nil
}

// replay makes the steps of the scenario again, with the same pauses, and with Stop ends
// that. It heals everything before, and when it is stopped.
func (s *Stage) replay(_ context.Context, in struct {
	Stop bool `json:"stop"`
},
) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if in.Stop {
		if s.running != nil {
			s.running()
		}
		return nil, nil
	}
	if s.running != nil || s.closed {
		return nil, console.Refuse("it is being replayed already")
	}
	if len(s.scenario) == 0 {
		return nil, console.Refuse("there are no steps yet")
	}
	ctx, cancel := context.WithCancel(s.ctx)
	s.running = cancel
	scenario := slices.Clone(s.scenario)
	s.pending.Go(func() {
		defer cancel()
		s.try(ctx, Step{Do: "heal"})
		s.note("note", "replay of %s", steps(len(scenario)))
		s.playAgain(ctx, scenario)
		stopped := ctx.Err() != nil && s.ctx.Err() == nil
		if stopped {
			s.try(s.ctx, Step{Do: "heal"})
		}
		s.mu.Lock()
		s.running = nil
		if stopped {
			// What comes next finds what it breaks whole, also in a test.
			for _, st := range leftOver(scenario) {
				s.rememberLocked(st)
			}
		}
		s.mu.Unlock()
		s.note("note", "the replay is over")
	})
	return nil, nil
}

func steps(n int) string {
	if n == 1 {
		return "1 step"
	}
	return fmt.Sprintf("%d steps", n)
}

func (s *Stage) playAgain(ctx context.Context, scenario []Timed) {
	began := time.Now()
	for _, st := range scenario {
		select {
		case <-time.After(st.After - time.Since(began)):
		case <-ctx.Done():
		}
		if ctx.Err() != nil {
			return
		}
		if st.Do != "notice" { // that comes by itself
			s.try(ctx, st.Step)
		}
	}
}
