package kerberos

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jcmturner/gokrb5/v8/types"
)

// ccache is what a credential cache has in it: tickets, in the file format of MIT Kerberos. (The
// library has a decoder, which believes any length that it reads.)
type ccache struct {
	owner   principal
	tickets []cached
}

type principal struct {
	types.PrincipalName
	realm string
}

// cached is a ticket in a cache.
type cached struct {
	client, server   principal
	key              types.EncryptionKey
	auth, start, end time.Time
	renewTill        time.Time
	renewable        bool
	ticket           []byte
}

// renewableFlag is that of tickets that can be renewed.
const renewableFlag = 1 << 23

var errCCache = errors.New("it is no credential cache of version 3 or 4")

// parseCCache decodes a credential cache. What is returned does not alias b.
func parseCCache(b []byte) (*ccache, error) {
	if len(b) < 2 || b[0] != 5 || b[1] != 3 && b[1] != 4 {
		return nil, errCCache
	}
	r := &ccacheReader{b: b[2:], version: b[1]}
	if r.version == 4 {
		r.take(int(r.u16())) // about clocks
	}
	cc := &ccache{owner: r.principal()}
	for r.err == nil && len(r.b) > 0 {
		c := r.cached()
		// Settings are kept as tickets of a realm that there is not.
		if r.err == nil && !strings.HasPrefix(c.server.realm, "X-CACHECONF:") {
			cc.tickets = append(cc.tickets, c)
		}
	}
	if r.err == nil && len(cc.owner.NameString) == 0 {
		r.err = errors.New("the owner has no name")
	}
	return cc, r.err
}

// ccacheReader reads a cache. After an error all it reads is zero.
type ccacheReader struct {
	b       []byte
	version byte
	err     error
}

func (r *ccacheReader) take(n int) []byte {
	if r.err == nil && (n < 0 || n > len(r.b)) {
		r.err = fmt.Errorf("%w: it ends too early", errCCache)
	}
	if r.err != nil {
		return nil
	}
	taken := r.b[:n:n]
	r.b = r.b[n:]
	return taken
}

func (r *ccacheReader) u16() uint16 {
	if b := r.take(2); b != nil {
		return binary.BigEndian.Uint16(b)
	}
	return 0
}

func (r *ccacheReader) u32() uint32 {
	if b := r.take(4); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

func (r *ccacheReader) data() []byte { return r.take(int(int32(r.u32()))) }

// time returns a time; 0 is none.
func (r *ccacheReader) time() time.Time {
	if s := r.u32(); s != 0 {
		return time.Unix(int64(s), 0)
	}
	return time.Time{}
}

func (r *ccacheReader) principal() principal {
	var p principal
	p.NameType = int32(r.u32())
	n := r.u32()
	p.realm = string(r.data())
	for ; n > 0 && r.err == nil; n-- {
		p.NameString = append(p.NameString, string(r.data()))
	}
	return p
}

func (r *ccacheReader) cached() cached {
	c := cached{client: r.principal(), server: r.principal()}
	c.key.KeyType = int32(r.u16())
	if r.version == 3 {
		r.u16() // the kind again
	}
	c.key.KeyValue = append([]byte(nil), r.data()...)
	c.auth, c.start, c.end, c.renewTill = r.time(), r.time(), r.time(), r.time()
	if c.start.IsZero() {
		c.start = c.auth
	}
	r.take(1) // whether the key is another user's
	c.renewable = r.u32()&renewableFlag != 0
	for range 2 { // addresses, and what the ticket allows
		for n := r.u32(); n > 0 && r.err == nil; n-- {
			r.u16()
			r.data()
		}
	}
	c.ticket = append([]byte(nil), r.data()...)
	r.data() // a second ticket
	return c
}
