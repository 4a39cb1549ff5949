package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/admin"
	"github.com/pegasus-go/pegasus/internal/cli/survey"
	"github.com/pegasus-go/pegasus/internal/schema"
)

// metaTargets are the meta servers that the client knows, each address of a name.
func (a *app) metaTargets(ctx context.Context, c *admin.Client) []*target {
	var all []*target
	for _, configured := range a.metaServers() {
		host, port, err := net.SplitHostPort(strings.TrimSpace(configured))
		if err != nil || net.ParseIP(host) != nil {
			all = append(all, serverTarget(c, configured, string(pegasus.RoleMeta), -1, nil))
			continue
		}
		began := time.Now()
		ctx, cancel := context.WithTimeout(ctx, survey.Wait)
		addrs, err := net.DefaultResolver.LookupHost(ctx, host)
		cancel()
		dns := time.Since(began)
		if err != nil {
			all = append(all, serverTarget(c, configured, string(pegasus.RoleMeta), dns, err))
		}
		for _, ip := range addrs {
			all = append(all, serverTarget(c, net.JoinHostPort(ip, port), string(pegasus.RoleMeta), dns, nil))
		}
	}
	return all
}

func nodeTargets(ctx context.Context, c *admin.Client) ([]*target, error) {
	nodes, err := c.Nodes(ctx)
	if err != nil {
		return nil, err
	}
	var all []*target
	for _, n := range nodes {
		all = append(all, serverTarget(c, n.Address, string(pegasus.RoleReplica), -1, nil))
	}
	return all, nil
}

// serverTarget is a server that is asked who it is. The first answer of all comes over a
// new connection, and is not counted.
func serverTarget(c *admin.Client, addr, role string, dns time.Duration, lost error) *target {
	warm := false
	return &target{server: addr, role: role, dns: dns, lost: lost, ask: func(ctx context.Context) (time.Duration, error) {
		s := survey.Ask(ctx, c, addr)
		if !warm && s.Err == nil {
			s = survey.Ask(ctx, c, addr)
		}
		warm = s.Err == nil
		return s.RTT, s.Err
	}}
}

// partitionTargets are the partitions of a table, each with a key that it would have.
func partitionTargets(ctx context.Context, c *admin.Client, cluster *pegasus.Cluster, table string) ([]*target, error) {
	partitions, err := c.Partitions(ctx, table)
	if err != nil {
		return nil, err
	}
	t, err := cluster.Open(ctx, table)
	if err != nil {
		return nil, err
	}
	var all []*target
	for i, key := range keysOfPartitions(len(partitions)) {
		all = append(all, partitionTarget(t, partitions[i], key))
	}
	return all, nil
}

func partitionTarget(t *pegasus.Table, p admin.Partition, key []byte) *target {
	warm := false
	once := func(ctx context.Context) (time.Duration, error) {
		began := time.Now()
		_, err := t.TTL(ctx, key, []byte{})
		switch {
		case errors.Is(err, pegasus.ErrBusy): // throttled, and so there
			err = nil
		case errors.Is(err, pegasus.ErrNoPrimary): // waited for in vain
			err = pegasus.ErrNoPrimary
		}
		return time.Since(began), err
	}
	return &target{role: "partition " + p.String(), server: p.Primary, partition: true, dns: -1, ask: func(ctx context.Context) (time.Duration, error) {
		rtt, err := once(ctx)
		if !warm && err == nil {
			rtt, err = once(ctx)
		}
		warm = err == nil
		return rtt, err
	}}
}

// keysOfPartitions returns a hash key for each of n partitions.
func keysOfPartitions(n int) [][]byte {
	keys := make([][]byte, n)
	for left, i := n, 0; left > 0; i++ {
		key := fmt.Appendf(nil, "pegasus.ping.%d", i)
		if at := schema.PartitionHash(key, nil) % uint64(n); keys[at] == nil {
			keys[at] = key
			left--
		}
	}
	return keys
}
