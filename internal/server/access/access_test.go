package access

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/pegasus-go/pegasus/internal/wire"
)

func TestParseUsers(t *testing.T) {
	for list, want := range map[string]string{
		"":                  "",
		" ,\t, ":            "",
		"alice":             "alice",
		" alice , bob\r\n,": "alice bob",
		"a b,c":             "a b+c",
	} {
		users := ParseUsers(list)
		if want == "" && users != nil {
			t.Errorf("%q: %v, want everybody", list, users)
		}
		sep := " "
		if strings.Contains(want, "+") {
			sep = "+"
		}
		if got := strings.Join(slices.Sorted(maps.Keys(users)), sep); got != want {
			t.Errorf("%q: %q, want %q", list, got, want)
		}
	}
}

func TestUserOf(t *testing.T) {
	for principal, want := range map[string]string{
		"alice@R": "alice", "alice/laptop@R": "alice", "alice": "alice", "a@b@R": "a@b", "/x@R": "", "": "",
	} {
		if got := userOf(principal); got != want {
			t.Errorf("%q: %q, want %q", principal, got, want)
		}
	}
}

// secret is a mechanism whose first message is the principal and whose second is a secret.
type secret struct{ principal string }

func (s *secret) Step(m []byte) ([]byte, bool, error) {
	switch {
	case s.principal == "":
		s.principal = string(m)
		return []byte("and?"), false, nil
	case string(m) == "secret":
		return nil, true, nil
	}
	return nil, false, errors.New("wrong secret")
}

func (s *secret) Principal() string { return s.principal }

func secretAccess() *Access {
	return &Access{Mechanism: "SECRET", Start: func() Exchange { return new(secret) }, ACL: true, SuperUsers: ParseUsers("root")}
}

func msg(status int32, text string) wire.Negotiation {
	return wire.Negotiation{Status: status, Msg: []byte(text)}
}

// good is how a client becomes principal.
func good(principal string) []wire.Negotiation {
	return []wire.Negotiation{
		msg(wire.NegotiationListMechanisms, ""), msg(wire.NegotiationSelectMechanism, "SECRET"),
		msg(wire.NegotiationInitiate, principal), msg(wire.NegotiationResponse, "secret"),
	}
}

func TestNegotiation(t *testing.T) {
	read, negotiation := []byte(wire.TaskGet), []byte(wire.TaskNegotiation)
	for principal, want := range map[string]struct {
		user       string
		his, super bool
	}{
		"alice/x@R": {"alice", true, false},
		"bob@R":     {"bob", false, false},
		"root@R":    {"root", true, true},
	} {
		c := secretAccess().NewClient()
		for i, m := range good(principal) {
			if c.Heard(read) || !c.Heard(negotiation) || c.User() != "" || c.Super() || c.May(ParseUsers("alice")) {
				t.Fatalf("%s may do something before message %d", principal, i)
			}
			if _, err := c.Negotiate(m); err != nil {
				t.Fatalf("%s, message %d: %v", principal, i, err)
			}
		}
		if !c.Heard(read) || c.User() != want.user || c.Super() != want.super || c.May(ParseUsers("alice,carol")) != want.his || !c.May(nil) {
			t.Errorf("%s is %q, super %v, may %v", principal, c.User(), c.Super(), c.May(ParseUsers("alice,carol")))
		}
		if _, err := c.Negotiate(msg(wire.NegotiationListMechanisms, "")); err == nil {
			t.Error("a second negotiation")
		}
	}
}

func TestNegotiationRefuses(t *testing.T) {
	for name, change := range map[string]func(ms []wire.Negotiation) []wire.Negotiation{
		"no list":         func(ms []wire.Negotiation) []wire.Negotiation { return ms[1:] },
		"no mechanism":    func(ms []wire.Negotiation) []wire.Negotiation { return append(ms[:1], ms[2:]...) },
		"other mechanism": func(ms []wire.Negotiation) []wire.Negotiation { ms[1].Msg = []byte("PLAIN"); return ms },
		"wrong secret":    func(ms []wire.Negotiation) []wire.Negotiation { ms[3].Msg = nil; return ms },
		"no name":         func(ms []wire.Negotiation) []wire.Negotiation { ms[2].Msg = []byte("/x@R"); return ms },
		"unknown status":  func(ms []wire.Negotiation) []wire.Negotiation { ms[0].Status = -5; return ms },
		"an answer":       func(ms []wire.Negotiation) []wire.Negotiation { ms[3].Status = wire.NegotiationSuccess; return ms },
	} {
		c := secretAccess().NewClient()
		var err error
		for _, m := range change(good("alice@R")) {
			if _, err = c.Negotiate(m); err != nil {
				break
			}
		}
		if err == nil || c.User() != "" {
			t.Errorf("%s: %q is authenticated", name, c.User())
		}
		for _, m := range good("alice@R") { // once is enough
			if _, err := c.Negotiate(m); err == nil {
				t.Errorf("%s: listened to after a failure", name)
			}
		}
	}
}

func TestNobodyAsks(t *testing.T) {
	var a *Access
	c := a.NewClient()
	if !c.Heard(nil) || !c.Super() || !c.May(ParseUsers("alice")) || c.User() != "" {
		t.Error("without access control not everything is allowed")
	}
	if answer, err := c.Negotiate(wire.Negotiation{Status: 77}); answer.Status != wire.NegotiationAuthDisable || err != nil {
		t.Errorf("%v, %v", answer, err)
	}
}

// Nobody gets a name but by the whole of the negotiation, in order.
func FuzzNegotiation(f *testing.F) {
	f.Add([]byte{1, 3, 5, 7})
	f.Add([]byte{5, 7, 1, 3, 5, 7})
	f.Fuzz(func(t *testing.T, statuses []byte) {
		c := secretAccess().NewClient()
		texts := map[byte]string{3: "SECRET", 5: "alice@R", 7: "secret"}
		failed := false
		for i, s := range statuses {
			_, err := c.Negotiate(msg(int32(int8(s)), texts[s]))
			if failed = failed || err != nil; failed && err == nil {
				t.Fatalf("%v: goes on at %d after a failure", statuses, i)
			}
		}
		if want := len(statuses) >= 4 && string(statuses[:4]) == "\x01\x03\x05\x07"; (c.User() != "") != want {
			t.Errorf("%v: the user is %q", statuses, c.User())
		}
	})
}
