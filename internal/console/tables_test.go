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

	s.must("table-env", map[string]any{"table": "a", "key": "business.info", "value": "x", "saw": nil}, nil)
	s.must("table-env", map[string]any{"table": "a", "key": "default_ttl", "saw": "60"}, nil)
	if d := detail("a"); d.Envs["business.info"] != "x" || len(d.Envs) != 1 {
		t.Errorf("the environment is %v", d.Envs)
	}
	if status, text := s.call("table-env", map[string]any{"table": "a", "key": "replica.write_throttling", "value": "soon"}, nil); status == http.StatusOK {
		t.Errorf("a value that makes no sense: %s", text)
	}

	s.box.HoldSplits(true)
	s.must("table-split", map[string]any{"table": "a", "partitions": 4}, nil)
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
	s.must("table-drop", map[string]any{"table": "b", "id": made.ID, "reserve": 3600}, nil)
	if b := list()["b"]; b.Status == "available" || b.Dropped == nil || b.Purged == nil {
		t.Errorf("dropped %+v", b)
	}
	var back Table
	s.must("table-recall", map[string]any{"id": made.ID, "name": "c"}, &back)
	if back.Name != "c" || list()["c"].Status != "available" {
		t.Errorf("recalled %+v", back)
	}
}

// What is changed is what the page has shown, or nothing.
func TestTablesThatHaveChanged(t *testing.T) {
	s := serve(t, Options{AllowWrites: true})
	var d tableDetail
	s.must("table", named{"temp"}, &d)
	refused := func(what, name string, arg map[string]any) {
		t.Helper()
		arg["table"] = "temp"
		if status, text := s.call(name, arg, nil); status != http.StatusConflict || !strings.Contains(text, "changed") {
			t.Errorf("%s: %d, %s", what, status, text)
		}
	}
	s.must("table-env", map[string]any{"table": "temp", "key": "business.info", "value": "theirs", "saw": nil}, nil)
	refused("a variable that was set meanwhile", "table-env", map[string]any{"key": "business.info", "value": "mine", "saw": nil})
	refused("a variable that has another value", "table-env", map[string]any{"key": "business.info", "value": "mine", "saw": "old"})
	refused("the removal of that", "table-env", map[string]any{"key": "business.info", "saw": "old"})
	refused("a variable that was removed", "table-env", map[string]any{"key": "default_ttl", "value": "5", "saw": "7"})
	s.must("table-env", map[string]any{"table": "temp", "key": "business.info", "saw": "theirs"}, nil)
	refused("a split of other partitions", "table-split", map[string]any{"partitions": 2 * d.Partitions * 2})
	refused("another table of that name", "table-drop", map[string]any{"id": d.ID + 1})
	s.must("table", named{"temp"}, &d)
	if len(d.Envs) != 0 || d.Split != nil {
		t.Errorf("%+v", d)
	}
	for _, reserve := range []int64{-1, 1 << 40} {
		if status, text := s.call("table-drop", map[string]any{"table": "temp", "id": d.ID, "reserve": reserve}, nil); status != http.StatusBadRequest {
			t.Errorf("kept for %d seconds: %d, %s", reserve, status, text)
		}
	}
	s.must("table-drop", map[string]any{"table": "temp", "id": d.ID}, nil)
}
