package kerberos

import (
	"errors"
	"fmt"
	"time"

	"github.com/jcmturner/gokrb5/v8/iana/errorcode"
	"github.com/jcmturner/gokrb5/v8/messages"
)

// Errors to test for with errors.Is. Those of operations of a client have pegasus.ErrAuth, too.
var (
	// ErrPrincipal: the KDC does not know the principal of the client, the keytab has no
	// key of it, or the credential cache is somebody else's.
	ErrPrincipal = errors.New("wrong principal")
	// ErrService: the KDC does not know Config.Service.
	ErrService = errors.New("wrong service")
	// ErrKey: the key in the keytab is not, or no longer, that which the KDC has.
	ErrKey = errors.New("wrong key")
	// ErrNoTicket: there is no credential cache, or no ticket in it that could be used:
	// kinit makes one.
	ErrNoTicket = errors.New("no ticket")
	// ErrTicketExpired: the ticket in the credential cache has expired, and cannot be renewed
	// any more: kinit gets another one.
	ErrTicketExpired = errors.New("the ticket has expired")
	// ErrClockSkew: the clocks here and at the KDC, or the server, differ by more than Kerberos
	// allows, which is clockskew in krb5.conf, 5 minutes by default.
	ErrClockSkew = errors.New("the clocks differ too much")
	// ErrServer: the server could not show that it is Config.Service, or wants what this
	// package has not.
	ErrServer = errors.New("the server has not proved itself")
)

// ConfigError says which field of Config makes no sense, and why.
type ConfigError struct {
	Field string
	Err   error
}

// Error names the field and the reason.
func (e *ConfigError) Error() string { return fmt.Sprintf("kerberos: Config.%s: %v", e.Field, e.Err) }

// Unwrap returns the reason.
func (e *ConfigError) Unwrap() error { return e.Err }

func badConfig(field, format string, args ...any) error {
	return &ConfigError{field, fmt.Errorf(format, args...)}
}

// meaning is what the codes of a KDC, or of a server, come to.
var meaning = map[int32]error{
	errorcode.KDC_ERR_C_PRINCIPAL_UNKNOWN: ErrPrincipal,
	errorcode.KDC_ERR_S_PRINCIPAL_UNKNOWN: ErrService,
	errorcode.KDC_ERR_S_OLD_MAST_KVNO:     ErrService,
	errorcode.KDC_ERR_KEY_EXPIRED:         ErrKey,
	errorcode.KDC_ERR_PREAUTH_FAILED:      ErrKey,
	errorcode.KRB_AP_ERR_BAD_INTEGRITY:    ErrKey,
	errorcode.KRB_AP_ERR_MODIFIED:         ErrKey,
	errorcode.KRB_AP_ERR_TKT_EXPIRED:      ErrTicketExpired,
	errorcode.KRB_AP_ERR_TKT_NYV:          ErrClockSkew,
	errorcode.KRB_AP_ERR_SKEW:             ErrClockSkew,
}

// refusal is the error of a KDC or a server that says no.
func refusal(who string, e messages.KRBError, now time.Time) error {
	code := errorcode.Lookup(e.ErrorCode)
	what, ok := meaning[e.ErrorCode]
	if !ok {
		return fmt.Errorf("%s says %s %.200q", who, code, e.EText)
	}
	if what == ErrClockSkew && !e.STime.IsZero() {
		return fmt.Errorf("%w: %s is at %s, here it is %s (%s)", what, who, clock(e.STime), clock(now), code)
	}
	return fmt.Errorf("%w: %s says %s", what, who, code)
}

func clock(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05Z") }
