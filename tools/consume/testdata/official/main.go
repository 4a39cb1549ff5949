// A program that uses the official client and this one, on one table.
package main

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/apache/incubator-pegasus/go-client/config"
	official "github.com/apache/incubator-pegasus/go-client/pegasus"
	"github.com/pegasus-go/pegasus"
)

func main() {
	ctx := context.Background()
	metas := os.Args[1:]
	old := official.NewClient(config.Config{MetaServers: metas})
	defer old.Close()
	oldTable, err := old.OpenTable(ctx, "temp")
	if err != nil {
		log.Fatal(err)
	}
	client := pegasus.NewClient(pegasus.Config{MetaServers: metas})
	defer client.Close()
	table, err := client.OpenTable(ctx, "temp")
	if err != nil {
		log.Fatal(err)
	}
	write(ctx, oldTable.Set, table.Get, "a")
	write(ctx, table.Set, oldTable.Get, "b")
	fmt.Println("each reads what the other has written")
}

func write(ctx context.Context, set func(_ context.Context, hashKey, sortKey, value []byte) error,
	get func(_ context.Context, hashKey, sortKey []byte) ([]byte, error), value string,
) {
	if err := set(ctx, []byte("hash"), []byte("sort"), []byte(value)); err != nil {
		log.Fatal(err)
	}
	got, err := get(ctx, []byte("hash"), []byte("sort"))
	if err != nil || string(got) != value {
		log.Fatalf("%q, %v in place of %q", got, err, value)
	}
}
