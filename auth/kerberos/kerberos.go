package kerberos

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jcmturner/gokrb5/v8/config"
	"github.com/jcmturner/gokrb5/v8/credentials"
	"github.com/jcmturner/gokrb5/v8/iana/etypeID"
	"github.com/jcmturner/gokrb5/v8/iana/nametype"
	"github.com/jcmturner/gokrb5/v8/keytab"
	"github.com/jcmturner/gokrb5/v8/types"

	"github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/auth/kerberos/internal/gss"
)

// Config says who the client is, and who the servers are. The zero value of a field other
// than Service is its default.
type Config struct {
	// Service is the principal that all servers of the cluster have in common, "name/host": their
	// service_name and service_fqdn. Their realm is what follows an "@", else what [domain_realm] of
	// krb5.conf says of the host, else that of the client. If it is not that of the client, the KDCs
	// of both must have agreed on a key: other realms are not asked for the way.
	Service string

	// Principal is the client, "alice@EXAMPLE.COM" or "app/host@EXAMPLE.COM". Without a realm it
	// is in the default realm of krb5.conf. Required with Keytab. Without, the credential cache
	// must be the client's; the default is whoever that is.
	Principal string

	// Keytab is a file with the client's key. Default: tickets are in CCache.
	Keytab string

	// CCache is a credential cache, a file as kinit makes it. Default: that of $KRB5CCNAME,
	// else /tmp/krb5cc_UID.
	CCache string

	// Krb5Conf is the configuration of Kerberos. Default: $KRB5_CONFIG, else /etc/krb5.conf.
	Krb5Conf string
}

// Authenticator is a client that authenticates with Kerberos: a pegasus.Config.Auth. It may
// be used by any number of clients.
type Authenticator struct {
	tickets *tickets
}

var _ pegasus.Authenticator = (*Authenticator)(nil)

// New returns an Authenticator. It reads krb5.conf and the keytab, and asks nobody. Errors
// are of type *ConfigError. A keytab that has no key of the principal is ErrPrincipal.
func New(cfg Config) (*Authenticator, error) {
	s, err := newSource(cfg)
	if err != nil {
		return nil, err
	}
	return &Authenticator{newTickets(s)}, nil
}

// Mechanism implements pegasus.Authenticator: "GSSAPI".
func (a *Authenticator) Mechanism() string { return "GSSAPI" }

// Start implements pegasus.Authenticator. It may have to ask the KDC.
func (a *Authenticator) Start(ctx context.Context, _ string) (pegasus.AuthExchange, error) {
	t, err := a.tickets.get(ctx)
	if err != nil {
		return nil, err
	}
	return &initiator{ticket: t, service: a.tickets.source.service.PrincipalNameString()}, nil
}

// source is where tickets come from.
type source struct {
	conf         *config.Config
	realm        string // of the client
	service      types.PrincipalName
	serviceRealm string // "": that of the client

	// The client; nil if it is whoever the credential cache is of.
	client *credentials.Credentials
	// Files: the other one is "".
	keytab, ccache string

	now      func() time.Time
	exchange func(ctx context.Context, addr string, request []byte) (reply []byte, err error)
	lastKDC  map[string]string // of a realm, that has answered; for whoever has the turn
}

func newSource(cfg Config) (*source, error) {
	s := &source{now: time.Now, exchange: exchange, lastKDC: make(map[string]string)}
	conf, err := loadConf(cfg.Krb5Conf)
	if err != nil {
		return nil, &ConfigError{"Krb5Conf", err}
	}
	s.conf = conf
	s.realm = conf.LibDefaults.DefaultRealm
	if cfg.Principal != "" {
		name, realm := types.ParseSPNString(cfg.Principal)
		if realm != "" {
			s.realm = realm
		}
		if !isName(name) || s.realm == "" {
			return nil, badConfig("Principal", "%q is not a principal such as alice@EXAMPLE.COM", cfg.Principal)
		}
		s.client = credentials.NewFromPrincipalName(name, s.realm)
	}
	service, realm := types.ParseSPNString(cfg.Service)
	switch {
	case !isName(service) || len(service.NameString) != 2:
		return nil, badConfig("Service", "%q is not the principal of a service such as pegasus/pegasus.example.com", cfg.Service)
	case realm == "":
		realm = conf.ResolveRealm(service.NameString[1])
	}
	service.NameType = nametype.KRB_NT_SRV_HST
	s.service, s.serviceRealm = service, realm
	if cfg.Keytab == "" {
		s.ccache, err = ccacheFile(cfg.CCache)
		if err != nil {
			return nil, &ConfigError{"CCache", err}
		}
		return s, nil
	}
	switch {
	case cfg.CCache != "":
		return nil, badConfig("CCache", "must not be set beside Keytab")
	case s.client == nil:
		return nil, badConfig("Principal", "is required with Keytab")
	}
	s.keytab = cfg.Keytab
	if _, _, err := s.keys(); err != nil {
		return nil, &ConfigError{"Keytab", err}
	}
	return s, nil
}

