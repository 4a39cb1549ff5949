package kerberos

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/jcmturner/gokrb5/v8/crypto"
	"github.com/jcmturner/gokrb5/v8/gssapi"
	"github.com/jcmturner/gokrb5/v8/iana/chksumtype"
	"github.com/jcmturner/gokrb5/v8/iana/flags"
	"github.com/jcmturner/gokrb5/v8/iana/keyusage"
	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/types"

	"github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/auth/kerberos/internal/gss"
)

// initiator is the client's side of one connection: it shows the ticket, makes sure that
// the server can read it, and agrees to no further protection of the connection, which servers
// of Pegasus know nothing of.
type initiator struct {
	ticket  *ticket
	service string

	step  int
	shown types.Authenticator // beside the ticket
	key   gss.Key
	done  bool
}

var _ pegasus.AuthExchange = (*initiator)(nil)

// Step implements pegasus.AuthExchange.
func (x *initiator) Step(_ context.Context, challenge []byte) (answer []byte, err error) {
	defer gss.Guard(&err)
	switch x.step++; x.step {
	case 1:
		return x.show()
	case 2:
		return []byte{}, x.accept(challenge)
	case 3:
		return x.agree(challenge)
	}
	return nil, fmt.Errorf("%w: it goes on asking", ErrServer)
}

// Done implements pegasus.AuthExchange.
func (x *initiator) Done() bool { return x.done }

// show returns the ticket, and proof that it is the client's.
func (x *initiator) show() ([]byte, error) {
	shown, err := types.NewAuthenticator(x.ticket.client.Realm(), x.ticket.client.CName())
	if err != nil {
		return nil, err
	}
	sum := make([]byte, 24) // the length of nothing, nothing, and what is asked for
	binary.LittleEndian.PutUint32(sum, 16)
	binary.LittleEndian.PutUint32(sum[20:], gssapi.ContextFlagMutual|gssapi.ContextFlagInteg|gssapi.ContextFlagReplay|gssapi.ContextFlagSequence)
	shown.Cksum = types.Checksum{CksumType: chksumtype.GSSAPI, Checksum: sum}
	req, err := messages.NewAPReq(x.ticket.Ticket, x.ticket.key, shown)
	if err != nil {
		return nil, err
	}
	types.SetFlag(&req.APOptions, flags.APOptionMutualRequired)
	b, err := req.Marshal()
	if err != nil {
		return nil, err
	}
	x.shown = shown
	x.key = gss.Key{EncryptionKey: x.ticket.key}
	return gss.ContextToken(gss.APReq, b)
}

// accept makes sure that the server has read what was shown.
func (x *initiator) accept(token []byte) error {
	id, message, err := gss.ParseContextToken(token)
	switch {
	case err != nil:
		return fmt.Errorf("%w: %w", ErrServer, err)
	case id == gss.KRBError:
		var e messages.KRBError
		if err := e.Unmarshal(message); err != nil {
			return fmt.Errorf("%w: %w", ErrServer, err)
		}
		return refusal(x.service, e, time.Now())
	case id != gss.APRep:
		return fmt.Errorf("%w: token %#x", ErrServer, id)
	}
	var rep messages.APRep
	if err := rep.Unmarshal(message); err != nil {
		return fmt.Errorf("%w: %w", ErrServer, err)
	}
	b, err := crypto.DecryptEncPart(rep.EncPart, x.ticket.key, keyusage.AP_REP_ENCPART)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrServer, err)
	}
	var part messages.EncAPRepPart
	if err := part.Unmarshal(b); err != nil {
		return fmt.Errorf("%w: %w", ErrServer, err)
	}
	if part.Cusec != x.shown.Cusec || part.CTime.Unix() != x.shown.CTime.Unix() {
		return fmt.Errorf("%w: it answers to somebody else", ErrServer)
	}
	if part.Subkey.KeyType == 0 {
		return nil
	}
	if !gss.Supported(part.Subkey.KeyType) {
		return fmt.Errorf("%w: its key is of kind %d, which is not AES", ErrServer, part.Subkey.KeyType)
	}
	// Later tokens are signed with the acceptor's subkey if there is one.
	x.key = gss.Key{EncryptionKey: part.Subkey, Subkey: true}
	return nil
}

// noLayer is the protection of a connection by SASL that means none, in an offer and in
// the answer.
const noLayer = 1

// agree answers the offer of protections.
func (x *initiator) agree(token []byte) ([]byte, error) {
	offer, err := x.key.Unwrap(gss.Acceptor, token)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrServer, err)
	case len(offer) != 4:
		return nil, fmt.Errorf("%w: an offer of %d bytes", ErrServer, len(offer))
	case offer[0]&noLayer == 0:
		return nil, errors.New("the server demands connections that are signed or encrypted, which Pegasus has not")
	}
	answer, err := x.key.Wrap(gss.Initiator, uint64(x.shown.SeqNumber), []byte{noLayer, 0, 0, 0})
	if err != nil {
		return nil, err
	}
	x.done = true
	return answer, nil
}
