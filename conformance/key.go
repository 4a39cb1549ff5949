package conformance

import (
	"encoding/binary"
	"hash/crc64"
)

// partitionTable is the CRC-64/NVME polynomial, reflected.
var partitionTable = crc64.MakeTable(0x9a6c9329ac4bc9b5)

// rawKey returns the stored form of a key: two bytes of hash key length, hash key, sort key. A longer hash key than
// two bytes can tell is cut modulo 65536, which no legal server input needs.
func rawKey(hashKey, sortKey []byte) []byte {
	k := binary.BigEndian.AppendUint16(nil, uint16(len(hashKey)))
	return append(append(k, hashKey...), sortKey...)
}

// splitRawKey is the inverse of rawKey; ok is false for bytes that are no key.
func splitRawKey(raw []byte) (hashKey, sortKey []byte, ok bool) {
	if len(raw) < 2 || int(binary.BigEndian.Uint16(raw)) > len(raw)-2 {
		return nil, nil, false
	}
	n := 2 + int(binary.BigEndian.Uint16(raw))
	return raw[2:n], raw[n:], true
}

// keyHash returns the partition hash of a key: that of the hash key, or of the sort key if there is no hash key.
func keyHash(hashKey, sortKey []byte) uint64 {
	if len(hashKey) == 0 {
		return crc64.Checksum(sortKey, partitionTable)
	}
	return crc64.Checksum(hashKey, partitionTable)
}

// rawKeyHash returns the partition hash of a raw key, 0 for bytes that are no key.
func rawKeyHash(raw []byte) uint64 {
	hashKey, sortKey, ok := splitRawKey(raw)
	if !ok {
		return 0
	}
	return keyHash(hashKey, sortKey)
}

// nextKey returns the smallest byte string greater than every string that starts with b: trailing FF bytes go, the last
// byte left is increased.
func nextKey(b []byte) []byte {
	n := len(b)
	for n > 0 && b[n-1] == 0xff {
		n--
	}
	if n == 0 {
		return nil
	}
	next := append([]byte{}, b[:n]...)
	next[n-1]++
	return next
}
