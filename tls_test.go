package pegasus_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"math/big"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/onebox"
)

// certificate returns a certificate for a name, signed by itself, and those who believe it.
func certificate(t *testing.T, name string) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: name},
		DNSNames:              []string{name},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(time.Hour),
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	must(t, err)
	leaf, err := x509.ParseCertificate(der)
	must(t, err)
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, roots
}

// tlsProxies puts a proxy that ends TLS in front of each server of a onebox, and returns
// their addresses by those of the servers.
func tlsProxies(t *testing.T, s *onebox.Server, cert tls.Certificate) map[string]string {
	t.Helper()
	proxies := make(map[string]string)
	var wg sync.WaitGroup
	t.Cleanup(wg.Wait) // when the listeners and the clients are closed
	for _, server := range append(s.MetaServers(), s.ReplicaServers()...) {
		l, err := tls.Listen("tcp4", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{cert}})
		must(t, err)
		proxies[server] = l.Addr().String()
		wg.Go(func() {
			for {
				front, err := l.Accept()
				if err != nil {
					return
				}
				wg.Go(func() {
					defer front.Close()
					back, err := net.Dial("tcp4", server)
					if err != nil {
						return
					}
					wg.Go(func() {
						_, _ = io.Copy(back, front)
						back.Close()
					})
					_, _ = io.Copy(front, back)
				})
			}
		})
		t.Cleanup(func() { l.Close() })
	}
	return proxies
}

// TLS is a matter of Dial, and goes together with authentication.
func TestTLS(t *testing.T) {
	s := secured(t, nil)
	cert, roots := certificate(t, "pegasus.example.com")
	proxies := tlsProxies(t, s, cert)
	dial := func(cfg *tls.Config) func(ctx context.Context, network, addr string) (net.Conn, error) {
		d := tls.Dialer{Config: cfg}
		return func(ctx context.Context, network, addr string) (net.Conn, error) {
			return d.DialContext(ctx, network, proxies[addr])
		}
	}
	c := authClient(t, s, pegasus.Config{Auth: alice(), Dial: dial(&tls.Config{RootCAs: roots, ServerName: "pegasus.example.com"})})
	defer c.Close()
	table, err := c.Open(t.Context(), "hers")
	must(t, err)
	big := make([]byte, 500_000)
	for _, v := range [][]byte{[]byte("v"), big} {
		must(t, table.Set(t.Context(), []byte("h"), []byte("s"), v))
		got, err := table.Get(t.Context(), []byte("h"), []byte("s"))
		if len(got) != len(v) || err != nil {
			t.Fatalf("%d bytes, %v", len(got), err)
		}
	}

	err = whileTried(t, s, pegasus.Config{Auth: alice(), Dial: dial(&tls.Config{ServerName: "pegasus.example.com"})})
	var unknown x509.UnknownAuthorityError
	if !errors.As(err, &unknown) {
		t.Errorf("a certificate that nobody has signed: %v", err)
	}
	err = whileTried(t, s, pegasus.Config{Auth: alice(), Dial: dial(&tls.Config{RootCAs: roots, ServerName: "elsewhere.example.com"})})
	var wrongName x509.HostnameError
	if !errors.As(err, &wrongName) {
		t.Errorf("a certificate of another name: %v", err)
	}
}

// A onebox can end TLS by itself.
func TestTLSListener(t *testing.T) {
	cert, roots := certificate(t, "pegasus.example.com")
	s, err := onebox.Start(onebox.Options{
		ListenFunc: func(address string) (net.Listener, error) {
			return tls.Listen("tcp4", address, &tls.Config{Certificates: []tls.Certificate{cert}})
		},
		Tables: []onebox.Table{{Name: "temp"}},
	})
	must(t, err)
	defer s.Close()
	d := tls.Dialer{Config: &tls.Config{RootCAs: roots, ServerName: "pegasus.example.com"}}
	c := authClient(t, s, pegasus.Config{Dial: d.DialContext})
	table, err := c.Open(t.Context(), "temp")
	must(t, err)
	must(t, table.Set(t.Context(), []byte("h"), []byte("s"), []byte("v")))
	must(t, c.Close())

	// With the wrong protocol the error says so, also when there is authentication.
	for _, auth := range []pegasus.Authenticator{nil, alice()} {
		_, err := authClient(t, s, pegasus.Config{Auth: auth}).Open(within(t, time.Minute), "temp")
		if !errors.Is(err, pegasus.ErrMalformed) || errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("plain bytes to a port of TLS: %v", err)
		}
	}
}
