package admin

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pegasus-go/pegasus/internal/wire"
)

func TestConfigIsChecked(t *testing.T) {
	for _, tc := range []struct {
		name string
		cfg  Config
	}{
		{"MetaServers", Config{}},
		{"MetaServers[1]", Config{MetaServers: []string{"a:1", "b"}}},
		{"MetaServers[0]", Config{MetaServers: []string{":34601"}}},
		{"MetaServers[0]", Config{MetaServers: []string{"a:0"}}},
		{"MetaServers[0]", Config{MetaServers: []string{"a:65536"}}},
		{"OperationTimeout", Config{MetaServers: []string{"a:1"}, OperationTimeout: -1}},
		{"DialTimeout", Config{MetaServers: []string{"a:1"}, DialTimeout: -1}},
	} {
		_, err := New(tc.cfg)
		var ae *ArgumentError
		if !errors.As(err, &ae) || ae.Name != tc.name || !errors.Is(err, ErrInvalidArgument) {
			t.Errorf("New(%+v) = %v, want an ArgumentError about %s", tc.cfg, err, tc.name)
		}
	}
}

func TestArgumentsAreCheckedBeforeAnythingIsSent(t *testing.T) {
	m := newScriptedMeta(t, func(*wire.Request) answer { return answer{code: wire.ErrUnknown} })
	c := newClient(t, m.addr())
	ctx := testContext(t)
	tooMany := uint32(1 << 31) // negative where an int has 32 bits
	for _, tc := range []struct {
		argument string
		call     func() error
	}{
		{"table", func() error { _, err := c.CreateTable(ctx, "", CreateOptions{}); return err }},
		{"table", func() error { _, err := c.CreateTable(ctx, "a b", CreateOptions{}); return err }},
		{"options.Partitions", func() error { _, err := c.CreateTable(ctx, "a", CreateOptions{Partitions: -1}); return err }},
		{"options.Partitions", func() error { _, err := c.CreateTable(ctx, "a", CreateOptions{Partitions: int(tooMany)}); return err }},
		{"options.Replicas", func() error { _, err := c.CreateTable(ctx, "a", CreateOptions{Replicas: 6}); return err }},
		{"table", func() error { return c.DropTable(ctx, "", 0) }},
		{"reserve", func() error { return c.DropTable(ctx, "a", -1) }},
		{"id", func() error { _, err := c.RecallTable(ctx, 0, ""); return err }},
		{"newName", func() error { _, err := c.RecallTable(ctx, 1, "a/b"); return err }},
		{"table", func() error { return c.RenameTable(ctx, "", "b") }},
		{"newName", func() error { return c.RenameTable(ctx, "a", "") }},
		{"table", func() error { _, err := c.Table(ctx, ""); return err }},
		{"table", func() error { _, err := c.Replicas(ctx, ""); return err }},
		{"replicas", func() error { _, err := c.SetReplicas(ctx, "a", 0); return err }},
		{"table", func() error { _, err := c.Partitions(ctx, ""); return err }},
		{"node", func() error { return c.MovePrimary(ctx, "a", 0, "nowhere") }},
		{"node", func() error { return c.MovePrimary(ctx, "a", 0, "[::1]:34801") }},
		{"newPartitions", func() error { return c.StartSplit(ctx, "a", 0) }},
		{"table", func() error { _, err := c.QuerySplit(ctx, ""); return err }},
		{"partition", func() error { return c.PauseSplit(ctx, "a", -2) }},
		{"table", func() error { return c.ResumeSplit(ctx, "", AllPartitions) }},
		{"table", func() error { return c.CancelSplit(ctx, "") }},
		{"table", func() error { _, err := c.GetEnvs(ctx, ""); return err }},
		{"envs", func() error { return c.SetEnvs(ctx, "a", nil) }},
		{"keys", func() error { return c.DelEnvs(ctx, "a") }},
		{"table", func() error { return c.ClearEnvs(ctx, "", "") }},
		{"table", func() error { return c.StartCompact(ctx, "", CompactOptions{}) }},
		{"options.TargetLevel", func() error { return c.StartCompact(ctx, "a", CompactOptions{TargetLevel: -1}) }},
		{"options.MaxRunning", func() error { return c.StartCompact(ctx, "a", CompactOptions{MaxRunning: -1}) }},
		{"table", func() error { _, err := c.QueryCompact(ctx, ""); return err }},
		{"level", func() error { _, err := c.SetMetaLevel(ctx, 401); return err }},
		{"node", func() error { _, err := c.RemoteCommand(ctx, "host", "help"); return err }},
		{"node", func() error { _, err := c.Counters(ctx, ""); return err }},
		{"node", func() error { _, err := c.Disks(ctx, "host:port:1"); return err }},
		{"command", func() error { _, err := c.RemoteCommand(ctx, m.addr(), ""); return err }},
	} {
		err := tc.call()
		var ae *ArgumentError
		if !errors.As(err, &ae) || ae.Name != tc.argument || !errors.Is(err, ErrInvalidArgument) {
			t.Errorf("got %v, want an ArgumentError about %s", err, tc.argument)
		}
	}
	if got := m.received(); len(got) != 0 {
		t.Errorf("the server received %v", got)
	}
}

