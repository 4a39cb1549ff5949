// Package scale simulates a client of a large cluster: 1 000 replica servers, a
// table of 65 536 partitions, 10 000 callers, of whose servers 100 fail at once.
//
// Network and servers are in memory and have no goroutines of their own: a
// request is answered by the goroutine that writes it, and the answer is handed
// over after the latency of the network. So a server costs as much as the
// connections to it, and the goroutines that are counted are the client's.
//
// Times to recover are taken on the clock of testing/synctest, on which
// computing takes no time: they are those of the client's rules, the same on
// every machine. What that leaves out is printed as well, in real time: how much
// computing OpenTable and a refresh are. "make scale" prints both.
package scale
