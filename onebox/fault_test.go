package onebox_test

import (
	"net"
	"testing"
	"time"

	"github.com/pegasus-go/pegasus/internal/wire"
	"github.com/pegasus-go/pegasus/onebox"
)

// The server's own tests show what each of these does; this is that the public
// names reach it.
func TestFaults(t *testing.T) {
	s := start(t, onebox.Options{MetaServers: 2, ReplicaServers: 3, Tables: []onebox.Table{{Name: "temp", Partitions: 2}}})
	meta := s.MetaServers()[0]
	primary := func(partition int) string { return ask(t, meta, "temp").Partitions[partition].Primary.String() }

	if err := s.MovePrimary("temp", 0, 2); err != nil || primary(0) != s.Replica(2).Addr() {
		t.Errorf("moved to %s: %v", primary(0), err)
	}
	s.Replica(2).Stop()
	if _, err := net.Dial("tcp", s.Replica(2).Addr()); err == nil {
		t.Error("a stopped server accepts connections")
	}
	if err := s.Failover(2); err != nil || primary(0) != s.Replica(0).Addr() {
		t.Errorf("failed over to %s: %v", primary(0), err)
	}
	if err := s.Replica(2).Start(); err != nil {
		t.Error(err)
	}
	if err := s.MovePrimary("temp", 0, onebox.NoPrimary); err != nil || ask(t, meta, "temp").Partitions[0].Primary.Valid() {
		t.Errorf("primary %s is left: %v", primary(0), err)
	}
	if s.MovePrimary("none", 0, 0) == nil || s.Split("none") == nil {
		t.Error("no error for a table that does not exist")
	}

	s.SetMetaLeader(1)
	if resp := ask(t, meta, "temp"); resp.Err != wire.ErrForwardToOthers || resp.Partitions[0].Primary.String() != s.Meta(1).Addr() {
		t.Errorf("%+v", resp)
	}
	s.SetMetaLeader(0)

	s.HoldSplits(true)
	if err := s.Split("temp"); err != nil {
		t.Fatal(err)
	}
	if resp := ask(t, meta, "temp"); resp.PartitionCount != 4 || resp.Partitions[3].Ballot >= 0 {
		t.Errorf("%+v", resp)
	}
	s.HoldSplits(false)

	saw := make(chan onebox.Request, 10)
	s.Intercept(func(r onebox.Request) onebox.Action {
		saw <- r
		return onebox.Action{Close: true}
	})
	nc, err := net.Dial("tcp", meta)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	_ = nc.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := nc.Write(wire.AppendRequest(nil, wire.RequestHeader{}, wire.TaskListApps, 1, wire.Of(&wire.ListAppsRequest{}))); err != nil {
		t.Fatal(err)
	}
	if _, err := nc.Read(make([]byte, 1)); err == nil {
		t.Error("answered")
	}
	s.Intercept(nil)
	if got, want := <-saw, (onebox.Request{Meta: true, Task: wire.TaskListApps}); got != want || len(saw) > 0 {
		t.Errorf("saw %+v and %d more", got, len(saw))
	}
	ask(t, meta, "temp")

	for _, cut := range []onebox.Cut{{}, {Silent: true}, {Meta: true}} {
		if err := s.Replica(1).Cut(cut); err != nil {
			t.Fatal(err)
		}
		nc, err := net.Dial("tcp", s.Replica(1).Addr())
		if (err == nil) != cut.Silent {
			t.Errorf("%+v: a dial has %v", cut, err)
		}
		if nc != nil {
			nc.Close()
		}
		if err := s.Replica(1).Mend(); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Meta(1).Cut(onebox.Cut{}); err != nil {
		t.Fatal(err)
	}
	if err := s.Meta(1).Mend(); err != nil {
		t.Fatal(err)
	}
	func() {
		defer func() {
			if recover() == nil {
				t.Error("a meta server was cut from the meta servers")
			}
		}()
		_ = s.Meta(1).Cut(onebox.Cut{Meta: true})
	}()

	s.Meta(0).Pause()
	s.Meta(0).Resume()
	ask(t, meta, "temp")
}