func TestRetryWhileTheMetaServerIsNotReady(t *testing.T) {
	for _, code := range []wire.ErrorCode{wire.ErrServiceNotActive, wire.ErrUnderRecovery, wire.ErrBusyCreating, wire.ErrBusyDropping} {
		t.Run(string(code), func(t *testing.T) {
			var n atomic.Int32
			m := newScriptedMeta(t, func(*wire.Request) answer {
				if n.Add(1) < 3 {
					return result(wire.DropAppResponse{Err: code})
				}
				return result(wire.DropAppResponse{})
			})
			if err := newClient(t, m.addr()).DropTable(testContext(t), "a", 0); err != nil {
				t.Fatal(err)
			}
			if n.Load() != 3 {
				t.Errorf("the server received %d requests, want 3", n.Load())
			}
		})
	}
}

// lateContext has a deadline, but neither a channel to tell it nor an error
// afterwards.
type lateContext struct {
	context.Context
	deadline time.Time
}

func (c lateContext) Deadline() (time.Time, bool) { return c.deadline, true }

func TestContextWithoutEnd(t *testing.T) {
	m := newScriptedMeta(t, func(*wire.Request) answer {
		return result(wire.DropAppResponse{Err: wire.ErrUnderRecovery})
	})
	ctx := lateContext{context.Background(), time.Now().Add(50 * time.Millisecond)}
	if err := newClient(t, m.addr()).DropTable(ctx, "a", 0); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

func TestOtherCodesAreReportedAtOnce(t *testing.T) {
	for _, tc := range []struct {
		code   wire.ErrorCode
		target error
	}{
		{wire.ErrAppNotExist, ErrTableNotFound},
		{wire.ErrAppDropped, ErrTableNotFound},
		{wire.ErrSplitting, ErrSplitting},
		{"ERR_OF_TOMORROW", ErrorCode("ERR_OF_TOMORROW")},
	} {
		m := newScriptedMeta(t, func(*wire.Request) answer { return result(wire.DropAppResponse{Err: tc.code}) })
		err := newClient(t, m.addr()).DropTable(testContext(t), "a", 0)
		var e *Error
		if !errors.Is(err, tc.target) || !errors.Is(err, tc.code) || !errors.As(err, &e) || e.Op != "DropTable" || e.Table != "a" {
			t.Errorf("%s: got %v", tc.code, err)
		}
		if got := m.received(); len(got) != 1 {
			t.Errorf("%s: the server received %d requests", tc.code, len(got))
		}
	}
}

func TestFollowerIsPassedOver(t *testing.T) {
	follower := newScriptedMeta(t, func(*wire.Request) answer {
		return result(wire.ListNodesResponse{Err: wire.ErrForwardToOthers})
	})
	leader := newScriptedMeta(t, func(*wire.Request) answer {
		return result(wire.ListNodesResponse{Infos: []wire.NodeInfo{{Status: wire.NodeAlive, Node: node1}}})
	})
	nodes, err := newClient(t, follower.addr(), leader.addr()).Nodes(testContext(t))
	if err != nil || !slices.Equal(nodes, []Node{{Address: "127.0.0.1:34801", Alive: true}}) {
		t.Errorf("Nodes = %v, %v", nodes, err)
	}
}

// A server that is none does not end an operation while there are others.
func TestWrongAddressIsPassedOver(t *testing.T) {
	wrong := newScriptedMeta(t, func(*wire.Request) answer { return answer{result: wire.ContextID(1)} })
	var n atomic.Int32
	right := newScriptedMeta(t, func(*wire.Request) answer {
		if n.Add(1) < 3 { // it does not lead yet
			return result(wire.ListNodesResponse{Err: wire.ErrForwardToOthers})
		}
		return result(wire.ListNodesResponse{})
	})
	if _, err := newClient(t, wrong.addr(), right.addr()).Nodes(testContext(t)); err != nil {
		t.Error(err)
	}
	_, err := newClient(t, wrong.addr()).Nodes(testContext(t))
	if !errors.Is(err, wire.ErrMalformed) || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("from nothing but a wrong address: %v", err)
	}
}

