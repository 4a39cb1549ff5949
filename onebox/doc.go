// Package onebox runs a whole Apache Pegasus cluster inside one Go process: a
// meta server and one or more replica servers that speak the Pegasus protocol,
// over one embedded store. Clients of any language connect to it as to a real
// cluster.
//
//	srv, err := onebox.Start(onebox.Options{
//		Tables: []onebox.Table{{Name: "temp", Partitions: 8}},
//	})
//	if err != nil {
//		return err
//	}
//	defer srv.Close()
//	client := pegasus.NewClient(pegasus.Config{MetaServers: srv.MetaServers()})
//
// With Options.Dir the tables are durable: the next Start with the same
// directory finds them. Without, everything is in memory and gone with Close;
// that takes a few milliseconds and suits tests.
//
// # Compatibility
//
// The behaviour is that of Apache Pegasus 2.5.0, down to error codes, limits
// and where a scan ends. What needs a real cluster (the RPCs about backups and
// restores, duplication, bulk load) is answered with ERR_OPERATION_DISABLED.
//
// A table serves while it is split, compacted and backed up. Manual compactions
// are made one at a time, of all levels of the store whatever target_level and
// bottommost_level_compaction ask for, and carry out default_ttl and
// user_specified_compaction, which nothing else does: a Pegasus server does so
// whenever it compacts. Rules that do not make sense are refused, and so are
// other values of an environment, as by the meta servers after 2.5.
//
// # Backups
//
// [Server.Backup] copies a running cluster, or a table of it, to a directory.
// Options.From starts another one as a copy of that; as Options.Dir it is a
// cluster itself.
//
// # Failures
//
// A Server can be made to misbehave, for tests of the code that has to cope:
// nodes stop, hang, are cut off and come back, partitions move and split, single requests
// are delayed, lost or answered with any error. See [Server.Intercept], [Node],
// [Server.MovePrimary] and [Server.HoldSplits].
//
// # Exposure
//
// A Server listens on loopback addresses only, unless Options.AllowNonLoopback says
// otherwise. There is no encryption, and no authentication without Options.Auth. With it,
// clients have to authenticate before anything else, as those of a secured Apache Pegasus
// do, and Auth.ACL keeps them to the tables that are for them. The pages over HTTP are for
// everybody in any case.
package onebox
