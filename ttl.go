package pegasus

import (
	"time"

	"github.com/pegasus-go/pegasus/internal/schema"
)

// A time to live is a time.Duration, or one of these. Others that are not positive are
// refused, and so is what is below a millisecond: a number of seconds given as a
// duration, most likely. What is stored is a time in whole seconds, to which a time to
// live is rounded up.
const (
	// NoTTL: the entry does not expire, unless the table has a default time to live.
	NoTTL time.Duration = 0
	// KeepTTL: the entry keeps the expiry that it has. Only operations that read the
	// entry can do that, and their documentation says so.
	KeepTTL time.Duration = -1
)

// expiryTime converts an expiry from the wire's form; the zero time is none.
func expiryTime(ts int32) time.Time {
	if ts == 0 {
		return time.Time{}
	}
	return time.Unix(schema.Epoch+int64(uint32(ts)), 0)
}
