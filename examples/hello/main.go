// Command hello stores a value in a Pegasus and reads it back. It needs one that
// runs on this machine:
//
//	go run ./cmd/pegasus onebox
package main

import (
	"context"
	"fmt"
	"log"

	"github.com/pegasus-go/pegasus"
)

func main() {
	client := pegasus.NewClient(pegasus.Config{MetaServers: []string{"127.0.0.1:34601"}})
	defer client.Close()

	ctx := context.Background()
	table, err := client.OpenTable(ctx, "temp")
	if err != nil {
		log.Fatal(err)
	}
	if err := table.Set(ctx, []byte("user_1"), []byte("name"), []byte("Ann")); err != nil {
		log.Fatal(err)
	}
	value, err := table.Get(ctx, []byte("user_1"), []byte("name"))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("user_1 is %s\n", value)
}
