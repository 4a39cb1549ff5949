package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/pegasus-go/pegasus/internal/cli/survey"
)

// note adds the events between two looks.
func (m *topModel) note(before, now *survey.Survey) {
	add := func(format string, args ...any) {
		m.events = latest(append(m.events, stamp(now.Time)+"  "+fmt.Sprintf(format, args...)), keptEvents)
	}
	type state struct{ kind, word string }
	states := func(s *survey.Survey) map[string]state {
		all := make(map[string]state)
		for _, n := range s.Nodes {
			all[n.Addr] = state{"node", strings.ToUpper(stateOf(n))}
		}
		for _, srv := range s.Metas {
			word := "UP"
			if srv.Err != nil {
				word = "DOWN"
			}
			all[srv.Addr] = state{"meta server", word}
		}
		for i := range s.Tables {
			word := "READY"
			if n := s.Tables[i].Count(survey.NoPrimary); n > 0 {
				word = fmt.Sprintf("%d partition%s without primary", n, plural(n))
			}
			all[s.Tables[i].Name] = state{"table", word}
		}
		return all
	}
	was, is := states(before), states(now)
	for _, name := range sortedKeys(was, is) {
		w, ok := is[name]
		switch old, there := was[name]; {
		case !there:
			add("NEW  %s %s", w.kind, name)
		case !ok:
			add("GONE  %s %s", old.kind, name)
		case w != old:
			add("%s  %s %s", w.word, w.kind, name)
		}
	}
	if before.Leader != now.Leader {
		add("LEADS  meta server %s", now.Leader)
	}
}

func sortedKeys[V any](maps ...map[string]V) []string {
	var keys []string
	for _, m := range maps {
		for k := range m {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}
