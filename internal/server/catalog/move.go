package catalog

import (
	"fmt"

	"github.com/pegasus-go/pegasus/internal/wire"
)

// Move makes replica servers, or None, the primaries of partitions: primaries
// maps the index of a partition to that of a server. The former primary becomes
// a secondary, and open scans of the partition are lost. It is refused while a
// split moves the table's records, unless wait is set.
func (c *Catalog) Move(id int32, primaries map[int32]int, wait bool) error {
	for {
		moved, err := c.move(id, primaries)
		if moved == nil || !wait {
			return err
		}
		<-moved
	}
}

// move returns a channel if a split is moving records, which is closed when that
// is done.
func (c *Catalog) move(id int32, primaries map[int32]int) (<-chan struct{}, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.byID[id]
	if t == nil || !t.View().available() {
		return nil, Refuse(wire.ErrAppNotExist, "there is no table %d", id)
	}
	err := c.change(t, func(r *record) error {
		for i, server := range primaries {
			if i < 0 || int(i) >= len(r.Partitions) || server < None || server >= len(c.opts.Members.Replicas) {
				return Refuse(wire.ErrInvalidParameters, "partition %d cannot move to server %d", i, server)
			}
			r.Partitions[i].Primary = int32(server)
			r.Partitions[i].Ballot++
		}
		return nil
	})
	if err == nil {
		for i, server := range primaries {
			c.log.Info("primary moved", "table", t.View().Info.AppName, "partition", i, "to", c.addressOf(server))
		}
	}
	if t.Moving() {
		return t.moved, err
	}
	return nil, err
}

// Failover moves all partitions whose primary is a replica server to their first
// secondary on another one that runs, as a meta server does when it has noticed
// that a node is dead. It waits for splits that are moving records.
func (c *Catalog) Failover(server int) error {
	return c.replace(server, func() int { return c.opts.Members.successor(server) })
}

// Adopt makes a replica server the primary of all partitions that have none. It
// waits for splits that are moving records.
func (c *Catalog) Adopt(server int) error {
	return c.replace(None, func() int { return server })
}

// replace gives all partitions with one primary another one.
func (c *Catalog) replace(from int, to func() int) error {
	for {
		moved, err := c.replaceUnlessMoving(from, to)
		if moved == nil {
			return err
		}
		<-moved
	}
}

// replaceUnlessMoving is replace for the tables whose records are not moving. If
// there are others, it returns a channel that is closed when one of them is
// done.
func (c *Catalog) replaceUnlessMoving(from int, to func() int) (<-chan struct{}, error) {
	var busy <-chan struct{}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, t := range c.byName {
		if t.Moving() {
			busy = t.moved
			continue
		}
		if !t.View().hasPrimary(from) {
			continue
		}
		next := int32(to())
		err := c.change(t, func(r *record) error {
			for i := range r.Partitions {
				if p := &r.Partitions[i]; int(p.Primary) == from {
					p.Primary = next
					p.Ballot++
				}
			}
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("table %q: %w", t.View().Info.AppName, err)
		}
		c.log.Info("primaries moved", "table", t.View().Info.AppName, "from", c.addressOf(from), "to", c.addressOf(int(next)))
	}
	return busy, nil
}

// addressOf returns the address of a replica server for the log, "" if it is None.
func (c *Catalog) addressOf(server int) string {
	if server == None {
		return ""
	}
	return c.opts.Members.Replica(server).String()
}

func (v *View) hasPrimary(server int) bool {
	for i := range v.Partitions {
		if int(v.Partitions[i].Primary) == server {
			return true
		}
	}
	return false
}
