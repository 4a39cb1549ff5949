package rpc

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pegasus-go/pegasus/internal/memnet"
	"github.com/pegasus-go/pegasus/internal/peer"
	"github.com/pegasus-go/pegasus/internal/wire"
)

// lines is a mechanism that says what is written down, to whatever it hears.
type lines struct {
	said   []string
	heard  []string
	enough int // challenges
}

func (l *lines) auth() *Auth {
	return NewAuth("LINES", func(context.Context, string) (*lines, error) { return l, nil }, false)
}

func (l *lines) Step(_ context.Context, challenge []byte) ([]byte, error) {
	if challenge != nil {
		l.heard = append(l.heard, string(challenge))
	}
	if len(l.said) == 0 {
		return nil, errors.New("nothing more to say")
	}
	next := l.said[0]
	l.said = l.said[1:]
	return []byte(next), nil
}

func (l *lines) Done() bool { return len(l.heard) >= l.enough }

// authServer answers each message of a negotiation with the next of answers, and other
// requests as echo does. A status below 0 closes the connection.
func authServer(t *testing.T, n *memnet.Network, answers ...wire.Negotiation) (asked chan wire.Negotiation) {
	asked = make(chan wire.Negotiation, 10*len(answers)+10)
	var i atomic.Int32
	peer.Serve(t, n.Listen, serverAddr, func(r *peer.Request) {
		if r.Name() != wire.TaskNegotiation {
			echo(r)
			return
		}
		asked <- peerNegotiation(r)
		k := int(i.Add(1)) - 1
		switch {
		case k >= len(answers):
		case answers[k].Status < 0:
			r.Hangup()
		default:
			r.Reply(wire.Of(&answers[k]))
		}
	})
	return asked
}

func peerNegotiation(r *peer.Request) wire.Negotiation {
	var m wire.Negotiation
	arg := r.Arg
	wire.Of(&m).Read(&arg)
	return m
}

func answer(status int32, msg string) wire.Negotiation {
	return wire.Negotiation{Status: status, Msg: []byte(msg)}
}

var (
	offer    = answer(wire.NegotiationMechanisms, "OTHER,LINES")
	selected = answer(wire.NegotiationMechanismSelected, "")
	hangup   = answer(-1, "")
)

func TestNegotiate(t *testing.T) {
	var n memnet.Network
	asked := authServer(t, &n, offer, selected, answer(wire.NegotiationChallenge, "c1"), answer(wire.NegotiationChallenge, "c2"), answer(wire.NegotiationSuccess, ""))
	l := &lines{said: []string{"s1", "s2", ""}, enough: 2}
	p := NewPool(PoolOptions{Dial: n.Dial, Auth: l.auth()})
	defer p.Close()
	c, err := p.Node(serverAddr).Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if v, err := get(t.Context(), c, "key"); v != "key" || err != nil {
		t.Fatalf("first call: %q, %v", v, err)
	}
	for i, want := range []wire.Negotiation{
		answer(wire.NegotiationListMechanisms, ""), answer(wire.NegotiationSelectMechanism, "LINES"),
		answer(wire.NegotiationInitiate, "s1"), answer(wire.NegotiationResponse, "s2"), answer(wire.NegotiationResponse, ""),
	} {
		if got := <-asked; got.Status != want.Status || string(got.Msg) != string(want.Msg) {
			t.Errorf("message %d: %d %q, want %d %q", i, got.Status, got.Msg, want.Status, want.Msg)
		}
	}
	if strings.Join(l.heard, " ") != "c1 c2" {
		t.Errorf("challenges: %q", l.heard)
	}
}

