package console

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"
)

// eventually waits until something that goes on by itself has come about.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatal("not " + what)
		}
	}
}

func TestTables(t *testing.T) {
	s := serve(t, Options{AllowWrites: true})
	detail := func(name string) (d tableDetail) {
		t.Helper()
		s.must("table", named{name}, &d)
		return d
	}
	list := func() map[string]Table {
		var out struct{ Tables []Table }
		s.must("tables", struct{}{}, &out)
		all := make(map[string]Table)
		for _, tab := range out.Tables {
			all[tab.Name] = tab
		}
		return all
	}
	var made struct{ ID int }
	s.must("table-create", map[string]any{"table": "a", "partitions": 2, "replicas": 3, "envs": map[string]string{"default_ttl": "60"}}, &made)
	if d := detail("a"); d.ID != made.ID || d.Partitions != 2 || d.Envs["default_ttl"] != "60" || len(d.Where) != 2 || d.Split != nil || d.Compact != -1 {
		t.Errorf("made %+v", d)
	}
	if status, text := s.call("table-create", map[string]any{"table": "a", "partitions": 2, "replicas": 3}, nil); status != http.StatusBadGateway || !strings.Contains(text, "ERR_APP_EXIST") {
		t.Errorf("made twice: %d, %s", status, text)
	}
	if status, text := s.call("table-create", map[string]any{"table": "a b", "partitions": 2, "replicas": 3}, nil); status != http.StatusBadRequest {
		t.Errorf("a name with a space: %d, %s", status, text)
	}

	s.must("table-env", map[string]any{"table": "a", "key": "business.info", "value": "x"}, nil)
	s.must("table-env", map[string]any{"table": "a", "key": "default_ttl"}, nil)
	if d := detail("a"); d.Envs["business.info"] != "x" || len(d.Envs) != 1 {
		t.Errorf("the environment is %v", d.Envs)
	}
	if status, text := s.call("table-env", map[string]any{"table": "a", "key": "replica.write_throttling", "value": "soon"}, nil); status == http.StatusOK {
		t.Errorf("a value that makes no sense: %s", text)
	}

	s.box.HoldSplits(true)
	s.must("table-split", named{"a"}, nil)
	if d := detail("a"); d.Split == nil || d.Split.Partitions != 4 || d.Split.Left != 2 {
		t.Errorf("splitting %+v", d.Split)
	}
	s.must("table-split-control", map[string]any{"table": "a", "do": "pause"}, nil)
	s.must("table-split-control", map[string]any{"table": "a", "do": "resume"}, nil)
	if status, text := s.call("table-split-control", map[string]any{"table": "a", "do": "stop"}, nil); status != http.StatusBadRequest {
		t.Errorf("an unknown word: %d, %s", status, text)
	}
	s.box.HoldSplits(false)
	eventually(t, "split", func() bool { d := detail("a"); return d.Split == nil && d.Partitions == 4 })

	s.must("table-compact", named{"a"}, nil)
	eventually(t, "compacted", func() bool { return detail("a").Compact == 100 })

	s.must("table-rename", map[string]any{"table": "a", "name": "b"}, nil)
	if status, text := s.call("table", named{"a"}, nil); status != http.StatusBadGateway {
		t.Errorf("the old name: %d, %s", status, text)
	}
	s.must("table-drop", map[string]any{"table": "b", "reserve": 3600}, nil)
	if b := list()["b"]; b.Status == "available" || b.Dropped == nil || b.Purged == nil {
		t.Errorf("dropped %+v", b)
	}
	var back Table
	s.must("table-recall", map[string]any{"id": made.ID, "name": "c"}, &back)
	if back.Name != "c" || list()["c"].Status != "available" {
		t.Errorf("recalled %+v", back)
	}
}
