package gss

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/jcmturner/gokrb5/v8/iana/etypeID"
	"github.com/jcmturner/gokrb5/v8/iana/nametype"
	"github.com/jcmturner/gokrb5/v8/keytab"
	"github.com/jcmturner/gokrb5/v8/types"
)

const (
	realm = "EXAMPLE.COM"
	kind  = etypeID.AES128_CTS_HMAC_SHA1_96
)

// aKeytab returns a keytab of alice with a key of each version, written down at the seconds of at.
func aKeytab(t testing.TB, versions []uint8, at []int64) []byte {
	t.Helper()
	kt := keytab.New()
	for i, v := range versions {
		if err := kt.AddEntry("alice", realm, string(rune('a'+i)), time.Unix(at[i], 0), v, kind); err != nil {
			t.Fatal(err)
		}
	}
	b, err := kt.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestNewestKey(t *testing.T) {
	for name, at := range map[string][]int64{
		"in the same second":   {100, 100, 100},
		"the old one again":    {300, 100, 200},
		"one after the other":  {100, 200, 300},
		"at the first of days": {0, 0, 0},
	} {
		kt, err := ParseKeytab(aKeytab(t, []uint8{2, 4, 3}, at))
		if err != nil {
			t.Fatal(err)
		}
		alice := types.NewPrincipalName(nametype.KRB_NT_PRINCIPAL, "alice")
		if _, version, err := kt.GetEncryptionKey(alice, realm, 0, kind); version != 4 || err != nil {
			t.Errorf("%s: version %d, %v", name, version, err)
		}
		if _, version, err := kt.GetEncryptionKey(alice, realm, 2, kind); version != 2 || err != nil {
			t.Errorf("%s: version 2 is %d, %v", name, version, err)
		}
	}
}

// Nobody gets to see keys because of a file that was cut off.
func TestDamagedKeytab(t *testing.T) {
	b := aKeytab(t, []uint8{1}, []int64{1})
	kt, err := ParseKeytab(b)
	if err != nil {
		t.Fatal(err)
	}
	key := kt.Entries[0].Key.KeyValue
	for i := range b {
		_, err := ParseKeytab(b[:i])
		switch {
		case err == nil:
			t.Errorf("%d of %d bytes are taken", i, len(b))
		case len(err.Error()) > 100 || strings.Contains(err.Error(), string(key[:4])):
			t.Errorf("%d of %d bytes: %v", i, len(b), err)
		}
	}
}

func FuzzKeytab(f *testing.F) {
	good := aKeytab(f, []uint8{1, 2}, []int64{1, 2})
	f.Add(good)
	f.Add(bytes.Replace(good, []byte{5, 2}, []byte{5, 1}, 1))
	f.Add([]byte{5, 2, 0x80, 0, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		kt, err := ParseKeytab(b)
		if (kt == nil) != (err != nil) {
			t.Errorf("%v, %v", kt, err)
		}
	})
}
