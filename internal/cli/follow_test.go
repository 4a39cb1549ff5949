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

// listener is standard error that acts when it hears a text for the first time.
type listener struct {
	mu   sync.Mutex
	all  bytes.Buffer
	text string
	act  func()
}

func (l *listener) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all.Write(b)
	if l.act != nil && strings.Contains(l.all.String(), l.text) {
		l.act()
		l.act = nil
	}
	return len(b), nil
}

func startThree(t *testing.T) *onebox.Server {
	t.Helper()
	box, err := onebox.Start(onebox.Options{ReplicaServers: 3, Tables: []onebox.Table{{Name: "temp", Partitions: 4, ReplicaCount: 3}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = box.Close() })
	return box
}

// A cluster is waited for until it is healthy.
func TestWaitHealthy(t *testing.T) {
	box := startThree(t)
	box.Replica(1).Stop()
	err := &listener{text: "Z  CRIT  1 node down; ", act: func() {
		if err := box.Replica(1).Start(); err != nil {
			t.Error(err)
		}
	}}
	var out bytes.Buffer
	status := Run(t.Context(), []string{"status", "--wait-healthy", "1m", "--meta", box.MetaServers()[0]}, ui.Streams{Out: &out, Err: err})
	if status != int(exit.OK) || !strings.Contains(out.String(), "\nOK    3 nodes and 1 meta server up") {
		t.Errorf("status %d, %s%s", status, &out, &err.all)
	}
}

// Interrupted, what is followed goes on, and it is said how it is seen.
func TestFollowInterrupted(t *testing.T) {
	for _, tc := range []struct {
		args        []string
		heard, said string
	}{
		{[]string{"table", "split", "temp", "--yes", "--wait"}, "0/4 partitions split", "goes on in the cluster; see: pegasus table split temp --status"},
		{[]string{"status", "--wait-healthy", "1h"}, "CRIT", "interrupted"},
	} {
		box := startThree(t)
		box.HoldSplits(true)
		if tc.args[0] == "status" {
			box.Replica(1).Stop()
		}
		ctx, cancel := context.WithCancel(t.Context())
		err := &listener{text: tc.heard, act: cancel}
		var out bytes.Buffer
		status := Run(ctx, append(tc.args, "--meta", box.MetaServers()[0]), ui.Streams{Out: &out, Err: err})
		if status != int(exit.Interrupted) || !strings.Contains(err.all.String(), tc.said) || out.Len() > 0 {
			t.Errorf("%q: status %d, %s%s", tc.args, status, &out, &err.all)
		}
		cancel()
	}
}

// A change whose answer is lost is in doubt, and says so.
func TestChangesInDoubt(t *testing.T) {
	box := startThree(t)
	box.Intercept(func(r onebox.Request) onebox.Action {
		switch r.Task {
		case onebox.TaskControlMeta, onebox.TaskStartPartitionSplit, onebox.TaskStartManualCompact, onebox.TaskProposeBalancer:
			return onebox.Action{LoseAnswer: true, Close: true}
		}
		return onebox.Action{}
	})
	meta := box.MetaServers()[0]
	for _, args := range [][]string{
		{"node", "drain", box.Replica(0).Addr(), "--yes"},
		{"meta", "level", "set", "lively"},
		{"table", "compact", "temp"},
		{"table", "split", "temp", "--yes"},
	} {
		if status, _, stderr := run(t, append(args, "--meta", meta, "--timeout", "500ms")...); status != int(exit.InDoubt) || !strings.Contains(stderr, "look before you repeat it") {
			t.Errorf("%q: status %d, %s", args, status, stderr)
		}
	}
}