// A request that a server received and did not answer may have been carried
// out.
func TestLostAnswer(t *testing.T) {
	hangUp := func(*wire.Request) answer { return answer{hangUp: true} }
	t.Run("of a change is in doubt", func(t *testing.T) {
		a, b := newScriptedMeta(t, hangUp), newScriptedMeta(t, hangUp)
		err := newClient(t, a.addr(), b.addr()).DropTable(testContext(t), "a", 0)
		if !errors.Is(err, ErrInDoubt) || !errors.Is(err, ErrNoMeta) {
			t.Errorf("got %v, want ErrInDoubt", err)
		}
		if n := len(a.received()) + len(b.received()); n != 1 {
			t.Errorf("the servers received %d requests, want 1", n)
		}
	})
	t.Run("of a question is asked for again", func(t *testing.T) {
		var n atomic.Int32
		m := newScriptedMeta(t, func(*wire.Request) answer {
			if n.Add(1) < 3 {
				return answer{hangUp: true}
			}
			return result(wire.ListNodesResponse{})
		})
		if _, err := newClient(t, m.addr()).Nodes(testContext(t)); err != nil {
			t.Error(err)
		}
	})
	t.Run("of a remote command is in doubt", func(t *testing.T) {
		m := newScriptedMeta(t, hangUp)
		if _, err := newClient(t, m.addr()).RemoteCommand(testContext(t), m.addr(), "flush-log"); !errors.Is(err, ErrInDoubt) {
			t.Errorf("got %v, want ErrInDoubt", err)
		}
	})
}

func TestNoMetaServer(t *testing.T) {
	m := newScriptedMeta(t, nil)
	m.close() // nothing listens there any more
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	err := newClient(t, m.addr()).DropTable(ctx, "a", 0)
	if !errors.Is(err, ErrNoMeta) || !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, ErrInDoubt) {
		t.Errorf("got %v, want ErrNoMeta and DeadlineExceeded", err)
	}
	if !strings.Contains(err.Error(), m.addr()) {
		t.Errorf("%q does not name the server %s", err, m.addr())
	}
}

func TestUseAfterClose(t *testing.T) {
	m := newScriptedMeta(t, func(*wire.Request) answer { return answer{code: wire.ErrUnknown} })
	c := newClient(t, m.addr())
	for range 2 {
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
	ctx := testContext(t)
	for _, call := range []func() error{
		func() error { _, err := c.Nodes(ctx); return err },
		func() error { return c.DropTable(ctx, "a", 0) },
		func() error { _, err := c.RemoteCommand(ctx, m.addr(), "help"); return err },
	} {
		if err := call(); !errors.Is(err, ErrClosed) || errors.Is(err, ErrInDoubt) {
			t.Errorf("got %v, want ErrClosed", err)
		}
	}
}

func TestCloseEndsWhatIsUnderWay(t *testing.T) {
	arrived, release := make(chan struct{}), make(chan struct{})
	m := newScriptedMeta(t, func(*wire.Request) answer {
		close(arrived)
		<-release
		return answer{hangUp: true}
	})
	defer close(release)
	c := newClient(t, m.addr())
	done := make(chan error)
	go func() { done <- c.DropTable(testContext(t), "a", 0) }()
	<-arrived
	c.Close()
	if err := <-done; !errors.Is(err, ErrClosed) || !errors.Is(err, ErrInDoubt) {
		t.Errorf("got %v, want ErrClosed and ErrInDoubt", err)
	}
}
