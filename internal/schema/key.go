// Package schema is the part of Pegasus' data model that clients and servers must agree on:
// how a hash key and a sort key become one ordered key, which partition a key belongs to, how
// expiry times are counted and which byte strings count as integers.
package schema

import "encoding/binary"

// MaxHashKeyLen is the longest legal hash key in bytes. Sort keys have no limit of their own.
//
// The length prefix could express 65535, but the full table scan that clients do ends before the
// key 0xffff, so such a record would be stored and never seen; Pegasus refuses it.
const MaxHashKeyLen = 65534

const prefixLen = 2 // of a full key: the length of the hash key

// AppendKey appends the full key of (hashKey, sortKey) to dst: the length of the hash key as a
// big-endian uint16, the hash key, the sort key. Both may be empty.
//
// The caller has checked that hashKey is not longer than MaxHashKeyLen; AppendKey panics if it
// is, because a truncated length would silently address another record.
func AppendKey(dst, hashKey, sortKey []byte) []byte {
	if len(hashKey) > MaxHashKeyLen {
		panic("schema: hash key longer than MaxHashKeyLen")
	}
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(hashKey)))
	dst = append(dst, hashKey...)
	return append(dst, sortKey...)
}

// SplitKey takes a full key apart. The results alias key. It reports false for a key that
// AppendKey cannot have made: shorter than its length prefix promises, or with a hash key longer
// than MaxHashKeyLen.
func SplitKey(key []byte) (hashKey, sortKey []byte, ok bool) {
	if len(key) < prefixLen {
		return nil, nil, false
	}
	n := int(binary.BigEndian.Uint16(key))
	if n > MaxHashKeyLen || len(key)-prefixLen < n {
		return nil, nil, false
	}
	// The capacity ends with the hash key: appending to it must not overwrite the sort key.
	return key[prefixLen : prefixLen+n : prefixLen+n], key[prefixLen+n:], true
}

// AppendNext appends to dst the smallest byte string that is greater than every string with the
// prefix key: the exclusive upper bound of a hash key or of a sort key prefix in its full form.
//
// Nothing is greater than all strings that start with nothing but 0xff bytes, nor than all
// strings: for such a key, and for an empty one, AppendNext appends nothing. The caller then has
// no upper bound. A full key is never of that kind.
func AppendNext(dst, key []byte) []byte {
	for i := len(key) - 1; i >= 0; i-- {
		if key[i] != 0xff {
			dst = append(dst, key[:i]...)
			return append(dst, key[i]+1)
		}
	}
	return dst
}
