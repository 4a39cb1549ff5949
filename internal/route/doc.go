// Package route knows where things are: which meta server leads, and which
// server is the primary of a partition.
//
// A table's partitions are an immutable snapshot behind an atomic pointer, so
// that finding the server of a key takes no lock. An answer of the meta servers
// makes a new snapshot beside the old one, and the two are swapped; partitions
// whose place has changed tell those who wait for that.
//
// The meta servers are asked while somebody complains, never by a timer alone, more
// and more rarely while that brings nothing new, and by one question for all.
//
// Names of meta servers are looked up beside everything else. What a name stood
// for last is kept for when that fails.
package route
