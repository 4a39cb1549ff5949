package cli

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/admin"
	"github.com/pegasus-go/pegasus/internal/cli/config"
	"github.com/pegasus-go/pegasus/internal/cli/exit"
	"github.com/pegasus-go/pegasus/onebox"
)

// Kerberos is what the program of the module auth/kerberos has. A nil one is that of a program without.
type Kerberos struct {
	// Client returns what shows servers who the client is. Errors name the setting.
	Client func(config.Kerberos) (pegasus.Authenticator, error)
	// Server returns what a onebox asks of clients, by the key of its servers.
	Server func(keytab string) (onebox.Acceptor, error)

	mu   sync.Mutex
	made map[config.Kerberos]pegasus.Authenticator // with their tickets
}

const kerberosProgram = "github.com/pegasus-go/pegasus/auth/kerberos/cmd/pegasus"

// errNoKerberos is the error of a program without.
var errNoKerberos = errors.New("this program has no Kerberos, the one of 'go install " + kerberosProgram + "@latest' has")

// client returns what settings lead to, always the same: nil for none.
func (k *Kerberos) client(c *config.Kerberos) (pegasus.Authenticator, error) {
	switch {
	case c == nil:
		return nil, nil
	case k == nil:
		return nil, errNoKerberos
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if auth, ok := k.made[*c]; ok {
		return auth, nil
	}
	auth, err := k.Client(*c)
	if err != nil {
		return nil, err
	}
	if k.made == nil {
		k.made = make(map[config.Kerberos]pegasus.Authenticator)
	}
	k.made[*c] = auth
	return auth, nil
}

// server returns what a onebox asks of clients.
func (k *Kerberos) server(keytab string) (onebox.Acceptor, error) {
	if k == nil {
		return nil, errNoKerberos
	}
	return k.Server(keytab)
}

// whatFor says what a cluster wants that has told nobody.
func (k *Kerberos) whatFor(err error) string {
	var other *otherCluster
	switch {
	case k == nil:
		return "If it is secured with Kerberos: " + errNoKerberos.Error() + "."
	case errors.As(err, &other):
		return "If it is secured with Kerberos, its section kerberos in the file of clusters says how; --kerberos is for the cluster of the command: see pegasus help config."
	}
	return "If it is secured with Kerberos, --kerberos or the file of clusters says how: see pegasus help config."
}

// access is how a cluster is reached.
type access struct {
	metas   []string
	secured *config.Kerberos // nil: it is not
	source  string           // of that
	program *Kerberos
}

// here is how the cluster of the command is reached.
func (a *app) here() access {
	return access{a.metaServers(), a.conn.secured, a.conn.kerberos.source, a.kerberos}
}

func (at access) auth() (pegasus.Authenticator, error) {
	auth, err := at.program.client(at.secured)
	if err != nil {
		return nil, exit.Errorf(exit.Usage, "Kerberos, from %s: %w", at.source, err)
	}
	return auth, nil
}

// open returns a client of the cluster. A timeout of 0 is the client's own.
func (at access) open(timeout time.Duration) (*pegasus.Cluster, error) {
	auth, err := at.auth()
	if err != nil {
		return nil, err
	}
	return pegasus.New(pegasus.Config{MetaServers: at.metas, Auth: auth, OperationTimeout: timeout})
}

// administer returns a client of the cluster's administration, likewise.
func (at access) administer(timeout time.Duration) (*admin.Client, error) {
	auth, err := at.auth()
	if err != nil {
		return nil, err
	}
	return admin.New(admin.Config{MetaServers: at.metas, Auth: auth, OperationTimeout: timeout})
}

// findKerberos finds out how the cluster is secured: by the flag, the variable of the environment or the file.
func (a *app) findKerberos(c *connection) error {
	levels := []setting{{a.kerberosFlag, "--kerberos"}}
	if a.session != nil {
		levels = append(levels, a.session.kerberos)
	}
	c.kerberos = first(append(levels, setting{a.streams.Getenv("PEGASUS_KERBEROS"), "PEGASUS_KERBEROS"})...)
	switch file := c.cluster.Kerberos; {
	case c.kerberos.value != "":
		k, err := config.ParseKerberos(c.kerberos.value)
		if err != nil {
			return &usageError{fmt.Sprintf("%s: %v", c.kerberos.source, err)}
		}
		c.secured = &k
	case file != nil:
		c.secured, c.kerberos = file, setting{file.String(), c.meta.source}
	}
	return nil
}