// isName reports whether a principal has a name, all of whose parts are there.
func isName(p types.PrincipalName) bool {
	for _, part := range p.NameString {
		if part == "" {
			return false
		}
	}
	return len(p.NameString) > 0
}

// loadConf reads krb5.conf. What the library leaves out is no error.
func loadConf(file string) (_ *config.Config, err error) {
	defer gss.Guard(&err)
	if file == "" {
		if file = os.Getenv("KRB5_CONFIG"); file == "" {
			file = "/etc/krb5.conf"
		}
	}
	conf, err := config.Load(file)
	if conf == nil {
		return nil, err
	}
	std, l := config.New().LibDefaults, &conf.LibDefaults
	l.DefaultTktEnctypeIDs = keyKinds(l.DefaultTktEnctypeIDs, std.DefaultTktEnctypeIDs)
	l.DefaultTGSEnctypeIDs = keyKinds(l.DefaultTGSEnctypeIDs, std.DefaultTGSEnctypeIDs)
	if len(l.DefaultTktEnctypeIDs) == 0 || len(l.DefaultTGSEnctypeIDs) == 0 {
		return nil, fmt.Errorf("%s allows no AES keys", file)
	}
	return conf, nil
}

// keyKinds returns those of the kinds of keys in krb5.conf that can be used. The library's
// default lacks the newer ones, which MIT Kerberos has.
func keyKinds(kinds, std []int32) []int32 {
	if slices.Equal(kinds, std) {
		kinds = append(slices.Clone(kinds), etypeID.AES256_CTS_HMAC_SHA384_192, etypeID.AES128_CTS_HMAC_SHA256_128)
	}
	return slices.DeleteFunc(kinds, func(kind int32) bool { return !gss.Supported(kind) })
}

func loadKeytab(file string) (*keytab.Keytab, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	kt, err := gss.ParseKeytab(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return kt, nil
}

// keys reads the keytab, which may have another key than before, and returns the kinds of the
// client's keys, in the order of krb5.conf.
func (s *source) keys() (kt *keytab.Keytab, kinds []int32, err error) {
	if kt, err = loadKeytab(s.keytab); err != nil {
		return nil, nil, err
	}
	for _, kind := range s.conf.LibDefaults.DefaultTktEnctypeIDs {
		if _, _, err := kt.GetEncryptionKey(s.client.CName(), s.realm, 0, kind); err == nil {
			kinds = append(kinds, kind)
		}
	}
	if len(kinds) == 0 {
		return nil, nil, fmt.Errorf("%w: %s has no AES key of %s", ErrPrincipal, s.keytab, s.clientName())
	}
	return kt, kinds, nil
}

func (s *source) clientName() string {
	return s.client.CName().PrincipalNameString() + "@" + s.realm
}

// ccacheFile returns the file of a credential cache.
func ccacheFile(name string) (string, error) {
	if name == "" {
		name = os.Getenv("KRB5CCNAME")
	}
	if name == "" {
		return "/tmp/krb5cc_" + strconv.Itoa(os.Getuid()), nil
	}
	kind, file, ok := strings.Cut(name, ":")
	switch {
	case !ok || len(kind) == 1: // a drive
		return name, nil
	case kind != "FILE":
		return "", fmt.Errorf("%q is not a file: a cache of kind %s cannot be read", name, kind)
	}
	return file, nil
}
