package pegasus

import (
	"context"
	"slices"
	"time"
)

// Observer has functions that a client calls when something happens. Those that
// are nil are not called. There will be more of them, and more fields in what they
// are told: write both with the names of the fields.
//
// They are called by the goroutines of callers and of the client, many at a time,
// and what calls them waits for them. They must not block, and must not call the
// client. With several observers each thing is told to all of them, in the order of
// Config.Observers, and the end of an operation or of an attempt in the reverse order.
//
// What they are told has no keys and no values. The texts of errors may have some:
// see PError.
type Observer struct {
	// OperationStarted is called when an operation begins: a call of a public method
	// that asks servers, or each of the requests of one that fetches ahead: scans, Rows,
	// Page, Count, DelRange. It returns ctx, or a context derived from it, which is what
	// the attempts and the end of the operation are told with. What is refused for its
	// arguments does not begin.
	OperationStarted func(ctx context.Context, e OperationStarted) context.Context
	// OperationEnded is called once for each operation that has begun.
	OperationEnded func(ctx context.Context, e OperationEnded)
	// AttemptStarted is called when a request is about to be sent to a replica server.
	AttemptStarted func(ctx context.Context, e AttemptStarted)
	// AttemptEnded is called once for each attempt that was started.
	AttemptEnded func(ctx context.Context, e AttemptEnded)
	// Retrying is called before each attempt that follows one that has failed.
	Retrying func(ctx context.Context, e Retrying)

	// ConnectionDialed is called when an attempt to connect has ended, also if it
	// has failed.
	ConnectionDialed func(ConnectionDialed)
	// ConnectionLost is called once for each connection that was made, when it has
	// ended: also by Close of the client.
	ConnectionLost func(ConnectionLost)
	// ConnectionStalled is called when a server owes answers and has sent nothing for
	// two seconds. It is asked for a sign of life then, and what comes next is
	// ConnectionRecovered or ConnectionLost.
	ConnectionStalled func(ConnectionStalled)
	// ConnectionRecovered is called when a stalled connection goes on.
	ConnectionRecovered func(ConnectionRecovered)

	// RouteRefreshing is called when the meta servers are about to be asked where a
	// table is. There is one question about a table at a time, whoever waits for it.
	RouteRefreshing func(RouteRefreshing)
	// RouteRefreshed is called once for each question that has begun, after what its
	// answer has changed was told.
	RouteRefreshed func(RouteRefreshed)
	// RouteChanged is called when keys of a table, those of one partition, have
	// another primary than before, or none. The first time that a table is asked for
	// changes nothing.
	RouteChanged func(RouteChanged)
	// TableSplit is called when a table has another number of partitions than before.
	TableSplit func(TableSplit)
	// TableReplaced is called when a table was dropped and its name leads to
	// another one, to which all partitions have just changed over.
	TableReplaced func(TableReplaced)
}

// OperationStarted says that an operation begins.
type OperationStarted struct {
	Operation string // the public method, as in PError.Op
	Table     string
}

// OperationEnded says how an operation has ended.
type OperationEnded struct {
	Operation string // the public method, as in PError.Op
	Table     string
	TableID   int32
	Partition int32  // of the latest request; -1 if it came to none, or was made of many
	Server    string // that the latest request went to, "host:port", or ""
	// Attempts is the number of requests that were sent. PError.Attempts counts also
	// attempts to connect and questions to the meta servers.
	Attempts int
	Hedged   bool // a request was sent to a second server beside the first
	Duration time.Duration
	BytesOut int // of the requests, without their headers
	BytesIn  int // of the answers
	Err      error
}

// AttemptKind says why a request is sent.
type AttemptKind string

// The kinds of attempts.
const (
	AttemptFirst   AttemptKind = "first"   // the operation has just begun
	AttemptRetry   AttemptKind = "retry"   // to the same server, after a failure
	AttemptReroute AttemptKind = "reroute" // to another server, after a failure
	AttemptHedge   AttemptKind = "hedge"   // to another server, which may be faster
)

// AttemptStarted says that a request is about to be sent.
type AttemptStarted struct {
	Operation string // the public method, as in PError.Op
	Table     string
	TableID   int32
	Partition int32
	Server    string // "host:port"
	Kind      AttemptKind
	Number    int // 1 for the first request of this kind of argument, 2 for the next, ...
}

// AttemptEnded says how an attempt has ended.
type AttemptEnded struct {
	AttemptStarted
	Duration time.Duration
	BytesOut int   // of the request, without its header
	BytesIn  int   // of the answer
	Err      error // nil if there is an answer; what it says is in OperationEnded.Err
}

// Retrying says that a request is about to be sent again.
type Retrying struct {
	Operation string // the public method, as in PError.Op
	Table     string
	Partition int32
	From, To  string // the servers, "host:port", of the attempt that failed and of the next
	Attempt   int    // the number of the next
	Reason    RetryReason
	Err       error         // of the attempt that failed
	Waited    time.Duration // since then: pauses, dials, questions to the meta servers
}

// ConnectionDialed says how an attempt to connect has ended.
type ConnectionDialed struct {
	Server   string // "host:port"
	Bulk     bool   // the connection for what is large
	Duration time.Duration
	Err      error // nil if there is a connection now
}

