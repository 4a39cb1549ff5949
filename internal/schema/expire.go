package schema

import "time"

// Epoch is the Unix time, in seconds, that expiry timestamps count from: 2016-01-01 00:00:00 UTC.
const Epoch = 1451606400

// EpochSeconds returns t as an expiry timestamp: whole seconds since Epoch, rounded down.
// Timestamps are 32 bits on disk and on the wire; times outside 2016-01-01 to 2152-02-07 wrap
// around, so a clock before 2016 makes nearly every record with a TTL look expired.
func EpochSeconds(t time.Time) uint32 {
	return uint32(t.Unix() - Epoch)
}
