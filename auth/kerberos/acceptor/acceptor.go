// Package acceptor is the server's side of Kerberos for a onebox: it makes clients authenticate
// as servers of a secured Apache Pegasus do, for tests and for clusters of one machine.
//
//	accept, err := acceptor.New(acceptor.Config{Keytab: "/etc/pegasus.keytab", Service: "pegasus/pegasus.example.com"})
//	if err != nil {
//		return err
//	}
//	box, err := onebox.Start(onebox.Options{Auth: &onebox.Auth{Acceptor: accept, ACL: true, SuperUsers: []string{"root"}}})
//
// It needs a keytab and no KDC. What a client has shown is remembered for as long as it could be shown
// again, which is by this Acceptor only: processes that have the same keytab know nothing of each other.
package acceptor

import (
	"crypto/rand"
	"fmt"
	mathrand "math/rand/v2"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/jcmturner/gofork/encoding/asn1"
	"github.com/jcmturner/gokrb5/v8/asn1tools"
	"github.com/jcmturner/gokrb5/v8/crypto"
	"github.com/jcmturner/gokrb5/v8/gssapi"
	"github.com/jcmturner/gokrb5/v8/iana"
	"github.com/jcmturner/gokrb5/v8/iana/asnAppTag"
	"github.com/jcmturner/gokrb5/v8/iana/chksumtype"
	"github.com/jcmturner/gokrb5/v8/iana/keyusage"
	"github.com/jcmturner/gokrb5/v8/iana/msgtype"
	"github.com/jcmturner/gokrb5/v8/keytab"
	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/types"

	"github.com/pegasus-go/pegasus/auth/kerberos/internal/gss"
	"github.com/pegasus-go/pegasus/onebox"
)

// Config says who the servers are.
type Config struct {
	// Keytab is a file with the key of the service. Required. It is read once.
	Keytab string
	// Service is the principal of the servers, "name/host" or "name/host@REALM", to which
	// clients have to have a ticket. Default: any that Keytab has a key of.
	Service string
	// ClockSkew is how much the clocks of a client may differ. Default 5 minutes.
	ClockSkew time.Duration
}

// Acceptor is an onebox.Acceptor. It may be used by any number of them.
type Acceptor struct {
	keytab  *keytab.Keytab
	service []string // nil: any
	realm   string   // "": any
	skew    time.Duration
	shown   shown
}

var _ onebox.Acceptor = (*Acceptor)(nil)

// ConfigError says which field of Config makes no sense, and why.
type ConfigError struct {
	Field string
	Err   error
}

// Error names the field and the reason.
func (e *ConfigError) Error() string { return fmt.Sprintf("acceptor: Config.%s: %v", e.Field, e.Err) }

// Unwrap returns the reason.
func (e *ConfigError) Unwrap() error { return e.Err }

func badConfig(field, format string, args ...any) error {
	return &ConfigError{field, fmt.Errorf(format, args...)}
}

// New returns an Acceptor. It fails with a *ConfigError if the keytab cannot be read, or has no
// key of the service.
func New(cfg Config) (*Acceptor, error) {
	b, err := os.ReadFile(cfg.Keytab)
	if err != nil {
		return nil, &ConfigError{"Keytab", err}
	}
	a := &Acceptor{skew: cfg.ClockSkew}
	if a.keytab, err = gss.ParseKeytab(b); err != nil {
		return nil, badConfig("Keytab", "%s: %w", cfg.Keytab, err)
	}
	switch {
	case a.skew < 0:
		return nil, badConfig("ClockSkew", "is negative")
	case a.skew == 0:
		a.skew = 5 * time.Minute
	}
	if cfg.Service != "" {
		name, realm := types.ParseSPNString(cfg.Service)
		a.service, a.realm = name.NameString, realm
	}
	for _, e := range a.keytab.Entries {
		if a.is(e.Principal.Components, e.Principal.Realm) && gss.Supported(e.Key.KeyType) {
			return a, nil
		}
	}
	if cfg.Service == "" {
		return nil, badConfig("Keytab", "%s has no AES key", cfg.Keytab)
	}
	return nil, badConfig("Service", "%s has no AES key of %q", cfg.Keytab, cfg.Service)
}

// is reports whether a principal is that of the service.
func (a *Acceptor) is(name []string, realm string) bool {
	return (a.service == nil || slices.Equal(name, a.service)) && (a.realm == "" || realm == a.realm)
}

// Mechanism implements onebox.Acceptor: "GSSAPI".
func (a *Acceptor) Mechanism() string { return "GSSAPI" }

// Accept implements onebox.Acceptor.
func (a *Acceptor) Accept() onebox.AcceptorExchange { return &exchange{a: a} }

// exchange is the server's side of one connection.
type exchange struct {
	a         *Acceptor
	next      waitsFor
	key       gss.Key
	seq       uint64 // of the server's first token that is signed
	principal string
}

// waitsFor is what the client has to send next.
type waitsFor int

const (
	aTicket waitsFor = iota
	gotIt            // that it has got the proof: nothing
	aChoice          // of a protection
	nothing          // more
)

// noLayer is the protection of a connection by SASL that means none.
const noLayer = 1

