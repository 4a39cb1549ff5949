package onebox_test

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/pegasus-go/pegasus/internal/wire"
	"github.com/pegasus-go/pegasus/onebox"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func start(t *testing.T, opts onebox.Options) *onebox.Server {
	t.Helper()
	s, err := onebox.Start(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// ask sends one query_cfg and returns the answer.
func ask(t *testing.T, addr, table string) wire.QueryConfigResponse {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	nc, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	return askOn(t, nc, table)
}

func askOn(t *testing.T, nc net.Conn, table string) wire.QueryConfigResponse {
	t.Helper()
	frame := wire.AppendRequest(nil, wire.RequestHeader{}, wire.TaskQueryConfig, 7, wire.Of(&wire.QueryConfigRequest{AppName: table}))
	if _, err := nc.Write(frame); err != nil {
		t.Fatal(err)
	}
	var resp wire.QueryConfigResponse
	readReply(t, nc, 7, wire.Of(&resp).Read)
	return resp
}

// readReply reads one reply and hands its result to read.
func readReply(t *testing.T, nc net.Conn, seq int32, read func(*wire.Reader)) {
	t.Helper()
	prefix := make([]byte, wire.ReplyPrefix)
	readFull(t, nc, prefix)
	size, err := wire.ReplySize(prefix, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	frame := make([]byte, size-wire.ReplyPrefix)
	readFull(t, nc, frame)
	var rep wire.Reply
	if err := rep.Parse(frame); err != nil {
		t.Fatal(err)
	}
	if rep.Err != wire.ErrOK || rep.Seq != seq {
		t.Fatalf("reply %v, seq %d", rep.Err, rep.Seq)
	}
	r := rep.ResultReader(wire.TypeStruct)
	read(&r)
	if r.Err() != nil {
		t.Fatal(r.Err())
	}
}

func readFull(t *testing.T, nc net.Conn, b []byte) {
	t.Helper()
	for n := 0; n < len(b); {
		m, err := nc.Read(b[n:])
		if err != nil {
			t.Fatal(err)
		}
		n += m
	}
}

func TestTables(t *testing.T) {
	s := start(t, onebox.Options{
		ReplicaServers: 2,
		Tables:         []onebox.Table{{Name: "temp"}, {Name: "one", Partitions: 1, ReplicaCount: 2}},
	})
	resp := ask(t, s.MetaServers()[0], "temp")
	if resp.Err != wire.ErrOK || resp.PartitionCount != 8 || len(resp.Partitions) != 8 {
		t.Fatalf("temp: %+v", resp)
	}
	for i, p := range resp.Partitions {
		if want := s.ReplicaServers()[i%2]; p.Primary.String() != want || len(p.Secondaries) != 1 || p.Ballot < 1 {
			t.Errorf("partition %d: %+v, want primary %s", i, p, want)
		}
	}
	if resp := ask(t, s.MetaServers()[0], "one"); resp.PartitionCount != 1 || resp.AppID != 2 {
		t.Errorf("one: %+v", resp)
	}
	if resp := ask(t, s.MetaServers()[0], "other"); resp.Err != wire.ErrObjectNotFound {
		t.Errorf("other: %+v", resp)
	}
}
