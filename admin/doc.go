// Package admin manages the tables of a Pegasus cluster: create, drop, recall
// and rename them, change their environments, compact and split them, and see
// where their partitions are.
//
//	c, err := admin.New(admin.Config{MetaServers: []string{"127.0.0.1:34601"}})
//	if err != nil {
//		return err
//	}
//	defer c.Close()
//	_, err = c.CreateTable(ctx, "orders", admin.CreateOptions{Partitions: 16, Replicas: 3})
//
// A Client is safe for concurrent use.
//
// # Time
//
// Every operation ends with its context, and what it is made of ends with it. A
// context without a deadline gets one: Config.OperationTimeout, 30 s by default. A
// context that has ended sends nothing.
//
// # Errors and retries
//
// Errors are of type *Error and are tested with errors.Is: for an ErrorCode of
// the meta server, for ErrTableNotFound, and so on. Their text is one line.
//
// Meta servers are asked until one leads and answers. Within its deadline an
// operation is tried again, after a pause of 20 ms that doubles up to a second,
// when no meta server answers, and when the answer is ErrServiceNotActive,
// ErrUnderRecovery, ErrBusyCreating or ErrBusyDropping. Everything else is
// reported at once: also that the servers are no meta servers, or too old for the
// operation.
//
// RemoteCommand, Counters and Disks are about one server, which is asked once.
//
// Changes are sent to one server at a time. Those that must not be done twice, or
// return what was before (CreateTable without SuccessIfExist, DropTable, RecallTable,
// RenameTable, SetReplicas, StartCompact, the start and control of a split,
// MovePrimary, SetMetaLevel and RemoteCommand), are not sent again once a server may
// have received them. The others (CreateTable with SuccessIfExist, SetEnvs, DelEnvs
// and ClearEnvs) are. If no answer comes in the end, the error has ErrInDoubt; without
// it, no server has received the change, or one has answered it.
package admin
