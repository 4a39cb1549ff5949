package onebox_test

import (
	"errors"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/pegasus-go/pegasus/internal/memnet"
	"github.com/pegasus-go/pegasus/internal/wire"
	"github.com/pegasus-go/pegasus/onebox"
)

func TestBadOptions(t *testing.T) {
	for field, opts := range map[string]onebox.Options{
		"Durability":             {Durability: 7},
		"CacheSize":              {CacheSize: -1},
		"MetaServers":            {MetaServers: 6},
		"ReplicaServers":         {ReplicaServers: -1},
		"Tables[0].Name":         {Tables: []onebox.Table{{}}},
		"Tables[1].Partitions":   {Tables: []onebox.Table{{Name: "a"}, {Name: "b", Partitions: -1}}},
		"Tables[0].ReplicaCount": {Tables: []onebox.Table{{Name: "a", ReplicaCount: 6}}},
		"Tables[2].Name":         {Tables: []onebox.Table{{Name: "a"}, {Name: "b"}, {Name: "a", Partitions: 4}}},
		"Tables[0].Envs":         {Tables: []onebox.Table{{Name: "a", Envs: map[string]string{"defualt_ttl": "1"}}}},
		"Tables":                 {ReadOnly: true, Tables: []onebox.Table{{Name: "a"}}},
		"Listen":                 {Listen: "127.0.0.1"},
	} {
		checkOption(t, field, opts)
	}
	for _, listen := range []string{
		"127.0.0.1:x", "127.0.0.1:65536", "127.0.0.1:65500", "example.com:0", "[::1]:0",
		"0.0.0.0:0", ":0", "10.0.0.1:0",
	} {
		checkOption(t, "Listen", onebox.Options{Listen: listen})
	}
	for name, limits := range map[string]onebox.Limits{
		"RequestSize":   {RequestSize: -1},
		"ReplySize":     {ReplySize: -1},
		"Connections":   {Connections: -1},
		"BufferedBytes": {BufferedBytes: -1},
		"AnswerBytes":   {AnswerBytes: -1},
		"RequestTime":   {RequestTime: -1},
		"AnswerTime":    {AnswerTime: -1},
		"ScanContexts":  {ScanContexts: -1},
		"MultiGetCount": {MultiGetCount: -1},
		"ScanCount":     {ScanCount: -1},
	} {
		checkOption(t, "Limits."+name, onebox.Options{Limits: limits})
	}
}

func checkOption(t *testing.T, field string, opts onebox.Options) {
	t.Helper()
	s, err := onebox.Start(opts)
	if err == nil {
		s.Close()
	}
	var oe *onebox.OptionError
	if !errors.As(err, &oe) || oe.Field != field || oe.Reason == "" {
		t.Errorf("%+v: error %v, want one about %s", opts, err, field)
	}
}

func TestListenErrors(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, err := onebox.Start(onebox.Options{Listen: l.Addr().String()}); err == nil {
		t.Error("started on a port that is taken")
	}
	checkOption(t, "Advertise", onebox.Options{Listen: "0.0.0.0:0", AllowNonLoopback: true})
	s := start(t, onebox.Options{Listen: "0.0.0.0:0", AllowNonLoopback: true, Advertise: "127.0.0.1"})
	if resp := ask(t, s.MetaServers()[0], "none"); resp.Err != wire.ErrObjectNotFound {
		t.Errorf("%+v", resp)
	}
	start(t, onebox.Options{Listen: "localhost:0"})
}

// With a fixed port all servers have fixed ports, unless one is taken.
func TestFixedPorts(t *testing.T) {
	port := freePorts(t)
	listen := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	at := func(offset int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port+offset)) }
	for range 2 {
		s := start(t, onebox.Options{Listen: listen, MetaServers: 2, ReplicaServers: 2})
		if m, r := s.MetaServers(), s.ReplicaServers(); m[0] != at(0) || m[1] != at(1) || r[0] != at(200) || r[1] != at(201) {
			t.Errorf("meta servers %v, replica servers %v", m, r)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	taken, err := net.Listen("tcp", at(200))
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	s := start(t, onebox.Options{Listen: listen})
	if r := s.ReplicaServers()[0]; r == at(200) {
		t.Errorf("replica server on a port that was taken: %s", r)
	}
	addr := s.ReplicaServers()[0]
	s.Replica(0).Stop()
	if err := s.Replica(0).Start(); err != nil || s.ReplicaServers()[0] != addr {
		t.Errorf("replica server came back as %s, was %s: %v", s.ReplicaServers()[0], addr, err)
	}
}

// freePorts returns a port so that it, the next one, and those 200 above are
// free now. It is below those that systems give to whoever does not ask for a
// port of its own, so that other tests do not take them.
func freePorts(t *testing.T) int {
	t.Helper()
search:
	for range 100 {
		port := 15_000 + rand.IntN(17_000)
		for _, offset := range []int{0, 1, 200, 201} {
			l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port+offset)))
			if err != nil {
				continue search
			}
			l.Close()
		}
		return port
	}
	t.Fatal("no free ports")
	return 0
}

