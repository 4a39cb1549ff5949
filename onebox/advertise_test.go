package onebox_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/admin"
	"github.com/pegasus-go/pegasus/internal/wire"
	"github.com/pegasus-go/pegasus/onebox"
)

func TestAdvertiseRefused(t *testing.T) {
	for _, tc := range []struct {
		advertise string
		opts      onebox.Options
	}{
		{"::1", onebox.Options{}},
		{"[::1]:4000", onebox.Options{}},
		{"0.0.0.0", onebox.Options{}},
		{"not a host", onebox.Options{}},
		{"not a host:4000", onebox.Options{}},
		{":4000", onebox.Options{}},
		{"10.1.2.3:", onebox.Options{}},
		{"10.1.2.3:0", onebox.Options{}},
		{"10.1.2.3:65536", onebox.Options{}},
		{"10.1.2.3:http", onebox.Options{}},
		{"10.1.2.3:65535", onebox.Options{ReplicaServers: 2}},
		{"10.1.2.3:4000", onebox.Options{MetaServers: 2}},
		{"auto:4000", onebox.Options{}},
	} {
		tc.opts.Advertise = tc.advertise
		checkOption(t, "Advertise", tc.opts)
	}
}

// Clients are told what is advertised, and otherwise what is listened on.
func TestAdvertise(t *testing.T) {
	for _, tc := range []struct {
		advertise string
		host      string
		port      int // of the first replica server; 0: that which it listens on
	}{
		{"10.1.2.3", "10.1.2.3", 0},
		{"localhost", "127.0.0.1", 0},
		{"10.1.2.3:4000", "10.1.2.3", 4000},
		{"localhost:65534", "127.0.0.1", 65534},
	} {
		port := freePorts(t)
		s := start(t, onebox.Options{
			Listen:         net.JoinHostPort("127.0.0.1", strconv.Itoa(port)),
			Advertise:      tc.advertise,
			ReplicaServers: 2,
			Tables:         []onebox.Table{{Name: "temp"}},
		})
		if tc.port == 0 {
			tc.port = port + 200
		}
		resp := ask(t, net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), "temp")
		for i, p := range resp.Partitions {
			want := net.JoinHostPort(tc.host, strconv.Itoa(tc.port+i%2))
			if p.Primary.String() != want || s.ReplicaServers()[i%2] != want {
				t.Errorf("%s: partition %d is at %v, replica servers are %v, want %s", tc.advertise, i, p.Primary, s.ReplicaServers(), want)
			}
		}
		if want := net.JoinHostPort(tc.host, strconv.Itoa(port)); s.MetaServers()[0] != want {
			t.Errorf("%s: meta server %v, want %s", tc.advertise, s.MetaServers(), want)
		}
	}
}

// forward passes connections to a listener on to an address.
func forward(t *testing.T, l net.Listener, to string) (connections *atomic.Int32) {
	connections = new(atomic.Int32)
	var all sync.WaitGroup
	all.Go(func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", to)
			if err != nil {
				in.Close()
				continue
			}
			connections.Add(1)
			for _, way := range [][2]net.Conn{{in, out}, {out, in}} {
				all.Go(func() {
					_, _ = io.Copy(way[0], way[1])
					in.Close()
					out.Close()
				})
			}
		}
	})
	t.Cleanup(func() {
		l.Close()
		all.Wait()
	})
	return connections
}

// Both ports are mapped to other ones, at another address.
func TestMappedPorts(t *testing.T) {
	port := freePorts(t)
	at := func(offset int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port+offset)) }
	meta, replica := listen(t), listen(t)
	start(t, onebox.Options{Listen: at(0), Advertise: replica.Addr().String(), Tables: []onebox.Table{{Name: "temp"}}})
	metas, replicas := forward(t, meta, at(0)), forward(t, replica, at(200))
	client := pegasus.NewClient(pegasus.Config{MetaServers: []string{meta.Addr().String()}})
	defer client.Close()
	checkUse(t, client)
	if metas.Load() == 0 || replicas.Load() == 0 {
		t.Errorf("%d connections to the meta server and %d to the replica server through their mapped ports", metas.Load(), replicas.Load())
	}
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// checkUse writes and reads records of all partitions.
func checkUse(t *testing.T, client pegasus.Client) {
	t.Helper()
	table, err := client.OpenTable(t.Context(), "temp")
	if err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		key := fmt.Append(nil, i)
		if err := table.Set(t.Context(), key, key, key); err != nil {
			t.Fatal(err)
		}
		if v, err := table.Get(t.Context(), key, key); string(v) != string(key) || err != nil {
			t.Fatalf("%q, %v", v, err)
		}
	}
}

