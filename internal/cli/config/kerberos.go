package config

import (
	"errors"
	"fmt"
	"strings"
)

// Kerberos is how clients of a secured cluster show who they are. What is empty is the default, as for
// kerberos.Config, whose fields these are.
type Kerberos struct {
	Service   string `toml:"service"`   // what the servers are called, "name/host"; required
	Principal string `toml:"principal"` // who the client is
	Keytab    string `toml:"keytab"`    // a file with its key, else
	CCache    string `toml:"ccache"`    // one with its tickets
	Krb5Conf  string `toml:"krb5_conf"`
}

// settings are those of k, in the order in which they are shown.
func (k *Kerberos) settings() []kerberosSetting {
	return []kerberosSetting{
		{"service", &k.Service}, {"principal", &k.Principal}, {"keytab", &k.Keytab}, {"ccache", &k.CCache}, {"krb5_conf", &k.Krb5Conf},
	}
}

type kerberosSetting struct {
	name  string
	value *string
}

// ParseKerberos reads settings in one line, "service=pegasus/host,principal=alice". A service may stand alone.
func ParseKerberos(line string) (Kerberos, error) {
	var k Kerberos
	if !strings.Contains(line, "=") {
		k.Service = line
		return k, k.check()
	}
	for part := range strings.SplitSeq(line, ",") {
		name, value, ok := strings.Cut(part, "=")
		if !ok {
			return k, fmt.Errorf("%q is no name=value", part)
		}
		if err := k.set(name, value); err != nil {
			return k, err
		}
	}
	return k, k.check()
}

func (k *Kerberos) set(name, value string) error {
	var names []string
	for _, s := range k.settings() {
		names = append(names, s.name)
		switch {
		case s.name != name:
		case value == "":
			return fmt.Errorf("%s: is empty; leave it out if there is none", name)
		case *s.value != "":
			return fmt.Errorf("%s: is there twice", name)
		default:
			*s.value = value
			return nil
		}
	}
	return fmt.Errorf("there is no setting %q, but %s", name, strings.Join(names, " "))
}

func (k *Kerberos) check() error {
	if k != nil && k.Service == "" {
		return errors.New("service: is required, what the servers are called, such as pegasus/pegasus.example.com")
	}
	return nil
}

// String returns what ParseKerberos reads.
func (k *Kerberos) String() string {
	var parts []string
	for _, s := range k.settings() {
		if *s.value != "" {
			parts = append(parts, s.name+"="+*s.value)
		}
	}
	return strings.Join(parts, ",")
}