func TestNegotiationFails(t *testing.T) {
	many := []wire.Negotiation{offer, selected}
	for range maxSteps {
		many = append(many, answer(wire.NegotiationChallenge, "again"))
	}
	for name, test := range map[string]struct {
		answers   []wire.Negotiation
		want      error
		permanent bool
	}{
		"no authentication":      {[]wire.Negotiation{answer(wire.NegotiationAuthDisable, "")}, ErrAuthUnsupported, true},
		"other mechanisms":       {[]wire.Negotiation{answer(wire.NegotiationMechanisms, "OTHER,LINESMEN")}, ErrAuthUnsupported, true},
		"no mechanism":           {[]wire.Negotiation{answer(wire.NegotiationMechanisms, "")}, ErrAuthUnsupported, true},
		"refused at once":        {[]wire.Negotiation{answer(wire.NegotiationAuthFail, "")}, ErrAuthRefused, true},
		"refused":                {[]wire.Negotiation{offer, selected, answer(wire.NegotiationAuthFail, "")}, ErrAuthRefused, true},
		"success at once":        {[]wire.Negotiation{answer(wire.NegotiationSuccess, "")}, wire.ErrMalformed, true},
		"success too early":      {[]wire.Negotiation{offer, selected, answer(wire.NegotiationSuccess, "")}, ErrAuth, true},
		"challenge too early":    {[]wire.Negotiation{offer, answer(wire.NegotiationChallenge, "")}, wire.ErrMalformed, true},
		"disabled in the middle": {[]wire.Negotiation{offer, selected, answer(wire.NegotiationAuthDisable, "")}, wire.ErrMalformed, true},
		"unknown status":         {[]wire.Negotiation{answer(99, "")}, wire.ErrMalformed, true},
		"no end":                 {many, ErrAuth, true},
		"hangs up":               {[]wire.Negotiation{hangup}, io.ErrUnexpectedEOF, false},
		"hangs up on response":   {[]wire.Negotiation{offer, selected, hangup}, ErrAuthRefused, false},
	} {
		t.Run(name, func(t *testing.T) {
			var n memnet.Network
			authServer(t, &n, test.answers...)
			l := &lines{said: make([]string, maxSteps+1), enough: 1}
			p := NewPool(PoolOptions{Dial: n.Dial, Auth: l.auth()})
			defer p.Close()
			_, err := p.Node(serverAddr).Conn(t.Context())
			var re *Error
			if !errors.Is(err, test.want) || !errors.Is(err, ErrAuth) || !errors.As(err, &re) || re.Sent {
				t.Fatalf("%v, want %v", err, test.want)
			}
			if Permanent(err) != test.permanent {
				t.Errorf("permanent is %v: %v", !test.permanent, err)
			}
			if want := name == "hangs up"; Broke(err) != want {
				t.Errorf("broke off is %v: %v", !want, err)
			}
		})
	}
}

// Only the first challenge is nil, whatever a server leaves out.
func TestChallengeWithoutMessage(t *testing.T) {
	var n memnet.Network
	answers := []wire.Negotiation{offer, selected, {}, answer(wire.NegotiationSuccess, "")}
	var i atomic.Int32
	peer.Serve(t, n.Listen, serverAddr, func(r *peer.Request) {
		switch k := int(i.Add(1)) - 1; {
		case k >= len(answers):
		case k == 2:
			r.Reply(wire.Of(&struct {
				Status int32 `thrift:"1"`
			}{wire.NegotiationChallenge}))
		default:
			r.Reply(wire.Of(&answers[k]))
		}
	})
	l := &lines{said: []string{"s1", "s2"}, enough: 1}
	p := NewPool(PoolOptions{Dial: n.Dial, Auth: l.auth()})
	defer p.Close()
	if _, err := p.Node(serverAddr).Conn(t.Context()); err != nil {
		t.Error(err)
	}
}

