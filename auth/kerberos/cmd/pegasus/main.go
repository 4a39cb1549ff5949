// Command pegasus is the command of the main module with Kerberos in it, for secured clusters.
//
//	go install github.com/pegasus-go/pegasus/auth/kerberos/cmd/pegasus@latest
//
// Run pegasus help config for how a cluster is told who the client is.
package main

import (
	"errors"
	"fmt"

	"github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/auth/kerberos"
	"github.com/pegasus-go/pegasus/auth/kerberos/acceptor"
	"github.com/pegasus-go/pegasus/internal/cli"
	"github.com/pegasus-go/pegasus/internal/cli/config"
	"github.com/pegasus-go/pegasus/onebox"
)

func main() { cli.Main(program()) }

func program() *cli.Kerberos {
	return &cli.Kerberos{
		Client: func(c config.Kerberos) (pegasus.Authenticator, error) {
			auth, err := kerberos.New(kerberos.Config(c))
			var ce *kerberos.ConfigError
			if errors.As(err, &ce) {
				err = fmt.Errorf("%s: %w", settings[ce.Field], ce.Err)
			}
			return auth, err
		},
		Server: func(keytab string) (onebox.Acceptor, error) {
			accept, err := acceptor.New(acceptor.Config{Keytab: keytab})
			var ce *acceptor.ConfigError
			switch {
			case errors.As(err, &ce): // of the keytab: there is nothing else
				return nil, ce.Err
			case err != nil:
				return nil, err
			}
			return accept, nil
		},
	}
}

// settings are what the fields of kerberos.Config are called.
var settings = map[string]string{
	"Service": "service", "Principal": "principal", "Keytab": "keytab", "CCache": "ccache", "Krb5Conf": "krb5_conf",
}
