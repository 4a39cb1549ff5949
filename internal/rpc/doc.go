// Package rpc is the client's end of a connection: calls of any number of
// goroutines are multiplexed over one TCP connection per server.
//
// A call appends its frame to the connection's outgoing buffer and waits. A
// writer goroutine sends whatever has gathered in one system call; a reader
// goroutine hands each reply to its call. Nothing but the reply's frame is
// allocated per call, no timer and no goroutine is started.
//
// When a connection breaks, all its calls fail at once, each with an [Error]
// that says whether its request may have reached the server.
package rpc
