package cli

import (
	"context"
	"net"
	"strings"

	"github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/admin"
	"github.com/pegasus-go/pegasus/internal/cli/exit"
	"github.com/pegasus-go/pegasus/internal/cli/resume"
)

// place is a table of a cluster, and open.
type place struct {
	resume.Place
	*pegasus.Table
	name  string // as it was typed
	close func()
}

// parsePlace returns the meta servers and the table of an argument "TABLE", of the cluster of
// the command, or "host:port,...:TABLE", of another one.
func (a *app) parsePlace(name, arg string) (metas []string, table string, err error) {
	i := strings.LastIndexByte(arg, ':')
	if i < 0 {
		return a.metaServers(), arg, checkTableName(name, arg)
	}
	metas, table = strings.Split(arg[:i], ","), arg[i+1:]
	for _, m := range metas {
		if host, port, err := net.SplitHostPort(m); err != nil || host == "" || port == "" {
			// Names of tables may have colons.
			return a.metaServers(), arg, nil
		}
	}
	return metas, table, checkTableName(name, table)
}

func checkTableName(name, table string) error {
	if table == "" {
		return exit.Errorf(exit.Usage, "%s: it has no name of a table", name)
	}
	return nil
}

// openPlace opens a table and finds out which one it is. --timeout is for that, and for each
// request.
func (a *app) openPlace(ctx context.Context, name string, metas []string, table string) (*place, error) {
	cluster, err := pegasus.New(pegasus.Config{MetaServers: metas, OperationTimeout: a.timeout})
	if err != nil {
		return nil, err
	}
	p, err := a.find(ctx, cluster, metas, table)
	if err != nil {
		cluster.Close()
		return nil, err
	}
	p.name, p.close = name, func() { cluster.Close() }
	return p, nil
}

func (a *app) find(ctx context.Context, cluster *pegasus.Cluster, metas []string, table string) (*place, error) {
	ctx, cancel := context.WithTimeout(ctx, a.timeout)
	defer cancel()
	t, err := cluster.Open(ctx, table)
	if err != nil {
		return nil, err
	}
	info, err := t.Info(ctx)
	if err != nil {
		return nil, err
	}
	name, err := clusterName(ctx, metas)
	if err != nil {
		return nil, err
	}
	return &place{Place: resume.Place{Cluster: name, Table: table, ID: info.ID, Partitions: info.Partitions}, Table: t}, nil
}

// clusterName asks a cluster for its name, which it may not have.
func clusterName(ctx context.Context, metas []string) (string, error) {
	c, err := admin.New(admin.Config{MetaServers: metas})
	if err != nil {
		return "", err
	}
	defer c.Close()
	info, err := c.ClusterInfo(ctx)
	return info["cluster_name"], err
}