// ConnectionLost says that a connection has ended.
type ConnectionLost struct {
	Server string // "host:port"
	Bulk   bool   // the connection for what is large
	Err    error  // why; ErrStalled if the server hangs, ErrClosed if the client was closed
}

// ConnectionStalled says that a server owes answers and sends nothing.
type ConnectionStalled struct {
	Server string // "host:port"
	Bulk   bool   // the connection for what is large
	Silent time.Duration
}

// ConnectionRecovered says that a server that owed answers has sent something.
type ConnectionRecovered struct {
	Server string // "host:port"
	Bulk   bool   // the connection for what is large
}

// RouteRefreshing says that a question to the meta servers begins.
type RouteRefreshing struct {
	Table string
}

// RouteRefreshed says how a question to the meta servers has ended.
type RouteRefreshed struct {
	Table      string
	Duration   time.Duration
	Partitions int   // 0 if it has failed
	Err        error // nil if it was answered; ErrTableNotFound if there is no such table
}

// RouteChanged says that a partition is at another place.
type RouteChanged struct {
	Table     string
	TableID   int32
	Partition int32
	From, To  string // the primaries, "host:port"; "" if there was or is none
	Ballot    int64  // of the partition, by the latest answer
}

// TableSplit says that a table has another number of partitions: twice as many, or
// half as many if a split was given up.
type TableSplit struct {
	Table    string
	TableID  int32
	From, To int // partitions
}

// TableReplaced says that a name leads to another table than before.
type TableReplaced struct {
	Table    string
	From, To int32 // the ids of the tables
}

// together returns one observer in place of many: its functions call those of all
// that have them, and are nil where none has.
func together(obs []Observer) Observer {
	return Observer{
		OperationStarted: deriving(obs),
		OperationEnded:   inReverse(obs, func(o *Observer) func(context.Context, OperationEnded) { return o.OperationEnded }),
		AttemptStarted:   inOrder(obs, func(o *Observer) func(context.Context, AttemptStarted) { return o.AttemptStarted }),
		AttemptEnded:     inReverse(obs, func(o *Observer) func(context.Context, AttemptEnded) { return o.AttemptEnded }),
		Retrying:         inOrder(obs, func(o *Observer) func(context.Context, Retrying) { return o.Retrying }),

		ConnectionDialed:    fanOut(obs, func(o *Observer) func(ConnectionDialed) { return o.ConnectionDialed }),
		ConnectionLost:      fanOut(obs, func(o *Observer) func(ConnectionLost) { return o.ConnectionLost }),
		ConnectionStalled:   fanOut(obs, func(o *Observer) func(ConnectionStalled) { return o.ConnectionStalled }),
		ConnectionRecovered: fanOut(obs, func(o *Observer) func(ConnectionRecovered) { return o.ConnectionRecovered }),
		RouteRefreshing:     fanOut(obs, func(o *Observer) func(RouteRefreshing) { return o.RouteRefreshing }),
		RouteRefreshed:      fanOut(obs, func(o *Observer) func(RouteRefreshed) { return o.RouteRefreshed }),
		RouteChanged:        fanOut(obs, func(o *Observer) func(RouteChanged) { return o.RouteChanged }),
		TableSplit:          fanOut(obs, func(o *Observer) func(TableSplit) { return o.TableSplit }),
		TableReplaced:       fanOut(obs, func(o *Observer) func(TableReplaced) { return o.TableReplaced }),
	}
}

// having returns the functions of the observers that have one.
func having[F any](obs []Observer, of func(*Observer) F, isNil func(F) bool) []F {
	var all []F
	for i := range obs {
		if f := of(&obs[i]); !isNil(f) {
			all = append(all, f)
		}
	}
	return all
}

// fanOut returns a function that calls those that the observers have.
func fanOut[E any](obs []Observer, of func(*Observer) func(E)) func(E) {
	all := having(obs, of, func(f func(E)) bool { return f == nil })
	switch len(all) {
	case 0:
		return nil
	case 1:
		return all[0]
	}
	return func(e E) {
		for _, f := range all {
			f(e)
		}
	}
}

// inOrder is fanOut for functions with a context.
func inOrder[E any](obs []Observer, of func(*Observer) func(context.Context, E)) func(context.Context, E) {
	all := having(obs, of, func(f func(context.Context, E)) bool { return f == nil })
	switch len(all) {
	case 0:
		return nil
	case 1:
		return all[0]
	}
	return func(ctx context.Context, e E) {
		for _, f := range all {
			f(ctx, e)
		}
	}
}

// inReverse is inOrder with the last one first.
func inReverse[E any](obs []Observer, of func(*Observer) func(context.Context, E)) func(context.Context, E) {
	obs = slices.Clone(obs)
	slices.Reverse(obs)
	return inOrder(obs, of)
}

// deriving returns a function that calls those that the observers have, each with the
// context of the one before.
func deriving(obs []Observer) func(context.Context, OperationStarted) context.Context {
	type started = func(context.Context, OperationStarted) context.Context
	all := having(obs, func(o *Observer) started { return o.OperationStarted }, func(f started) bool { return f == nil })
	switch len(all) {
	case 0:
		return nil
	case 1:
		return all[0]
	}
	return func(ctx context.Context, e OperationStarted) context.Context {
		for _, f := range all {
			ctx = f(ctx, e)
		}
		return ctx
	}
}
