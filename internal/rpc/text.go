package rpc

import (
	"fmt"
	"net"
)

// WithoutAddr returns err with a text that leaves out the server and the name that
// was looked up, for messages that have named them already.
func WithoutAddr(err error) error { return unnamed{err} }

type unnamed struct{ error }

// Error returns the text of the cause.
func (u unnamed) Error() string {
	for err := u.error; ; {
		switch e := err.(type) {
		case *Error:
			err = e.Err
		case *net.OpError:
			err = e.Err
		case *net.DNSError:
			if e.Server != "" {
				return fmt.Sprintf("%s says %s", e.Server, e.Err)
			}
			return e.Err
		default:
			return err.Error()
		}
	}
}

// Unwrap returns the error with all it has.
func (u unnamed) Unwrap() error { return u.error }
