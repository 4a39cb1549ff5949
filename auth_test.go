package pegasus_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/admin"
	"github.com/pegasus-go/pegasus/internal/sasltest"
	"github.com/pegasus-go/pegasus/onebox"
)

const allowedUsers = "replica_access_controller.allowed_users"

// passwords are those of the acceptor of secured.
var passwords = map[string]string{"root@R": "r", "alice/laptop@R": "a", "bob@R": "b"}

func alice() *sasltest.Client { return &sasltest.Client{Principal: "alice/laptop@R", Password: "a"} }

// secured starts a onebox that demands authentication, with a table for alice and
// one for everybody.
func secured(t *testing.T, change func(*onebox.Auth)) *onebox.Server {
	t.Helper()
	auth := &onebox.Auth{
		Acceptor:   &sasltest.Acceptor{Passwords: passwords},
		ACL:        true,
		SuperUsers: []string{"root"},
	}
	if change != nil {
		change(auth)
	}
	return box(t, auth)
}

func box(t *testing.T, auth *onebox.Auth) *onebox.Server {
	t.Helper()
	s, err := onebox.Start(onebox.Options{
		Auth:           auth,
		MetaServers:    2,
		ReplicaServers: 2,
		Tables: []onebox.Table{
			{Name: "temp", Partitions: 4},
			{Name: "hers", Partitions: 4, Envs: map[string]string{allowedUsers: " alice ,carol,"}},
		},
	})
	must(t, err)
	t.Cleanup(func() { must(t, s.Close()) })
	return s
}

func authClient(t *testing.T, s *onebox.Server, cfg pegasus.Config) *pegasus.Cluster {
	t.Helper()
	cfg.MetaServers = s.MetaServers()
	c, err := pegasus.New(cfg)
	must(t, err)
	t.Cleanup(func() { must(t, c.Close()) })
	return c
}

// within ends long before a test does, and long after whatever is at once.
func within(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// whileTried opens a table that cannot be opened until some attempts to connect have failed,
// and returns the error.
func whileTried(t *testing.T, s *onebox.Server, cfg pegasus.Config) error {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var failed atomic.Int32
	cfg.Observers = []pegasus.Observer{{ConnectionDialed: func(e pegasus.ConnectionDialed) {
		if e.Err != nil && failed.Add(1) == 6 { // there are two meta servers
			cancel()
		}
	}}}
	c := authClient(t, s, cfg)
	defer c.Close()
	_, err := c.Open(ctx, "temp")
	if !errors.Is(err, context.Canceled) {
		t.Errorf("it was not tried again: %v", err)
	}
	return err
}

func TestAuthenticated(t *testing.T) {
	s := secured(t, nil)
	auth := alice()
	c := authClient(t, s, pegasus.Config{Auth: auth})
	ctx := t.Context()
	for _, name := range []string{"temp", "hers"} {
		table, err := c.Open(ctx, name)
		must(t, err)
		for _, h := range []string{"h1", "h2", "h3", "h4", "h5"} {
			must(t, table.Set(ctx, []byte(h), []byte("s"), []byte("v")))
			v, err := table.Get(ctx, []byte(h), []byte("s"))
			if string(v) != "v" || err != nil {
				t.Fatalf("%s: %q, %v", name, v, err)
			}
		}
		scan, err := table.Scan(ctx, pegasus.ScanOptions{})
		must(t, err)
		n := 0
		for _, err := range scan.Rows(ctx) {
			must(t, err)
			n++
		}
		if n != 5 {
			t.Fatalf("%s has %d records", name, n)
		}
	}
	// That to the meta server that leads, perhaps that to the other, and two to each replica
	// server.
	if n := auth.Starts(); n < 5 || n > 6 {
		t.Errorf("%d connections were authenticated", n)
	}
}

func TestAuthAgainAfterReconnect(t *testing.T) {
	s := secured(t, nil)
	auth := alice()
	table, err := authClient(t, s, pegasus.Config{Auth: auth}).Open(t.Context(), "hers")
	must(t, err)
	must(t, table.Set(t.Context(), []byte("h"), []byte("s"), []byte("v")))
	before := auth.Starts()
	for i := range s.ReplicaServers() {
		n := s.Replica(i)
		n.Stop()
		must(t, n.Start())
	}
	v, err := table.Get(t.Context(), []byte("h"), []byte("s"))
	if string(v) != "v" || err != nil {
		t.Fatalf("after a restart: %q, %v", v, err)
	}
	if auth.Starts() == before {
		t.Error("the new connection was not authenticated")
	}
}

func TestAuthRequired(t *testing.T) {
	s := secured(t, nil)
	_, err := authClient(t, s, pegasus.Config{}).Open(within(t, time.Minute), "temp")
	if !errors.Is(err, pegasus.ErrAuthRequired) || !errors.Is(err, pegasus.ErrAuth) || !errors.Is(err, pegasus.ErrNoMeta) {
		t.Fatalf("without authentication: %v", err)
	}
	if errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("it took all the time there was: %v", err)
	}
	if class := pegasus.ClassOf(err); class != pegasus.ClassDenied {
		t.Errorf("its class is %s", class)
	}
	a, err := admin.New(admin.Config{MetaServers: s.MetaServers()})
	must(t, err)
	defer a.Close()
	if _, err := a.Tables(within(t, time.Minute), admin.TableAvailable); !errors.Is(err, pegasus.ErrAuthRequired) {
		t.Errorf("administration without authentication: %v", err)
	}
}

