package onebox_test

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"

	"github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/internal/memnet"
	"github.com/pegasus-go/pegasus/onebox"
)

// Unless told otherwise nothing listens where other machines can reach it.
func TestListensOnLoopback(t *testing.T) {
	s := start(t, onebox.Options{MetaServers: 3, ReplicaServers: 3})
	for _, addr := range append(s.MetaServers(), s.ReplicaServers()...) {
		if ip := netip.MustParseAddrPort(addr).Addr(); !ip.IsLoopback() {
			t.Errorf("listens on %v", ip)
		}
	}
}

// A directory that is refused stays as it is, and the error says why.
func TestDirRefused(t *testing.T) {
	dir := t.TempDir()
	s := start(t, onebox.Options{Dir: dir, Tables: []onebox.Table{{Name: "temp"}}})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	format := filepath.Join(dir, "FORMAT")
	if err := os.WriteFile(format, []byte("pegasus-go store 999\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := onebox.Start(onebox.Options{Dir: dir}); !errors.Is(err, onebox.ErrNewerFormat) {
		t.Errorf("a newer format: %v", err)
	}
	if err := os.Remove(format); err != nil {
		t.Fatal(err)
	}
	if _, err := onebox.Start(onebox.Options{Dir: dir}); !errors.Is(err, onebox.ErrForeign) {
		t.Errorf("a directory that is not ours: %v", err)
	}
}

// A table refuses what its environment says, to a client of the library, after a
// restart too, and a read-only server all changes.
func TestDenials(t *testing.T) {
	dir := t.TempDir()
	tables := []onebox.Table{{Name: "open"}}
	for _, name := range []string{"read", "write", "all"} {
		tables = append(tables, onebox.Table{Name: name, Envs: map[string]string{"replica.deny_client_request": "reconfig*" + name}})
	}
	denied := pegasus.ErrInvalidState
	denials := map[string][2]error{"open": {}, "read": {denied, nil}, "write": {nil, denied}, "all": {denied, denied}}
	testDenials(t, onebox.Options{Dir: dir, Tables: tables}, denials)
	testDenials(t, onebox.Options{Dir: dir}, denials)
	disabled := pegasus.ErrOperationDisabled
	testDenials(t, onebox.Options{Dir: dir, ReadOnly: true},
		map[string][2]error{"open": {nil, disabled}, "read": {denied, disabled}, "write": {nil, denied}, "all": {denied, denied}})
}

// testDenials expects Get and Set to end with these errors, by table. The client
// tries until its time is over, on a clock that does not really run.
func testDenials(t *testing.T, opts onebox.Options, want map[string][2]error) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		var network memnet.Network
		opts.ListenFunc = network.Listen
		s := start(t, opts)
		client := pegasus.NewClient(pegasus.Config{MetaServers: s.MetaServers(), Dial: network.Dial})
		defer client.Close()
		for name, want := range want {
			table, err := client.OpenTable(t.Context(), name)
			if err != nil {
				t.Fatal(err)
			}
			_, get := table.Get(t.Context(), []byte("h"), []byte("s"))
			set := table.Set(t.Context(), []byte("h"), []byte("s"), []byte("v"))
			if !errors.Is(get, want[0]) || !errors.Is(set, want[1]) {
				t.Errorf("%s, read-only: %v: Get: %v, Set: %v", name, opts.ReadOnly, get, set)
			}
		}
		// The directory is free for the next one.
		client.Close()
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	})
}
