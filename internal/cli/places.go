package cli

import (
	"context"
	"net"
	"strings"

	"github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/internal/cli/config"
	"github.com/pegasus-go/pegasus/internal/cli/exit"
	"github.com/pegasus-go/pegasus/internal/cli/resume"
)

// place is a table of a cluster, and open.
type place struct {
	resume.Place
	*pegasus.Table
	name   string // as it was typed
	at     access
	leader string // of the meta servers, as they call it
	close  func()
}

// is reports whether two places are one, by whatever addresses. A cluster is known by its name
// and its leader.
func (p *place) is(other *place) bool {
	return p.ID == other.ID && p.Cluster == other.Cluster && p.leader != "" && p.leader == other.leader
}

// spot is where a place is.
type spot struct {
	arg  string // as it was typed
	from string // what says which cluster it is in, "" for that of the command
	access
	table   string
	name    string // of the cluster in the file, "" if that does not name it
	cluster config.Cluster
	rules   rules
}

// own is a table of the cluster of the command.
func (a *app) own(table string) spot {
	return spot{table, "", a.here(), table, a.conn.name, a.conn.cluster, a.conn.rules}
}

// parsePlace finds out what an argument means: "TABLE", of the cluster of the command, or
// "CLUSTER:TABLE" or "host:port,...:TABLE", of another one.
func (a *app) parsePlace(name, arg string) (spot, error) {
	i := strings.LastIndexByte(arg, ':')
	if i < 0 {
		return a.own(arg), checkTableName(name, arg)
	}
	other := spot{arg: arg, from: name, access: access{metas: strings.Split(arg[:i], ","), program: a.kerberos}, table: arg[i+1:]}
	if !allAddresses(other.metas) {
		file, err := config.Load(a.streams.Getenv)
		if err != nil {
			return spot{}, exit.Errorf(exit.Usage, "%w", err)
		}
		c, ok := file.Cluster[arg[:i]]
		if !ok {
			return a.own(arg), nil // names of tables may have colons
		}
		other.name, other.cluster, other.metas = arg[:i], c, c.Meta
		other.secured, other.source, other.from = c.Kerberos, "cluster "+arg[:i], "cluster "+arg[:i]+", "+name
	}
	other.rules = rulesOf(other.name, other.cluster, setting{strings.Join(other.metas, ","), name}, a.streams.Getenv)
	return other, checkTableName(name, other.table)
}

func allAddresses(metas []string) bool {
	for _, m := range metas {
		if host, port, err := net.SplitHostPort(m); err != nil || host == "" || port == "" {
			return false
		}
	}
	return true
}

func checkTableName(name, table string) error {
	if table == "" {
		return exit.Errorf(exit.Usage, "%s: it has no name of a table", name)
	}
	return nil
}

// openPlace opens a table and finds out which one it is. --timeout is for that, and for each
// request.
func (a *app) openPlace(ctx context.Context, at spot) (*place, error) {
	cluster, err := at.open(a.timeout)
	if err != nil {
		return nil, err
	}
	var p *place
	err = a.reach(ctx, at.metas, func(ctx context.Context) (err error) {
		p, err = a.find(ctx, cluster, at.access, at.table)
		return err
	})
	if err != nil {
		cluster.Close()
		if at.from != "" {
			err = &otherCluster{at, err}
		}
		return nil, err
	}
	p.name, p.at, p.close = at.arg, at.access, func() { cluster.Close() }
	return p, nil
}

// otherCluster is an error of a cluster that is not the one of the command.
type otherCluster struct {
	at  spot
	err error
}

func (e *otherCluster) Error() string { return e.err.Error() }

func (e *otherCluster) Unwrap() error { return e.err }

// mayWrite holds a place that is written to to what the file says of its cluster.
func (at *spot) mayWrite(p *place) error {
	if err := at.rules.allow("TO"); err != nil {
		return err
	}
	switch want := at.cluster.ClusterName; {
	case want != "" && want != p.Cluster:
		return exit.Errorf(exit.Refused, "TO: cluster %s: its servers are those of %q, not of %q", at.name, p.Cluster, want)
	}
	return nil
}

func (a *app) find(ctx context.Context, cluster *pegasus.Cluster, at access, table string) (*place, error) {
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
	about, err := clusterInfo(ctx, at)
	if err != nil {
		return nil, err
	}
	return &place{leader: about["primary_meta_server"], Place: resume.Place{Cluster: about["cluster_name"], Table: table, ID: info.ID, Partitions: info.Partitions}, Table: t}, nil
}

// clusterInfo asks a cluster about itself. It may have no name.
func clusterInfo(ctx context.Context, at access) (map[string]string, error) {
	c, err := at.administer(0)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	return c.ClusterInfo(ctx)
}
