package acceptor_test

import (
	"log"

	"github.com/pegasus-go/pegasus/auth/kerberos/acceptor"
	"github.com/pegasus-go/pegasus/onebox"
)

func Example() {
	accept, err := acceptor.New(acceptor.Config{
		Keytab:  "/etc/pegasus.keytab",
		Service: "pegasus/pegasus.example.com",
	})
	if err != nil {
		log.Fatal(err)
	}
	box, err := onebox.Start(onebox.Options{
		Auth: &onebox.Auth{Acceptor: accept, ACL: true, SuperUsers: []string{"admin"}},
		Tables: []onebox.Table{{
			Name: "temp",
			Envs: map[string]string{"replica_access_controller.allowed_users": "alice,bob"},
		}},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer box.Close()
}
