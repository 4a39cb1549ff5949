package pegasustest

import (
	"context"
	"errors"
	"time"

	"github.com/pegasus-go/pegasus/admin"
	"github.com/pegasus-go/pegasus/onebox"
)

// Restart stops all servers and starts them again at the same addresses. The data
// survives, connections end, open scans are lost. In memory that is a crash. In a
// directory the onebox is closed, and another one reads what is on disk and knows
// nothing of what Intercept, FillDisk, Cut, HoldSplits and SetMetaLeader have set.
func (c *Cluster) Restart() {
	c.t.Helper()
	if c.options.Dir != "" {
		if err := c.Onebox().Close(); err != nil {
			c.t.Fatalf("pegasustest: restart: %v", err)
		}
		c.startAgain()
		return
	}
	c.restartNodes()
}

// Crash is Restart as after a kill -9: in a directory the onebox is not closed, and
// the other one recovers from what has reached the disk. Every write that was
// acknowledged is there. In memory it is Restart.
func (c *Cluster) Crash() {
	c.t.Helper()
	if c.options.Dir != "" {
		c.Onebox().Crash()
		c.startAgain()
		return
	}
	c.restartNodes()
}

// startAgain starts another onebox in the directory of one that has ended.
func (c *Cluster) startAgain() {
	c.t.Helper()
	c.options.Tables, c.options.From = nil, "" // they are in the directory, and may have changed
	c.start()
}

// restartNodes restarts the servers of a onebox in memory.
func (c *Cluster) restartNodes() {
	c.t.Helper()
	box := c.Onebox()
	metas, replicas := len(box.MetaServers()), len(box.ReplicaServers())
	for i := range metas {
		box.Meta(i).Stop()
	}
	for i := range replicas {
		box.Replica(i).Stop()
	}
	for i := range replicas {
		c.must(box.Replica(i).Start())
	}
	for i := range metas {
		c.must(box.Meta(i).Start())
	}
}

func (c *Cluster) must(err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatalf("pegasustest: %v", err)
	}
}

// replica returns a replica server.
func (c *Cluster) replica(i int) *onebox.Node {
	c.t.Helper()
	if n := len(c.Onebox().ReplicaServers()); i < 0 || i >= n {
		c.t.Fatalf("pegasustest: no replica server %d: there are %d, see WithReplicaServers", i, n)
	}
	return c.Onebox().Replica(i)
}

// Kill stops a replica server, as a crash would, and makes others the primaries
// of its partitions, as a meta server does once it has noticed. If no other
// replica server runs, these partitions have no primary until Revive.
//
// For a server that is dead but not noticed yet use Stop of the [onebox.Node].
func (c *Cluster) Kill(replica int) {
	c.t.Helper()
	c.replica(replica).Stop()
	c.must(c.Onebox().Failover(replica))
}

// Revive starts a replica server again. It becomes the primary of the partitions
// that have none.
func (c *Cluster) Revive(replica int) {
	c.t.Helper()
	c.must(c.replica(replica).Start())
	c.must(c.Onebox().Adopt(replica))
}

const (
	adminTimeout = time.Minute
	splitPause   = 2 * time.Millisecond
)

// Split doubles the partitions of a table, and returns when the new partitions
// serve their keys. Clients go on meanwhile.
//
// To look at a table in the middle of a split use [onebox.Server.HoldSplits] and
// [onebox.Server.Split].
func (c *Cluster) Split(table string) {
	c.t.Helper()
	c.must(c.Onebox().Split(table))
	ctx, cancel := context.WithTimeout(context.Background(), adminTimeout)
	defer cancel()
	tick := time.NewTicker(splitPause)
	defer tick.Stop()
	for {
		_, err := c.Admin().QuerySplit(ctx, table)
		switch {
		case errors.Is(err, admin.ErrInvalidState): // no split under way any more
			return
		case err != nil:
			c.t.Fatalf("pegasustest: split: %v", err)
		}
		<-tick.C
	}
}
