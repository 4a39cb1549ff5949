package onebox

import (
	"fmt"
	"strings"

	"github.com/pegasus-go/pegasus/internal/server/access"
)

// Auth is what a Server demands of its clients. It stands for the section [security] in the
// configuration of a Pegasus server.
//
// Whoever fails to authenticate has the connection closed without a word, and Options.Logger
// is told why. The name of a client is its principal without the realm, and without what
// follows a slash: alice of alice/laptop@EXAMPLE.COM.
type Auth struct {
	// Acceptor checks who clients are. Required. The module
	// github.com/pegasus-go/pegasus/auth/kerberos has one for Kerberos.
	Acceptor Acceptor

	// Optional serves also those who have not authenticated, who have no name. It is
	// mandatory_auth = false of a Pegasus server. Default: their requests are dropped
	// without an answer.
	Optional bool

	// ACL turns access control on: enable_acl of a Pegasus server. A table whose environment
	// has replica_access_controller.allowed_users, names with commas between them, can be read
	// and written only by those, others get ERR_ACL_DENY. Anybody may look for tables and
	// nodes, and everything else that concerns meta servers is for SuperUsers. Default: who
	// has authenticated may do everything.
	ACL bool
	// SuperUsers may do everything in spite of ACL.
	SuperUsers []string
}

// Acceptor is the server's side of a mechanism of SASL. It may be called concurrently.
type Acceptor interface {
	// Mechanism returns the name of the mechanism, such as "GSSAPI".
	Mechanism() string
	// Accept begins with one connection.
	Accept() AcceptorExchange
}

// AcceptorExchange is the server's side of a mechanism on one connection.
type AcceptorExchange interface {
	// Step returns what to answer to a message of the client, which it does not keep. done
	// says that the client is authenticated; the challenge is not sent then. An error ends
	// the connection.
	Step(message []byte) (challenge []byte, done bool, err error)
	// Principal returns who the client is, once Step has returned done.
	Principal() string
}

func (a *Auth) check() error {
	switch {
	case a == nil:
		return nil
	case a.Acceptor == nil:
		return badOption("Auth.Acceptor", "is required")
	case a.Acceptor.Mechanism() == "":
		return badOption("Auth.Acceptor", "has a mechanism without a name")
	case len(a.SuperUsers) > 0 && !a.ACL:
		return badOption("Auth.SuperUsers", "without ACL everybody is one")
	}
	for i, name := range a.SuperUsers {
		if _, ok := access.ParseUsers(name)[name]; !ok || strings.ContainsAny(name, "/@") {
			return badOption(fmt.Sprintf("Auth.SuperUsers[%d]", i), "%q is not the name of a client: no slash, no realm, no comma", name)
		}
	}
	return nil
}

func (a *Auth) access() *access.Access {
	if a == nil {
		return nil
	}
	super := access.Users{}
	for _, name := range a.SuperUsers {
		super[name] = struct{}{}
	}
	return &access.Access{
		Mechanism:  a.Acceptor.Mechanism(),
		Start:      func() access.Exchange { return a.Acceptor.Accept() },
		Optional:   a.Optional,
		ACL:        a.ACL,
		SuperUsers: super,
	}
}
