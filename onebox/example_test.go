package onebox_test

import (
	"context"
	"fmt"
	"log"

	"github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/onebox"
)

func Example() {
	srv, err := onebox.Start(onebox.Options{
		Tables: []onebox.Table{{Name: "temp", Partitions: 4}},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer srv.Close()

	client := pegasus.NewClient(pegasus.Config{MetaServers: srv.MetaServers()})
	defer client.Close()
	ctx := context.Background()
	table, err := client.OpenTable(ctx, "temp")
	if err != nil {
		log.Fatal(err)
	}
	if err := table.Set(ctx, []byte("user"), []byte("name"), []byte("Ada")); err != nil {
		log.Fatal(err)
	}
	value, err := table.Get(ctx, []byte("user"), []byte("name"))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s\n", value)
	// Output: Ada
}

// A test can see what its code does when servers refuse, hang or die.
func ExampleServer_Intercept() {
	srv, err := onebox.Start(onebox.Options{Tables: []onebox.Table{{Name: "temp"}}})
	if err != nil {
		log.Fatal(err)
	}
	defer srv.Close()
	client := pegasus.NewClient(pegasus.Config{MetaServers: srv.MetaServers()})
	defer client.Close()
	ctx := context.Background()
	table, err := client.OpenTable(ctx, "temp")
	if err != nil {
		log.Fatal(err)
	}

	srv.Intercept(func(r onebox.Request) onebox.Action {
		if r.Task == onebox.TaskPut {
			return onebox.Action{Error: "ERR_ACL_DENY"}
		}
		return onebox.Action{}
	})
	err = table.Set(ctx, []byte("user"), []byte("name"), []byte("Ada"))
	fmt.Println(err != nil)
	// Output: true
}
