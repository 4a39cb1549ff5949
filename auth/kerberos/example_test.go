package kerberos_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/auth/kerberos"
)

func Example() {
	auth, err := kerberos.New(kerberos.Config{
		Service:   "pegasus/pegasus.example.com",
		Principal: "alice@EXAMPLE.COM",
		Keytab:    "/etc/alice.keytab",
	})
	if err != nil {
		log.Fatal(err)
	}
	client, err := pegasus.New(pegasus.Config{MetaServers: []string{"10.0.0.1:34601"}, Auth: auth})
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	table, err := client.Open(context.Background(), "temp")
	switch {
	case errors.Is(err, kerberos.ErrTicketExpired), errors.Is(err, kerberos.ErrNoTicket):
		log.Fatalf("run kinit: %v", err)
	case errors.Is(err, kerberos.ErrClockSkew):
		log.Fatalf("set the clock: %v", err)
	case err != nil:
		log.Fatal(err)
	}
	value, err := table.Get(context.Background(), []byte("user_1"), []byte("name"))
	fmt.Printf("%s %v\n", value, err)
}

// Who has run kinit needs neither a keytab nor a principal.
func ExampleNew_ccache() {
	auth, err := kerberos.New(kerberos.Config{Service: "pegasus/pegasus.example.com"})
	if err != nil {
		log.Fatal(err)
	}
	_, err = pegasus.New(pegasus.Config{MetaServers: []string{"10.0.0.1:34601"}, Auth: auth})
	fmt.Println(err)
}
