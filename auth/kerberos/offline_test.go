package kerberos

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jcmturner/gokrb5/v8/credentials"
	"github.com/jcmturner/gokrb5/v8/iana/chksumtype"
	"github.com/jcmturner/gokrb5/v8/iana/etypeID"
	"github.com/jcmturner/gokrb5/v8/iana/nametype"
	"github.com/jcmturner/gokrb5/v8/keytab"
	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/types"

	"github.com/pegasus-go/pegasus/auth/kerberos/acceptor"
	"github.com/pegasus-go/pegasus/auth/kerberos/internal/gss"
)

// What follows needs no KDC: tickets are made here.

const realm = "EXAMPLE.COM"

// made returns a ticket of a client for a service, and an acceptor of that.
func made(t testing.TB, client string, kind int32) (*ticket, *acceptor.Acceptor) {
	t.Helper()
	const service = "pegasus/example.com"
	now := time.Now().UTC()
	kt := keytab.New()
	must(t, kt.AddEntry(service, realm, "secret", now, 1, kind))
	file := filepath.Join(t.TempDir(), "keytab")
	b, err := kt.Marshal()
	must(t, err)
	must(t, os.WriteFile(file, b, 0o600))
	cname := types.NewPrincipalName(nametype.KRB_NT_PRINCIPAL, client)
	tkt, key, err := messages.NewTicket(cname, realm, types.NewPrincipalName(nametype.KRB_NT_SRV_HST, service), realm,
		types.NewKrbFlags(), kt, kind, 1, now, now, now.Add(time.Hour), now.Add(time.Hour))
	must(t, err)
	a, err := acceptor.New(acceptor.Config{Keytab: file, Service: service + "@" + realm})
	must(t, err)
	return &ticket{Ticket: tkt, client: credentials.NewFromPrincipalName(cname, realm), key: key, start: now, end: now.Add(time.Hour)}, a
}

func TestBothSides(t *testing.T) {
	ctx := t.Context()
	for _, kind := range []int32{
		etypeID.AES128_CTS_HMAC_SHA1_96, etypeID.AES256_CTS_HMAC_SHA1_96,
		etypeID.AES128_CTS_HMAC_SHA256_128, // the library cannot make a ticket of the fourth kind
	} {
		ticket, accept := made(t, "alice/laptop", kind)
		x, y := &initiator{ticket: ticket}, accept.Accept()
		var challenge []byte
		for i := 0; ; i++ {
			if x.Done() != (i == 3) {
				t.Fatalf("kind %d: done is %v after %d steps", kind, x.Done(), i)
			}
			answer, err := x.Step(ctx, challenge)
			must(t, err)
			next, done, err := y.Step(answer)
			must(t, err)
			if done {
				break
			}
			challenge = next
		}
		if y.Principal() != "alice/laptop@"+realm || !x.Done() {
			t.Errorf("kind %d: %q, %v", kind, y.Principal(), x.Done())
		}
		if _, err := x.Step(ctx, nil); !errors.Is(err, ErrServer) {
			t.Errorf("one challenge too many: %v", err)
		}
		if _, _, err := y.Step(nil); err == nil {
			t.Error("one message too many")
		}
	}
}

// withoutProof returns what the client of Java shows, which wants no proof of the server, and what it signs with:
// a key of its own, or that of the ticket.
func withoutProof(t testing.TB, ticket *ticket, subkey bool) (token []byte, shown types.Authenticator, key gss.Key) {
	t.Helper()
	shown, err := types.NewAuthenticator(realm, ticket.client.CName())
	must(t, err)
	key = gss.Key{EncryptionKey: ticket.key}
	if subkey {
		must(t, shown.GenerateSeqNumberAndSubKey(ticket.key.KeyType, len(ticket.key.KeyValue)))
		key.EncryptionKey = shown.SubKey
	}
	sum := make([]byte, 24)
	sum[0] = 16
	shown.Cksum = types.Checksum{CksumType: chksumtype.GSSAPI, Checksum: sum}
	req, err := messages.NewAPReq(ticket.Ticket, ticket.key, shown)
	must(t, err)
	b, err := req.Marshal()
	must(t, err)
	token, err = gss.ContextToken(gss.APReq, b)
	must(t, err)
	return token, shown, key
}

