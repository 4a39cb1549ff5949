package pegasus

// Watch has functions that a client calls when something happens that no error
// tells. Those that are nil are not called. They are called by goroutines of the
// client, which wait for them: they must not call the client.
type Watch struct {
	// TableReplaced is called when a table was dropped and its name leads to
	// another one, to which all partitions have just changed over.
	TableReplaced func(TableReplaced)
}

// TableReplaced says that a name leads to another table than before.
type TableReplaced struct {
	Table    string
	From, To int32 // the ids of the tables
}
