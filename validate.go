package pegasus

import (
	"fmt"
	"math"
	"time"

	"github.com/pegasus-go/pegasus/internal/schema"
)

// MaxHashKeyLength is the length of the longest hash key, in bytes: the length
// travels in 16 bits, and servers reserve the highest number.
const MaxHashKeyLength = 65534

// maxPart bounds each part of a request: a key, a value, a list, a pattern. No
// request has more than five of them, so that its length fits the 32 bits it has
// on the wire. What servers accept is far less.
const maxPart = 256 << 20

func argumentError(name, format string, args ...any) error {
	return &ArgumentError{Name: name, Reason: fmt.Sprintf(format, args...)}
}

func validateHashKey(hashKey []byte) error {
	switch {
	case hashKey == nil:
		return argumentError("hashKey", "must not be nil")
	case len(hashKey) == 0:
		return argumentError("hashKey", "must not be empty")
	case len(hashKey) > MaxHashKeyLength:
		return argumentError("hashKey", "has %d bytes, the limit is %d", len(hashKey), MaxHashKeyLength)
	}
	return nil
}

// validateBytes refuses nil and what cannot be framed.
func validateBytes(name string, b []byte) error {
	if b == nil {
		return argumentError(name, "must not be nil")
	}
	return validateSize(name, b)
}

func validateKey(hashKey, sortKey []byte) error {
	if err := validateHashKey(hashKey); err != nil {
		return err
	}
	return validateBytes("sortKey", sortKey)
}

// validateRowKey is validateKey for operations to which nil is empty.
func validateRowKey(hashKey, sortKey []byte) error {
	switch {
	case len(hashKey) == 0:
		return argumentError("hashKey", "must not be empty")
	case len(hashKey) > MaxHashKeyLength:
		return argumentError("hashKey", "has %d bytes, the limit is %d", len(hashKey), MaxHashKeyLength)
	}
	return validateSize("sortKey", sortKey)
}

// validateList refuses nil elements, and a list that cannot be framed.
func validateList(name string, list [][]byte) error {
	size := 0
	for i, b := range list {
		if b == nil {
			return argumentError(fmt.Sprintf("%s[%d]", name, i), "must not be nil")
		}
		size += len(b) + 32
		if err := validateTotal(name, size); err != nil {
			return err
		}
	}
	return nil
}

// validateTotal refuses a list of the given size, or one that has it so far.
func validateTotal(name string, size int) error {
	if size > maxPart {
		return argumentError(name, "is too large, the limit is %d bytes in all", maxPart)
	}
	return nil
}

func validateNotEmpty(name string, list [][]byte) error {
	if len(list) == 0 {
		return argumentError(name, "must not be nil or empty")
	}
	return validateList(name, list)
}

func validateFilter(name string, f *Filter) error {
	if f.Type < FilterTypeNoFilter || f.Type > FilterTypeMatchPostfix {
		return argumentError(name+".Type", "is %d, not one of the filter types", f.Type)
	}
	return validateSize(name+".Pattern", f.Pattern)
}

// validateSize refuses what cannot be framed; nil is fine.
func validateSize(name string, b []byte) error {
	if len(b) > maxPart {
		return argumentError(name, "has %d bytes, the limit is %d", len(b), maxPart)
	}
	return nil
}

// expireTS converts a ttl to the wire's form: seconds since 2016, 0 for none.
func (c *Cluster) expireTS(name string, ttl time.Duration) (int32, error) {
	switch {
	case ttl == 0:
		return 0, nil
	case ttl < 0:
		return 0, argumentError(name, "is %v, must not be negative", ttl)
	case ttl < time.Millisecond:
		return 0, argumentError(name, "is %v: a time.Duration counts nanoseconds, say %d * time.Second", ttl, int64(ttl))
	}
	seconds := int64((ttl + time.Second - 1) / time.Second)
	if ttl > math.MaxInt64-time.Second {
		seconds = math.MaxInt64 / int64(time.Second)
	}
	now := c.clock()
	ts := now.Unix() - schema.Epoch + seconds
	switch {
	case now.Unix() < schema.Epoch:
		return 0, argumentError(name, "is %v, which needs a clock that is right: it says %s", ttl, now.UTC().Format(time.DateOnly))
	case ts > math.MaxInt32:
		return 0, argumentError(name, "is %v, which ends after the last expiry that can be stored, in January 2084", ttl)
	}
	return int32(ts), nil
}

// expiresTS converts the two ways to say when an entry of a batch expires to the wire's form.
func (c *Cluster) expiresTS(ttl time.Duration, at time.Time) (int32, error) {
	switch {
	case at.IsZero():
		return c.expireTS("TTL", ttl)
	case ttl != 0:
		return 0, argumentError("Expires", "is %s, and there is a TTL, too", at.UTC().Format(time.RFC3339))
	}
	return untilTS("Expires", at)
}

// untilTS converts a time to the wire's form; the zero time is none. One that is over makes
// an entry that nobody sees.
func untilTS(name string, at time.Time) (int32, error) {
	if at.IsZero() {
		return 0, nil
	}
	ts := at.Unix() - schema.Epoch
	if ts > math.MaxInt32 {
		return 0, argumentError(name, "is %s, after the last expiry that can be stored, in January 2084", at.UTC().Format(time.RFC3339))
	}
	return int32(max(ts, 1)), nil
}
