package rehearse

import (
	"context"
	"errors"

	"github.com/pegasus-go/pegasus/admin"
)

// heal undoes everything that can be undone, also if a part of it fails.
func (s *Stage) heal(ctx context.Context, _ *Step) error {
	var all error
	for _, st := range s.whatHeals() {
		err := s.carryOut(ctx, st, kinds[st.Do])
		if err != nil && st.Table != "" && s.isGone(ctx, st.Table) {
			s.mu.Lock()
			delete(s.throttled, st.Table)
			delete(s.unserved, place{st.Table, st.Partition})
			s.mu.Unlock()
			err = nil
		}
		all = errors.Join(all, err)
	}
	return all
}

// isGone says whether there is no such table any more.
func (s *Stage) isGone(ctx context.Context, table string) bool {
	_, err := s.admin.Table(ctx, table)
	return errors.Is(err, admin.ErrTableNotFound)
}

// whatHeals returns the steps that undo what is broken.
func (s *Stage) whatHeals() (steps []Step) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, n := range s.nodes {
		if n.Cut != "" { // before it is revived: meta servers have to see it
			steps = append(steps, Step{Do: "mend", Node: i})
		}
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
	for p := range s.unserved { // all nodes are up by then
		steps = append(steps, Step{Do: "move", Table: p.table, Partition: p.partition, Node: p.partition % len(s.nodes)})
	}
	return steps
}
