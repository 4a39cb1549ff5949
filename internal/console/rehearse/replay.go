package rehearse

import (
	"context"
	"slices"
	"time"

	"github.com/pegasus-go/pegasus/internal/console"
)

// forget begins another scenario.
func (s *Stage) forget(context.Context, struct{}) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.scenario = nil
	return nil, nil
}

// replay makes the steps of the scenario again, with the same pauses, and with Stop ends
// that. It heals everything before.
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
		defer func() {
			s.mu.Lock()
			s.running = nil
			s.mu.Unlock()
			cancel()
			s.note("note", "the replay is over")
		}()
		_ = s.do(ctx, Step{Do: "heal"}) // what it could not heal the log says
		s.note("note", "replay of %d steps", len(scenario))
		began := time.Now()
		for _, st := range scenario {
			select {
			case <-time.After(st.After - time.Since(began)):
			case <-ctx.Done():
				return
			}
			if st.Do == "notice" {
				continue // comes by itself
			}
			if err := s.do(ctx, st.Step); err != nil {
				s.note("note", "%v", err)
			}
		}
	})
	return nil, nil
}
