// Package pegasus is a client for Apache Pegasus, a distributed key-value
// store.
//
// # Data model
//
// A cluster has tables. An entry of a table has a hash key, a sort key and a
// value, all of them bytes, and possibly a time to live. The hash key decides
// in which partition of the table the entry is; entries with the same hash key
// are together, ordered by their sort keys, and operations on one hash key are
// atomic. Meta servers know which server is the primary of a partition; the
// client asks them once and again when a server says that it is not the
// primary any more.
//
// # Use
//
//	client := pegasus.NewClient(pegasus.Config{MetaServers: []string{"127.0.0.1:34601"}})
//	defer client.Close()
//	table, err := client.OpenTable(ctx, "temp")
//	if err != nil {
//		return err
//	}
//	err = table.Set(ctx, []byte("user_1"), []byte("name"), []byte("Ann"))
//	value, err := table.Get(ctx, []byte("user_1"), []byte("name")) // nil if there is none
//
// Everything is safe for concurrent use unless it says otherwise. All
// goroutines share one connection to each server, and one for what is large; their
// requests travel together, so that more goroutines cost less each.
//
// A connector is that of the table of its name. When the table was dropped, and the
// name leads to another one, all partitions change over to that at one moment, and
// Config.Observers are told; scans and other operations of several requests end with
// ErrRepartitioned. When the name leads to none, operations fail with
// ErrTableNotFound until it does again. Servers know tables by their ids, so that a
// connector learns of this, and of a rename, when something fails, such as when a
// primary moves, or when the table is opened again. It never goes with its table to
// another name. Open the table by its new name, and close the old connector.
//
// # Time
//
// Every operation ends with its context. A context without a deadline gets
// one: Config.OperationTimeout, 10 s by default, for all that the operation is made
// of.
//
// # Errors and retries
//
// Errors of operations are of type *PError, those of New are an *ArgumentError. Test them
// with errors.Is and errors.As.
// Within its deadline an operation is tried again when the failure may pass:
//
//	no connection, connection lost, no primary        when there is one, or the partition is elsewhere
//	the partition has moved meanwhile                 at once
//	ERR_OBJECT_NOT_FOUND, ERR_INVALID_STATE, ERR_INACTIVE_STATE,
//	ERR_PARENT_PARTITION_MISUSED                      when the partition is elsewhere, or after a pause
//	ERR_BUSY, ERR_SPLITTING, ERR_NOT_ENOUGH_MEMBER,
//	ERR_CAPACITY_EXCEEDED                             after a pause
//	everything else                                   reported at once
//
// The meta servers are asked for a new place meanwhile, beside all of that. Pauses
// are of 4 ms, doubled up to 200 ms, and a server that gives nothing but errors is
// sent 10 requests a second again, by all callers together: see Config.Retry,
// Config.RetryBudget and WithRetryPolicy.
//
// A server that was found to hang (within 4 s, or 8 s if much is on its way to it) is
// asked for a sign of life by one prober. Calls to it wait for that, or for news of
// another primary, for a quarter of their time and 1 s at most, and fail with
// ErrStalled then.
//
// A request whose connection broke before the answer came may have been
// executed. Reads, Set, MultiSet, Del and MultiDel are sent again all the same;
// Incr and CheckAndSet never are. When a write fails and may have been applied,
// the error has ErrInDoubt.
//
// When the time is over, the error has context.DeadlineExceeded and the last
// failure before that.
//
// # Secured clusters
//
// Config.Auth authenticates the connections, to clusters that demand Kerberos; see Authenticator.
// A connection that could not be authenticated is one that there is not: an operation that
// needs it ends at once with ErrAuth, or is tried again if that may pass. TLS is a matter of
// Config.Dial.
//
// # Tests
//
// Package pegasustest starts a whole Pegasus in the process of a test.
package pegasus
