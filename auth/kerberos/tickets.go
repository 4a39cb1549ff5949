package kerberos

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/jcmturner/gokrb5/v8/credentials"
	"github.com/jcmturner/gokrb5/v8/iana/nametype"
	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/types"

	"github.com/pegasus-go/pegasus/auth/kerberos/internal/gss"
)

// ticket is a ticket and what its owner knows of it.
type ticket struct {
	messages.Ticket
	client     *credentials.Credentials // the owner
	key        types.EncryptionKey
	start, end time.Time
	renewTill  time.Time // zero: it cannot be renewed
}

// fresh reports whether there is time to look for another one later.
func (t *ticket) fresh(now time.Time) bool {
	return t != nil && now.Before(t.start.Add(t.end.Sub(t.start)/5*4))
}

// valid reports whether the ticket can be used. It has not expired at the moment when
// it is, then.
func (t *ticket) valid(now time.Time) bool { return t != nil && now.Before(t.end.Add(-margin)) }

const (
	margin = time.Second
	// spareTime is how long somebody who has a ticket waits for a newer one, and pause how
	// long nobody tries again when there was none.
	spareTime = time.Second
	pause     = 10 * time.Second
)

// tickets keeps those that there are. Whoever needs others gets them, one at a time.
type tickets struct {
	source *source
	turn   chan struct{} // capacity 1: who is in it may use what follows

	owner             string  // of the credential cache
	granting, service *ticket // that for the KDC, and that for the servers
	// Until then nobody is asked again: the ticket that there is is used, or refused is the answer.
	notBefore time.Time
	refused   error
}

func newTickets(s *source) *tickets { return &tickets{source: s, turn: make(chan struct{}, 1)} }

// get returns a ticket for the servers.
func (t *tickets) get(ctx context.Context) (*ticket, error) {
	select {
	case t.turn <- struct{}{}:
		defer func() { <-t.turn }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	now := t.source.now()
	waiting := now.Before(t.notBefore)
	switch {
	case t.service.fresh(now) || waiting && t.service.valid(now):
		return t.service, nil
	case waiting && t.refused != nil:
		return nil, t.refused
	}
	fresh, err := t.renew(ctx, now)
	if err == nil {
		t.service, t.refused = fresh, nil
		return fresh, nil
	}
	// Every connection that is tried comes here. A KDC may lock an account up that shows it a wrong key
	// again and again; who has run kinit does not want to wait.
	var no *saidNo
	if t.refused = nil; errors.As(err, &no) && t.source.keytab != "" {
		t.refused = err
	}
	valid := t.service.valid(now)
	if valid || t.refused != nil {
		t.notBefore = now.Add(pause)
	}
	if valid {
		return t.service, nil
	}
	return nil, err
}

// renew gets a ticket for the servers.
func (t *tickets) renew(ctx context.Context, now time.Time) (service *ticket, err error) {
	defer gss.Guard(&err)
	s := t.source
	if s.ccache != "" {
		if service, err = t.read(); err != nil || service.fresh(now) {
			return service, err
		}
		if service.valid(now) && !t.service.valid(now) {
			t.service = service // if there is none that is better
		}
	}
	if t.service.valid(now) {
		limited, cancel := context.WithTimeout(ctx, spareTime)
		defer cancel()
		ctx = limited
	}
	if err := t.grant(ctx, now); err != nil {
		return nil, err
	}
	realm, by := t.source.realm, t.granting
	if s.serviceRealm != "" && s.serviceRealm != realm {
		// The KDC there believes that of the client's realm, if they have agreed on it.
		if by, err = s.grantedBy(ctx, realm, by, krbtgt(s.serviceRealm), false); err != nil {
			return nil, err
		}
		realm = s.serviceRealm
	}
	return s.grantedBy(ctx, realm, by, s.service, false)
}

// grant sees to a ticket for the KDC that is good for a while, if there can be one.
func (t *tickets) grant(ctx context.Context, now time.Time) error {
	if t.granting.fresh(now) {
		return nil
	}
	var next *ticket
	var err error
	switch s, valid := t.source, t.granting.valid(now); {
	case s.keytab != "":
		next, err = s.initial(ctx)
	case valid && now.Before(t.granting.renewTill):
		next, err = s.grantedBy(ctx, s.realm, t.granting, krbtgt(s.realm), true)
	case valid:
		return nil
	case t.granting != nil:
		return fmt.Errorf("%w: that of %s in %s, at %s", ErrTicketExpired, t.owner, s.ccache, clock(t.granting.end))
	default:
		return fmt.Errorf("%w: %s has none of %s for the KDC", ErrNoTicket, s.ccache, t.owner)
	}
	switch {
	case err == nil:
		t.granting = next
	case !t.granting.valid(now):
		return err
	}
	return nil
}

func krbtgt(realm string) types.PrincipalName {
	return types.PrincipalName{NameType: nametype.KRB_NT_SRV_INST, NameString: []string{"krbtgt", realm}}
}

// read reads the credential cache: the ticket for the KDC, unless a newer one is known, and
// that for the servers if there is one.
func (t *tickets) read() (service *ticket, err error) {
	s := t.source
	b, err := os.ReadFile(s.ccache)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoTicket, err)
	}
	cc, err := parseCCache(b)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrNoTicket, s.ccache, err)
	}
	owner := credentials.NewFromPrincipalName(cc.owner.PrincipalName, cc.owner.realm)
	t.owner = cc.owner.PrincipalNameString() + "@" + cc.owner.realm
	if s.client != nil && t.owner != s.clientName() {
		return nil, fmt.Errorf("%w: the tickets in %s are those of %s, not of %s", ErrPrincipal, s.ccache, t.owner, s.clientName())
	}
	s.realm = cc.owner.realm
	var granting *ticket
	latest := func(have **ticket, found *ticket) {
		if *have == nil || found.end.After((*have).end) {
			*have = found
		}
	}
	for _, c := range cc.tickets {
		found := &ticket{client: owner, key: c.key, start: c.start, end: c.end}
		if c.renewable {
			found.renewTill = c.renewTill
		}
		if found.Unmarshal(c.ticket) != nil {
			continue
		}
		switch {
		case c.server.realm == s.realm && slices.Equal(c.server.NameString, krbtgt(s.realm).NameString):
			latest(&granting, found)
		case c.server.realm == cmp.Or(s.serviceRealm, s.realm) && slices.Equal(c.server.NameString, s.service.NameString) && gss.Supported(found.key.KeyType):
			latest(&service, found)
		}
	}
	if t.granting != nil && t.granting.isOf(owner) && granting != nil {
		latest(&granting, t.granting) // it was renewed
	}
	t.granting = granting
	return service, nil
}

