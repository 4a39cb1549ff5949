package cli

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/pegasus-go/pegasus/admin"
	"github.com/pegasus-go/pegasus/internal/cli/exit"
	"github.com/pegasus-go/pegasus/internal/cli/ui"
	"github.com/pegasus-go/pegasus/onebox"
)

// drainOne moves all primaries of temp to a node and drains that. proposed is called with each
// proposal before anything else looks at it, and their number from 1 on.
func drainOne(t *testing.T, proposed func(box *onebox.Server, n int64, interrupt func()) onebox.Action) (box *onebox.Server, status int, stdout, stderr string) {
	t.Helper()
	box = startThree(t)
	for p := range 4 {
		if err := box.MovePrimary("temp", p, 0); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var n atomic.Int64
	box.Intercept(func(r onebox.Request) onebox.Action {
		if r.Task != onebox.TaskProposeBalancer {
			return onebox.Action{}
		}
		return proposed(box, n.Add(1), cancel)
	})
	var out, talk bytes.Buffer
	status = Run(ctx, []string{"node", "drain", box.Replica(0).Addr(), "--yes", "-o", "csv", "--meta", box.MetaServers()[0]}, ui.Streams{Out: &out, Err: &talk})
	return box, status, out.String(), talk.String()
}

// primaries are those of temp, as the leader tells them.
func primaries(t *testing.T, box *onebox.Server) []string {
	t.Helper()
	c, err := admin.New(admin.Config{MetaServers: box.MetaServers()})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	partitions, err := c.Partitions(t.Context(), "temp")
	if err != nil {
		t.Fatal(err)
	}
	var addrs []string
	for _, p := range partitions {
		addrs = append(addrs, p.Primary)
	}
	return addrs
}

// drained is the list that is to be printed: what is moved with the primary that there is now,
// and what is not with none.
func drained(box *onebox.Server, now []string, results ...string) string {
	var s strings.Builder
	s.WriteString("table,partition,from,to,result\n")
	from := box.Replica(0).Addr()
	for i, result := range results {
		to := now[i]
		if result != "moved" {
			to = ""
		}
		fmt.Fprintf(&s, "temp,%d,%s,%s,%s\n", i, from, to, result)
	}
	return s.String()
}

// A drain that is refused midway says what has moved and what has not.
func TestDrainRefusedMidway(t *testing.T) {
	box, status, stdout, stderr := drainOne(t, func(_ *onebox.Server, n int64, _ func()) onebox.Action {
		if n == 3 {
			return onebox.Action{Error: "ERR_ACL_DENY"}
		}
		return onebox.Action{}
	})
	want := drained(box, primaries(t, box), "moved", "moved", "not moved", "not moved")
	if status != int(exit.Partly) || stdout != want || !strings.Contains(stderr, "partition 2 of temp: ") || !strings.Contains(stderr, "ERR_ACL_DENY") {
		t.Errorf("status %d, %s%s, want %s", status, stdout, stderr, want)
	}
}

// One that is refused at once has done nothing, and no part of it.
func TestDrainRefusedAtOnce(t *testing.T) {
	box, status, stdout, stderr := drainOne(t, func(*onebox.Server, int64, func()) onebox.Action {
		return onebox.Action{Error: "ERR_ACL_DENY"}
	})
	want := drained(box, primaries(t, box), "not moved", "not moved", "not moved", "not moved")
	if status != int(exit.Failed) || stdout != want {
		t.Errorf("status %d, %s%s, want %s", status, stdout, stderr, want)
	}
}

// An interrupt between two proposals likewise: what was not proposed does not go on.
func TestDrainInterruptedMidway(t *testing.T) {
	box, status, stdout, stderr := drainOne(t, func(box *onebox.Server, n int64, interrupt func()) onebox.Action {
		if n == 1 {
			box.Intercept(func(r onebox.Request) onebox.Action {
				if r.Task == onebox.TaskQueryConfig { // with which the second one begins
					interrupt()
				}
				return onebox.Action{}
			})
		}
		return onebox.Action{}
	})
	want := drained(box, primaries(t, box), "moved", "not moved", "not moved", "not moved")
	if status != int(exit.Interrupted) || stdout != want || !strings.Contains(stderr, "nothing more is proposed") {
		t.Errorf("status %d, %s%s, want %s", status, stdout, stderr, want)
	}
}

// A primary that went to another node than the one that was proposed is told where it is.
func TestDrainMovedElsewhere(t *testing.T) {
	box, status, stdout, stderr := drainOne(t, func(box *onebox.Server, n int64, _ func()) onebox.Action {
		if n < 4 {
			return onebox.Action{}
		}
		for p := range 4 { // all to one, where no plan would have them
			if err := box.MovePrimary("temp", p, 2); err != nil {
				t.Error(err)
			}
		}
		return onebox.Action{}
	})
	now := primaries(t, box)
	want := drained(box, now, "moved", "moved", "moved", "moved")
	if status != int(exit.OK) || stdout != want || now[0] != now[1] {
		t.Errorf("status %d, %s%s, want %s", status, stdout, stderr, want)
	}
}

// What the leader does not answer about is not known, and not called moved.
func TestDrainOutcomeUnknown(t *testing.T) {
	box, status, stdout, stderr := drainOne(t, func(box *onebox.Server, n int64, _ func()) onebox.Action {
		if n == 2 {
			box.Intercept(func(r onebox.Request) onebox.Action {
				if r.Task == onebox.TaskQueryConfig {
					return onebox.Action{Error: "ERR_ACL_DENY"}
				}
				return onebox.Action{}
			})
		}
		return onebox.Action{}
	})
	if got := strings.Count(stdout, ",,not known: "); status != int(exit.Partly) || got != 4 || strings.Contains(stdout, box.Replica(1).Addr()) || strings.Contains(stdout, box.Replica(2).Addr()) {
		t.Errorf("status %d, %s%s", status, stdout, stderr)
	}
}

// A table that is dropped meanwhile has nothing left to move.
func TestDrainOfADroppedTable(t *testing.T) {
	box, status, stdout, stderr := drainOne(t, func(box *onebox.Server, n int64, _ func()) onebox.Action {
		if n > 1 {
			t.Errorf("proposal %d", n)
		}
		var once sync.Once
		box.Intercept(func(r onebox.Request) onebox.Action {
			dropped := make(chan struct{})
			close(dropped)
			if r.Task == onebox.TaskQueryConfig { // with which the second one begins
				once.Do(func() {
					dropped = make(chan struct{})
					go func() {
						defer close(dropped)
						drop(t, box, "temp")
					}()
				})
			}
			return onebox.Action{Until: dropped}
		})
		return onebox.Action{}
	})
	gone := "the table is gone"
	if want := drained(box, make([]string, 4), gone, gone, gone, gone); status != int(exit.OK) || stdout != want {
		t.Errorf("status %d, %s%s, want %s", status, stdout, stderr, want)
	}
}

func drop(t *testing.T, box *onebox.Server, table string) {
	c, err := admin.New(admin.Config{MetaServers: box.MetaServers()})
	if err != nil {
		t.Error(err)
		return
	}
	defer c.Close()
	if err := c.DropTable(context.Background(), table, 0); err != nil {
		t.Error(err)
	}
}