func TestAcceptorWithoutProof(t *testing.T) {
	for _, subkey := range []bool{false, true} {
		ticket, accept := made(t, "alice", etypeID.AES128_CTS_HMAC_SHA1_96)
		for as, good := range map[string]bool{"": true, "alice": true, "alice@" + realm: true, "bob": false} {
			token, shown, key := withoutProof(t, ticket, subkey)
			y := accept.Accept()
			offer, done, err := y.Step(token)
			must(t, err)
			plain, err := key.Unwrap(gss.Acceptor, offer)
			must(t, err)
			if done || !bytes.Equal(plain, []byte{noLayer, 0, 0, 0}) || binary.BigEndian.Uint64(offer[8:]) != uint64(shown.SeqNumber) {
				t.Fatalf("subkey %v: %v, offer %x in %x", subkey, done, plain, offer)
			}
			choice, err := key.Wrap(gss.Initiator, uint64(shown.SeqNumber), append([]byte{noLayer, 0, 0, 0}, as...))
			must(t, err)
			if _, done, err := y.Step(choice); done != good || (err == nil) != good {
				t.Errorf("subkey %v, as %q: %v, %v", subkey, as, done, err)
			}
			// Whoever has recorded that says the same on a connection of his own.
			y = accept.Accept()
			_, _, err = y.Step(token)
			_, done, _ = y.Step(choice)
			if done || err == nil {
				t.Errorf("subkey %v, as %q: said again: %v, %v", subkey, as, done, err)
			}
		}
	}
}

// A server that has not the key of the service cannot show that it has read the ticket.
func TestFalseServer(t *testing.T) {
	ticket, accept := made(t, "alice", etypeID.AES256_CTS_HMAC_SHA1_96)
	x, earlier := &initiator{ticket: ticket}, &initiator{ticket: ticket}
	show := func(x *initiator) []byte {
		b, err := x.Step(t.Context(), nil)
		must(t, err)
		return b
	}
	first := show(earlier)
	for show(x); x.shown.Cusec == earlier.shown.Cusec; { // another time is shown
		x.step = 0
		show(x)
	}
	proof, _, err := accept.Accept().Step(first)
	must(t, err)
	if _, err := x.Step(t.Context(), proof); !errors.Is(err, ErrServer) || x.Done() {
		t.Errorf("the proof of another connection: %v", err)
	}
	ofKDC := messages.NewKRBError(types.PrincipalName{NameString: []string{"x"}}, realm, 37, "Clock skew too great")
	b, err := ofKDC.Marshal()
	must(t, err)
	b, err = gss.ContextToken(gss.KRBError, b)
	must(t, err)
	if _, err := (&initiator{step: 1, ticket: ticket}).Step(t.Context(), b); !errors.Is(err, ErrClockSkew) {
		t.Errorf("a server that speaks of clocks: %v", err)
	}
}