// A server that is older than authentication does not know the RPC.
func TestNegotiateWithOldServer(t *testing.T) {
	for _, optional := range []bool{false, true} {
		var n memnet.Network
		peer.Serve(t, n.Listen, serverAddr, func(r *peer.Request) {
			if r.Name() == wire.TaskNegotiation {
				r.Fail(wire.ErrHandlerNotFound)
				return
			}
			echo(r)
		})
		auth := new(lines).auth()
		auth.Optional = optional
		p := NewPool(PoolOptions{Dial: n.Dial, Auth: auth})
		defer p.Close()
		c, err := p.Node(serverAddr).Conn(t.Context())
		if !optional {
			if !errors.Is(err, ErrAuthUnsupported) {
				t.Errorf("an old server: %v", err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if v, err := get(t.Context(), c, "key"); v != "key" || err != nil {
			t.Errorf("without authentication: %q, %v", v, err)
		}
	}
}

// The negotiation has what is left of the time for a connection, and ends with the pool.
func TestNegotiationIsInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n memnet.Network
		asked := authServer(t, &n)
		p := NewPool(PoolOptions{Dial: n.Dial, Auth: new(lines).auth()})
		began := time.Now()
		_, err := p.Node(serverAddr).Conn(t.Context())
		if !errors.Is(err, ErrStalled) || errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a silent server: %v", err)
		}
		if took := time.Since(began); took != 3*time.Second {
			t.Errorf("took %v", took)
		}
		if !p.Node(serverAddr).Hung() {
			t.Error("the server does not count as one that hangs")
		}
		<-asked
		d := p.Node(serverAddr).Dial(0)
		<-asked // it is in the second attempt
		began = time.Now()
		p.Close()
		<-d.Done
		if !errors.Is(d.Err, ErrClosed) || time.Since(began) > 0 {
			t.Errorf("closed after %v: %v", time.Since(began), d.Err)
		}
	})
}

// demanding is a server that drops everything but negotiations. listens is set if it
// answers those who have not authenticated after all, but slowly.
func demanding(t *testing.T, n *memnet.Network, listens time.Duration) {
	peer.Serve(t, n.Listen, serverAddr, func(r *peer.Request) {
		switch {
		case r.Name() == wire.TaskNegotiation:
			r.Reply(wire.Of(&offer))
		case listens == 0:
		case r.Name() == taskProbe:
			r.Fail(wire.ErrHandlerNotFound)
		default:
			time.AfterFunc(listens, func() { echo(r) })
		}
	})
}

func TestServerDemandsAuthentication(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n memnet.Network
		demanding(t, &n, 0)
		p := NewPool(PoolOptions{Dial: n.Dial})
		defer p.Close()
		c, err := p.Node(serverAddr).Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		_, err = get(t.Context(), c, "key")
		if !errors.Is(err, ErrAuthRequired) || !Permanent(err) {
			t.Fatalf("%v", err)
		}
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("found out after %v", took)
		}
		if p.Node(serverAddr).Hung() {
			t.Error("the server counts as one that hangs")
		}
	})
}

func TestSlowServerDoesNotDemandAuthentication(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n memnet.Network
		demanding(t, &n, 20*time.Second)
		p := NewPool(PoolOptions{Dial: n.Dial})
		defer p.Close()
		c, err := p.Node(serverAddr).Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if v, err := get(t.Context(), c, "key"); v != "key" || err != nil {
			t.Fatalf("%q, %v", v, err)
		}
	})
}

// Whatever a server sends ends the negotiation, with an error unless it is a success
// with all that the mechanism asks for.
func FuzzNegotiate(f *testing.F) {
	frames := func(answers ...wire.Negotiation) (all []byte) {
		for i, a := range answers {
			q := wire.Request{Seq: int32(i + 1)}
			all = wire.AppendReply(all, &q, wire.TaskNegotiation+wire.AckSuffix, wire.Of(&a))
		}
		return all
	}
	f.Add(frames(offer, selected, answer(wire.NegotiationChallenge, "c"), answer(wire.NegotiationSuccess, "")))
	f.Add(frames(answer(wire.NegotiationAuthDisable, "")))
	f.Add(frames(offer, selected, answer(wire.NegotiationAuthFail, "")))
	f.Add([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"))
	f.Add([]byte{0xff, 0xff, 0xff, 0xff})
	f.Add([]byte{0, 4, 0, 0, 0, 0, 0, 6})
	f.Fuzz(func(t *testing.T, b []byte) {
		near, far := net.Pipe()
		defer near.Close()
		go func() { _, _ = io.Copy(io.Discard, far) }()
		go func() {
			_, _ = far.Write(b)
			far.Close()
		}()
		l := &lines{said: []string{"1", "2", "3"}, enough: 1}
		switch err := l.auth().negotiate(context.Background(), near, serverAddr); {
		case err == nil && !(l.Done() && strings.Contains(string(b), "LINES")):
			t.Errorf("authenticated by %q", b)
		case err != nil && !errors.Is(err, ErrAuth):
			t.Errorf("%v", err)
		}
	})
}
