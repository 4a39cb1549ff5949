package cli

import (
	"bytes"
	"context"
	"strings"
	"sync"
	"testing"

	"github.com/pegasus-go/pegasus/internal/cli/exit"
	"github.com/pegasus-go/pegasus/internal/cli/ui"
	"github.com/pegasus-go/pegasus/onebox"
)

// An interrupt ends the load, and not the tidying up; what was measured is printed.
func TestInterruptedBench(t *testing.T) {
	srv, err := onebox.Start(onebox.Options{Tables: []onebox.Table{{Name: "temp"}}})
	if err != nil {
		t.Fatal(err)
	}
	defer srv.Close()
	meta := strings.Join(srv.MetaServers(), ",")
	for _, tc := range []struct {
		args []string
		task string // an interrupt comes with the first request of it
	}{
		{[]string{"read"}, onebox.TaskGet},
		{[]string{"read"}, onebox.TaskPut}, // before the load has begun
		{[]string{"write", "--table", "temp", "--yes"}, onebox.TaskPut},
	} {
		ctx, cancel := context.WithCancel(t.Context())
		var once sync.Once
		srv.Intercept(func(r onebox.Request) onebox.Action {
			if r.Task == tc.task {
				once.Do(cancel)
			}
			return onebox.Action{}
		})
		var out, talk bytes.Buffer
		args := append([]string{"bench", "--meta", meta, "--warmup", "0s", "--duration", "1h"}, tc.args...)
		if status := Run(ctx, args, ui.Streams{Out: &out, Err: &talk}); status != int(exit.Interrupted) {
			t.Errorf("%q: status %d, %s", tc.args, status, &talk)
		}
		if before := tc.args[0] == "read" && tc.task == onebox.TaskPut; before == strings.Contains(out.String(), "latency") {
			t.Errorf("%q at %s: printed %s", tc.args, tc.task, &out)
		}
		if _, tables, _ := run(t, "table", "list", "--meta", meta); strings.Contains(tables, "bench_") {
			t.Errorf("%q: left %s", tc.args, tables)
		}
		if _, rows, _ := run(t, "count", "temp", "--exact", "-o", "raw", "--meta", meta); rows != "0" {
			t.Errorf("%q: left %s rows", tc.args, rows)
		}
		cancel()
	}
}

// That rows are left takes nothing away from the figures.
func TestBenchLeavesRows(t *testing.T) {
	srv, err := onebox.Start(onebox.Options{Tables: []onebox.Table{{Name: "temp"}}})
	if err != nil {
		t.Fatal(err)
	}
	defer srv.Close()
	srv.Intercept(func(r onebox.Request) onebox.Action {
		if r.Task == onebox.TaskRemove || r.Task == onebox.TaskMultiRemove {
			return onebox.Action{Error: "ERR_ACL_DENY"}
		}
		return onebox.Action{}
	})
	status, out, talk := run(t, "bench", "write", "--table", "temp", "--yes", "--keys", "10", "--warmup", "0s", "--duration", "1s", "--meta", strings.Join(srv.MetaServers(), ","))
	if status != int(exit.Partly) || !strings.Contains(out, "latency") || !strings.Contains(talk, "not tidied up: rows of temp are left") {
		t.Errorf("status %d, printed %s and %s", status, out, talk)
	}
}
