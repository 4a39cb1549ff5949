// Package argument refuses arguments, for the client and for the administration.
package argument

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"
)

// ErrInvalid is the error of every argument that was refused.
var ErrInvalid = errors.New("invalid argument")

// Error says which argument was refused, and why. It is ErrInvalid to errors.Is.
type Error struct {
	Name   string // of the argument, such as "hashKey" or "sortKeys[2]"
	Reason string
}

// Error names the argument and the reason.
func (e *Error) Error() string { return fmt.Sprintf("%v: %s %s", ErrInvalid, e.Name, e.Reason) }

// Is reports whether target is ErrInvalid.
func (e *Error) Is(target error) bool { return target == ErrInvalid }

// Errorf returns an *Error with a reason in the form of fmt.Sprintf.
func Errorf(name, format string, args ...any) error {
	return &Error{Name: name, Reason: fmt.Sprintf(format, args...)}
}

// Config reports the first field of a client's configuration with an illegal
// value.
func Config(metaServers []string, operationTimeout, dialTimeout time.Duration) error {
	if len(metaServers) == 0 {
		return Errorf("MetaServers", "must name at least one meta server")
	}
	for i, addr := range metaServers {
		if err := Address(fmt.Sprintf("MetaServers[%d]", i), addr); err != nil {
			return err
		}
	}
	switch {
	case operationTimeout < 0:
		return Errorf("OperationTimeout", "must not be negative")
	case dialTimeout < 0:
		return Errorf("DialTimeout", "must not be negative")
	}
	return nil
}

// Auth refuses a way to authenticate that makes no sense. a may be nil.
func Auth(a interface{ Mechanism() string }, optional bool) error {
	switch {
	case a == nil && optional:
		return Errorf("AuthOptional", "must not be set without Auth")
	case a != nil && a.Mechanism() == "":
		return Errorf("Auth", "has a mechanism without a name")
	}
	return nil
}

// Address refuses what is not "host:port".
func Address(name, addr string) error {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return Errorf(name, "%q is not host:port: %v", addr, err)
	}
	if host == "" {
		return Errorf(name, "%q has no host", addr)
	}
	if i := strings.IndexFunc(host, notInHost); i >= 0 {
		return Errorf(name, "%q has %q in its host", addr, host[i:i+1])
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return Errorf(name, "%q has no port between 1 and 65535", addr)
	}
	return nil
}

// notInHost reports whether a host cannot have r: what comes from a list that was
// not split, or from a URL. Names in other scripts are left to the resolver.
func notInHost(r rune) bool {
	return r <= ' ' || strings.ContainsRune(`,;/\@"'`, r)
}
