package server

import (
	"fmt"

	"github.com/pegasus-go/pegasus/internal/wire"
)

// Steps of a balancer request: values of the enumeration config_type.
const (
	configAssignPrimary    = 1
	configUpgradeToPrimary = 2
)

// propose carries out the steps of a balancer request that make a node the
// primary. The other steps, which prepare or follow that, need nothing done:
// every node has all records.
func (k *call) propose(req *wire.BalancerRequest, resp *wire.ErrResponse) {
	for _, a := range req.ActionList {
		if a.Type != configAssignPrimary && a.Type != configUpgradeToPrimary {
			continue
		}
		node := noPrimary
		for i, n := range k.s.replicas {
			if n.addr == a.Node {
				node = i
			}
		}
		if node == noPrimary {
			resp.Err = wire.ErrInvalidParameters
			return
		}
		if resp.Err = k.s.move(req.PID, node); resp.Err != wire.ErrOK {
			return
		}
	}
}

// MovePrimary makes a replica server the primary of a partition, or, with node
// -1, leaves the partition without one. The former primary becomes a secondary
// and open scans of the partition are lost. It waits for a split that is moving
// records.
func (s *Server) MovePrimary(table string, index, node int) error {
	if node < noPrimary || node >= len(s.replicas) {
		return fmt.Errorf("server: move primary: no replica server %d", node)
	}
	s.catalog.mu.Lock()
	t := s.catalog.byName[table]
	s.catalog.mu.Unlock()
	if t == nil {
		return fmt.Errorf("server: move primary: no table %q", table)
	}
	id := wire.GPID{AppID: t.id, PartitionIndex: int32(index)}
	code := s.move(id, node)
	for code == wire.ErrSplitting {
		s.catalog.mu.Lock()
		moved := t.moved
		s.catalog.mu.Unlock()
		<-moved
		code = s.move(id, node)
	}
	if code != wire.ErrOK {
		return fmt.Errorf("server: move primary of %v: %w", id, code)
	}
	return nil
}

func (s *Server) move(id wire.GPID, node int) wire.ErrorCode {
	c := &s.catalog
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.byID[id.AppID]
	switch {
	case t == nil || t.rec.Info.Status != wire.AppAvailable:
		return wire.ErrAppNotExist
	case id.PartitionIndex < 0 || int(id.PartitionIndex) >= t.count():
		return wire.ErrInvalidParameters
	}
	rec := t.rec.clone()
	p := &rec.Partitions[id.PartitionIndex]
	p.Primary = int32(node)
	p.Ballot++
	if code, _ := s.save(t, rec); code != wire.ErrOK {
		return code
	}
	s.reconfigure(t)
	s.scans.dropPartition(id)
	return wire.ErrOK
}

// Failover moves all partitions whose primary is the replica server node to
// their first secondary on another one, as a meta server does when it has
// noticed that a node is dead. It waits for splits that are moving records.
func (s *Server) Failover(node int) error {
	if node < 0 || node >= len(s.replicas) {
		return fmt.Errorf("server: fail over: no replica server %d", node)
	}
	for {
		moved, err := s.failover(node)
		if moved == nil {
			return err
		}
		<-moved
	}
}

// failover is Failover for the tables that are not being split. If there is one
// that is, it returns a channel that is closed when that one is done.
func (s *Server) failover(node int) (<-chan struct{}, error) {
	var busy <-chan struct{}
	c := &s.catalog
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, t := range c.byName {
		if t.moving.Load() {
			busy = t.moved
			continue
		}
		rec := t.rec.clone()
		moved := false
		for i := range rec.Partitions {
			p := &rec.Partitions[i]
			if int(p.Primary) == node {
				p.Primary = int32(s.successor(node))
				p.Ballot++
				moved = true
			}
		}
		if !moved {
			continue
		}
		if code, hint := s.save(t, rec); code != wire.ErrOK {
			return nil, fmt.Errorf("server: fail over: %w: %s", code, hint)
		}
		s.reconfigure(t)
	}
	return busy, nil
}

// successor returns the running replica server that follows node, or
// noPrimary.
func (s *Server) successor(node int) int {
	for i := 1; i < len(s.replicas); i++ {
		if n := (node + i) % len(s.replicas); s.replicas[n].Running() {
			return n
		}
	}
	return noPrimary
}
