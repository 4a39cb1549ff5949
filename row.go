package pegasus

import "time"

// Row is an entry of a table with its whole key.
type Row struct {
	HashKey, SortKey, Value []byte

	// Expires is when the entry expires, in whole seconds. It is the zero time if the
	// entry does not expire, and where nobody has asked for it.
	Expires time.Time
}
