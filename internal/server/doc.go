// Package server is a whole Pegasus cluster in one process: meta servers and
// replica servers, each with a listener and an address of its own, over one
// store. It puts together what the folders in it have:
//
//	transport  connections: frames in, answers out; nodes, faults
//	meta       the role of a meta server: where partitions are, tables
//	replica    the role of a replica server: reads, writes, scans
//	catalog    the state of the cluster, which both roles share
//	console    what operators are told by any server
//	request    what connections and roles have in common
//	throttle   rates
//
// The connection knows no table, the roles know no connection.
//
// Routing (which node serves which partition) is data: since every node sees
// the same store, a partition moves to another node by a change of its
// configuration. That is what makes failovers cheap to rehearse.
package server
