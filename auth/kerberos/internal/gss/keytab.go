package gss

import (
	"errors"
	"time"

	"github.com/jcmturner/gokrb5/v8/keytab"
)

// errKeytab has no more to say: the errors of the library quote the file, keys and all.
var errKeytab = errors.New("it is no keytab, or not a whole one")

// ParseKeytab decodes a keytab. Of several keys of a principal that of the highest version is the
// newest, as for MIT Kerberos; the library goes by the time at which it was written down.
func ParseKeytab(b []byte) (*keytab.Keytab, error) {
	kt := keytab.New()
	if !parsed(kt, b) {
		return nil, errKeytab
	}
	for i := range kt.Entries {
		e := &kt.Entries[i]
		e.Timestamp = time.Unix(int64(e.KVNO), 0)
	}
	return kt, nil
}

func parsed(kt *keytab.Keytab, b []byte) (ok bool) {
	defer func() { ok = recover() == nil && ok }()
	return kt.Unmarshal(b) == nil
}
