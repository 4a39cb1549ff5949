// Package limits has what protects a onebox from its clients. Programs know it
// as onebox.Limits.
package limits

import (
	"fmt"
	"time"
)

// Limits protect a onebox from its clients. Zero fields mean the default, which
// is that of Pegasus where it has such a limit.
type Limits struct {
	// RequestSize is the size in bytes of the largest request, header included.
	// A larger one closes the connection. Default: 64 MiB.
	RequestSize int
	// WriteSize is the size in bytes of the largest body of a write; a larger
	// one is refused with ERR_INVALID_DATA. Default: 1 MiB; negative: only
	// RequestSize counts.
	WriteSize int
	// ReplySize is the number of bytes of records after which an answer ends. A
	// scan goes on with its next batch, a multi get is incomplete; a batch get,
	// which has no way to say that, is refused with ERR_INVALID_DATA. Default:
	// 256 MiB.
	ReplySize int
	// MultiGetCount and MultiGetSize are the records that a multi get looks at
	// and returns at most, and the bytes after which it stops; then it is
	// incomplete. Default: 3000 and 30 MiB; negative size: no limit.
	MultiGetCount, MultiGetSize int
	// ScanCount is the largest number of records in a batch of a scan, and of
	// those that the first batch looks at. Default: 1000.
	ScanCount int
	// IterationTime is the time after which a read of many records is
	// incomplete, in tables whose environment does not say otherwise. Default:
	// 30 s; negative: no limit.
	IterationTime time.Duration
	// ScanContexts is the number of open scans. Beyond it the oldest are lost.
	// Default: 4096.
	ScanContexts int
	// ScanContextLife is how long an open scan waits for its next call.
	// Default: 5 minutes.
	ScanContextLife time.Duration
	// ScanBytes bounds what is kept for scans that nobody seems to come back
	// for: one that has been waiting for 30 s is lost when so many bytes were
	// written since it began. Default: 256 MiB.
	ScanBytes int64
	// Connections is the number of client connections. Further ones are closed.
	// Default: 16384, or fewer if the process may not open so many files.
	Connections int
	// BufferedBytes bounds the memory of requests that have not arrived
	// completely, that wait, or that are being handled, beyond 64 KiB for each
	// connection. Beyond it the connection that has the most is closed; a request
	// of that one that takes more decoded is refused with ERR_BUSY. Default: 1 GiB.
	BufferedBytes int64
	// AnswerBytes bounds the memory of answers that clients have not accepted
	// yet, beyond 512 KiB for each connection. Beyond it the connections that
	// have been waiting for the longest are closed, and reads of many records
	// return fewer, or ERR_BUSY. Default: 1 GiB.
	AnswerBytes int64
	// RequestTime is the time for the rest of a request to arrive once it has
	// begun, AnswerTime that for a client to accept an answer. Then the
	// connection is closed. Connections without a request may stay. Default:
	// 30 s each.
	RequestTime, AnswerTime time.Duration
}

// WithDefaults returns l with zero fields filled in, or an *Error.
func (l Limits) WithDefaults() (Limits, error) {
	for _, f := range []field{
		number("RequestSize", &l.RequestSize, 64<<20, false),
		number("WriteSize", &l.WriteSize, 1<<20, true),
		number("ReplySize", &l.ReplySize, 256<<20, false),
		number("MultiGetCount", &l.MultiGetCount, 3000, false),
		number("MultiGetSize", &l.MultiGetSize, 30<<20, true),
		number("ScanCount", &l.ScanCount, 1000, false),
		number("IterationTime", &l.IterationTime, 30*time.Second, true),
		number("ScanContexts", &l.ScanContexts, 4096, false),
		number("ScanContextLife", &l.ScanContextLife, 5*time.Minute, false),
		number("ScanBytes", &l.ScanBytes, 256<<20, false),
		number("Connections", &l.Connections, defaultConnections(), false),
		number("BufferedBytes", &l.BufferedBytes, 1<<30, false),
		number("AnswerBytes", &l.AnswerBytes, 1<<30, false),
		number("RequestTime", &l.RequestTime, 30*time.Second, false),
		number("AnswerTime", &l.AnswerTime, 30*time.Second, false),
	} {
		if f.negative && !f.may {
			return l, &Error{f.name, f.text + " is negative"}
		}
	}
	return l, nil
}

// Error says that a field of Limits makes no sense.
type Error struct {
	Field  string
	Reason string
}

// Error returns the field and the reason.
func (e *Error) Error() string { return "limits: " + e.Field + ": " + e.Reason }

// field is a field that was looked at.
type field struct {
	name, text    string
	negative, may bool // it is, it may be
}

// number gives a field its default.
func number[T ~int | ~int64](name string, value *T, def T, mayBeNegative bool) field {
	if *value == 0 {
		*value = def
	}
	return field{name, fmt.Sprint(*value), *value < 0, mayBeNegative}
}

// usualConnections is the default of Connections where there are files enough.
const usualConnections = 16384

// connectionsFor returns the default of Connections in a process that may open
// so many files. Half of few files, and a thousand of many, are for the store
// and for what else the program does.
func connectionsFor(files uint64) int {
	return int(min(usualConnections, max(1, files-min(files/2, 1024))))
}