// A server that is slow, and takes others too, is not taken for one that demands
// authentication.
func TestAuthOptionalAtServer(t *testing.T) {
	s := secured(t, func(a *onebox.Auth) { a.Optional = true })
	var first atomic.Bool
	s.Intercept(func(r onebox.Request) onebox.Action {
		if r.Table == "temp" && first.CompareAndSwap(false, true) {
			return onebox.Action{Delay: 2500 * time.Millisecond}
		}
		return onebox.Action{}
	})
	c := authClient(t, s, pegasus.Config{})
	table, err := c.Open(within(t, time.Minute), "temp")
	must(t, err)
	must(t, table.Set(t.Context(), []byte("h"), []byte("s"), []byte("v")))
	hers, err := c.Open(t.Context(), "hers")
	must(t, err)
	if _, err := hers.Get(t.Context(), []byte("h"), []byte("s")); !errors.Is(err, pegasus.ErrACLDeny) {
		t.Errorf("who has no name has read a table that is alice's: %v", err)
	}
}

func TestAuthUnsupported(t *testing.T) {
	plain := box(t, nil)
	auth := alice()
	_, err := authClient(t, plain, pegasus.Config{Auth: auth}).Open(within(t, time.Minute), "temp")
	if !errors.Is(err, pegasus.ErrAuthUnsupported) || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("with authentication where there is none: %v", err)
	}
	table, err := authClient(t, plain, pegasus.Config{Auth: auth, AuthOptional: true}).Open(t.Context(), "temp")
	must(t, err)
	must(t, table.Set(t.Context(), []byte("h"), []byte("s"), []byte("v")))
	if n := auth.Starts(); n != 0 {
		t.Errorf("%d connections begun with authentication", n)
	}
	auth.Name = "OTHER"
	_, err = authClient(t, secured(t, nil), pegasus.Config{Auth: auth, AuthOptional: true}).Open(within(t, time.Minute), "temp")
	if !errors.Is(err, pegasus.ErrAuthUnsupported) || !strings.Contains(err.Error(), `"X-TEST"`) || !strings.Contains(err.Error(), `"OTHER"`) {
		t.Errorf("with another mechanism: %v", err)
	}
}

// A server that refuses closes the connection, which may be that of one that ends:
// it is tried again, and the error says both.
func TestAuthRefused(t *testing.T) {
	s := secured(t, nil)
	auth := alice()
	auth.Password = "wrong"
	if err := whileTried(t, s, pegasus.Config{Auth: auth}); !errors.Is(err, pegasus.ErrAuthRefused) {
		t.Errorf("wrong password: %v", err)
	}
}

// Messages of a negotiation can be held up and lost like all others.
func TestAuthWithFaults(t *testing.T) {
	s := secured(t, nil)
	var lost atomic.Bool
	s.Intercept(func(r onebox.Request) onebox.Action {
		switch {
		case r.Task != "RPC_NEGOTIATION":
			return onebox.Action{}
		case !r.Meta && lost.CompareAndSwap(false, true):
			return onebox.Action{Drop: true}
		}
		return onebox.Action{Delay: time.Millisecond}
	})
	table, err := authClient(t, s, pegasus.Config{Auth: alice(), DialTimeout: 100 * time.Millisecond}).Open(t.Context(), "hers")
	must(t, err)
	must(t, table.Set(t.Context(), []byte("h"), []byte("s"), []byte("v")))
	if !lost.Load() {
		t.Error("nothing was lost")
	}
	wrong := alice()
	wrong.Password = "wrong"
	if err := whileTried(t, s, pegasus.Config{Auth: wrong}); !errors.Is(err, pegasus.ErrAuthRefused) {
		t.Errorf("refused, later: %v", err)
	}
}

