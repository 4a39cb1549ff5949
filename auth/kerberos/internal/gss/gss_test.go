package gss

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"
	"testing"

	"github.com/jcmturner/gokrb5/v8/crypto"
	"github.com/jcmturner/gokrb5/v8/iana/etypeID"
	"github.com/jcmturner/gokrb5/v8/types"
)

var kinds = []int32{
	etypeID.AES128_CTS_HMAC_SHA1_96, etypeID.AES256_CTS_HMAC_SHA1_96,
	etypeID.AES128_CTS_HMAC_SHA256_128, etypeID.AES256_CTS_HMAC_SHA384_192,
}

func key(t testing.TB, kind int32, subkey bool) Key {
	t.Helper()
	et, err := crypto.GetEtype(kind)
	if err != nil {
		t.Fatal(err)
	}
	return Key{types.EncryptionKey{KeyType: kind, KeyValue: bytes.Repeat([]byte{7}, et.GetKeyByteSize())}, subkey}
}

func TestWrap(t *testing.T) {
	for _, kind := range kinds {
		if !Supported(kind) {
			t.Errorf("kind %d", kind)
		}
		for _, from := range []Side{Initiator, Acceptor} {
			k := key(t, kind, from == Acceptor)
			token, err := k.Wrap(from, 1<<33+5, []byte("abcd"))
			if err != nil {
				t.Fatal(err)
			}
			for rrc := range 40 { // others rotate
				rotated := slices.Clone(token)
				body := rotated[wrapHeader:]
				n := rrc % len(body)
				copy(body, slices.Concat(body[len(body)-n:], body[:len(body)-n]))
				binary.BigEndian.PutUint16(rotated[6:], uint16(rrc))
				if m, err := k.Unwrap(from, rotated); string(m) != "abcd" || err != nil {
					t.Fatalf("kind %d, rotated by %d: %q, %v", kind, rrc, m, err)
				}
			}
			for i := range token {
				bad := slices.Clone(token)
				bad[i] ^= 0x10
				m, err := k.Unwrap(from, bad)
				// The rotation is not signed: 16 of all are the same as none of some.
				if !errors.Is(err, ErrMalformed) && !(i == 6 || i == 7) {
					t.Errorf("kind %d, byte %d is another: %q, %v", kind, i, m, err)
				}
				if _, err := k.Unwrap(from, token[:i]); !errors.Is(err, ErrMalformed) {
					t.Errorf("kind %d, %d bytes of it: %v", kind, i, err)
				}
			}
			if _, err := k.Unwrap(1-from, token); !errors.Is(err, ErrMalformed) {
				t.Errorf("from the wrong side: %v", err)
			}
			if _, err := (Key{k.EncryptionKey, !k.Subkey}).Unwrap(from, token); !errors.Is(err, ErrMalformed) {
				t.Errorf("with another key: %v", err)
			}
		}
	}
	if Supported(etypeID.RC4_HMAC) {
		t.Error("RC4")
	}
}

func TestContextToken(t *testing.T) {
	token, err := ContextToken(APRep, []byte("message"))
	if err != nil {
		t.Fatal(err)
	}
	id, m, err := ParseContextToken(token)
	if id != APRep || string(m) != "message" || err != nil {
		t.Fatalf("%x, %q, %v", id, m, err)
	}
	for i := range token {
		if _, _, err := ParseContextToken(token[:i]); !errors.Is(err, ErrMalformed) {
			t.Errorf("%d bytes of it: %v", i, err)
		}
	}
}

func FuzzUnwrap(f *testing.F) {
	k := key(f, etypeID.AES256_CTS_HMAC_SHA1_96, true)
	good, err := k.Wrap(Acceptor, 1, []byte{1, 0, 0, 0})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add(good[:wrapHeader])
	f.Fuzz(func(t *testing.T, token []byte) {
		m, err := k.Unwrap(Acceptor, token)
		if err == nil && !bytes.Equal(m, []byte{1, 0, 0, 0}) {
			t.Errorf("%x is signed by nobody", token)
		}
		if err != nil && !errors.Is(err, ErrMalformed) {
			t.Error(err)
		}
	})
}

func FuzzContextToken(f *testing.F) {
	good, err := ContextToken(APReq, []byte("message"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Fuzz(func(t *testing.T, token []byte) {
		id, m, err := ParseContextToken(token)
		if err != nil {
			if !errors.Is(err, ErrMalformed) {
				t.Error(err)
			}
			return
		}
		if _, err := ContextToken(id, m); err != nil {
			t.Error(err)
		}
	})
}