func TestServerDemandsProtection(t *testing.T) {
	ticket, _ := made(t, "alice", etypeID.AES256_CTS_HMAC_SHA1_96)
	key := gss.Key{EncryptionKey: ticket.key}
	for name, offer := range map[string][]byte{"signed": {2, 0, 1, 0}, "encrypted": {4, 0, 1, 0}, "short": {1, 0, 0}, "none": {}} {
		token, err := key.Wrap(gss.Acceptor, 0, offer)
		must(t, err)
		x := &initiator{ticket: ticket, key: key, step: 2}
		if _, err := x.Step(t.Context(), token); err == nil || x.Done() {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestConfigThatMakesNoSense(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		must(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	kt := keytab.New()
	must(t, kt.AddEntry("alice", realm, "secret", time.Now(), 1, etypeID.AES256_CTS_HMAC_SHA1_96))
	must(t, kt.AddEntry("old", realm, "secret", time.Now(), 1, etypeID.RC4_HMAC))
	b, err := kt.Marshal()
	must(t, err)
	keys := file("keytab", string(b))
	conf := file("krb5.conf", "includedir /etc/krb5.conf.d/\n[libdefaults]\n default_realm = "+realm+"\n")
	good := Config{Service: "pegasus/example.com", Principal: "alice", Keytab: keys, Krb5Conf: conf}
	_, err = New(good)
	must(t, err)
	for _, test := range []struct {
		field  string
		change func(*Config)
		want   error
	}{
		{"Service", func(c *Config) { c.Service = "" }, nil},
		{"Service", func(c *Config) { c.Service = "pegasus" }, nil},
		{"Service", func(c *Config) { c.Service = "pegasus/" }, nil},
		{"Principal", func(c *Config) { c.Principal = "" }, nil},
		{"Principal", func(c *Config) { c.Principal = "@" + realm }, nil},
		{"Principal", func(c *Config) { c.Krb5Conf = file("none", "") }, nil},
		{"Keytab", func(c *Config) { c.Keytab += "2" }, os.ErrNotExist},
		{"Keytab", func(c *Config) { c.Keytab = conf }, nil},
		{"Keytab", func(c *Config) { c.Keytab = file("short", string(b[:20])) }, nil},
		{"Keytab", func(c *Config) { c.Principal = "bob" }, ErrPrincipal},
		{"Keytab", func(c *Config) { c.Principal = "old" }, ErrPrincipal},
		{"Keytab", func(c *Config) { c.Principal = "alice@ELSEWHERE" }, ErrPrincipal},
		{"CCache", func(c *Config) { c.CCache = "/tmp/krb5cc_0" }, nil},
		{"CCache", func(c *Config) { c.Keytab, c.CCache = "", "KEYRING:persistent:0" }, nil},
		{"Krb5Conf", func(c *Config) { c.Krb5Conf = dir + "/elsewhere" }, nil},
		{"Krb5Conf", func(c *Config) {
			c.Krb5Conf = file("rc4", "[libdefaults]\ndefault_realm = X\ndefault_tkt_enctypes = arcfour-hmac-md5\n")
		}, nil},
		{"Krb5Conf", func(c *Config) { c.Krb5Conf = file("bad", "[libdefaults]\nticket_lifetime = for ever\n") }, nil},
	} {
		cfg := good
		test.change(&cfg)
		_, err := New(cfg)
		var ce *ConfigError
		if !errors.As(err, &ce) || ce.Field != test.field || test.want != nil && !errors.Is(err, test.want) {
			t.Errorf("%+v: %v, want Config.%s", cfg, err, test.field)
		}
	}
	t.Setenv("KRB5CCNAME", "FILE:/tmp/mine")
	t.Setenv("KRB5_CONFIG", conf)
	a, err := New(Config{Service: good.Service})
	must(t, err)
	if s := a.tickets.source; s.ccache != "/tmp/mine" || s.realm != realm {
		t.Errorf("by the environment: %+v", s)
	}
}

func TestAcceptorConfig(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "keytab")
	kt := keytab.New()
	must(t, kt.AddEntry("pegasus/example.com", realm, "secret", time.Now(), 1, etypeID.AES256_CTS_HMAC_SHA1_96))
	b, err := kt.Marshal()
	must(t, err)
	must(t, os.WriteFile(file, b, 0o600))
	for _, cfg := range []acceptor.Config{
		{}, {Keytab: dir}, {Keytab: file, Service: "pegasus/elsewhere"}, {Keytab: file, Service: "pegasus/example.com@ELSEWHERE"}, {Keytab: file, ClockSkew: -1},
	} {
		if _, err := acceptor.New(cfg); err == nil {
			t.Errorf("%+v", cfg)
		}
	}
}

// Whatever a server sends, the client does not believe it but with the key of the ticket.
func FuzzInitiator(f *testing.F) {
	ticket, accept := made(f, "alice", etypeID.AES256_CTS_HMAC_SHA1_96)
	shown, err := (&initiator{ticket: ticket}).Step(context.Background(), nil)
	must(f, err)
	y := accept.Accept()
	proof, _, err := y.Step(shown)
	must(f, err)
	offer, _, err := y.Step(nil)
	must(f, err)
	refused := messages.NewKRBError(types.PrincipalName{NameString: []string{"x"}}, realm, 37, "")
	b, err := refused.Marshal()
	must(f, err)
	b, err = gss.ContextToken(gss.KRBError, b)
	must(f, err)
	f.Add(proof, offer)
	f.Add(b, offer)
	f.Fuzz(func(t *testing.T, second, third []byte) {
		x := &initiator{ticket: ticket}
		_, err := x.Step(t.Context(), nil)
		must(t, err)
		if _, err := x.Step(t.Context(), second); err == nil {
			t.Fatalf("%x is taken for a proof", second)
		}
		if _, err := x.Step(t.Context(), third); err == nil || x.Done() {
			t.Fatalf("%x is taken for an offer", third)
		}
	})
}

// Whatever a client sends, it is nobody without a ticket.
func FuzzAcceptor(f *testing.F) {
	ticket, accept := made(f, "alice", etypeID.AES256_CTS_HMAC_SHA1_96)
	shown, err := (&initiator{ticket: ticket}).Step(context.Background(), nil)
	must(f, err)
	f.Add(shown, []byte{}, []byte{})
	f.Add(shown[:len(shown)-1], []byte{}, shown)
	f.Fuzz(func(t *testing.T, first, second, third []byte) {
		x := accept.Accept()
		if _, _, err := x.Step(first); err == nil && !bytes.Equal(first, shown) {
			// What is outside of the encrypted parts may be another.
			if len(first) != len(shown) {
				t.Fatalf("%x is taken for a ticket", first)
			}
		}
		_, _, _ = x.Step(second)
		if _, done, _ := x.Step(third); done {
			t.Fatalf("authenticated by %x, %x, %x", first, second, third)
		}
	})
}

func TestCCacheFile(t *testing.T) {
	b := aCCache(4)
	cc, err := parseCCache(b)
	must(t, err)
	c := cc.tickets[0]
	if cc.owner.PrincipalNameString() != "alice/laptop" || cc.owner.realm != "R" || len(cc.tickets) != 1 || c.server.PrincipalNameString() != "krbtgt/R" ||
		c.key.KeyType != 18 || string(c.key.KeyValue) != "key" || c.auth.Unix() != 1 || c.start.Unix() != 1 || c.end.Unix() != 3 || c.renewTill.Unix() != 4 ||
		!c.renewable || string(c.ticket) != "ticket" {
		t.Errorf("%+v", cc)
	}
	whole := map[int]bool{len(b): true, len(b) - len(aSetting(4)): true, len(ccacheHead(4)): true}
	for i := range b {
		if _, err := parseCCache(b[:i]); (err == nil) != whole[i] {
			t.Errorf("%d of %d bytes: %v", i, len(b), err)
		}
	}
	if cc, err := parseCCache(aCCache(3)); err != nil || len(cc.tickets) != 1 || string(cc.tickets[0].ticket) != "ticket" {
		t.Errorf("version 3: %+v, %v", cc, err)
	}
}

func aPrincipal(b []byte, realm string, parts ...string) []byte {
	b = binary.BigEndian.AppendUint32(b, 1)
	b = binary.BigEndian.AppendUint32(b, uint32(len(parts)))
	for _, p := range append([]string{realm}, parts...) {
		b = aBlob(b, p)
	}
	return b
}

func aBlob(b []byte, s string) []byte {
	return append(binary.BigEndian.AppendUint32(b, uint32(len(s))), s...)
}

func ccacheHead(version byte) []byte {
	b := []byte{5, version}
	if version == 4 {
		b = append(b, 0, 12, 0, 1, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0)
	}
	return aPrincipal(b, "R", "alice", "laptop")
}

// anEntry is a ticket that has an address and an authorization.
func anEntry(version byte, realm string, server ...string) []byte {
	b := aPrincipal(nil, "R", "alice", "laptop")
	b = aPrincipal(b, realm, server...)
	b = append(b, 0, 18)
	if version == 3 {
		b = append(b, 0, 18)
	}
	b = aBlob(b, "key")
	for _, at := range []uint32{1, 0, 3, 4} {
		b = binary.BigEndian.AppendUint32(b, at)
	}
	b = append(b, 0, 0, 0x80, 0, 0) // renewable
	for range 2 {
		b = append(b, 0, 0, 0, 1, 0, 2)
		b = aBlob(b, "data")
	}
	b = aBlob(b, "ticket")
	return aBlob(b, "")
}

func aSetting(version byte) []byte {
	return anEntry(version, "X-CACHECONF:", "krb5_ccache_conf_data", "fast_avail")
}

func aCCache(version byte) []byte {
	return slices.Concat(ccacheHead(version), anEntry(version, "R", "krbtgt", "R"), aSetting(version))
}

// A credential cache may be anything.
func FuzzCCache(f *testing.F) {
	f.Add(aCCache(4))
	f.Add(aCCache(3))
	f.Fuzz(func(t *testing.T, b []byte) {
		cc, err := parseCCache(b)
		if err == nil && len(cc.owner.NameString) == 0 {
			t.Error("nobody's")
		}
	})
}

// askedOf returns an Authenticator of alice whose KDC answers every request with reply, and counts them.
func askedOf(t testing.TB, reply []byte) (a *Authenticator, asked *int) {
	t.Helper()
	conf, keys := askedAt(t, "127.0.0.1:1")
	a, err := New(Config{Service: "pegasus/example.com", Principal: "alice", Keytab: keys, Krb5Conf: conf})
	must(t, err)
	asked = new(int)
	a.tickets.source.exchange = func(context.Context, string, []byte) ([]byte, error) {
		*asked++
		return reply, nil
	}
	return a, asked
}

// askedAt returns a krb5.conf with a KDC, and alice's keytab.
func askedAt(t testing.TB, addr string) (conf, keys string) {
	t.Helper()
	dir := t.TempDir()
	conf, keys = filepath.Join(dir, "krb5.conf"), filepath.Join(dir, "keytab")
	must(t, os.WriteFile(conf, []byte("[libdefaults]\n default_realm = "+realm+"\n[realms]\n "+realm+" = {\n  kdc = "+addr+"\n }\n"), 0o600))
	kt := keytab.New()
	must(t, kt.AddEntry("alice", realm, "secret", time.Now(), 1, etypeID.AES256_CTS_HMAC_SHA1_96))
	b, err := kt.Marshal()
	must(t, err)
	must(t, os.WriteFile(keys, b, 0o600))
	return conf, keys
}

// A KDC that says no is not asked for each connection: it may lock the account up.
func TestRefusedByKDC(t *testing.T) {
	no := messages.NewKRBError(types.PrincipalName{NameString: []string{"krbtgt", realm}}, realm, 24, "\x1b[2Jpreauthentication failed"+strings.Repeat("!", 1000))
	b, err := no.Marshal()
	must(t, err)
	a, asked := askedOf(t, b)
	now := time.Now()
	a.tickets.source.now = func() time.Time { return now }
	for _, want := range []int{1, 2} {
		for range 5 {
			if _, err := a.Start(t.Context(), ""); !errors.Is(err, ErrKey) || len(err.Error()) > 500 {
				t.Fatalf("%v", err)
			}
		}
		if *asked != want {
			t.Errorf("the KDC was asked %d times, want %d", *asked, want)
		}
		now = now.Add(pause)
	}
}

// Whatever a KDC answers, there is no ticket but by the key of the client.
func FuzzKDC(f *testing.F) {
	no := messages.NewKRBError(types.PrincipalName{NameString: []string{"krbtgt", realm}}, realm, 25, "")
	b, err := no.Marshal()
	must(f, err)
	f.Add(b)
	rep := messages.ASRep{KDCRepFields: messages.KDCRepFields{PVNO: 5, MsgType: 11, CRealm: realm, CName: types.NewPrincipalName(1, "alice")}}
	if rep.Ticket, _, err = messages.NewTicket(rep.CName, realm, krbtgt(realm), realm, types.NewKrbFlags(), keytabFor(f, "krbtgt/"+realm), 18, 1, time.Now(), time.Now(), time.Now(), time.Now()); err != nil {
		f.Fatal(err)
	}
	b, err = rep.Marshal()
	must(f, err)
	f.Add(b)
	a, _ := askedOf(f, nil)
	f.Fuzz(func(t *testing.T, reply []byte) {
		a.tickets.source.exchange = func(context.Context, string, []byte) ([]byte, error) { return reply, nil }
		a.tickets.notBefore = time.Time{}
		if _, err := a.Start(t.Context(), ""); err == nil {
			t.Errorf("a ticket by %x", reply)
		}
	})
}

func keytabFor(t testing.TB, principal string) *keytab.Keytab {
	t.Helper()
	kt := keytab.New()
	must(t, kt.AddEntry(principal, realm, "secret", time.Now(), 1, etypeID.AES256_CTS_HMAC_SHA1_96))
	return kt
}

// cacheWith returns a credential cache of alice in a realm, with tickets from an hour ago until some minutes
// from now for services of that realm: one that was made, by whoever made it.
func cacheWith(t testing.TB, realm string, made *ticket, tickets map[string]int) []byte {
	t.Helper()
	ticket, err := made.Marshal()
	must(t, err)
	b := aPrincipal([]byte{5, 3}, realm, "alice")
	for service, minutes := range tickets {
		b = aPrincipal(b, realm, "alice")
		b = aPrincipal(b, realm, strings.Split(service, "/")...)
		b = append(b, 0, byte(made.key.KeyType), 0, byte(made.key.KeyType))
		b = aBlob(b, string(made.key.KeyValue))
		start, end := uint32(time.Now().Add(-time.Hour).Unix()), uint32(time.Now().Add(time.Duration(minutes)*time.Minute).Unix())
		for _, at := range []uint32{start, start, end, 0} {
			b = binary.BigEndian.AppendUint32(b, at)
		}
		b = append(b, 0, 0, 0, 0, 0)
		b = append(b, 0, 0, 0, 0, 0, 0, 0, 0)
		b = aBlob(aBlob(b, string(ticket)), "")
	}
	return b
}

// The ticket for the servers that is in a cache is good until its end, whatever becomes of that for the KDC.
func TestCCacheWithOldServiceTicket(t *testing.T) {
	made, _ := made(t, "alice", etypeID.AES256_CTS_HMAC_SHA1_96)
	for name, test := range map[string]struct {
		tickets map[string]int
		want    error
	}{
		"that for the KDC has expired": {map[string]int{"pegasus/example.com": 5, "krbtgt/" + realm: -5}, nil},
		"there is none for the KDC":    {map[string]int{"pegasus/example.com": 5}, nil},
		"no KDC answers":               {map[string]int{"pegasus/example.com": 5, "krbtgt/" + realm: 5}, nil},
		"both have expired":            {map[string]int{"pegasus/example.com": -5, "krbtgt/" + realm: -5}, ErrTicketExpired},
		"there is nothing but an old":  {map[string]int{"pegasus/example.com": -5}, ErrNoTicket},
	} {
		conf, _ := askedAt(t, "127.0.0.1:1")
		file := filepath.Join(t.TempDir(), "ccache")
		must(t, os.WriteFile(file, cacheWith(t, realm, made, test.tickets), 0o600))
		a, err := New(Config{Service: "pegasus/example.com", CCache: file, Krb5Conf: conf})
		must(t, err)
		if _, err := a.Start(t.Context(), ""); !errors.Is(err, test.want) {
			t.Errorf("%s: %v, want %v", name, err, test.want)
		}
	}
}

// alice of another realm is somebody else: her ticket is not that of a cache which was overwritten.
func TestCCacheOfNamesake(t *testing.T) {
	made, _ := made(t, "alice", etypeID.AES256_CTS_HMAC_SHA1_96)
	conf, _ := askedAt(t, "127.0.0.1:1")
	file := filepath.Join(t.TempDir(), "ccache")
	a, err := New(Config{Service: "pegasus/example.com", CCache: file, Krb5Conf: conf})
	must(t, err)
	for i, realm := range []string{realm, "ELSEWHERE"} {
		must(t, os.WriteFile(file, cacheWith(t, realm, made, map[string]int{"krbtgt/" + realm: 600 - 60*i}), 0o600))
		_, err := a.tickets.read()
		must(t, err)
		if got := a.tickets.granting.client.Realm(); got != realm {
			t.Errorf("the ticket is that of a client of %s, not of %s", got, realm)
		}
	}
}

func TestAddressesOfKDCs(t *testing.T) {
	for addr, want := range map[string]string{
		"kdc": "kdc:88", "kdc:89": "kdc:89", "10.0.0.1": "10.0.0.1:88", "::1": "[::1]:88", "[::1]": "[::1]:88", "[::1]:89": "[::1]:89",
	} {
		if got := withPort(addr); got != want {
			t.Errorf("%s: %s, want %s", addr, got, want)
		}
	}
}

// An acceptor says which field of its configuration makes no sense.
func TestAcceptorConfigErrors(t *testing.T) {
	garbage := filepath.Join(t.TempDir(), "keytab")
	if err := os.WriteFile(garbage, []byte("no keytab"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		config acceptor.Config
		cause  error // nil: any
	}{
		{acceptor.Config{Keytab: garbage + ".none"}, fs.ErrNotExist},
		{acceptor.Config{Keytab: garbage}, nil},
	} {
		_, err := acceptor.New(tc.config)
		var ce *acceptor.ConfigError
		if !errors.As(err, &ce) || ce.Field != "Keytab" || tc.cause != nil && !errors.Is(err, tc.cause) {
			t.Errorf("%+v: %v", tc.config, err)
		}
	}
}
