package storage

import (
	"encoding/binary"
	"errors"
)

// Everything is in one Pebble keyspace, told apart by the first byte:
//
//	'c' | app id | partition      -> highest reserved decree (int64)
//	'd' | app id | partition | raw key -> expiry timestamp (uint32), user bytes
//	'm' | name                    -> meta data of the caller
//	's' | app id                  -> journal of a running partition split
//
// Numbers are big endian, so that the records of a partition, and the partitions of a table, are
// neighbours in key order.
const (
	tagDecree = 'c'
	tagData   = 'd'
	tagMeta   = 'm'
	tagSplit  = 's'
)

const (
	prefixLen = 1 + 4 + 4 // of a data key, in front of the raw key
	expireLen = 4         // of a value, in front of the user bytes
)

// appendPrefix appends the key of a partition: with tagData the prefix of its records.
func appendPrefix(dst []byte, tag byte, appID, index int32) []byte {
	dst = append(dst, tag)
	dst = binary.BigEndian.AppendUint32(dst, uint32(appID))
	return binary.BigEndian.AppendUint32(dst, uint32(index))
}

// appendAppPrefix appends the common prefix of all keys of one tag and table.
func appendAppPrefix(dst []byte, tag byte, appID int32) []byte {
	dst = append(dst, tag)
	return binary.BigEndian.AppendUint32(dst, uint32(appID))
}

// dataKeyPartition reports which partition a data key belongs to.
func dataKeyPartition(key []byte) (appID, index int32) {
	return int32(binary.BigEndian.Uint32(key[1:])), int32(binary.BigEndian.Uint32(key[5:]))
}

var errShortValue = errors.New("storage: stored value has no expiry timestamp")

// splitValue takes a stored value apart. User bytes alias v.
func splitValue(v []byte) (expire uint32, user []byte, err error) {
	if len(v) < expireLen {
		return 0, nil, errShortValue
	}
	return binary.BigEndian.Uint32(v), v[expireLen:], nil
}

// appendValue puts a stored value together.
func appendValue(dst []byte, expire uint32, user []byte) []byte {
	return append(binary.BigEndian.AppendUint32(dst, expire), user...)
}

// expired reports whether a record with the expiry timestamp expire is gone at the time now.
// 0 means that it never expires. Timestamps are unsigned: what a client sent as a negative number
// lies in the far future.
func expired(expire, now uint32) bool {
	return expire > 0 && expire <= now
}