func TestErrorsOfMechanism(t *testing.T) {
	s := secured(t, nil)
	errMine := errors.New("no such user")
	auth := alice()
	auth.Begin = func(context.Context, string) error { return errMine }
	_, err := authClient(t, s, pegasus.Config{Auth: auth}).Open(within(t, time.Minute), "temp")
	if !errors.Is(err, errMine) || !errors.Is(err, pegasus.ErrAuth) || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("final error: %v", err)
	}

	var tries atomic.Int64 // connections are made side by side
	auth = alice()
	auth.Begin = func(context.Context, string) error {
		if tries.Add(1) == 1 {
			return &net.OpError{Op: "dial", Err: errors.New("host of the mechanism is down")}
		}
		return nil
	}
	_, err = authClient(t, s, pegasus.Config{Auth: auth}).Open(within(t, time.Minute), "temp")
	must(t, err)
	if n := tries.Load(); n < 2 {
		t.Errorf("%d tries", n)
	}

	// The time of a connection is over in the mechanism, that of the operation is not.
	auth = alice()
	auth.Begin = func(ctx context.Context, _ string) error { <-ctx.Done(); return ctx.Err() }
	err = whileTried(t, s, pegasus.Config{Auth: auth, DialTimeout: 20 * time.Millisecond})
	if !errors.Is(err, pegasus.ErrAuth) || errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "not done within the time for a connection") {
		t.Errorf("slow mechanism: %v", err)
	}
}

// A server that has not shown what the mechanism asks of it is not believed.
func TestAuthTooEarly(t *testing.T) {
	s := secured(t, func(a *onebox.Auth) { a.Acceptor = &sasltest.Acceptor{Passwords: passwords, Hasty: true} })
	_, err := authClient(t, s, pegasus.Config{Auth: alice()}).Open(within(t, time.Minute), "temp")
	if !errors.Is(err, pegasus.ErrAuth) || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("success without a greeting: %v", err)
	}
}

func TestACL(t *testing.T) {
	s := secured(t, nil)
	ctx := t.Context()
	administrator := func(auth pegasus.Authenticator) *admin.Client {
		a, err := admin.New(admin.Config{MetaServers: s.MetaServers(), Auth: auth})
		must(t, err)
		t.Cleanup(func() { must(t, a.Close()) })
		return a
	}
	bob := &sasltest.Client{Principal: "bob@R", Password: "b"}
	root := &sasltest.Client{Principal: "root@R", Password: "r"}

	hers, err := authClient(t, s, pegasus.Config{Auth: bob}).Open(ctx, "hers")
	must(t, err)
	rootsHers, err := authClient(t, s, pegasus.Config{Auth: root}).Open(ctx, "hers")
	must(t, err)
	denied := func(err error) {
		t.Helper()
		if !errors.Is(err, pegasus.ErrACLDeny) || errors.Is(err, pegasus.ErrInDoubt) {
			t.Errorf("bob, in a table of alice: %v", err)
		}
	}
	key := []byte("h")
	_, err = hers.Get(ctx, key, key)
	denied(err)
	denied(hers.Set(ctx, key, key, key))
	_, err = hers.Count(ctx, key, pegasus.Select{})
	denied(err)
	must(t, rootsHers.Set(ctx, key, key, key))

	a := administrator(bob)
	if tables, err := a.Tables(ctx, admin.TableAvailable); len(tables) != 2 || err != nil {
		t.Errorf("tables that bob sees: %v, %v", tables, err)
	}
	for what, err := range map[string]error{
		"drop":   a.DropTable(ctx, "temp", 0),
		"change": a.SetEnvs(ctx, "hers", map[string]string{allowedUsers: "bob"}),
	} {
		if !errors.Is(err, pegasus.ErrACLDeny) {
			t.Errorf("%s by bob: %v", what, err)
		}
	}
	// In force at once, for connections that there are.
	must(t, administrator(root).SetEnvs(ctx, "hers", map[string]string{allowedUsers: "bob"}))
	must(t, hers.Set(ctx, key, key, key))
}

func TestAuthOptionsThatMakeNoSense(t *testing.T) {
	for _, cfg := range []pegasus.Config{
		{AuthOptional: true},
		{Auth: nameless{}},
	} {
		cfg.MetaServers = []string{"127.0.0.1:1"}
		if _, err := pegasus.New(cfg); !errors.Is(err, pegasus.ErrInvalidArgument) {
			t.Errorf("%+v: %v", cfg, err)
		}
		if _, err := admin.New(admin.Config{MetaServers: cfg.MetaServers, Auth: cfg.Auth, AuthOptional: cfg.AuthOptional}); !errors.Is(err, pegasus.ErrInvalidArgument) {
			t.Errorf("%+v of admin: %v", cfg, err)
		}
	}
}

type nameless struct{ *sasltest.Client }

func (nameless) Mechanism() string { return "" }
