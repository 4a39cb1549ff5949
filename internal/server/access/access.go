// Package access knows what a server demands of its clients: who they are, by a
// mechanism of SASL, and what each of them may do, by the access control of Apache Pegasus
// that goes by lists of users.
package access

import "strings"

// Exchange is the server's side of a mechanism on one connection.
type Exchange interface {
	// Step returns what to answer to a message of the client, and whether it is
	// authenticated now.
	Step(message []byte) (challenge []byte, done bool, err error)
	// Principal returns who it is, once it is.
	Principal() string
}

// Access is what is demanded of all clients of a server. Nil is nothing.
type Access struct {
	// Mechanism is the name of the mechanism, and Start begins with one connection.
	Mechanism string
	Start     func() Exchange
	// Optional serves also those who have not authenticated.
	Optional bool
	// ACL lets tables be used only by those who are in their environment, if anybody is,
	// and be changed only by SuperUsers.
	ACL        bool
	SuperUsers Users
}

// Users is a set of names. Nil is not an empty set: it is everybody.
type Users map[string]struct{}

// ParseUsers reads names with commas between them. No name is everybody.
func ParseUsers(list string) Users {
	var u Users
	for name := range strings.SplitSeq(list, ",") {
		if name = strings.Trim(name, " \t\r\n"); name == "" {
			continue
		}
		if u == nil {
			u = make(Users)
		}
		u[name] = struct{}{}
	}
	return u
}

// userOf returns the name that lists have for a principal, as a Pegasus server does:
// without its realm, and without what follows a slash.
func userOf(principal string) string {
	if i := strings.LastIndexByte(principal, '@'); i >= 0 {
		principal = principal[:i]
	}
	name, _, _ := strings.Cut(principal, "/")
	return name
}
