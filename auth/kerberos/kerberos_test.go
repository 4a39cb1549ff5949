package kerberos

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/auth/kerberos/acceptor"
	"github.com/pegasus-go/pegasus/auth/kerberos/internal/kdctest"
	"github.com/pegasus-go/pegasus/onebox"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// keytab returns an Authenticator of a principal that has a keytab.
func keytabOf(t testing.TB, k *kdctest.KDC, principal string) *Authenticator {
	t.Helper()
	a, err := New(Config{Service: kdctest.Service, Principal: principal, Keytab: k.Keytab(principal), Krb5Conf: k.Conf})
	must(t, err)
	return a
}

// ccacheOf returns an Authenticator with a credential cache.
func ccacheOf(t testing.TB, k *kdctest.KDC, ccache string) *Authenticator {
	t.Helper()
	a, err := New(Config{Service: kdctest.Service, CCache: ccache, Krb5Conf: k.Conf})
	must(t, err)
	return a
}

// said is what a onebox has logged.
type said struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *said) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(b)
}

func (s *said) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// secured starts a onebox that demands Kerberos, with a table for everybody and one for alice.
func secured(t testing.TB, k *kdctest.KDC, skew time.Duration) (*onebox.Server, *said) {
	t.Helper()
	accept, err := acceptor.New(acceptor.Config{Keytab: k.Keytab(kdctest.Service), Service: kdctest.Service, ClockSkew: skew})
	must(t, err)
	log := new(said)
	s, err := onebox.Start(onebox.Options{
		Auth:   &onebox.Auth{Acceptor: accept, ACL: true, SuperUsers: []string{"root"}},
		Logger: slog.New(slog.NewTextHandler(log, nil)),
		Tables: []onebox.Table{
			{Name: "temp", Partitions: 2},
			{Name: "hers", Partitions: 2, Envs: map[string]string{"replica_access_controller.allowed_users": "alice"}},
		},
	})
	must(t, err)
	t.Cleanup(func() { must(t, s.Close()) })
	return s, log
}

func open(t testing.TB, s *onebox.Server, a *Authenticator, table string) (*pegasus.Table, error) {
	t.Helper()
	c, err := pegasus.New(pegasus.Config{MetaServers: s.MetaServers(), Auth: a})
	must(t, err)
	t.Cleanup(func() { must(t, c.Close()) })
	return c.Open(t.Context(), table)
}

// use writes to a table and reads from it.
func use(t testing.TB, table *pegasus.Table) error {
	t.Helper()
	key := []byte("key")
	if err := table.Set(t.Context(), key, key, key); err != nil {
		return err
	}
	_, err := table.Get(t.Context(), key, key)
	return err
}

func TestKeytab(t *testing.T) {
	k := kdctest.Start(t, "alice", "bob/laptop")
	s, log := secured(t, k, 0)
	table, err := open(t, s, keytabOf(t, k, "alice"), "hers")
	must(t, err)
	must(t, use(t, table))

	// What the table says about its users holds for those whom Kerberos knows.
	table, err = open(t, s, keytabOf(t, k, "bob/laptop"), "hers")
	must(t, err)
	if err := use(t, table); !errors.Is(err, pegasus.ErrACLDeny) || errors.Is(err, pegasus.ErrInDoubt) {
		t.Errorf("bob, in a table of alice: %v", err)
	}
	table, err = open(t, s, keytabOf(t, k, "bob/laptop"), "temp")
	must(t, err)
	must(t, use(t, table))
	if log.String() != "" {
		t.Errorf("the onebox says %s", log)
	}
}

