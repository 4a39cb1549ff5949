// Package rpc is the client's end of connections: calls of any number of
// goroutines are multiplexed over one TCP connection per server, and another one
// for what is large.
//
// A call has its frame appended to the connection's outgoing buffer and waits. A
// writer goroutine sends whatever has gathered in one system call; a reader
// goroutine decodes each answer where it was read, and hands it to its call. No
// timer, no goroutine and no buffer is made for a call.
//
// When a connection breaks, all its calls fail at once, each with an [Error]
// that says whether its request may have reached the server. When partitions have
// moved, [Pool.Recall] gives back the calls that wait at the wrong server.
//
// A [Node] is a server: it makes the connections, one dial at a time for each,
// probes a server that was found to hang in place of all its callers, and has the
// [Budget] of what is sent to it again.
package rpc
