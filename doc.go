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
// goroutines share one connection to each server; their requests travel
// together, so that more goroutines cost less each.
//
// # Time
//
// Every operation ends with its context. A context without a deadline gets
// one: Config.OperationTimeout, 10 s by default.
//
// # Errors and retries
//
// Errors are of type *PError and are tested with errors.Is and errors.As.
// Within its deadline an operation is tried again, after a pause of 4 ms that
// doubles up to 200 ms, when the failure may pass:
//
//	ERR_OBJECT_NOT_FOUND, ERR_INVALID_STATE, ERR_INACTIVE_STATE,
//	ERR_PARENT_PARTITION_MISUSED                      the meta server is asked for the primary first
//	no connection, connection lost, no primary        likewise
//	ERR_BUSY, ERR_SPLITTING, ERR_NOT_ENOUGH_MEMBER,
//	ERR_CAPACITY_EXCEEDED                             the same server is asked again
//	everything else                                   reported at once
//
// A request whose connection broke before the answer came may have been
// executed. Reads, Set, MultiSet, Del and MultiDel are sent again all the same;
// Incr and CheckAndSet never are. When a write fails and may have been applied,
// the error has ErrInDoubt.
//
// When the time is over, the error has context.DeadlineExceeded and the last
// failure before that.
//
// # Tests
//
// Package pegasustest starts a whole Pegasus in the process of a test.
package pegasus