func TestCCache(t *testing.T) {
	k := kdctest.Start(t, "alice", "bob/laptop")
	s, _ := secured(t, k, 0)
	ccache := k.Kinit(t, "alice")
	table, err := open(t, s, ccacheOf(t, k, ccache), "hers")
	must(t, err)
	must(t, use(t, table))

	for name, test := range map[string]struct {
		cfg  Config
		want error
	}{
		"somebody else's": {Config{Principal: "bob/laptop", CCache: ccache}, ErrPrincipal},
		"not there":       {Config{CCache: ccache + "2"}, ErrNoTicket},
		"no cache":        {Config{CCache: k.Conf}, ErrNoTicket},
	} {
		test.cfg.Service, test.cfg.Krb5Conf = kdctest.Service, k.Conf
		a, err := New(test.cfg)
		must(t, err)
		if _, err := open(t, s, a, "temp"); !errors.Is(err, test.want) || !errors.Is(err, pegasus.ErrAuth) || errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// kinit comes later.
	a := ccacheOf(t, k, ccache+"2")
	if _, err := a.Start(t.Context(), ""); !errors.Is(err, ErrNoTicket) {
		t.Errorf("before kinit: %v", err)
	}
	k.Run(t, "kinit", "-c", ccache+"2", "-k", "-t", k.Keytab("alice"), "alice")
	_, err = a.Start(t.Context(), "")
	must(t, err)
}

// A ticket for the servers that is in the cache already needs no KDC.
func TestCCacheHasServiceTicket(t *testing.T) {
	k := kdctest.Start(t, "alice")
	ccache := k.Kinit(t, "alice")
	k.Run(t, "kvno", "-c", ccache, kdctest.Service)
	nobody := *k
	nobody.Conf = k.WriteConf(t, "nobody.conf", "127.0.0.1:1")
	_, err := ccacheOf(t, &nobody, ccache).Start(t.Context(), "")
	must(t, err)
}

// Keys of the newer kinds, which are the second choice.
func TestNewerKeys(t *testing.T) {
	k := kdctest.Start(t)
	for _, kind := range []string{"aes256-cts-hmac-sha384-192", "aes128-cts-hmac-sha256-128", "aes128-cts-hmac-sha1-96"} {
		for _, p := range []string{"alice", "pegasus/" + kind} {
			k.Admin(t, "addprinc -randkey -e "+kind+":normal "+p)
			k.Admin(t, "ktadd -norandkey -k "+k.Keytab(p)+" "+p)
		}
		a, err := New(Config{Service: "pegasus/" + kind, Principal: "alice", Keytab: k.Keytab("alice"), Krb5Conf: k.Conf})
		must(t, err)
		accept, err := acceptor.New(acceptor.Config{Keytab: k.Keytab("pegasus/" + kind)})
		must(t, err)
		x, err := a.Start(t.Context(), "")
		must(t, err)
		y := accept.Accept()
		var challenge []byte
		for done := false; !done; {
			answer, err := x.Step(t.Context(), challenge)
			must(t, err)
			challenge, done, err = y.Step(answer)
			if err != nil {
				t.Fatalf("%s: %v", kind, err)
			}
		}
		k.Admin(t, "delprinc -force alice")
		must(t, os.Remove(k.Keytab("alice")))
	}
}

func TestReconnect(t *testing.T) {
	k := kdctest.Start(t, "alice")
	s, _ := secured(t, k, 0)
	table, err := open(t, s, keytabOf(t, k, "alice"), "hers")
	must(t, err)
	for range 3 {
		must(t, use(t, table))
		s.Replica(0).Stop()
		must(t, s.Replica(0).Start())
	}
	must(t, use(t, table))
}

func TestRenewal(t *testing.T) {
	k := kdctest.Start(t, "alice")
	s, _ := secured(t, k, 0)
	for name, a := range map[string]*Authenticator{
		"keytab": keytabOf(t, k, "alice"),
		"ccache": ccacheOf(t, k, k.Kinit(t, "alice", "-l", "10h", "-r", "24h")),
	} {
		get := func() *ticket {
			t.Helper()
			got, err := a.tickets.get(t.Context())
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			return got
		}
		first := get()
		granting := a.tickets.granting
		if get() != first {
			t.Errorf("%s: another ticket at once", name)
		}
		began := time.Now()
		hours := func(h int) {
			a.tickets.source.now = func() time.Time { return began.Add(time.Duration(h) * time.Hour) }
		}
		hours(7)
		if get() != first {
			t.Errorf("%s: another ticket after 7 of 10 hours", name)
		}
		// After 9 hours the KDC is asked for both.
		hours(9)
		next := get()
		if next == first || a.tickets.granting == granting {
			t.Errorf("%s: the same ticket after 9 of 10 hours", name)
		}
		must(t, use(t, mustOpen(t, s, a)))

		// While there is none, the ticket is used until its end.
		conf := k.WriteConf(t, "nobody.conf", "127.0.0.1:1")
		var err error
		a.tickets.source.conf, err = loadConf(conf)
		must(t, err)
		a.tickets.service, a.tickets.granting = first, granting
		hours(9)
		if get() != first || a.tickets.notBefore.IsZero() {
			t.Errorf("%s: a ticket from nowhere", name)
		}
		hours(11)
		if _, err := a.tickets.get(t.Context()); err == nil {
			t.Errorf("%s: a ticket that has expired", name)
		}
	}
}

func mustOpen(t testing.TB, s *onebox.Server, a *Authenticator) *pegasus.Table {
	t.Helper()
	table, err := open(t, s, a, "hers")
	must(t, err)
	return table
}

func TestExpiredTicket(t *testing.T) {
	k := kdctest.Start(t, "alice")
	s, _ := secured(t, k, 0)
	yesterday := k.At(t, "-24h")
	ccache := yesterday.Kinit(t, "alice")
	_, err := open(t, s, ccacheOf(t, k, ccache), "temp")
	if !errors.Is(err, ErrTicketExpired) || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
}

// The servers look at the ticket, too.
func TestServerRefusesExpiredTicket(t *testing.T) {
	k := kdctest.Start(t, "alice")
	s, log := secured(t, k, 0)
	yesterday := k.At(t, "-24h")
	ccache := yesterday.Kinit(t, "alice")
	yesterday.Run(t, "kvno", "-c", ccache, kdctest.Service)
	a := ccacheOf(t, k, ccache)
	a.tickets.source.now = func() time.Time { return time.Now().Add(-24 * time.Hour) }
	refused(t, s, a)
	if !strings.Contains(log.String(), "expired") {
		t.Errorf("the onebox says %s", log)
	}
}

// whileTried opens a table that cannot be opened until some attempts to connect have failed,
// and returns the error.
func whileTried(t *testing.T, s *onebox.Server, a *Authenticator) error {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var failed atomic.Int32
	c, err := pegasus.New(pegasus.Config{MetaServers: s.MetaServers(), Auth: a, Observers: []pegasus.Observer{{
		ConnectionDialed: func(e pegasus.ConnectionDialed) {
			if e.Err != nil && failed.Add(1) == 3 {
				cancel()
			}
		},
	}}})
	must(t, err)
	defer c.Close()
	_, err = c.Open(ctx, "temp")
	if !errors.Is(err, context.Canceled) {
		t.Errorf("it was not tried again: %v", err)
	}
	return err
}

// refused makes sure that the server does not take the client.
func refused(t *testing.T, s *onebox.Server, a *Authenticator) {
	t.Helper()
	if err := whileTried(t, s, a); !errors.Is(err, pegasus.ErrAuthRefused) {
		t.Errorf("%v", err)
	}
}

func TestClockSkew(t *testing.T) {
	k := kdctest.Start(t, "alice", "carol")
	k.Admin(t, "modprinc -requires_preauth carol")
	s, _ := secured(t, k, 0)
	for _, d := range []string{"+20m", "-20m"} {
		other := k.At(t, d)
		for _, principal := range []string{"alice", "carol"} {
			_, err := open(t, s, keytabOf(t, other, principal), "temp")
			if !errors.Is(err, ErrClockSkew) || errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("the KDC's clock is off by %s, %s: %v", d, principal, err)
			}
		}
	}
	// That of the servers: they say so only to those who look after them.
	strict, log := secured(t, k, time.Nanosecond)
	refused(t, strict, keytabOf(t, k, "alice"))
	if !strings.Contains(log.String(), "SKEW") {
		t.Errorf("the onebox says %s", log)
	}
}

