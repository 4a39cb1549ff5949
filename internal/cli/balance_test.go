package cli

import (
	"bytes"
	"context"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/pegasus-go/pegasus/internal/cli/exit"
	"github.com/pegasus-go/pegasus/internal/cli/ui"
	"github.com/pegasus-go/pegasus/onebox"
)

// balanceUntil has copies made even until it is said that nothing is left to move, and
// interrupts it then.
func balanceUntil(t *testing.T, box *onebox.Server) (status int, stderr string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	err := &listener{text: "to move: 0", act: cancel}
	status = Run(ctx, []string{"balance", "--run", "--yes", "--meta", box.MetaServers()[0]}, ui.Streams{Out: new(bytes.Buffer), Err: err})
	return status, err.all.String()
}

func levelOf(t *testing.T, box *onebox.Server) string {
	t.Helper()
	_, stdout, _ := run(t, "meta", "level", "get", "-o", "raw", "--meta", box.MetaServers()[0])
	return stdout
}

// An interrupted balance sets the level back, and says that the leader does not go on.
func TestInterruptedBalance(t *testing.T) {
	box := startThree(t)
	status, stderr := balanceUntil(t, box)
	if level := levelOf(t, box); status != int(exit.Interrupted) || level != "steady" {
		t.Errorf("status %d, the level is %q, %s", status, level, stderr)
	}
	if want := "interrupted, to move: 0; the level is steady again: the leader plans no more moves, and ends those under way; to go on: pegasus balance --run\n"; !strings.HasSuffix(stderr, want) || strings.Contains(stderr, "goes on") {
		t.Errorf("%s, want %s", stderr, want)
	}
}

// Where the level was lively before it stays so, and the leader goes on.
func TestInterruptedBalanceWasLively(t *testing.T) {
	box := startThree(t)
	if status, _, stderr := run(t, "meta", "level", "set", "lively", "--meta", box.MetaServers()[0]); status != int(exit.OK) {
		t.Fatal(stderr)
	}
	status, stderr := balanceUntil(t, box)
	if level := levelOf(t, box); status != int(exit.Interrupted) || level != "lively" {
		t.Errorf("status %d, the level is %q, %s", status, level, stderr)
	}
	if want := "interrupted, to move: 0; the level was lively before and still is: the leader goes on; to end that: pegasus meta level set steady\n"; !strings.HasSuffix(stderr, want) {
		t.Errorf("%s, want %s", stderr, want)
	}
}

// An interrupted balance that cannot set the level back says so.
func TestInterruptedBalanceStaysLively(t *testing.T) {
	srv, err := onebox.Start(onebox.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer srv.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	srv.Intercept(func(r onebox.Request) onebox.Action {
		switch {
		case r.Task == onebox.TaskClusterInfo:
			cancel()
		case r.Task == onebox.TaskControlMeta && ctx.Err() != nil:
			return onebox.Action{Error: "ERR_ACL_DENY"}
		}
		return onebox.Action{}
	})
	var out, talk bytes.Buffer
	status := Run(ctx, []string{"balance", "--run", "--yes", "--meta", strings.Join(srv.MetaServers(), ",")}, ui.Streams{Out: &out, Err: &talk})
	if status != int(exit.Interrupted) || !strings.Contains(talk.String(), "the level may stay lively: ") || !strings.Contains(talk.String(), "pegasus meta level set steady\n") {
		t.Errorf("status %d, %s", status, &talk)
	}
}

// When it is in doubt whether the level is lively it is set back, too.
func TestBalanceInDoubt(t *testing.T) {
	box := startThree(t)
	var asked atomic.Int64
	box.Intercept(func(r onebox.Request) onebox.Action {
		lost := r.Task == onebox.TaskControlMeta && asked.Add(1) == 2 // the first one only asks
		return onebox.Action{LoseAnswer: lost, Close: lost}
	})
	status, _, stderr := run(t, "balance", "--run", "--yes", "--meta", box.MetaServers()[0])
	if level := levelOf(t, box); status != int(exit.InDoubt) || level != "steady" || !strings.Contains(stderr, "the level is steady again") {
		t.Errorf("status %d, the level is %q, %s", status, level, stderr)
	}
}

// What fails midway sets the level back, and says so.
func TestBalanceFails(t *testing.T) {
	box := startThree(t)
	box.Intercept(func(r onebox.Request) onebox.Action {
		if r.Task == onebox.TaskClusterInfo {
			return onebox.Action{Error: "ERR_ACL_DENY"}
		}
		return onebox.Action{}
	})
	status, _, stderr := run(t, "balance", "--run", "--yes", "--meta", box.MetaServers()[0])
	if level := levelOf(t, box); status != int(exit.Failed) || level != "steady" || !strings.Contains(stderr, "ERR_ACL_DENY; the level is steady again") || strings.Contains(stderr, "goes on") {
		t.Errorf("status %d, the level is %q, %s", status, level, stderr)
	}
}
