// Package transport is the connections of a onebox: frames in, answers out. It
// knows no table; what a request means is the business of the node's role.
//
// A connection has one goroutine that reads, and carries out on the way what is
// quick. It waits for no disk, no turn and no request that takes long:
//
//   - the answer of a write that is not durable yet is held, beside reading on,
//     until it is (held.go);
//   - a request that may take long, or that is to be delayed, becomes a job,
//     which waits in a queue for its turn (job.go, queue.go);
//   - whatever the answer comes from, it goes through the outbox, which is
//     written in one piece when there is something in it (outbox.go).
//
// What clients make a onebox keep is counted and limited. Beyond the limits a
// connection is not read any further, or closed.
package transport