func (t *ticket) isOf(owner *credentials.Credentials) bool {
	return t.client.Realm() == owner.Realm() && t.client.CName().Equal(owner.CName())
}

// grantedBy gets a ticket by one that there is, from a KDC of the realm. To renew it is to get the same with
// another end.
func (s *source) grantedBy(ctx context.Context, realm string, by *ticket, service types.PrincipalName, renewal bool) (*ticket, error) {
	req, err := messages.NewTGSReq(by.client.CName(), realm, s.conf, by.Ticket, by.key, service, renewal)
	if err != nil {
		return nil, err
	}
	b, err := req.Marshal()
	if err != nil {
		return nil, err
	}
	reply, err := s.ask(ctx, realm, b)
	if err != nil {
		return nil, s.refused(err, realm, service.PrincipalNameString())
	}
	var rep messages.TGSRep
	if err := rep.Unmarshal(reply); err != nil {
		return nil, fmt.Errorf("the KDC's answer: %w", err)
	}
	if err := rep.DecryptEncPart(by.key); err != nil {
		return nil, fmt.Errorf("the KDC's answer: %w", err)
	}
	if _, err := rep.Verify(s.conf, req); err != nil {
		return nil, s.unverified(rep.DecryptedEncPart, err)
	}
	// The one in front is not signed.
	if !slices.Equal(rep.Ticket.SName.NameString, service.NameString) || !slices.Equal(rep.DecryptedEncPart.SName.NameString, service.NameString) {
		return nil, fmt.Errorf("%w: the KDC of %s has a ticket for %s instead of %s, whose realm Config.Service does not say", ErrService,
			realm, rep.Ticket.SName.PrincipalNameString(), service.PrincipalNameString())
	}
	if !gss.Supported(rep.DecryptedEncPart.Key.KeyType) {
		return nil, fmt.Errorf("the KDC has made a key of kind %d, which is not AES", rep.DecryptedEncPart.Key.KeyType)
	}
	return newTicket(by.client, rep.Ticket, rep.DecryptedEncPart), nil
}

func newTicket(client *credentials.Credentials, t messages.Ticket, part messages.EncKDCRepPart) *ticket {
	start := part.StartTime
	if start.IsZero() {
		start = part.AuthTime
	}
	return &ticket{Ticket: t, client: client, key: part.Key, start: start, end: part.EndTime, renewTill: part.RenewTill}
}

// refused is the error of a KDC, about a principal.
func (s *source) refused(err error, realm, about string) error {
	var e messages.KRBError
	if errors.As(err, &e) {
		return &saidNo{fmt.Errorf("%s: %w", about, refusal("the KDC of "+realm, e, s.now()))}
	}
	return err
}

// saidNo is the error of a KDC that has answered, and gives no ticket.
type saidNo struct{ error }

func (n *saidNo) Unwrap() error { return n.error }

// unverified is the error of an answer that is not accepted: mostly because of its time.
func (s *source) unverified(part messages.EncKDCRepPart, err error) error {
	at, now := part.AuthTime, s.now()
	if !part.StartTime.IsZero() {
		at = part.StartTime
	}
	if d := now.Sub(at).Abs(); !at.IsZero() && d > s.conf.LibDefaults.Clockskew {
		return fmt.Errorf("%w: the KDC of %s is at %s, here it is %s", ErrClockSkew, s.realm, clock(at), clock(now))
	}
	return fmt.Errorf("the KDC's answer: %w", err)
}
