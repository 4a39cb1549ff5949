package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/admin"
	"github.com/pegasus-go/pegasus/onebox"
)

const (
	partitions = 8
	replicas   = 3 // if there are as many servers

	// cacheSize of the onebox lets the whole data set stay in its write buffers
	// and cache.
	cacheSize = 256 << 20
)

// cluster is a connection to a cluster and, without -meta, the cluster itself.
type cluster struct {
	out    *printer
	onebox *onebox.Server // nil if it is a cluster of the user's
	admin  *admin.Client
	client *pegasus.Cluster
	table  string // to be dropped at the end, "" if none was created
}

func connect(ctx context.Context, o options, out *printer) (*cluster, error) {
	c := &cluster{out: out}
	metas := strings.Split(o.meta, ",")
	if o.meta == "" {
		var err error
		if c.onebox, err = onebox.Start(onebox.Options{CacheSize: cacheSize}); err != nil {
			return nil, err
		}
		metas = c.onebox.MetaServers()
	}
	var err error
	if c.client, err = pegasus.New(pegasus.Config{MetaServers: metas}); err != nil {
		return nil, errors.Join(err, c.close())
	}
	if c.admin, err = admin.New(admin.Config{MetaServers: metas}); err != nil {
		return nil, errors.Join(err, c.close())
	}
	info, err := c.admin.ClusterInfo(ctx)
	if err != nil {
		return nil, errors.Join(err, c.close())
	}
	out.title("Connected")
	out.line("cluster %q, meta servers %s", info["cluster_name"], info["meta_servers"])
	return c, nil
}

// createTable creates the table and opens it.
func (c *cluster) createTable(ctx context.Context, name string) (pegasus.TableConnector, error) {
	nodes, err := c.admin.Nodes(ctx)
	if err != nil {
		return nil, err
	}
	_, err = c.admin.CreateTable(ctx, name, admin.CreateOptions{
		Partitions: partitions,
		Replicas:   min(replicas, len(nodes)),
	})
	switch {
	case errors.Is(err, admin.ErrAppExist):
		return nil, fmt.Errorf("%w; choose another name with -table", err)
	case err != nil:
		return nil, err
	}
	c.table = name
	c.out.line("created table %q with %d partitions on %s", name, partitions, plural(len(nodes), "server"))
	return c.client.OpenTable(ctx, name)
}

// dropTimeout bounds the cleaning up, which goes on after an interrupt.
const dropTimeout = 10 * time.Second

// close drops the table and closes everything.
func (c *cluster) close() error {
	var errs []error
	if c.table != "" {
		ctx, cancel := context.WithTimeout(context.Background(), dropTimeout)
		defer cancel()
		errs = append(errs, c.admin.DropTable(ctx, c.table, time.Second))
	}
	if c.client != nil {
		errs = append(errs, c.client.Close())
	}
	if c.admin != nil {
		errs = append(errs, c.admin.Close())
	}
	if c.onebox != nil {
		errs = append(errs, c.onebox.Close())
	}
	return errors.Join(errs...)
}
