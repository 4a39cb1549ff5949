package route

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pegasus-go/pegasus/internal/memnet"
	"github.com/pegasus-go/pegasus/internal/peer"
	"github.com/pegasus-go/pegasus/internal/wire"
)

// serveHTTP starts a web server.
func serveHTTP(t *testing.T, n *memnet.Network, addr string, config *tls.Config) {
	t.Helper()
	l, err := n.Listen(addr)
	if err != nil {
		t.Fatal(err)
	}
	if config != nil {
		l = tls.NewListener(l, config)
	}
	s := &http.Server{Handler: http.NotFoundHandler(), ErrorLog: log.New(io.Discard, "", 0)}
	done := make(chan struct{})
	go func() { s.Serve(l); close(done) }()
	t.Cleanup(func() { s.Close(); <-done })
}

// What is no meta server is said to be none at once.
func TestWrongServer(t *testing.T) {
	web := httptest.NewUnstartedServer(nil)
	web.StartTLS() // for its certificate
	web.Close()
	const addr = "10.0.0.1:34601"
	for name, tc := range map[string]struct {
		start func(t *testing.T, n *memnet.Network)
		cause error
		text  string
	}{
		"a replica server": {
			func(t *testing.T, n *memnet.Network) {
				peer.Serve(t, n.Listen, addr, peer.Code(wire.ErrHandlerNotFound))
			},
			wire.ErrHandlerNotFound, "no meta server answered: 10.0.0.1:34601: no meta server: ERR_HANDLER_NOT_FOUND",
		},
		"HTTP": {
			func(t *testing.T, n *memnet.Network) { serveHTTP(t, n, addr, nil) },
			wire.ErrOtherProtocol, "no meta server answered: 10.0.0.1:34601: malformed message: the peer speaks HTTP, not the Pegasus protocol",
		},
		"TLS": {
			func(t *testing.T, n *memnet.Network) { serveHTTP(t, n, addr, web.TLS) },
			wire.ErrOtherProtocol, "no meta server answered: 10.0.0.1:34601: malformed message: the peer speaks TLS, not the Pegasus protocol",
		},
	} {
		for _, exclusive := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var n memnet.Network
					p := newPool(t, n.Dial)
					tc.start(t, &n)
					start := time.Now()
					_, err := ask(context.Background(), NewMeta(p, []string{addr}, nil), exclusive)
					var me *MetaError
					if !errors.As(err, &me) || !me.Wrong || me.Received || !errors.Is(err, tc.cause) || err.Error() != tc.text {
						t.Errorf("error %v, want %s", err, tc.text)
					}
					if d := time.Since(start); d != 0 {
						t.Errorf("took %v", d)
					}
				})
			})
		}
	}
}

// It is not known to be wrong while there are others that may be right.
func TestWrongServerAmongOthers(t *testing.T) {
	unknown := peer.Code(wire.ErrHandlerNotFound)
	for name, tc := range map[string]struct {
		servers  []string
		handlers []peer.Handler
		task     string
		wrong    bool
	}{
		"another one is down":           {[]string{"10.0.0.1:34601", "10.0.0.8:34601"}, []peer.Handler{unknown}, wire.TaskQueryConfig, false},
		"another one hangs up":          {[]string{"10.0.0.1:34601", "10.0.0.2:34601"}, []peer.Handler{unknown, peer.Hangup}, wire.TaskQueryConfig, false},
		"another one does not lead":     {[]string{"10.0.0.1:34601", "10.0.0.2:34601"}, []peer.Handler{unknown, forward("")}, wire.TaskQueryConfig, false},
		"a name is not known":           {[]string{"10.0.0.1:34601", "absent:34601"}, []peer.Handler{unknown}, wire.TaskQueryConfig, false},
		"all are":                       {[]string{"10.0.0.1:34601", "10.0.0.2:34601"}, []peer.Handler{unknown, unknown}, wire.TaskQueryConfig, true},
		"another address of the name":   {[]string{"localhost:34601"}, []peer.Handler{unknown}, wire.TaskQueryConfig, true},
		"too old for what it is to do":  {[]string{"10.0.0.1:34601"}, []peer.Handler{unknown}, wire.TaskRenameApp, true},
		"the answer is to another task": {[]string{"10.0.0.1:34601"}, []peer.Handler{renamed}, wire.TaskQueryConfig, true},
	} {
		t.Run(name, func(t *testing.T) {
			var n memnet.Network
			p := newPool(t, n.Dial)
			metas(t, &n, tc.handlers...)
			m := NewMeta(p, tc.servers, lookupFunc(func(_ context.Context, host string) ([]string, error) {
				if host == "localhost" {
					return []string{"::1", "10.0.0.1"}, nil
				}
				return nil, noSuchHost(host)
			}))
			_, err := AskStruct(t.Context(), m, tc.task, &wire.QueryConfigRequest{}, false, &wire.ErrResponse{},
				func(r *wire.ErrResponse) wire.ErrorCode { return r.Err })
			var me *MetaError
			if !errors.As(err, &me) || me.Wrong != tc.wrong {
				t.Errorf("error %v", err)
			}
		})
	}
}

func renamed(r *peer.Request) {
	resp := config(3)
	r.Send(wire.AppendReply(nil, &r.Request, "RPC_OTHER"+wire.AckSuffix, wire.Of(&resp)))
}

// A meta server that has been restarted knows nothing for a moment.
func TestRestartedMetaServer(t *testing.T) {
	var n memnet.Network
	p := newPool(t, n.Dial)
	m := NewMeta(p, metas(t, &n, peer.Each(answerWith(config(3)), peer.Code(wire.ErrHandlerNotFound))), nil)
	if _, err := ask(t.Context(), m, false); err != nil {
		t.Fatal(err)
	}
	_, err := ask(t.Context(), m, false)
	var me *MetaError
	if !errors.As(err, &me) || me.Wrong {
		t.Errorf("error %v", err)
	}
}

// Servers of TLS that use another library are recognized, too.
func TestBrokenHello(t *testing.T) {
	if len(brokenHello) < wire.RequestPrefix {
		t.Errorf("%d bytes: a server of Pegasus waits for more", len(brokenHello))
	}
	if n := int(brokenHello[4]); n != len(brokenHello)-5 {
		t.Errorf("the record has %d bytes, not %d", len(brokenHello)-5, n)
	}
	if n := int(brokenHello[8]); n != len(brokenHello)-9 {
		t.Errorf("the greeting has %d bytes, not %d", len(brokenHello)-9, n)
	}
}

// A server that hangs up and speaks nothing at all is waited for.
func TestHangupIsNoTLS(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n memnet.Network
		dials := 0
		p := newPool(t, func(ctx context.Context, network, addr string) (net.Conn, error) {
			dials++
			if dials > 1 {
				near, far := net.Pipe()
				context.AfterFunc(t.Context(), func() { far.Close() })
				go func() { far.Read(make([]byte, 100)) }()
				return near, nil
			}
			return n.Dial(ctx, network, addr)
		})
		m := NewMeta(p, metas(t, &n, peer.Hangup), nil)
		start := time.Now()
		_, err := ask(t.Context(), m, true)
		var me *MetaError
		if !errors.As(err, &me) || me.Wrong || !me.Received || !strings.Contains(err.Error(), "unexpected EOF") {
			t.Errorf("error %v", err)
		}
		if d := time.Since(start); d != helloTimeout {
			t.Errorf("took %v", d)
		}
	})
}