func TestWrongNames(t *testing.T) {
	k := kdctest.Start(t, "alice", "dave", "erin")
	k.Admin(t, "delprinc -force dave")
	k.Admin(t, "cpw -randkey erin")
	s, log := secured(t, k, 0)
	for name, test := range map[string]struct {
		cfg  Config
		want error
	}{
		"a client that the KDC does not know":  {Config{Principal: "dave", Keytab: k.Keytab("dave")}, ErrPrincipal},
		"a key of last year":                   {Config{Principal: "erin", Keytab: k.Keytab("erin")}, ErrKey},
		"a service that the KDC does not know": {Config{Principal: "alice", Keytab: k.Keytab("alice"), Service: "pegasus/elsewhere"}, ErrService},
	} {
		if test.cfg.Service == "" {
			test.cfg.Service = kdctest.Service
		}
		test.cfg.Krb5Conf = k.Conf
		a, err := New(test.cfg)
		must(t, err)
		_, err = open(t, s, a, "temp")
		if !errors.Is(err, test.want) || !errors.Is(err, pegasus.ErrAuth) || errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// A ticket for somebody else's service.
	k.Admin(t, "addprinc -randkey http/localhost")
	a, err := New(Config{Principal: "alice", Keytab: k.Keytab("alice"), Krb5Conf: k.Conf, Service: "http/localhost"})
	must(t, err)
	refused(t, s, a)
	if !strings.Contains(log.String(), "http/localhost") {
		t.Errorf("the onebox says %s", log)
	}
}

// The servers are in a realm that believes that of the client.
func TestOtherRealm(t *testing.T) {
	servers := kdctest.Start(t)
	clients := kdctest.StartRealm(t, "CLIENTS.TEST", "alice")
	s, _ := secured(t, servers, 0)
	conf := servers.Trusts(t, clients)
	with := func(service, ccache string) *Authenticator {
		cfg := Config{Service: service, CCache: ccache, Krb5Conf: conf}
		if ccache == "" {
			cfg.Principal, cfg.Keytab = "alice", clients.Keytab("alice")
		}
		a, err := New(cfg)
		must(t, err)
		return a
	}
	ccache := clients.Kinit(t, "alice")
	for _, c := range []string{"", ccache} {
		table, err := open(t, s, with(kdctest.Service+"@"+kdctest.Realm, c), "hers")
		must(t, err)
		must(t, use(t, table))
	}
	// The realm of the host, by krb5.conf.
	b, err := os.ReadFile(conf)
	must(t, err)
	must(t, os.WriteFile(conf, append(b, "[domain_realm]\n\tlocalhost = "+kdctest.Realm+"\n"...), 0o600))
	table, err := open(t, s, with(kdctest.Service, ""), "hers")
	must(t, err)
	must(t, use(t, table))

	// A realm that knows nothing of the client's.
	must(t, os.WriteFile(conf, b, 0o600))
	_, err = with("pegasus/localhost@STRANGER.TEST", "").Start(t.Context(), "")
	if !errors.Is(err, ErrService) {
		t.Errorf("a realm that is not trusted: %v", err)
	}
}

// A KDC that does not answer may do so later.
func TestNoKDC(t *testing.T) {
	k := kdctest.Start(t, "alice")
	s, _ := secured(t, k, 0)
	with := func(addrs ...string) *Authenticator {
		other := *k
		other.Conf = k.WriteConf(t, "other.conf", addrs...)
		return keytabOf(t, &other, "alice")
	}
	err := whileTried(t, s, with("127.0.0.1:1"))
	var ne net.Error
	if !errors.Is(err, pegasus.ErrAuth) || !errors.As(err, &ne) {
		t.Errorf("%v", err)
	}

	silent, err := net.Listen("tcp4", "127.0.0.1:0")
	must(t, err)
	defer silent.Close()
	for _, addrs := range [][]string{{"127.0.0.1:1", k.Addr()}, {silent.Addr().String(), k.Addr()}} {
		a := with(addrs...)
		_, err := a.tickets.get(t.Context())
		must(t, err)
		if last := a.tickets.source.lastKDC[kdctest.Realm]; last != k.Addr() {
			t.Errorf("the KDC that has answered is not known: %q", last)
		}
	}
	// Nobody waits for longer than he has.
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := with(silent.Addr().String()).Start(ctx, ""); err == nil || ctx.Err() == nil {
		t.Errorf("a silent KDC: %v", err)
	}
}

func TestManyAtATime(t *testing.T) {
	k := kdctest.Start(t, "alice")
	a := keytabOf(t, k, "alice")
	var wg sync.WaitGroup
	got := make([]*ticket, 20)
	for i := range got {
		wg.Go(func() {
			var err error
			if got[i], err = a.tickets.get(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, g := range got {
		if g != got[0] {
			t.Fatal("the KDC was asked more than once")
		}
	}
}
