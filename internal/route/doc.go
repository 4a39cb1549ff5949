// Package route knows where things are: which meta server leads, and which
// server is the primary of a partition.
//
// A question to the meta servers goes to the one that led last, and to all of them,
// side by side, when that one is slow or fails. Names are looked up beside that, and
// hold up neither the servers whose addresses are known nor whoever closes a client.
//
// A table's partitions are an immutable snapshot behind an atomic pointer, so
// that finding the server of a key takes no lock. A refresh asks the meta
// server, builds a new snapshot beside the old one, and swaps them. It is
// started by whoever was told by a server that its view is out of date, never
// by a timer, and is shared by all who want one at the same time.
package route
