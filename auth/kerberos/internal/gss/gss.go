// Package gss has the tokens of Kerberos in GSSAPI (RFC 4121) that SASL (RFC 4752) needs,
// for both sides: those of the context, and those that wrap a message.
//
// Whatever it is given, it returns an error at worst: what the library below panics at is
// an error too.
package gss

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/jcmturner/gofork/encoding/asn1"
	"github.com/jcmturner/gokrb5/v8/asn1tools"
	"github.com/jcmturner/gokrb5/v8/crypto"
	"github.com/jcmturner/gokrb5/v8/gssapi"
	"github.com/jcmturner/gokrb5/v8/iana/etypeID"
	"github.com/jcmturner/gokrb5/v8/iana/keyusage"
	"github.com/jcmturner/gokrb5/v8/types"
)

// ErrMalformed is the error of bytes that are no token, or not the one that has to come.
var ErrMalformed = errors.New("malformed GSSAPI token")

// What a token of a context has in it.
const (
	APReq    = 0x0100
	APRep    = 0x0200
	KRBError = 0x0300
)

// Guard makes an error of a panic of the library, which has them for some of the bytes
// that a peer can send.
func Guard(err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("%w: %v", ErrMalformed, p)
	}
}

// ContextToken returns a token of a context.
func ContextToken(id uint16, message []byte) ([]byte, error) {
	b, err := asn1.Marshal(gssapi.OIDKRB5.OID())
	if err != nil {
		return nil, err
	}
	b = binary.BigEndian.AppendUint16(b, id)
	return asn1tools.AddASNAppTag(append(b, message...), 0), nil
}

// ParseContextToken returns what is in a token of a context.
func ParseContextToken(token []byte) (id uint16, message []byte, err error) {
	defer Guard(&err)
	var whole asn1.RawValue
	rest, err := asn1.Unmarshal(token, &whole)
	if err != nil || len(rest) > 0 || whole.Class != asn1.ClassApplication || whole.Tag != 0 || !whole.IsCompound {
		return 0, nil, fmt.Errorf("%w: no token of a context (%v)", ErrMalformed, err)
	}
	var oid asn1.ObjectIdentifier
	switch rest, err = asn1.Unmarshal(whole.Bytes, &oid); {
	case err != nil:
		return 0, nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	case !oid.Equal(gssapi.OIDKRB5.OID()):
		return 0, nil, fmt.Errorf("%w: mechanism %v is not Kerberos", ErrMalformed, oid)
	case len(rest) < 2:
		return 0, nil, fmt.Errorf("%w: too short", ErrMalformed)
	}
	return binary.BigEndian.Uint16(rest), rest[2:], nil
}

// Supported reports whether tokens of a key's kind have the form of RFC 4121: those of
// DES and RC4 have an older one.
func Supported(etype int32) bool {
	switch etype {
	case etypeID.AES128_CTS_HMAC_SHA1_96, etypeID.AES256_CTS_HMAC_SHA1_96, etypeID.AES128_CTS_HMAC_SHA256_128, etypeID.AES256_CTS_HMAC_SHA384_192:
		return true
	}
	return false
}

// Side is one side of a context.
type Side int

// The sides.
const (
	Initiator Side = iota
	Acceptor
)

func (s Side) usage() uint32 {
	if s == Acceptor {
		return keyusage.GSSAPI_ACCEPTOR_SEAL
	}
	return keyusage.GSSAPI_INITIATOR_SEAL
}

// The form of a token that wraps a message.
const (
	wrapHeader = 16

	flagAcceptor = 1 // it is from the acceptor
	flagSealed   = 2 // the message is encrypted
	flagSubkey   = 4 // the key is the acceptor's subkey
)

// Key is the key of a context: a subkey of the acceptor if that has made one, else that of the
// ticket.
type Key struct {
	types.EncryptionKey
	Subkey bool
}

// Wrap returns a token with a message, signed and not encrypted.
func (k Key) Wrap(from Side, seq uint64, message []byte) (token []byte, err error) {
	defer Guard(&err)
	header := make([]byte, wrapHeader, wrapHeader+len(message)+64)
	header[0], header[1], header[3] = 5, 4, 0xff
	if from == Acceptor {
		header[2] |= flagAcceptor
	}
	if k.Subkey {
		header[2] |= flagSubkey
	}
	binary.BigEndian.PutUint64(header[8:], seq)
	et, err := crypto.GetEtype(k.KeyType)
	if err != nil {
		return nil, err
	}
	sum, err := et.GetChecksumHash(k.KeyValue, slices.Concat(message, header), from.usage())
	if err != nil {
		return nil, err
	}
	binary.BigEndian.PutUint16(header[4:], uint16(len(sum)))
	return append(append(header, message...), sum...), nil
}

// Unwrap returns the message in a token of the other side. It does not alias the token.
func (k Key) Unwrap(from Side, token []byte) (message []byte, err error) {
	defer Guard(&err)
	if len(token) < wrapHeader || token[0] != 5 || token[1] != 4 || token[3] != 0xff {
		return nil, fmt.Errorf("%w: it wraps nothing", ErrMalformed)
	}
	flags := token[2]
	switch {
	case (flags&flagAcceptor != 0) != (from == Acceptor):
		return nil, fmt.Errorf("%w: it comes from the wrong side", ErrMalformed)
	case flags&flagSealed != 0:
		return nil, fmt.Errorf("%w: it is encrypted, which was not agreed on", ErrMalformed)
	case (flags&flagSubkey != 0) != k.Subkey:
		return nil, fmt.Errorf("%w: it is signed with another key", ErrMalformed)
	}
	ec, rrc := int(binary.BigEndian.Uint16(token[4:])), int(binary.BigEndian.Uint16(token[6:]))
	body := slices.Clone(token[wrapHeader:])
	if ec > len(body) {
		return nil, fmt.Errorf("%w: a checksum of %d bytes in %d", ErrMalformed, ec, len(body))
	}
	if len(body) > 0 { // it is rotated to the right
		rrc %= len(body)
		body = slices.Concat(body[rrc:], body[:rrc])
	}
	message, sum := body[:len(body)-ec], body[len(body)-ec:]
	header := slices.Clone(token[:wrapHeader])
	clear(header[4:8])
	et, err := crypto.GetEtype(k.KeyType)
	if err != nil {
		return nil, err
	}
	if !et.VerifyChecksum(k.KeyValue, slices.Concat(message, header), sum, from.usage()) {
		return nil, fmt.Errorf("%w: the checksum is wrong", ErrMalformed)
	}
	return message, nil
}