// Every client is told the address by which it came, whatever it asks, and can
// name servers by it.
func TestAdvertiseAuto(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("127.0.0.1 may be the only loopback address")
	}
	s := start(t, onebox.Options{
		Listen: "0.0.0.0:0", AllowNonLoopback: true, Advertise: "auto",
		MetaServers: 2, ReplicaServers: 3, Tables: []onebox.Table{{Name: "temp"}},
	})
	at := func(ip string, addrs []string) (there []string) {
		for _, a := range addrs {
			there = append(there, netip.AddrPortFrom(netip.MustParseAddr(ip), netip.MustParseAddrPort(a).Port()).String())
		}
		return there
	}
	for _, ip := range []string{"127.0.0.1", "127.0.0.2", "127.0.0.3"} {
		metas, replicas := at(ip, s.MetaServers()), at(ip, s.ReplicaServers())
		for i, p := range ask(t, metas[0], "temp").Partitions {
			if p.Primary.String() != replicas[i%3] || p.Secondaries[0].String() != replicas[(i+1)%3] {
				t.Errorf("by %s: %+v", ip, p)
			}
		}
		if resp := ask(t, metas[1], "temp"); resp.Err != wire.ErrForwardToOthers || resp.Partitions[0].Primary.String() != metas[0] {
			t.Errorf("a follower by %s: %+v", ip, resp)
		}

		var mu sync.Mutex
		dialed := make(map[string]bool)
		client := pegasus.NewClient(pegasus.Config{
			MetaServers: metas,
			Dial: func(ctx context.Context, network, addr string) (net.Conn, error) {
				mu.Lock()
				dialed[addr] = true
				mu.Unlock()
				return new(net.Dialer).DialContext(ctx, network, addr)
			},
		})
		checkUse(t, client)
		client.Close()
		for addr := range dialed {
			if !strings.HasPrefix(addr, ip+":") {
				t.Errorf("a client of %s went to %s", ip, addr)
			}
		}
		for _, r := range replicas {
			if !dialed[r] {
				t.Errorf("a client of %s did not go to %s", ip, r)
			}
		}
		checkAdmin(t, metas, replicas)
	}
}

func checkAdmin(t *testing.T, metas, replicas []string) {
	t.Helper()
	a, err := admin.New(admin.Config{MetaServers: metas})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	nodes, err := a.Nodes(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range nodes {
		if !slices.Contains(replicas, n.Address) {
			t.Errorf("node %+v, want one of %v", n, replicas)
		}
	}
	info, err := a.ClusterInfo(t.Context())
	if err != nil || info["meta_servers"] != strings.Join(metas, ",") || info["primary_meta_server"] != metas[0] {
		t.Errorf("%v, %v", info, err)
	}
	for _, node := range []string{replicas[1], replicas[0]} { // there and back
		if err := a.MovePrimary(t.Context(), "temp", 0, node); err != nil {
			t.Errorf("MovePrimary to %s: %v", node, err)
		}
	}
}

// Who has been told ports relies on them: none is replaced then.
func TestTakenReplicaPort(t *testing.T) {
	for _, opts := range []onebox.Options{
		{Listen: "127.0.0.1", Advertise: "127.0.0.1"},
		{Listen: "127.0.0.1", Advertise: "auto"},
		{Listen: "127.0.0.1", Advertise: "127.0.0.1:4000"},
		{Listen: "0.0.0.0", Advertise: "localhost"},
		{Listen: otherAddress(t)},
	} {
		if opts.Listen == "" {
			continue // this machine has no other address
		}
		opts.AllowNonLoopback = true
		host, port := opts.Listen, freePorts(t)
		taken, err := net.Listen("tcp4", net.JoinHostPort(host, strconv.Itoa(port+201)))
		if err != nil {
			t.Fatal(err)
		}
		opts.ReplicaServers = 2
		opts.Listen = net.JoinHostPort(host, strconv.Itoa(port))
		s, err := onebox.Start(opts)
		if err == nil {
			s.Close()
		}
		if err == nil || !strings.Contains(err.Error(), taken.Addr().String()) {
			t.Errorf("%s advertised as %q: %v", opts.Listen, opts.Advertise, err)
		}
		taken.Close()
		s, err = onebox.Start(opts)
		if err != nil {
			t.Fatal(err)
		}
		s.Close()
	}
}

// otherAddress returns an IPv4 address of this machine that is not a loopback
// address, or "".
func otherAddress(t *testing.T) string {
	t.Helper()
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addrs {
		if p, err := netip.ParsePrefix(a.String()); err == nil && p.Addr().Is4() && !p.Addr().IsLoopback() {
			return p.Addr().String()
		}
	}
	return ""
}
