package admin_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/admin"
	"github.com/pegasus-go/pegasus/onebox"
)

// exampleClient starts a onebox, which stands for a cluster here, and a client for it.
func exampleClient() (c *admin.Client, stop func()) {
	srv, err := onebox.Start(onebox.Options{ReplicaServers: 3})
	if err != nil {
		log.Fatal(err)
	}
	c, err = admin.New(admin.Config{MetaServers: srv.MetaServers()})
	if err != nil {
		log.Fatal(err)
	}
	return c, func() {
		c.Close()
		srv.Close()
	}
}

func Example() {
	c, stop := exampleClient()
	defer stop()
	ctx := context.Background()

	_, err := c.CreateTable(ctx, "orders", admin.CreateOptions{Partitions: 16, Replicas: 3, Envs: map[string]string{"default_ttl": "86400"}})
	if err != nil {
		log.Fatal(err)
	}
	table, err := c.Table(ctx, "orders")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(table.Name, table.Partitions, "partitions, expiry after", table.Envs["default_ttl"], "s")

	// A table that was dropped can be called back for a while, by its id.
	if err := c.DropTable(ctx, "orders", time.Hour); err != nil {
		log.Fatal(err)
	}
	_, err = c.Table(ctx, "orders")
	fmt.Println("dropped:", errors.Is(err, pegasus.ErrTableNotFound))
	if table, err = c.RecallTable(ctx, table.ID, "orders"); err != nil {
		log.Fatal(err)
	}
	fmt.Println(table.Name, "is back")
	// Output:
	// orders 16 partitions, expiry after 86400 s
	// dropped: true
	// orders is back
}

func ExampleClient_SetEnvs() {
	c, stop := exampleClient()
	defer stop()
	ctx := context.Background()
	if _, err := c.CreateTable(ctx, "orders", admin.CreateOptions{}); err != nil {
		log.Fatal(err)
	}
	// Servers refuse more than 100 writes a second from now on: clients get ErrBusy, and try again.
	if err := c.SetEnvs(ctx, "orders", map[string]string{"replica.write_throttling": "100*reject*200"}); err != nil {
		log.Fatal(err)
	}
	envs, err := c.GetEnvs(ctx, "orders")
	fmt.Println(envs, err)
	if err := c.DelEnvs(ctx, "orders", "replica.write_throttling"); err != nil {
		log.Fatal(err)
	}
	// What makes no sense is refused.
	err = c.SetEnvs(ctx, "orders", map[string]string{"replica.write_throttling": "slowly"})
	fmt.Println(errors.Is(err, pegasus.ErrInvalidParameters))
	// Output:
	// map[replica.write_throttling:100*reject*200] <nil>
	// true
}

func ExampleClient_Partitions() {
	c, stop := exampleClient()
	defer stop()
	ctx := context.Background()
	if _, err := c.CreateTable(ctx, "orders", admin.CreateOptions{Partitions: 4}); err != nil {
		log.Fatal(err)
	}
	partitions, err := c.Partitions(ctx, "orders")
	if err != nil {
		log.Fatal(err)
	}
	healthy := 0
	for _, p := range partitions {
		if p.Primary != "" && len(p.Secondaries) == 2 {
			healthy++
		}
	}
	fmt.Println(healthy, "of", len(partitions), "partitions have all their replicas")
	// Output: 4 of 4 partitions have all their replicas
}