// What is in Dir is there again after a restart; nobody else can use it
// meanwhile, and it is not a place for just anything.
func TestDir(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "made")
	opts := onebox.Options{Dir: dir, Tables: []onebox.Table{{Name: "temp", Partitions: 4, Envs: map[string]string{"business.info": "x"}}}}
	s := start(t, opts)
	first := ask(t, s.MetaServers()[0], "temp")
	if _, err := onebox.Start(onebox.Options{Dir: dir}); !errors.Is(err, onebox.ErrLocked) {
		t.Errorf("a second server on the directory: %v", err)
	}
	for range 2 {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	opts.Tables[0].Partitions = 16
	checkOption(t, "Tables[0].Partitions", opts)
	opts.Tables[0].Partitions = 0 // whatever it has
	opts.Durability = onebox.OS
	s = start(t, opts)
	again := ask(t, s.MetaServers()[0], "temp")
	if again.AppID != first.AppID || again.PartitionCount != 4 || again.Partitions[0].Ballot <= first.Partitions[0].Ballot {
		t.Errorf("after the restart %+v, was %+v", again, first)
	}

	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := onebox.Start(onebox.Options{Dir: file}); err == nil {
		t.Error("started on a file")
	}
	foreign := t.TempDir()
	if err := os.WriteFile(filepath.Join(foreign, "CURRENT"), []byte("MANIFEST-000001\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := onebox.Start(onebox.Options{Dir: foreign}); err == nil {
		t.Error("started in a directory of something else")
	}
}

// A failing Start leaves nothing behind: the directory can be used at once.
func TestStartCleansUp(t *testing.T) {
	dir := t.TempDir()
	fail := func(string) (net.Listener, error) { return nil, errors.New("no network") }
	if _, err := onebox.Start(onebox.Options{Dir: dir, ListenFunc: fail}); err == nil {
		t.Fatal("started without a network")
	}
	start(t, onebox.Options{Dir: dir})
}

func TestListenFuncAndServeConn(t *testing.T) {
	var network memnet.Network
	s := start(t, onebox.Options{ListenFunc: network.Listen, Listen: "127.0.0.1:34601", Tables: []onebox.Table{{Name: "temp"}}})
	if got := s.MetaServers()[0]; got != "127.0.0.1:34601" {
		t.Errorf("meta server %s", got)
	}
	ours, theirs := net.Pipe()
	served := make(chan error, 1)
	go func() { served <- s.ServeConn(theirs) }()
	frame := wire.AppendRequest(nil, wire.RequestHeader{}, wire.TaskQueryConfig, 3, wire.Of(&wire.QueryConfigRequest{AppName: "temp"}))
	if _, err := ours.Write(frame); err != nil {
		t.Fatal(err)
	}
	var resp wire.QueryConfigResponse
	readReply(t, ours, 3, wire.Of(&resp).Read)
	if resp.PartitionCount != 8 {
		t.Errorf("%+v", resp)
	}
	ours.Close()
	if err := <-served; err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	_, late := net.Pipe()
	if err := s.ServeConn(late); err == nil {
		t.Error("served a connection after Close")
	}
}

// Many servers fit into one process.
func TestMany(t *testing.T) {
	servers := make([]*onebox.Server, 100)
	for i := range servers {
		servers[i] = start(t, onebox.Options{Tables: []onebox.Table{{Name: "temp"}}})
	}
	for _, s := range servers {
		if resp := ask(t, s.MetaServers()[0], "temp"); resp.Err != wire.ErrOK {
			t.Fatal(resp.Err)
		}
	}
}
