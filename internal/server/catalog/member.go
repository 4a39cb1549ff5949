package catalog

import (
	"sync/atomic"

	"github.com/pegasus-go/pegasus/internal/wire"
)

// Member is a server of the cluster as others see it.
type Member interface {
	Address() wire.Address
	Alive() bool // as meta servers see it
}

// Members are the servers of the cluster. Tables name replica servers by their
// index.
type Members struct {
	Metas, Replicas []Member
	leader          atomic.Int32
}

// None stands for no replica server where a primary is named, and for no meta
// server where the leader is.
const None = -1

// Leader returns the index of the meta server that answers, or None.
func (m *Members) Leader() int { return int(m.leader.Load()) }

// SetLeader makes a meta server the leader, or with None none.
func (m *Members) SetLeader(index int) {
	m.leader.Store(int32(max(None, min(index, len(m.Metas)-1))))
}

// Replica returns the address of a replica server, or with None the invalid
// address.
func (m *Members) Replica(index int) wire.Address {
	if index == None {
		return 0
	}
	return m.Replicas[index].Address()
}

// primary returns the replica server for partition i of a new table: each in its
// turn, or the next one that is alive. While none does, which is so at a start, it is
// the one whose turn it is.
func (m *Members) primary(i int) int32 {
	turn := i % len(m.Replicas)
	if next := m.successor(turn); !m.Replicas[turn].Alive() && next != None {
		return int32(next)
	}
	return int32(turn)
}

// successor returns the living replica server that follows one, or None.
func (m *Members) successor(index int) int {
	for i := 1; i < len(m.Replicas); i++ {
		if n := (index + i) % len(m.Replicas); m.Replicas[n].Alive() {
			return n
		}
	}
	return None
}
