// Package server is a whole Pegasus cluster in one process: meta servers and
// replica servers, each with a listener and an address of its own, over one
// store. It turns requests of the wire protocol into operations on the store
// and keeps the tables' meta data there.
//
// A connection has one goroutine. It handles the requests that have arrived
// one after another, gathers the answers, waits once for all writes among them
// to be durable, and sends the answers in one piece. Requests that may take
// long, or that are to be delayed, move to a goroutine of their own, so that
// the others on the connection do not wait for them.
//
// Routing (which node serves which partition) is data: since every node sees
// the same store, a partition moves to another node by a change of its
// configuration. That is what makes failovers cheap to rehearse.
package server