// Step implements onebox.AcceptorExchange.
func (x *exchange) Step(message []byte) (challenge []byte, done bool, err error) {
	defer gss.Guard(&err)
	waits := x.next
	x.next = nothing
	switch waits {
	case aTicket:
		challenge, err = x.check(message)
	case gotIt:
		if len(message) > 0 {
			return nil, false, fmt.Errorf("%w: %d bytes where there should be none", gss.ErrMalformed, len(message))
		}
		challenge, err = x.offer()
	case aChoice:
		err = x.agreed(message)
		done = err == nil
	default:
		err = fmt.Errorf("%w: nothing is left to be said", gss.ErrMalformed)
	}
	return challenge, done, err
}

// offer returns the protections that the client can choose from.
func (x *exchange) offer() ([]byte, error) {
	x.next = aChoice
	return x.key.Wrap(gss.Acceptor, x.seq, []byte{noLayer, 0, 0, 0})
}

// Principal implements onebox.AcceptorExchange.
func (x *exchange) Principal() string { return x.principal }

// check reads what the client shows, and returns proof of that, or if the client does not want
// any, as that of Java does not, the offer.
func (x *exchange) check(token []byte) ([]byte, error) {
	id, message, err := gss.ParseContextToken(token)
	switch {
	case err != nil:
		return nil, err
	case id != gss.APReq:
		return nil, fmt.Errorf("%w: token %#x", gss.ErrMalformed, id)
	}
	var req messages.APReq
	if err := req.Unmarshal(message); err != nil {
		return nil, fmt.Errorf("%w: %w", gss.ErrMalformed, err)
	}
	if !x.a.is(req.Ticket.SName.NameString, req.Ticket.Realm) {
		return nil, fmt.Errorf("the ticket is for %.100q in realm %.100q", req.Ticket.SName.PrincipalNameString(), req.Ticket.Realm)
	}
	if _, err := req.Verify(x.a.keytab, x.a.skew, types.HostAddress{}, nil); err != nil {
		return nil, err
	}
	if err := x.a.shown.first(req.EncryptedAuthenticator.Cipher, time.Now(), 2*x.a.skew); err != nil {
		return nil, err
	}
	shown, ticket := req.Authenticator, req.Ticket.DecryptedEncPart
	sum := shown.Cksum.Checksum
	switch {
	case shown.CRealm != ticket.CRealm:
		return nil, fmt.Errorf("the ticket of a client of %s is shown by one of %s", ticket.CRealm, shown.CRealm)
	case shown.Cksum.CksumType != chksumtype.GSSAPI || len(sum) < 24:
		return nil, fmt.Errorf("%w: it does not say what the client wants", gss.ErrMalformed)
	}
	x.key.EncryptionKey = ticket.Key
	if shown.SubKey.KeyType != 0 {
		x.key.EncryptionKey = shown.SubKey
	}
	if !gss.Supported(ticket.Key.KeyType) || !gss.Supported(x.key.KeyType) {
		return nil, fmt.Errorf("the keys are of kinds %d and %d, which are not AES", ticket.Key.KeyType, x.key.KeyType)
	}
	x.principal = ticket.CName.PrincipalNameString() + "@" + ticket.CRealm
	if sum[20]&gssapi.ContextFlagMutual == 0 {
		x.seq = uint64(shown.SeqNumber) & (1<<32 - 1) // there is no other way to tell
		return x.offer()
	}
	return x.proof(shown, ticket.Key)
}

// proof returns what only those can say who have read the ticket, with a key for what
// follows.
func (x *exchange) proof(shown types.Authenticator, key types.EncryptionKey) ([]byte, error) {
	subkey := types.EncryptionKey{KeyType: key.KeyType, KeyValue: make([]byte, len(key.KeyValue))}
	rand.Read(subkey.KeyValue)
	x.key = gss.Key{EncryptionKey: subkey, Subkey: true}
	x.next = gotIt
	x.seq = uint64(mathrand.Int32())
	b, err := asn1.Marshal(messages.EncAPRepPart{CTime: shown.CTime, Cusec: shown.Cusec, Subkey: subkey, SequenceNumber: int64(x.seq)})
	if err != nil {
		return nil, err
	}
	encrypted, err := crypto.GetEncryptedData(asn1tools.AddASNAppTag(b, asnAppTag.EncAPRepPart), key, keyusage.AP_REP_ENCPART, 0)
	if err != nil {
		return nil, err
	}
	b, err = asn1.Marshal(messages.APRep{PVNO: iana.PVNO, MsgType: msgtype.KRB_AP_REP, EncPart: encrypted})
	if err != nil {
		return nil, err
	}
	return gss.ContextToken(gss.APRep, asn1tools.AddASNAppTag(b, asnAppTag.APREP))
}

// agreed reads the client's choice of a protection.
func (x *exchange) agreed(token []byte) error {
	choice, err := x.key.Unwrap(gss.Initiator, token)
	switch {
	case err != nil:
		return err
	case len(choice) < 4 || choice[0] != noLayer:
		return fmt.Errorf("%w: the client wants connections that are signed or encrypted", gss.ErrMalformed)
	}
	name, _, _ := strings.Cut(x.principal, "@")
	if as := string(choice[4:]); as != "" && as != x.principal && as != name {
		return fmt.Errorf("%s wants to be %.100q", x.principal, as)
	}
	return nil
}
