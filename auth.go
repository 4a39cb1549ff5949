package pegasus

import "context"

// Authenticator tells servers who the client is, by a mechanism of SASL. The module
// github.com/pegasus-go/pegasus/auth/kerberos has the one that servers of Apache Pegasus know.
// It may be called concurrently.
//
// Each connection is authenticated by itself, to meta and replica servers alike, before
// anything else is sent on it, and within Config.DialTimeout; it stays so until it ends. What
// is sent afterwards is neither encrypted nor signed: a Dial of one's own can see to that.
//
// Errors of an Authenticator are ErrAuth, and final: operations that need the connection end
// with them at once. But those of the network, with a *net.OpError, a *net.DNSError or a time
// that is over in their chain, may pass, and operations try again until their time is over.
type Authenticator interface {
	// Mechanism returns the name of the mechanism, such as "GSSAPI". It is never empty.
	Mechanism() string
	// Start begins to authenticate one connection to a server, "host:port", that offers
	// the mechanism. It returns soon after ctx has ended: closing the client waits for it.
	Start(ctx context.Context, server string) (AuthExchange, error)
}

// AuthExchange is the client's side of a mechanism on one connection. It is used by one
// goroutine.
type AuthExchange interface {
	// Step returns the answer to a challenge of the server, which it does not keep. The
	// first challenge is nil, for what the client begins with.
	Step(ctx context.Context, challenge []byte) ([]byte, error)
	// Done reports whether the server has shown all that the mechanism asks of it. A server
	// that says that the client is authenticated before is not believed.
	Done() bool
}
