package rehearse

import (
	"context"
	"time"

	"github.com/pegasus-go/pegasus/internal/console"
	"github.com/pegasus-go/pegasus/onebox"
)

// on changes what is known of a node. If the meta servers lose it by that, they notice after
// a while, unless it is back by then.
func (s *Stage) on(node int, f func(*nodeState)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := &s.nodes[node]
	was := n.lost()
	f(n)
	n.Since = time.Now().UnixMilli()
	if was || !n.lost() {
		return
	}
	n.losses++
	loss := n.losses
	s.afterLocked(noticeAfter, func() {
		s.steps.Lock()
		defer s.steps.Unlock()
		if n := s.node(node); n.lost() && n.losses == loss {
			if err := s.carryOut(s.ctx, Step{Do: "notice", Node: node}, kinds["notice"]); err != nil {
				s.note("note", "%v", err)
			}
		}
	})
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
	return nil
}

func (s *Stage) revive(_ context.Context, st *Step) error {
	switch n := s.node(st.Node); {
	case !n.Down:
		return console.Refuse("it is not dead")
	case n.Cut == fromAll:
		return console.Refuse("the meta servers would not notice: mend its links before")
	}
	if err := s.box.Replica(st.Node).Start(); err != nil {
		return err
	}
	s.on(st.Node, func(n *nodeState) { n.Down = false })
	return s.adopt(st.Node)
}

// adopt gives a node that is back the partitions that have no primary.
func (s *Stage) adopt(node int) error {
	if err := s.box.Adopt(node); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.unserved)
	return nil
}

func (s *Stage) cut(_ context.Context, st *Step) error {
	if s.node(st.Node).Cut != "" {
		return console.Refuse("its links are cut already")
	}
	if err := s.box.Replica(st.Node).Cut(onebox.Cut{Silent: st.Silent, Meta: st.From == fromAll}); err != nil {
		return err
	}
	s.on(st.Node, func(n *nodeState) { n.Cut, n.Silent = st.From, st.Silent })
	return nil
}

// mend tells the step what a node that lives was cut off from: it is adopted then, also in the
// scenario. One that is dead is when it is revived.
func (s *Stage) mend(_ context.Context, st *Step) error {
	n := s.node(st.Node)
	if n.Cut == "" {
		return console.Refuse("its links are not cut")
	}
	st.From = ""
	if !n.Down {
		st.From = n.Cut
	}
	if err := s.box.Replica(st.Node).Mend(); err != nil {
		return err
	}
	s.on(st.Node, func(n *nodeState) { n.Cut, n.Silent = "", false })
	if st.From == fromAll {
		return s.adopt(st.Node)
	}
	return nil
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
